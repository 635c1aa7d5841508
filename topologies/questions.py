"""The questions that only a controller answers, asked by one machine and from outside, and which were answered.

Each is a frame with a number in it, and each answer quotes or repeats the number: so twenty of each kind can be under
way together, and an answer counts only if it came within a second.
"""

import contextlib
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from topologies import frames, wires
from topologies.internet import SERVER
from topologies.station import Station
from topologies.wires import raw_socket

SECONDS = 1.0
"""An answer that takes longer is none."""
EACH = 20
PAUSE = 0.1
FIRST = 0x5000
"""The first number: an IP identification or a DHCP transaction."""
_SOL_PACKET, _PACKET_IGNORE_OUTGOING = 263, 23  # packet(7)
GATEWAY = "203.0.113.1"
REPLACED, REPLACED_S = 2, 30.0
"""The times that a gateway is replaced, and the seconds that it may take to learn one: ten until it is looked at."""
LARGE = b"x" * 1450
TALK = 40_000
"""The port of who began the two conversations that errors are about: others pass no security group."""


class Asker(NamedTuple):
    """A machine with a public address, its router's MAC, a neighbour beyond a tunnel, and the uplink's MAC."""

    guest: Station
    address: str
    public: str
    router: str
    beyond: tuple[str, str]
    gateway: Station
    uplink: str


class Question(NamedTuple):
    """A question: the machine that sends it, and its frame for a number."""

    station: Station
    interface: str
    frame: Callable[[int], bytes]


def discover(mac: str, number: int, chaddr: str = "") -> bytes:
    """A DHCPDISCOVER (RFC 2131)."""
    ether = Ether(src=mac, dst=frames.BROADCAST) / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
    client = bytes.fromhex((chaddr or mac).replace(":", "")) + bytes(10)
    return bytes(ether / BOOTP(chaddr=client, xid=number) / DHCP(options=[("message-type", "discover"), "end"]))


def too_big(sender: str, target: str, quoted: Packet, macs: tuple[str, str]) -> bytes:
    """A router's "fragmentation needed" about a packet (RFC 1191)."""
    error = IP(src=sender, dst=target) / ICMP(type=3, code=4, nexthopmtu=1300)
    return bytes(Ether(src=macs[0], dst=macs[1]) / error / bytes(quoted)[:28])


def questions(asker: Asker) -> dict[str, Question]:
    """Each kind of question with the frame for a number."""
    guest, inside, outside = asker.guest, asker.guest.mac(), asker.gateway.mac("public")
    ether = Ether(src=inside, dst=asker.router)

    def to_guest(number: int) -> bytes:
        quoted = IP(src=asker.public, dst=SERVER, id=number, len=1500, flags="DF") / UDP(sport=TALK, dport=80)
        return too_big(GATEWAY, asker.public, quoted, (outside, asker.uplink))

    def from_guest(number: int) -> bytes:
        quoted = IP(src=SERVER, dst=asker.address, id=number) / UDP(sport=TALK, dport=9)
        return bytes(ether / IP(src=asker.address, dst=SERVER) / ICMP(type=3, code=3) / bytes(quoted))

    def expired(number: int) -> bytes:
        return bytes(ether / IP(src=asker.address, dst="10.0.1.77", id=number, ttl=1) / UDP(dport=33434))

    def expired_outside(number: int) -> bytes:
        packet = IP(src=GATEWAY, dst=asker.public, id=number, ttl=1) / UDP(dport=33434)
        return bytes(Ether(src=outside, dst=asker.uplink) / packet)

    def beyond(number: int) -> bytes:
        mac, address = asker.beyond
        packet = Ether(src=inside, dst=mac) / IP(src=asker.address, dst=address, id=number, flags="DF")
        return bytes(packet / UDP(dport=9) / Raw(LARGE))

    def closed(number: int) -> bytes:
        return bytes(ether / IP(src=asker.address, dst="10.0.0.1", id=number) / UDP(dport=33434))

    def who_has(number: int) -> bytes:
        return frames.arp(1, (outside, GATEWAY), (frames.ZERO, asker.public))

    return {
        "dhcp": Question(guest, "eth0", lambda number: discover(inside, number)),
        "traceroute": Question(guest, "eth0", expired),
        "traceroute in": Question(asker.gateway, "public", expired_outside),
        "path mtu, tunnel": Question(guest, "eth0", beyond),
        "path mtu, outside": Question(asker.gateway, "public", to_guest),
        "error out": Question(guest, "eth0", from_guest),
        "closed port": Question(guest, "eth0", closed),
        "arp": Question(asker.gateway, "public", who_has),
    }


def answered(frame: bytes, asker: Asker) -> tuple[str, int] | None:
    """The question that a frame answers, and its number; numbers of ARP are all 0."""
    if frame[12:14] == b"\x08\x06":
        known = frames.is_arp(frame, 2, asker.public) and Ether(frame)[ARP].pdst == GATEWAY
        return ("arp", 0) if known else None
    if frame[12:14] != b"\x08\x00":
        return None
    if frame[23] == 17 and frame[36:38] == b"\x00\x44":
        return "dhcp", struct.unpack_from("!I", frame, 46)[0]
    if frame[23] != 1 or len(frame) < 62:
        return None
    kind, code = frame[34], frame[35]
    number, source, target = struct.unpack_from("!4xH6x4s4s", frame, 42)
    source, target = socket.inet_ntoa(source), socket.inet_ntoa(target)
    told = {
        (11, 0, asker.address, "10.0.1.77"): "traceroute",
        (11, 0, GATEWAY, asker.public): "traceroute in",
        (3, 4, asker.address, asker.beyond[1]): "path mtu, tunnel",
        (3, 4, asker.address, SERVER): "path mtu, outside",
        (3, 3, SERVER, asker.public): "error out",
        (3, 3, asker.address, "10.0.0.1"): "closed port",
    }
    kind_of = told.get((kind, code, source, target))
    return (kind_of, number) if kind_of else None


def talk(asker: Asker) -> None:
    """Begin the two conversations that errors are about, out and in: connection tracking forgets them in a while."""
    out = IP(src=asker.address, dst=SERVER) / UDP(sport=TALK, dport=80)
    come = IP(src=SERVER, dst=asker.public) / UDP(sport=TALK, dport=9)
    asker.guest.send(bytes(Ether(src=asker.guest.mac(), dst=asker.router) / out))
    outside = Ether(src=asker.gateway.mac("public"), dst=asker.uplink)
    wires.send(asker.gateway.pid, "public", bytes(outside / come))


class _Ears:
    """Hears what comes in at one interface until told to stop."""

    def __init__(self, station: Station, interface: str, asker: Asker) -> None:
        self.heard: list[tuple[float, str, int]] = []
        self._asker = asker
        self._socket = raw_socket(station.pid, interface)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        self._socket.settimeout(0.05)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                found = answered(self._socket.recv(2048), self._asker)
                if found is not None:
                    self.heard.append((time.monotonic(), *found))

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()


@contextlib.contextmanager
def _mouths(asked: Mapping[str, Question]) -> Iterator[dict[str, socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield {
            kind: stack.enter_context(contextlib.closing(raw_socket(one.station.pid, one.interface)))
            for kind, one in asked.items()
        }


def ask(asker: Asker, times: Mapping[str, int] | None = None) -> dict[str, int]:
    """Ask each kind of question so many times (all kinds `EACH`); how many of each were answered within `SECONDS`."""
    every = questions(asker)
    talk(asker)
    times = dict.fromkeys(every, EACH) if times is None else times
    asked = {kind: every[kind] for kind in times}
    made = {kind: [one.frame(FIRST + n) for n in range(times[kind])] for kind, one in asked.items()}
    sent: dict[tuple[str, int], float] = {}
    ears = [_Ears(asker.guest, "eth0", asker), _Ears(asker.gateway, "public", asker)]
    try:
        with _mouths(asked) as mouths:
            for n in range(max(times.values())):
                for kind, wire in mouths.items():
                    if n < times[kind]:
                        sent[kind, FIRST + n] = time.monotonic()
                        wire.send(made[kind][n])
                    time.sleep(PAUSE / len(mouths))
            time.sleep(SECONDS)
    finally:
        for ear in ears:
            ear.close()
    heard = sorted(one for ear in ears for one in ear.heard)
    found = {(kind, number) for at, kind, number in heard if at - sent.get((kind, number), 0) <= SECONDS}
    counts = Counter(kind for kind, number in found if (kind, number) in sent)
    counts["arp"] = min(times.get("arp", 0), sum(kind == "arp" for _, kind, _ in heard))
    return {kind: counts[kind] for kind in asked}


def learned(asker: Asker) -> int:
    """Give the gateway another MAC address and its own again; how often packets went there within `REPLACED_S`.

    It is asked for its address now and then, and found silent at the old one: nothing is believed before.
    """
    true = asker.gateway.mac("public")
    with contextlib.closing(raw_socket(asker.gateway.pid, "public")) as wire:
        wire.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        wire.settimeout(0.1)
        return sum(_learned(mac, wire, asker) for mac in ("02:00:5e:00:02:01", true))


def _learned(mac: str, wire: socket.socket, asker: Asker) -> bool:
    """True when the machine's packets to the Internet go to the MAC address that the gateway has from now on."""
    asker.gateway.run("ip", "link", "set", "public", "address", mac)
    wanted, mark = bytes.fromhex(mac.replace(":", "")), b"who is the gateway"
    question = frames.udp((asker.guest.mac(), asker.address), (asker.router, SERVER), mark)
    end = time.monotonic() + REPLACED_S
    while time.monotonic() < end:
        asker.guest.send(question)
        if _next(wire, mark)[:6] == wanted:
            return True
    return False


def _next(wire: socket.socket, mark: bytes) -> bytes:
    """The next frame with a mark in it; nothing when none comes within the socket's patience."""
    with contextlib.suppress(TimeoutError):
        while mark not in (frame := wire.recv(2048)):
            pass
        return frame
    return b""
