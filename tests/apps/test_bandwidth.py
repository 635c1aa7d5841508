"""Bandwidth: two meters for each elastic IP, in the way of its packets, changed in place."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from apps.bandwidth.facts import meters
from apps.eip.model import ElasticIp
from apps.vpc.model import Vpc
from sdnctl.base.addresses import Ip4
from sdnctl.of.message import meter_config_request, meter_stats_request
from sdnctl.of.meter import Meter, meter_stats_of, meters_of
from sdnctl.program.meters import POOL_LOW
from sdnctl.program.zones import POOL_LOW as ZONES_LOW
from sdnctl.store import Change
from sdnctl.switch.plan import plan
from tests.apps.live import Live
from tests.apps.words import GATEWAY, HOST, ROUTER, SOMEBODY, running
from tests.build import ELSEWHERE, Network


def network() -> Network:
    """Two interfaces with elastic IPs here, one elsewhere, one elastic IP bound to nothing."""
    net = Network()
    net.uplink()
    subnet = net.subnet(net.vpc("a", "10.0.0.0/16"), "a", "10.0.1.0/24")
    net.eip("one", "203.0.113.10", net.port(subnet, "one", "10.0.1.10"), mbps=5)
    net.eip("two", "203.0.113.11", net.port(subnet, "two", "10.0.1.11"), mbps=200)
    net.eip("far", "203.0.113.12", net.port(subnet, "far", "10.0.1.12", host=ELSEWHERE))
    net.eip("none", "203.0.113.13")
    return net


@pytest.fixture(scope="module")
def lab() -> Iterator[Live]:
    """One switch for all cases here."""
    with running(network()) as made:
        yield made


def eip(lab: Live, name: str) -> ElasticIp:
    """The elastic IP of that name."""
    found = lab.engine.state.get(ElasticIp, f"fip-{name}")
    assert found is not None
    return found


def in_switch(lab: Live) -> dict[int, Meter]:
    """The meters that the switch has."""
    with lab.switch.connect() as wire:
        return {meter.id: meter for reply in wire.ask(meter_config_request(1)) for meter in meters_of(reply)}


def counted(lab: Live, meter: int) -> int:
    """The number of packets that a meter has seen."""
    with lab.switch.connect() as wire:
        (stats,) = (one for reply in wire.ask(meter_stats_request(1, meter)) for one in meter_stats_of(reply))
    return stats.packets


@pytest.mark.parametrize(("mbps", "into"), [(1, 10), (9, 10), (10, 10), (11, 11), (200, 200)])
def test_rates(mbps: int, into: int) -> None:
    """Outbound what was ordered, inbound at least 10 Mbit/s; the burst is worth a frame at any rate.

    As on a line of that speed: what a frame takes beside its bytes is not the tenant's to fill.
    """
    numbers = {"out_meter": POOL_LOW, "in_meter": POOL_LOW + 1, "meter": POOL_LOW + 2, "piece_meter": POOL_LOW + 3}
    numbers |= {"out_zone": ZONES_LOW, "in_zone": ZONES_LOW + 1}
    made = meters(ElasticIp(id="fip-x", account="a", pool="p", address=Ip4(1), bandwidth=mbps, **numbers))
    line = [pytest.approx(rate * 1000 * 1514 / 1538, rel=0.001) for rate in (mbps, into)]
    assert [meter.rate_kbps for meter in made] == line
    assert all(meter.burst_kbits * 1000 >= 1518 * 8 and not meter.packets for meter in made)


def test_meters_are_never_shared(lab: Live) -> None:
    """Two for each elastic IP, of the pool that all records share; none of the machine's own."""
    all = [eip(lab, name) for name in ("one", "two", "far", "none")]
    ids = [number for one in all for number in (one.out_meter, one.in_meter, one.meter, one.piece_meter)]
    ids += [vpc.meter for vpc in lab.network.store.state.all(Vpc).values()]
    assert len(set(ids)) == len(ids) and min(ids) == POOL_LOW


def test_only_what_is_bound_here_has_meters(lab: Live) -> None:
    """Of those that limit a bandwidth the switch has those of the two elastic IPs of this host."""
    wanted = {meter.id: meter for name in ("one", "two") for meter in meters(eip(lab, name))}
    assert {id: meter for id, meter in in_switch(lab).items() if not meter.packets} == wanted


@pytest.mark.parametrize(
    ("sender", "to", "passed"),
    [
        ("one", SOMEBODY, {"one": (1, 0), "two": (0, 0)}),
        ("one", "203.0.113.11", {"one": (1, 0), "two": (0, 1)}),
        ("one", "10.0.1.11", {"one": (0, 0), "two": (0, 0)}),
        ("internet", "203.0.113.10", {"one": (0, 1), "two": (0, 0)}),
    ],
    ids=["out", "hairpin", "within the subnet", "in"],
)
def test_which_packets_count(lab: Live, sender: str, to: str, passed: dict[str, tuple[int, int]]) -> None:
    """Out by the sender's meter, in by the receiver's, both for a hairpin, none inside the VPC."""
    ids = {name: (eip(lab, name).out_meter, eip(lab, name).in_meter) for name in passed}
    before = {name: [counted(lab, id) for id in pair] for name, pair in ids.items()}
    outside = sender == "internet"
    header = Ether(src=GATEWAY, dst=HOST) if outside else Ether(src=lab.mac(sender), dst=ROUTER)
    source = SOMEBODY if outside else lab.address(sender)
    assert lab.send(sender, header / IP(src=source, dst=to) / UDP(sport=1, dport=2) / Raw(b"x"))
    after = {name: [counted(lab, id) for id in pair] for name, pair in ids.items()}
    assert {name: tuple(a - b for a, b in zip(after[name], before[name], strict=True)) for name in ids} == passed


def test_a_changed_rate_is_modified_in_place(lab: Live) -> None:
    """No flow is touched, no meter added or deleted, and the counters go on."""
    old = eip(lab, "two")
    new = replace(old, bandwidth=50)
    count = counted(lab, old.out_meter)
    lab.engine.apply([Change(ElasticIp, old.id, old, new)], strict=True)
    todo = plan(lab.engine.desired, lab.installed)
    assert (todo.meters, todo.adds, todo.deletes, todo.drop_meters) == (
        *([("modify", meter) for meter in meters(new)], [], [], []),
    )
    lab.sync()
    assert in_switch(lab)[new.out_meter] == meters(new)[0]
    assert counted(lab, old.out_meter) == count


def test_below_the_floor_only_one_meter_changes(lab: Live) -> None:
    """From 5 to 7 Mbit/s the inbound floor stays."""
    old = eip(lab, "one")
    lab.engine.apply([Change(ElasticIp, old.id, old, replace(old, bandwidth=7))], strict=True)
    todo = plan(lab.engine.desired, lab.installed)
    assert [(command, meter.id) for command, meter in todo.meters] == [("modify", old.out_meter)]
    lab.sync()


def test_unbound_its_meters_go(lab: Live) -> None:
    """And come back with it."""
    old = eip(lab, "one")
    free = replace(old, port="", private=Ip4(0))
    lab.take(Change(ElasticIp, old.id, old, free))
    assert not {old.out_meter, old.in_meter} & in_switch(lab).keys()
    lab.take(Change(ElasticIp, old.id, free, old))
    assert {old.out_meter, old.in_meter} <= in_switch(lab).keys()


def test_beyond_the_burst_packets_are_dropped(lab: Live) -> None:
    """A meter in the way is a meter at work: a burst of twice its size does not pass whole."""
    old = eip(lab, "one")
    slow = replace(old, bandwidth=1)
    lab.take(Change(ElasticIp, old.id, old, slow))
    burst = in_switch(lab)[old.out_meter].burst_kbits * 1000 // (8 * 1400)
    frame = bytes(
        Ether(src=lab.mac("one"), dst=ROUTER) / IP(src="10.0.1.10", dst=SOMEBODY) / UDP(dport=9) / Raw(bytes(1358))
    )
    lab.switch.appctl("revalidator/purge")
    # All in one call, so that hardly any time passes in which the meter fills again; the switch takes a few at a time.
    lab.switch.appctl("netdev-dummy/receive", f"p{lab.ofport('one')}", *[frame.hex()] * (2 * burst))
    passed = sum(len(lab.settle().get("internet", ())) for _ in range(2 * burst))
    assert burst // 2 < passed < 2 * burst
    lab.take(Change(ElasticIp, old.id, slow, old))
