"""What is too large is cut as a router cuts it, or told of; the fragmenter knows of nothing but the packet it has."""

import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP, IPOption_RR, IPOption_Security, fragment
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from apps.oversize.facts import measured
from apps.oversize.host.fragmenter import answers
from apps.oversize.model import ALIVE, FRAGMENT, LOOKS, WHOLE, Fragmenter, Letter, Look
from apps.oversize.tables import CUT, ROOM
from sdnctl.of import message
from sdnctl.of.actions import resubmit, set_field
from sdnctl.of.fields import METADATA, REG, TUN_DST
from sdnctl.packet.fragment import cut
from sdnctl.program.feature import discover
from sdnctl.store import Change
from tests.build import HERE, Network

ETHER = bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=0x800))


def whole(pieces: list[bytes], start: int = 0) -> bytes:
    """The payload of fragments in order; each is checked to be one."""
    body = b""
    for place, piece in enumerate(pieces):
        assert piece[:14] == ETHER
        got = IP(piece[14:])
        sent = got.chksum
        del got.chksum
        assert IP(bytes(got)).chksum == sent and got.len == len(piece) - 14
        assert got.frag * 8 == start + len(body)
        last = place == len(pieces) - 1
        assert last or got.flags.MF
        body += piece[14 + 4 * got.ihl :]
    return body


@pytest.mark.parametrize("mtu", [1500, 65535, 65536])
def test_a_device_of_any_mtu_is_measured(mtu: int) -> None:
    discover()
    assert measured(mtu)[1] == set_field(ROOM, min(mtu, 65521))


@given(st.integers(0, 4000), st.integers(68, 2000), st.randoms(use_true_random=False))
def test_fragments_make_up_the_packet(size: int, room: int, chance: random.Random) -> None:
    data = chance.randbytes(size)
    packet = IP(src="10.0.0.1", dst="10.0.0.2", id=7, ttl=9, tos=4, proto=99) / Raw(data)
    pieces = cut(ETHER + bytes(packet), room)
    assert pieces is not None and all(len(piece) - 14 <= room for piece in pieces)
    assert whole(pieces) == data and not IP(pieces[-1][14:]).flags.MF
    assert {(p.src, p.dst, p.id, p.ttl, p.tos, p.proto) for p in (IP(one[14:]) for one in pieces)} == {
        ("10.0.0.1", "10.0.0.2", 7, 9, 4, 99)
    }


def test_none_is_small() -> None:
    """A fragment that is cut further leaves no small one in the middle of its datagram."""
    for one in fragment(IP(src="10.0.0.1", dst="10.0.0.2", id=7, proto=99) / Raw(bytes(3000)), fragsize=1480)[:2]:
        pieces = cut(ETHER + bytes(one), 1450)
        assert pieces is not None and [len(piece) - 34 for piece in pieces] == [744, 736]


def test_a_fragment_is_cut_further() -> None:
    data = os.urandom(4000)
    for one in fragment(IP(src="10.0.0.1", dst="10.0.0.2", id=7, proto=99) / Raw(data), fragsize=1480):
        pieces = cut(ETHER + bytes(one), 600)
        assert pieces is not None and len(pieces) > 1
        assert whole(pieces, one.frag * 8) == bytes(one.payload)
        assert IP(pieces[-1][14:]).flags.MF == one.flags.MF


def test_options_that_are_to_be_in_every_fragment() -> None:
    options = [IPOption_RR(routers=["0.0.0.0"]), IPOption_Security()]
    packet = IP(src="10.0.0.1", dst="10.0.0.2", options=options) / Raw(bytes(2000))
    pieces = cut(ETHER + bytes(packet), 1400)
    assert pieces is not None and len(whole(pieces)) == 2000
    kinds = [[type(option) for option in IP(one[14:]).options if option.option] for one in pieces]
    assert kinds == [[IPOption_RR, IPOption_Security], [IPOption_Security]]


@pytest.mark.parametrize(
    "frame",
    [
        ETHER + bytes(IP(flags="DF") / UDP() / bytes(2000)),
        bytes(Ether() / ARP()) + bytes(2000),
        (ETHER + bytes(IP() / UDP() / bytes(2000)))[:1500],
        ETHER[:9],
        ETHER + b"\x4f" + bytes(30),
    ],
)
def test_what_is_not_cut(frame: bytes) -> None:
    assert cut(frame, 1400) is None


@given(st.binary(max_size=200), st.integers(0, 300))
def test_whatever_a_tenant_sends_is_cut_or_left(data: bytes, room: int) -> None:
    """Nothing that is no packet ends the fragmenter."""
    for frame in (data, ETHER + data, ETHER + b"\x4f\x00\x00" + data):
        pieces = cut(frame, room)
        assert pieces is None or all(len(one) <= room + 14 for one in pieces)


def test_no_room() -> None:
    assert cut(ETHER + bytes(IP() / UDP() / bytes(2000)), 27) is None


@pytest.mark.parametrize(
    ("flags", "room", "verdict", "count"), [(0, 1400, FRAGMENT, 2), (2, 1400, WHOLE, 1), (0, 0, ALIVE, 1)]
)
def test_what_comes_back_from_the_fragmenter(flags: int, room: int, verdict: int, count: int) -> None:
    """The registers as they were, and the verdict; at the table that the letter names."""
    frame = ETHER + bytes(IP(src="10.0.0.1", dst="10.0.0.2", flags=flags) / UDP() / bytes(1480))
    registers = {0: 5, 3: 0, 7: 9}
    asked = message.PacketInMessage(1, 113, 0, 4, registers, frame, Letter(room, 114).bits, 0xC0000201)
    back = [set_field(REG[0], 5), set_field(REG[7], 9), set_field(TUN_DST, 0xC0000201)]
    back += [set_field(METADATA, Letter(room, 114, verdict).bits), resubmit(114)]
    made = list(answers(asked))
    frames = cut(frame, room) if verdict == FRAGMENT else [frame]
    assert frames is not None and len(frames) == count
    assert made == [message.packet_out(one, 4, back, 0) for one in frames]


def test_letters() -> None:
    for letter in (Letter(1450, 114, WHOLE), Letter(65535, 255, ALIVE), Letter(0, 0, 0)):
        assert Letter.read(letter.bits) == letter


def test_only_with_a_fragmenter_that_answers() -> None:
    """Large packets go there while it does; a port has a limit of its own for them."""
    net = Network()
    vpc = net.vpc("a", "10.0.0.0/16")
    net.port(net.subnet(vpc, "a", "10.0.1.0/24"), "a1", "10.0.1.10")
    engine = net.engine()

    def ways() -> int:
        return sum(flow.table == CUT.id and flow.priority > 0 for flow in engine.desired.flows.values())

    there = Fragmenter(id=HERE, host=HERE)
    meters = len(engine.desired.meters)
    assert ways() == 0
    engine.apply([Change(Fragmenter, HERE, None, there)], strict=True)
    assert ways() == 2 and len(engine.desired.meters) == meters + 1
    silent = Look(id=LOOKS, unheard=11)
    engine.apply([Change(Look, LOOKS, None, silent)], strict=True)
    assert ways() == 0 and len(engine.desired.meters) == meters
    engine.apply([Change(Look, LOOKS, silent, Look(id=LOOKS, unheard=0))], strict=True)
    assert ways() == 2
