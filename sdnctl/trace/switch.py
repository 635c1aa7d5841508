"""Asks a switch what would become of a packet; no packet is sent.

ovs-vswitchd answers on its control socket (JSON-RPC, ovs-appctl(8); ``ofproto/trace``: ovs-vswitchd(8)).
"""

import json
import socket
from pathlib import Path
from typing import Any

from sdnctl.base.errors import SwitchError
from sdnctl.program.step import Packet
from sdnctl.trace.ofproto import PAST_BARRIERS, flow_text

PATIENCE_S = 2.0
LONGEST = 4 << 20


def ask(rundir: str, bridge: str, packet: Packet) -> str:
    """The switch's own trace of this packet (``ofproto/trace``); SwitchError when it says nothing."""
    request = {"method": "ofproto/trace", "params": [bridge, f"{PAST_BARRIERS},{flow_text(packet)}"], "id": 0}
    for path in _controls(Path(rundir)):
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(PATIENCE_S)
                line.connect(str(path))
                line.sendall(json.dumps(request).encode())
                reply = _reply(line)
        except OSError:
            continue  # a socket that a killed process left behind
        if reply.get("error") is not None:
            raise SwitchError(f"the switch cannot trace this: {reply['error']}")
        return str(reply.get("result"))
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
    data = b""
    while len(data) < LONGEST:
        got = line.recv(65536)
        if not got:
            break
        data += got
        try:
            reply = json.loads(data)
        except ValueError:
            continue
        return reply if isinstance(reply, dict) else {}
    raise OSError("no answer")
