"""The fragmenter: cuts packets that are too large for what is before them, and says of the others that it may not.

``python -m apps.oversize.host.fragmenter SOCKET`` has a connection of its own to the bridge's management socket, and
takes what flows send to its number, whole and with all registers; a packet that goes back has them again, so tenants
stay apart without a word of them here.  It keeps no state: started again, it goes on.
"""

import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from apps.oversize.model import ALIVE, FRAGMENT, PROGRAM, WHOLE, Letter
from sdnctl.of import message
from sdnctl.of.actions import Action, resubmit, set_field
from sdnctl.of.fields import METADATA, REG, TUN_DST
from sdnctl.packet.fragment import cut

HEADER = 8
CHUNK = 256 * 1024
AGAIN_S = 0.2


def answers(asked: message.PacketInMessage) -> Iterator[bytes]:
    """The messages that send a packet back to the switch, in fragments or with the verdict that it may not be cut."""
    letter = Letter.read(asked.metadata)
    frames = cut(asked.data, letter.room) if letter.room else None
    verdict = FRAGMENT if frames is not None else WHOLE if letter.room else ALIVE
    actions: list[Action] = [set_field(REG[number], value) for number, value in asked.registers.items() if value]
    if asked.tunnel:
        actions.append(set_field(TUN_DST, asked.tunnel))
    actions += set_field(METADATA, Letter(letter.room, letter.table, verdict).bits), resubmit(letter.table)
    for frame in frames or [asked.data]:
        yield message.packet_out(frame, asked.in_port, actions, 0)


def serve(path: str) -> None:
    """Serve one connection until it ends; OSError when there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.connect(path)
        hello = [message.hello(1), message.set_controller_id(PROGRAM, 2), message.set_config(3), message.set_async(4)]
        line.sendall(b"".join(hello))
        held = b""
        while got := line.recv(CHUNK):
            ready, held = _messages(held + got)
            out = b"".join(reply for one in ready for reply in _replies(one))
            if out:
                line.sendall(out)


def _messages(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole messages in what came, and the rest; OSError when it is no OpenFlow."""
    found, start = [], 0
    while len(data) - start >= HEADER:
        length = int.from_bytes(data[start + 2 : start + 4], "big")
        if length < HEADER:
            raise OSError("no OpenFlow")
        if len(data) - start < length:
            break
        found.append(data[start : start + length])
        start += length
    return found, data[start:]


def _replies(one: bytes) -> Iterator[bytes]:
    kind = message.kind_of(one)
    if kind == message.ECHO_REQUEST:
        yield message.echo_reply(one)
    elif kind == message.PACKET_IN:
        yield from answers(message.packet_in_of(one))


def main(path: str) -> None:
    """Serve the switch for ever, also one that is started again."""
    while True:
        try:
            serve(path)
        except OSError as fault:
            print(f"{Path(path).name}: {fault}", file=sys.stderr, flush=True)
        time.sleep(AGAIN_S)


if __name__ == "__main__":
    main(sys.argv[1])
