"""ICMP errors that quote what their receiver never sent, and messages between neighbours, are dropped and counted."""

import re
from collections.abc import Iterator

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from apps.pipeline import DROP, REASON
from apps.quoting.tables import FOREIGN_QUOTE
from tests.apps.live import Live, only
from tests.apps.test_eip import network
from tests.apps.words import GATEWAY, HOST, ROUTER, SOMEBODY, Case, Cases, ip, running, told

ELSEWHERE = "192.0.2.77"
ERRORS = [ICMP(type=3, code=1), ICMP(type=3, code=4, nexthopmtu=1400), ICMP(type=11), ICMP(type=12)]
WAYS = (("in", "internet", "203.0.113.10"), ("out", "a1", SOMEBODY), ("hairpin", "a1", "203.0.113.11"))
NEIGHBOURS = "dropped: neighbours-only"


@pytest.fixture(scope="module")
def lab() -> Iterator[Live]:
    """One switch for all cases here."""
    with running(network().ungrouped()) as made:
        yield made


def quote(source: str, to: str) -> Packet:
    return Raw(bytes(IP(src=source, dst=to, ttl=1, id=3) / UDP(sport=5, dport=6) / Raw(b"QUOTED"))[:36])


def dropped(lab: Live) -> int:
    """The foreign quotes that the switch has counted."""
    said = lab.switch.ofctl("dump-flows", f"table={DROP.id}")
    found = re.findall(rf"n_packets=(\d+).*{REASON.home}=(0x[0-9a-f]+)", said)
    return next(int(n) for n, held in found if int(held, 16) >> REASON.shift & REASON.limit == FOREIGN_QUOTE.number)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{error.type}/{error.code}")
@pytest.mark.parametrize("source", ["198.51.100.77", "203.0.113.11", "203.0.113.30", "10.0.1.10", "10.0.1.11"])
def test_in_quoting_a_foreign_source(lab: Live, error: Packet, source: str) -> None:
    """Of a stranger, of another tenant's elastic IP, of nobody's, and of a private address."""
    before = dropped(lab)
    sent = Ether(src=GATEWAY, dst=HOST) / IP(src=ELSEWHERE, dst="203.0.113.10") / error / quote(source, SOMEBODY)
    assert lab.send("internet", sent) == {}
    assert dropped(lab) == before + 1


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{error.type}/{error.code}")
@pytest.mark.parametrize(
    ("source", "to"),
    [(SOMEBODY, "10.0.1.20"), (SOMEBODY, "10.0.1.99"), (SOMEBODY, ELSEWHERE), (ELSEWHERE, "10.0.1.10")],
    ids=["no elastic IP", "nobody's address", "a foreign receiver", "a foreign sender"],
)
def test_out_quoting_what_was_never_received(lab: Live, error: Packet, source: str, to: str) -> None:
    """A private address without an elastic IP tells nobody outside of itself; and an error is for the quoted sender."""
    before = dropped(lab)
    sent = Ether(src=lab.mac("a1"), dst=ROUTER) / IP(src="10.0.1.10", dst=SOMEBODY, ttl=9) / error / quote(source, to)
    assert lab.send("a1", sent) == {}
    assert dropped(lab) == before + 1


def test_what_is_honest_arrives(lab: Live) -> None:
    """In and out."""
    before = dropped(lab)
    error = ERRORS[0] / quote("203.0.113.10", SOMEBODY)
    into = lab.send("internet", Ether(src=GATEWAY, dst=HOST) / IP(src=ELSEWHERE, dst="203.0.113.10") / error)
    assert b"QUOTED" in only(into, "a1")
    error = ERRORS[0] / quote(SOMEBODY, "10.0.1.10")
    out = lab.send("a1", Ether(src=lab.mac("a1"), dst=ROUTER) / IP(src="10.0.1.10", dst=SOMEBODY, ttl=9) / error)
    assert b"QUOTED" in only(out, "internet")
    assert dropped(lab) == before


CASES: Cases = {
    f"{way}, type {kind}": (sender, ip(to, f"icmp,icmp_type={kind},icmp_code=0"), NEIGHBOURS)
    for kind in (4, 5, 9, 10)
    for way, sender, to in WAYS
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_messages_between_neighbours(lab: Live, case: Case) -> None:
    """Redirects, source quench, and what routers say of themselves."""
    told(lab, case)
