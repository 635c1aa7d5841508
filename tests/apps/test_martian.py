"""Addresses that nobody on the internet has neither come in from there nor go out; nor do the region's own come in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from apps.martian.facts import martians
from apps.uplink.model import Pool
from sdnctl.base.addresses import Cidr, Ip4, Mac
from sdnctl.model.host import Host
from sdnctl.of import fields as f
from sdnctl.store import Change
from tests.apps.live import Live
from tests.apps.words import GATEWAY, HOST, SOMEBODY, Case, Cases, ip, running, told, verdict
from tests.build import ELSEWHERE, Network

STRANGER = "02:66:66:66:66:66"
PUBLIC, OTHER = "203.0.113.10", "203.0.113.11"
OUT, MARTIAN = "to internet", "dropped: martian"
FROM_NOBODY, FROM_WITHIN = "dropped: martian-source", "dropped: own-source"


def network(pool: str = "203.0.113.0/24") -> Network:
    """Two instances with elastic IPs, one in a VPC of public addresses."""
    net = Network()
    block = Cidr.parse(pool)
    net.uplink(pool=pool, gateway=str(Ip4(block.network + 1)))
    for number, (name, cidr) in enumerate({"a": "10.0.0.0/16", "b": "9.9.0.0/16"}.items()):
        subnet = net.subnet(net.vpc(name, cidr), name, cidr.replace("0.0/16", "1.0/24"))
        net.eip(name, str(Ip4(block.network + 10 + number)), net.port(subnet, name, cidr.replace("0.0/16", "1.10")))
    return net


@pytest.fixture(scope="module")
def lab() -> Iterator[Live]:
    """One switch for all cases here."""
    with running(network()) as made:
        yield made


NOBODY = (
    *("0.0.0.1", "10.9.9.9", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.0.0.1", "192.168.1.1"),
    *("198.18.0.1", "240.0.0.1", "255.255.255.254"),
)
CASES: Cases = {
    **{f"out to {to}": ("a", ip(to), MARTIAN) for to in NOBODY},
    **{f"in from {source}": ("internet", ip(PUBLIC, source=source), FROM_NOBODY) for source in NOBODY},
    "in from a group": ("internet", ip(PUBLIC, source="224.0.0.5"), FROM_NOBODY),
    "in from the VPC's range, its last hop": ("internet", ip(PUBLIC, source="10.0.1.11", ttl=1), FROM_NOBODY),
    "in from the VPC's public range": ("internet", ip(OTHER, source="9.9.1.11"), FROM_WITHIN),
    "in from another VPC's range": ("internet", ip(PUBLIC, source="9.9.1.11"), "to a"),
    "in from itself": ("internet", ip(PUBLIC, source=PUBLIC), FROM_WITHIN),
    "in from another elastic IP": ("internet", ip(PUBLIC, source=OTHER), FROM_WITHIN),
    "in from an address of the pool that nobody has": ("internet", ip(PUBLIC, source="203.0.113.77"), FROM_WITHIN),
    "in from an address of the pool, its last hop": ("internet", ip(PUBLIC, source="203.0.113.77", ttl=1), FROM_WITHIN),
    "in from the gateway": ("internet", ip(PUBLIC, source="203.0.113.1"), "to a"),
    "in from the gateway, its last hop": (
        *("internet", ip(PUBLIC, source="203.0.113.1", ttl=1)),
        "asks ask_expired_outside",
    ),
    "in from somebody": ("internet", ip(PUBLIC), "to a"),
    "out to the gateway": ("a", ip("203.0.113.1"), OUT),
    "out to a documentation range, as the pool is of one": ("a", ip("192.0.2.1"), OUT),
    "out to somebody": ("a", ip("8.8.8.8"), OUT),
    "to another elastic IP": ("a", ip(OTHER), "to b"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_trace(lab: Live, case: Case) -> None:
    """Each case as its table says."""
    told(lab, case)


def test_it_is_said_in_words(lab: Live) -> None:
    """Both ways."""
    frame = {f.ETH_SRC: Mac.parse(GATEWAY), f.ETH_DST: Mac.parse(HOST), f.ETH_TYPE: f.ETH_TYPE_IP, f.IP_TTL: 9}
    inward = {**frame, f.IP_SRC: Ip4.parse("10.9.9.9"), f.IP_DST: Ip4.parse(PUBLIC)}
    said = verdict(lab, lab.ofport("internet"), inward)
    assert said == "dropped: nobody on the internet has 10.9.9.9 (RFC 6890) (martian-source)"
    said = verdict(lab, lab.ofport("internet"), {**inward, f.IP_SRC: Ip4.parse(PUBLIC)})
    assert said.startswith(f"dropped: {PUBLIC} is an address of this region: ")
    outward = {f.ETH_SRC: lab.port("a").mac, f.IP_SRC: Ip4.parse("10.0.1.10"), f.IP_DST: Ip4.parse("169.254.169.254")}
    said = verdict(lab, lab.ofport("a"), {**frame, f.ETH_DST: Mac(0x0E0000000001), **outward})
    assert said == "dropped: nobody on the internet has 169.254.169.254 (RFC 6890) (martian)"


@contextmanager
def changed(lab: Live, before: object, after: object) -> Iterator[None]:
    """Something of the region is otherwise for a while."""
    cls, id = type(after), after.id  # type: ignore[attr-defined]
    lab.take(Change(cls, id, before, after))
    yield
    lab.take(Change(cls, id, after, before))


def test_elastic_ips_of_other_hosts_come_by_the_gateway(lab: Live) -> None:
    """From nobody else on the uplink, and this host's own from nobody at all."""
    before = lab.network.store.state.get(Host, ELSEWHERE)
    assert before is not None
    with changed(lab, before, replace(before, uplink="eth1")):
        told(lab, ("internet", ip(PUBLIC, source="203.0.113.77"), "to a"))
        told(lab, ("internet", ip(PUBLIC, source="203.0.113.77", ttl=1), "asks ask_expired_outside"))
        told(lab, ("internet", ip(PUBLIC, source="203.0.113.77", mac=STRANGER), FROM_WITHIN))
        told(lab, ("internet", ip(PUBLIC, source=PUBLIC), FROM_WITHIN))
        told(lab, ("internet", ip(PUBLIC, source=OTHER), FROM_WITHIN))
        told(lab, ("internet", ip(OTHER, source="9.9.1.11"), FROM_WITHIN))
    told(lab, ("internet", ip(PUBLIC, source="203.0.113.77"), FROM_WITHIN))


def test_elastic_ips_of_another_pool_come_by_its_gateway() -> None:
    """What leaves by the router of one pool comes in by the router of the pool that it is for."""
    net, mac = network(), Mac.parse("02:00:00:00:00:02")
    second = Pool(id="pool-2", cidr=Cidr.parse("192.0.2.0/24"), gateway=Ip4.parse("192.0.2.1"), key=2, gateway_mac=mac)
    net.store.transact(lambda txn: txn.put(second))
    net.store.report(lambda txn: txn.put(Host(id=ELSEWHERE, uplink="eth1")))
    with running(net) as lab:
        for router in (GATEWAY, str(mac)):
            told(lab, ("internet", ip(PUBLIC, source="192.0.2.77", mac=router), "to a"))
            told(lab, ("internet", ip(PUBLIC, source="203.0.113.77", mac=router), "to a"))
        told(lab, ("internet", ip(PUBLIC, source="192.0.2.77", mac=STRANGER), FROM_WITHIN))


def test_a_laboratory_has_an_internet_of_private_addresses() -> None:
    """A pool's own addresses and its gateway work by themselves, the rest when the operator says so."""
    with running(network("10.99.0.0/24")) as lab:
        told(lab, ("a", ip("10.99.0.1"), OUT))
        told(lab, ("a", ip("10.99.0.77"), OUT))
        told(lab, ("internet", ip("10.99.0.10", source="10.99.0.1"), "to a"))
        told(lab, ("a", ip("10.5.5.5"), MARTIAN))
        told(lab, ("internet", ip("10.99.0.10", source="10.5.5.5"), FROM_NOBODY))
        told(lab, ("a", ip(SOMEBODY), MARTIAN))
        before = lab.network.store.state.get(Pool, "pool-1")
        assert before is not None
        with changed(lab, before, replace(before, private_internet=(Cidr.parse("10.0.0.0/8"),))):
            told(lab, ("a", ip("10.5.5.5"), OUT))
            told(lab, ("internet", ip("10.99.0.10", source="10.5.5.5"), "to a"))
            told(lab, ("internet", ip("10.99.0.10", source="10.0.1.77"), FROM_WITHIN))
            told(lab, ("internet", ip("10.99.0.10", source="10.99.0.77"), FROM_WITHIN))
            told(lab, ("a", ip("192.168.1.1"), MARTIAN))
        told(lab, ("a", ip("10.5.5.5"), MARTIAN))


def test_the_gateway_may_have_a_private_address() -> None:
    """Beside the pool; and without a pool for documentation nothing of that is the internet."""
    pool = Pool(id="p", cidr=Cidr.parse("8.8.8.0/24"), gateway=Ip4.parse("192.168.0.1"), key=1)
    left = martians([pool])
    assert not any(block.contains(pool.gateway) for block in left)
    assert all(any(block.contains(Ip4.parse(text)) for block in left) for text in ("192.168.0.2", SOMEBODY))
    assert any(block.contains(Ip4.parse(SOMEBODY)) for block in martians([]))
