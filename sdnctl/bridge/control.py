"""The control socket of ovs-vswitchd: commands beside the database and OpenFlow (JSON-RPC, ovs-appctl(8))."""

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sdnctl.base.errors import SwitchError

PATIENCE_S = 2.0
LONGEST = 32 << 20


def call(rundir: str, method: str, *params: str, patience: float = PATIENCE_S) -> str:
    """The answer of the ovs-vswitchd that runs in a directory; SwitchError when it refuses, or none answers.

    ``patience`` is how many seconds it may be silent.
    """
    with asked(rundir, method, *params, patience=patience) as answer:
        return answer()


@contextmanager
def asked(rundir: str, method: str, *params: str, patience: float = PATIENCE_S) -> Iterator[Callable[[], str]]:
    """A command that is under way; what this gives waits for its answer.  Patience and errors are those of ``call``."""
    with contextlib.closing(_connected(rundir)) as line:
        line.settimeout(patience)
        with _told(rundir):
            line.sendall(json.dumps({"method": method, "params": list(params), "id": 0}).encode())

        def answer() -> str:
            with _told(rundir):
                reply = _reply(line)
            if reply.get("error") is not None:
                raise SwitchError(f"the switch refuses {method}: {reply['error']}")
            return str(reply.get("result"))

        yield answer


@contextmanager
def _told(rundir: str) -> Iterator[None]:
    try:
        yield
    except OSError:
        raise SwitchError(f"no ovs-vswitchd answers in {rundir}") from None


def _connected(rundir: str) -> socket.socket:
    for path in _controls(Path(rundir)):
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.settimeout(PATIENCE_S)
        try:
            line.connect(str(path))
        except OSError:
            line.close()  # a socket that a killed process left behind
            continue
        return line
    raise SwitchError(f"no ovs-vswitchd answers in {rundir}")


def _controls(rundir: Path) -> list[Path]:
    """Control sockets of ovs-vswitchd in a directory: the running one's by its pid file, then others by name."""
    found = sorted({*rundir.glob("ovs-vswitchd*.ctl"), *rundir.glob("vswitchd*.ctl")})
    try:
        mine = rundir / f"ovs-vswitchd.{int((rundir / 'ovs-vswitchd.pid').read_text())}.ctl"
    except (OSError, ValueError):
        return found
    return [mine, *(path for path in found if path != mine)]


def _reply(line: socket.socket) -> dict[str, Any]:
    """One JSON document; OSError when the other side ends first or goes on for ever."""
    data = bytearray()
    while len(data) < LONGEST:
        got = line.recv(65536)
        if not got:
            break
        data += got
        if not got.rstrip().endswith(b"}"):
            continue  # not the end of any document
        try:
            reply = json.loads(data)
        except ValueError:
            continue
        return reply if isinstance(reply, dict) else {}
    raise OSError("no answer")
