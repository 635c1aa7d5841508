"""Keeps one member of the store alive, and honest: a server that could not write is ended before it says otherwise.

``ovsdb-server`` 3.1 does not end when its disk is full.  It goes on answering the other members as if it had written,
so a change could be acknowledged that is on too few disks.  Its log tells of the first failed write; the server is
killed then, and started again when there is room.
"""

import contextlib
import os
import signal
import subprocess
import threading
from types import FrameType

import structlog

from sdnctl.base.errors import StoreError
from sdnctl.base.process import die_with
from sdnctl.store.server.member import Member
from sdnctl.store.server.repair import alone, by_itself
from sdnctl.store.server.settle import settle

LOOK_S = 0.05
ROOM_BYTES = 1 << 20
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
            lived = self._serve()
            backoff = BACKOFF_S if lived > HEALTHY_S else min(backoff * 2, BACKOFF_MAX_S)
            self._stop.wait(backoff)
            while not self._stop.is_set() and self._member.room() < ROOM_BYTES:
                self._stop.wait(LOOK_S * 4)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self._stop.set()

    def _serve(self) -> float:
        """One life of the server; how many seconds it lasted."""
        at = self._end_of_log()
        threading.Thread(target=self._settle, name="settle", daemon=True).start()
        server = subprocess.Popen(self._member.argv(), stdin=subprocess.DEVNULL, preexec_fn=die_with(os.getpid()))
        looks = 0
        try:
            while server.poll() is None and not self._stop.wait(LOOK_S):
                looks += 1
                at, failed = self._read(at)
                if failed:
                    log.error("a write failed: the server is ended", data=str(self._member.data))
                    server.kill()
                    server.wait()
        finally:
            _end(server)
        if not self._stop.is_set():
            log.warning("the server has ended", code=server.returncode, lived_s=round(looks * LOOK_S, 1))
        return looks * LOOK_S

    def _settle(self) -> None:
        try:
            for done in settle(self._member):
                log.info(done)
        except StoreError as error:
            if not self._stop.is_set():
                log.error("the member is not settled", error=str(error))

    def _end_of_log(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return self._member.log.stat().st_size
        return 0

    def _read(self, at: int) -> tuple[int, bool]:
        """Read the server's log on from a byte; where it ends now, and whether it tells of a failed write."""
        end = self._end_of_log()
        if end <= at:
            return end, False
        with self._member.log.open("rb") as file:
            file.seek(at)
            said = file.read(end - at)
        return end, any(text in said for text in FAILED_WRITE)


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
