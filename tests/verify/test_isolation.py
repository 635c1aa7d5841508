"""The proof for a whole region: it holds, it names the packet where it does not, and it does not grow without bound."""

from sdnctl.model.host import UPLINK
from sdnctl.of import fields as f
from sdnctl.verify.doors import all_doors
from sdnctl.verify.isolation import Verdict, check
from sdnctl.verify.network import Entry, computed
from sdnctl.verify.network import Network as Computed
from sdnctl.verify.rules import Switch, rule
from sdnctl.verify.story import packet, story
from tests.build import HERE, Network
from tests.verify.regions import hosts_of, region, with_hole, without_rows

NODES_EACH, PLACES_EACH = 140_000, 6_000
"""The most work for one of a hundred interfaces: a core makes ten million nodes in 40 s.

Measured for eight of 102 ports: 126 000 nodes and 4 800 places each.
"""


def proved(net: Network, found: Computed, senders: tuple[Entry, ...] = ()) -> Verdict:
    return check(found, all_doors(net.store.state), senders or found.entries)


def test_vpcs_are_apart_but_for_elastic_ips() -> None:
    net = region()
    found = hosts_of(net)
    verdict = proved(net, found)
    assert verdict.holds, verdict.findings
    # 8 interfaces, each with another VPC and the internet; two uplinks, each with two VPCs.
    assert (verdict.senders, verdict.pairs) == (10, 8 * 2 + 2 * 2)


def test_a_way_that_nobody_declared_is_a_hole() -> None:
    """Elastic IPs are, when nobody declares them: so each kind of crossing is looked for."""
    net = region(each=1)
    found = hosts_of(net)
    verdict = check(found, (), found.entries)
    crossings = {(one.entry.network, found.networks.get(one.receiver, one.receiver)) for one in verdict.findings}
    assert crossings == {(a, b) for a in ("vpc-v0", "vpc-v1", "") for b in ("vpc-v0", "vpc-v1", UPLINK) if a != b} - {
        ("", UPLINK)
    }


def test_one_packet_tells_the_hole_with_its_way() -> None:
    net = region()
    found = with_hole(hosts_of(net), "port-v1s0-0", "vpc-v0")
    verdict = proved(net, found)
    assert not verdict.holds and not verdict.undecided
    assert {one.entry.owner for one in verdict.findings} == {"port-v1s0-0"}
    hole = next(one for one in verdict.findings if found.networks.get(one.receiver) == "vpc-v0")
    sent = packet(hole.bits)
    assert sent[f.IP_DST if f.IP_DST in sent else f.ARP_TPA] >> 16 == 10 << 8
    legs = story(
        found.region,
        found.engines,
        hole.entry.host,
        hole.entry.port,
        hole.bits,
        to=hole.receiver,
        connection=hole.state,
    )
    assert legs[-1].outcome == "delivered" and hole.receiver in legs[-1].verdict


def test_a_packet_that_gets_lost_is_told() -> None:
    net = region()
    found = hosts_of(net)
    engine, there = found.engines[HERE], found.region.switches[HERE]
    ports = {number: owner for number, owner in there.ports.items() if owner != "port-v0s1-0"}
    rules = map(rule, engine.desired.flows.values())
    found.region.switches[HERE] = Switch(HERE, rules, engine.desired.groups.values(), ports, end=there.end)
    sender = next(entry for entry in found.entries if entry.owner == "port-v0s0-0")
    assert {one.says.partition(":")[0] for one in proved(net, found, (sender,)).findings} == {"it gets lost"}


def test_what_is_too_large_is_not_called_proved() -> None:
    net = region()
    found = hosts_of(net)
    verdict = check(found, all_doors(net.store.state), found.entries[:2], most=5000)
    assert verdict.undecided == found.entries[:2]
    assert not verdict.holds and not verdict.findings


def test_an_interface_without_a_row_has_no_port() -> None:
    net = region()
    assert {entry.owner for entry in computed(net.program, without_rows(net)).entries} == {UPLINK}


def test_a_hundred_interfaces_take_a_hundred_times_one() -> None:
    net = region(vpcs=5, each=10)
    found = hosts_of(net)
    assert len(found.entries) == 102
    kin = [entry for entry in found.entries if (entry.host, entry.network) == (HERE, "vpc-v2")]
    few, more = (proved(net, found, tuple(kin[:count])) for count in (2, 8))
    assert few.holds and more.holds
    assert more.nodes <= 8 * NODES_EACH and more.places <= 8 * PLACES_EACH
    assert more.nodes <= 6 * few.nodes, "the work grows with the senders, no faster"
