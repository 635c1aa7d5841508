"""Keeps one member of the store alive, and honest: a server that could not write is ended before it says otherwise.

``ovsdb-server`` 3.1 does not end when its disk is full.  It goes on answering the other members as if it had written,
so a change could be acknowledged that is on too few disks.  It says so at the first failed write; the server is killed
then, and started again when there is room.  What it says goes into the member's log, which stays small.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from types import FrameType
from typing import IO

import structlog

from sdnctl.base.errors import StoreError
from sdnctl.base.process import die_with
from sdnctl.base.rotating import Rotating
from sdnctl.store.server.member import Member
from sdnctl.store.server.repair import alone, by_itself
from sdnctl.store.server.settle import adopt, settle

LOOK_S = 0.05
ROOM_BYTES = 1 << 20
ADOPT_S = 5.0
BACKOFF_S, BACKOFF_MAX_S = 0.05, 2.0
HEALTHY_S = 5.0
FAILED_WRITE = (b"raft|ERR|I/O error", b"write failed")
log = structlog.get_logger("sdnctl.store")


class Keeper:
    """Runs a member until SIGTERM or SIGINT."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._stop = threading.Event()

    def run(self) -> None:
        """Serve; returns when told to end.  StoreError when the member cannot be prepared."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked)
        backoff = BACKOFF_S
        while not self._stop.is_set():
            self._member.prepare()
            kept = by_itself(self._member.data)
            if kept is not None:
                log.warning("the file had a hole; the other members send what is missing", kept=str(kept))
            if self._member.is_open:
                log.warning("any host's certificate lets in a member: see 'A CA for RAFT' in docs/operations.md")
            lived = self._serve()
            backoff = BACKOFF_S if lived > HEALTHY_S else min(backoff * 2, BACKOFF_MAX_S)
            self._stop.wait(backoff)
            while not self._stop.is_set() and self._member.room() < ROOM_BYTES:
                self._stop.wait(LOOK_S * 4)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self._stop.set()

    def _serve(self) -> float:
        """One life of the server; how many seconds it lasted."""
        ended = threading.Event()
        threading.Thread(target=self._look_after, args=(ended,), name="settle", daemon=True).start()
        links = self._member.links()
        if links is not None:
            links.start()
        server = subprocess.Popen(
            self._member.argv(),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=die_with(os.getpid()),
            env=self._member.environment,
        )
        assert server.stderr is not None
        listener = threading.Thread(target=self._listen, args=(server, server.stderr), name="log", daemon=True)
        listener.start()
        looks = 0
        try:
            while server.poll() is None and not self._stop.wait(LOOK_S):
                looks += 1
        finally:
            ended.set()
            _end(server)
            listener.join()
            server.stderr.close()
            if links is not None:
                links.close()
        if not self._stop.is_set():
            log.warning("the server has ended", code=server.returncode, lived_s=round(looks * LOOK_S, 1))
        return looks * LOOK_S

    def _listen(self, server: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        """Keep what the server says, line by line, and end it when it tells of a failed write."""
        kept = Rotating(self._member.log)
        for line in said:
            kept.write(line)
            if any(text in line for text in FAILED_WRITE):
                log.error("a write failed: the server is ended", data=str(self._member.data))
                server.kill()

    def _look_after(self, ended: threading.Event) -> None:
        """Settle the server, and see to its rows while it lives."""
        self._try("the member is not settled", lambda: [log.info(done) for done in settle(self._member)])
        while self._member.pki is not None and not ended.wait(ADOPT_S):
            self._try("rows are not adopted", lambda: adopt(self._member))

    def _try(self, failed: str, work: Callable[[], object]) -> None:
        try:
            work()
        except StoreError as error:
            if not self._stop.is_set():
                log.error(failed, error=str(error))


def _end(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def serve(member: Member) -> None:
    """Keep a member alive until told to end; StoreError when another process serves its directory."""
    member.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone(member.data):
        Keeper(member).run()
