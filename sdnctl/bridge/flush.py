"""One zone of connection tracking is forgotten over a connection of its own to the bridge.

``dpctl/flush-conntrack`` would do, but in Open vSwitch 3.1 it takes no datapath's name, and fails where there are two.
"""

import socket

from sdnctl.base.errors import SwitchError
from sdnctl.of import message

PATIENCE_S = 2.0
_HEADER = 8


def forget(management: str, zone: int) -> None:
    """Have the switch forget a zone; done when this returns.  SwitchError when it does not say so."""
    asked = message.hello(1) + message.ct_flush_zone(zone, 2) + message.barrier(3)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(PATIENCE_S)
            line.connect(management)
            line.sendall(asked)
            while message.kind_of(answer := _message(line)) != message.BARRIER_REPLY:
                if message.kind_of(answer) == message.ERROR:
                    raise SwitchError(f"the switch cannot forget zone {zone}")
    except OSError as fault:
        raise SwitchError(f"{management}: {fault}") from None


def _message(line: socket.socket) -> bytes:
    header = _exactly(line, _HEADER)
    return header + _exactly(line, int.from_bytes(header[2:4], "big") - _HEADER)


def _exactly(line: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        got = line.recv(size - len(data))
        if not got:
            raise OSError("the switch hung up")
        data += got
    return data
