"""The stations of a scenario tell a test the truth on a busy machine too."""

import threading
import time
from collections.abc import Iterator

import pytest
from mininet.net import Mininet
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import ARP, Ether

from topologies.station import Station
from topologies.wires import Sniffer

PEER, PEER_MAC = "10.9.0.9", "02:00:00:00:00:99"
LATE_S = 0.4


class Echo:
    """Answers what a station sends to PEER during a `with` block: at once, the third ping late, the fifth never."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._answer, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _answer(self) -> None:
        done = 0
        with Sniffer(self._station.pid, "eth0") as wire:
            while not self._over.is_set():
                frames = wire.received()
                for frame in frames[done:]:
                    if reply := answer(frame):
                        self._station.send(reply)
                done = len(frames)
                time.sleep(0.005)


def answer(frame: bytes) -> bytes:
    """The answer to ARP or a ping; the third ping's is slow to come, and the fifth has none."""
    asked = Ether(frame)
    ether = Ether(src=PEER_MAC, dst=asked.src)
    if ARP in asked:
        return bytes(ether / ARP(op=2, hwsrc=PEER_MAC, psrc=PEER, hwdst=asked.src, pdst=asked[ARP].psrc))
    if ICMP not in asked or asked[ICMP].seq == 5:
        return b""
    if asked[ICMP].seq == 3:
        time.sleep(LATE_S)
    ping = asked[ICMP]
    return bytes(ether / IP(src=PEER, dst=asked[IP].src) / ICMP(type=0, id=ping.id, seq=ping.seq) / ping.payload)


@pytest.fixture
def station() -> Iterator[Station]:
    net = Mininet(controller=None, build=False)
    try:
        made, peer = (net.addHost(name, cls=Station) for name in ("sta1", "sta2"))
        net.addLink(made, peer, intfName1="eth0", intfName2="eth0")
        made.interface("eth0", "10.9.0.1/24")
        peer.interface("eth0")
        with Echo(peer):
            assert made.reaches(PEER)
            yield made
    finally:
        net.stop()


def test_an_answer_that_comes_late_is_not_lost(station: Station) -> None:
    """ping(8) gives up on it: having heard another, it waits for two round trips, here some milliseconds."""
    assert station.ping(PEER, count=3, interval=0.01) == 3


def test_what_is_not_answered_is_lost(station: Station) -> None:
    assert station.ping(PEER, count=6, interval=0.01, wait=1) == 5
    assert station.ping("10.9.0.77", count=2, wait=0.3) == 0


def test_an_answer_after_the_time_is_none(station: Station) -> None:
    assert station.ping(PEER, count=3, interval=0.01, wait=LATE_S / 4) == 2
