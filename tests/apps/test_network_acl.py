"""Network ACLs in a real switch: each sentence of what must be true of them, traced."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from apps.network_acl.model import AclRule, AclSubnet, NetworkAcl
from apps.pipeline import EGRESS, OUT_PORT, VPC
from apps.prefix_list.model import VpcPrefixes
from apps.vpc.model import ROUTER_ITSELF_MAC, ROUTER_MAC, Vpc
from sdnctl.base.addresses import Cidr, Mac
from sdnctl.of.actions import set_field
from sdnctl.of.fields import IN_PORT
from sdnctl.program.packets import PacketOut
from sdnctl.program.pipeline import begin_at
from sdnctl.store import Change
from sdnctl.switch.plan import Installed, plan
from sdnctl.trace.ofproto import read
from sdnctl.trace.words import tell
from tests.apps.live import Live
from tests.apps.words import Case, Cases, arp, ip, running, told
from tests.build import Network
from tests.networks.network_acl import acl, listed, ruled, walled


@pytest.fixture(scope="module")
def lab() -> Iterator[Live]:
    """One switch for all cases here."""
    with running(walled()) as made:
        yield made


ACL = "dropped: acl"
WEB, HIGH, NAME = "tcp,tcp_dst=80", "tcp,tcp_src=80,tcp_dst=40000", "udp,udp_src=4000,udp_dst=53"
A_NAME = "udp,udp_src=53,udp_dst=4000"
OUTSIDE = "203.0.113.10"
CASES: Cases = {
    "A1 a subnet without ACL is not filtered": ("free1", ip("10.0.1.10"), "to front1"),
    "A1 an ACL without rules lets nothing in": ("free1", ip("10.0.3.10"), ACL),
    "A1 nor out": ("shut1", ip("10.0.4.10"), ACL),
    "A1 what no rule is for": ("free1", ip("10.0.1.10", "udp,udp_dst=9"), ACL),
    "A2 the smallest priority first": ("free2", ip("10.0.1.10", WEB), ACL),
    "A2 of equal ones the denial": ("free1", ip("10.0.2.10", NAME), ACL),
    "A2 and the other one where it is alone": ("front1", ip("10.0.2.10", NAME), "to back1"),
    "A2 the last priority counts": ("front1", ip("10.0.4.10", "ip,nw_proto=47"), "to free1"),
    "A2 equal ones outwards": ("back1", ip("10.0.4.10"), ACL),
    "A2 for other protocols": ("back1", ip("10.0.4.10", NAME), "to free1"),
    "A3 a reply needs its rule": ("back1", ip("10.0.1.10", A_NAME), "to front1"),
    "A3 which is of TCP's ports": ("free1", ip("10.0.1.10", HIGH), "to front1"),
    "A3 and without it there is none": ("back1", ip("10.0.1.10", "udp,udp_src=53,udp_dst=6000"), ACL),
    "A3 ICMP errors too": ("free1", ip("10.0.2.10", "icmp,icmp_type=3,icmp_code=3"), ACL),
    "A3 and those that a rule lets in": ("front1", ip("10.0.2.10", "icmp,icmp_type=3,icmp_code=3"), "to back1"),
    "A4 within the subnet nothing is asked": ("shut1", ip("10.0.3.11"), "to shut2"),
    "A4 whatever it is": ("shut1", ip("10.0.3.11", "tcp,tcp_dst=1"), "to shut2"),
    "A4 nor from another MAC's way": ("shut1", ip("10.0.3.11", via="fa:16:3e:00:00:06"), "to shut2"),
    "A4 between two both are asked, the sender's": ("back1", ip("10.0.4.10"), ACL),
    "A4 and the receiver's": ("front1", ip("10.0.3.10"), ACL),
    "A4 to another host only the sender's is asked here": ("back1", ip("10.0.1.20", WEB), "dropped: not-here"),
    "A6 in from outside to the private address": ("internet", ip(OUTSIDE, WEB, source="192.0.2.1"), "to front1"),
    "A6 the remote side is the client's own": ("internet", ip(OUTSIDE, WEB), ACL),
    "A6 out before the source is public": ("back1", ip("8.8.8.8"), ACL),
    "A6 out by a rule for everybody": ("front1", ip("8.8.8.8"), "to internet"),
    "A6 from one elastic IP to another": ("free1", ip(OUTSIDE, WEB), "to front1"),
    "A6 as the public one": ("free1", ip(OUTSIDE, NAME), ACL),
    "A7 ARP for the router": ("shut1", arp("10.0.3.1"), "to shut1"),
    "A7 ARP for a neighbour": ("shut1", arp("10.0.3.11"), "to shut1"),
    "A7 ping to the own router": ("shut1", ip("10.0.3.1"), "to shut1"),
    "A7 DHCP": ("shut1", ip("10.0.3.2", "udp,udp_src=68,udp_dst=67"), "asks ask_dhcp"),
    "A7 the end of a traceroute": ("shut1", ip("10.0.3.1", "udp,udp_dst=33434"), "asks ask_unreachable"),
    "A7 but not what ends at the next hop": ("shut1", ip("10.0.4.10", ttl=1), ACL),
    "A8 a first fragment has ports": ("free1", ip("10.0.1.10", f"{WEB},ip_frag=first"), "to front1"),
    "A8 and is judged by them": ("free1", ip("10.0.1.10", "tcp,tcp_dst=81,ip_frag=first"), ACL),
    "A8 a later one goes with it": ("free1", ip("10.0.1.10", "tcp,ip_frag=later"), "to front1"),
    "A8 where a rule lets some ports in": ("free1", ip("10.0.1.10", "udp,ip_frag=later"), "to front1"),
    "A8 and not where none does": ("front1", ip("10.0.2.10", "tcp,ip_frag=later"), ACL),
    "A8 nor where a rule without ports denies": ("free1", ip("10.0.2.10", "udp,ip_frag=later"), ACL),
    "a routed packet is judged at the appliance too": ("back1", ip("192.168.1.1", NAME), "to router"),
    "and where it goes on, by its own address": ("router", ip("10.0.1.10", WEB, source="198.51.100.9"), ACL),
    "an appliance's packets from elsewhere": ("router", ip("10.0.1.10", WEB, source="192.168.1.1"), "to front1"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_trace(lab: Live, case: Case) -> None:
    """Each case as its table says."""
    told(lab, case)


def said(lab: Live, sender: str, packet: str) -> str:
    """The verdict on a packet, in words."""
    came = {IN_PORT: lab.ofport(sender)}
    return tell(read(lab.trace(sender, packet).text, came), lab.engine).verdict


WORDS = {
    "a rule that denies": ("free2", ip("10.0.1.10", WEB), "rule {0} of acl-front does not let it into subnet-front"),
    "no rule, inwards": ("front1", ip("10.0.3.10"), "acl-shut has no rule that lets it into subnet-shut"),
    "no rule, outwards": ("shut1", ip("10.0.1.10"), "acl-shut has no rule that lets it out of subnet-shut"),
    "a rule that denies, outwards": (
        "back1",
        ip("10.0.4.10"),
        "rule {1} of acl-back does not let it out of subnet-back",
    ),
}
RULES = ("aclr-front-in-deny-all-pl-a-0-0-1", "aclr-back-out-deny-icmp-10.0.4.0-24-0-0-100")


@pytest.mark.parametrize("name", WORDS)
def test_a_drop_names_the_rule_the_acl_and_the_subnet(lab: Live, name: str) -> None:
    sender, packet, expected = WORDS[name]
    assert said(lab, sender, packet(lab, sender)) == f"dropped: {expected.format(*RULES)} (acl)"


def test_the_way_tells_which_rules_let_it_pass(lab: Live) -> None:
    text = lab.trace("front1", ip("10.0.2.10", NAME)(lab, "front1")).text
    steps = tell(read(text, {IN_PORT: lab.ofport("front1")}), lab.engine).statements
    told_ = [step.says for step in steps if "acl" in step.table]
    assert told_ == [
        "acl-front decides what comes out of subnet-front",
        "rule aclr-front-out-allow-all-0.0.0.0-0-0-0-32768 of acl-front lets it out of subnet-front",
        "acl-back decides what comes into subnet-back",
        "it comes from the router",
        "rule aclr-back-in-allow-udp-10.0.0.0-8-53-53-1 of acl-back lets it into subnet-back",
    ]


def flows_of(net: Network) -> set[bytes]:
    """The flows of the ACLs' tables, whatever their cookies are."""
    return {flow.key for flow in net.engine().desired.flows.values()}


def test_a9_the_order_of_rules_does_not_matter() -> None:
    """Neither that of two with one priority, one of them a denial."""
    found = set()
    rules = (("allow", 5), ("deny", 5), ("allow", 4), ("deny", 6))
    for order in permutations(rules):
        net = Network()
        vpc = net.vpc("a", "10.0.0.0/16")
        subnet = net.subnet(vpc, "a", "10.0.1.0/24")
        net.port(subnet, "a1", "10.0.1.10")
        made = acl(net, vpc, "a", subnet)
        for action, priority in order:
            ruled(net, made, "in", action, "all", "10.0.2.0/24", priority=priority)
        found.add(frozenset(flows_of(net)))
    assert len(found) == 1


def test_hosts_without_ports_of_the_subnet_have_nothing_of_its_acl() -> None:
    net = Network()
    vpc = net.vpc("a", "10.0.0.0/16")
    here, there = net.subnet(vpc, "here", "10.0.1.0/24"), net.subnet(vpc, "there", "10.0.2.0/24")
    net.port(here, "a1", "10.0.1.10")
    net.port(there, "a2", "10.0.2.10", host="host-2")
    before = flows_of(net)
    made = acl(net, vpc, "a", there)
    ruled(net, made, "in", "allow", "tcp", "0.0.0.0/0", (1, 65535))
    assert flows_of(net) == before
    net.port(there, "a3", "10.0.2.11")
    assert len([flow for flow in net.engine().desired.flows.values() if flow.priority > 10_000]) == 1


class Watched:
    """A network whose engine and switch follow each change, counted in units and flow-mods."""

    def __init__(self, net: Network) -> None:
        self.engine = net.engine()
        self.installed = Installed()
        plan(self.engine.desired, self.installed).apply(self.installed)

    def cost(self, *changes: Change) -> tuple[int, int]:
        """The units that ran and the flow-mods of one commit; all of them are one bundle."""
        before = self.engine.runs
        todo = plan(self.engine.desired, self.installed, self.engine.apply(list(changes), strict=True))
        todo.apply(self.installed)
        assert plan(self.engine.desired, self.installed).empty
        return self.engine.runs - before, len(todo.adds) + len(todo.deletes)


def big(ports: int, rules: int) -> Network:
    """A subnet of many ports here that has an ACL of many rules."""
    net = Network()
    vpc = net.vpc("a", "10.0.0.0/16")
    subnet = net.subnet(vpc, "a", "10.0.0.0/17")
    net.subnet(vpc, "b", "10.0.200.0/24")
    for n in range(ports):
        net.port(subnet, f"a{n}", f"10.0.1.{n + 3}")
    made = acl(net, vpc, "a", subnet)
    for n in range(rules):
        ruled(net, made, "in", "allow", "tcp", "10.0.0.0/8", (n + 1, n + 1), priority=n + 10)
    acl(net, vpc, "b")
    return net


def test_a_change_costs_what_it_changes_and_not_what_there_is() -> None:
    """A rule: one unit and its flows; a subnet that gets another ACL: one unit, two flows, and the other's rules."""
    net = big(40, 50)
    watched = Watched(net)
    known = net.store.state.all(AclRule)
    rule = known[min(known)]
    added = replace(rule, id="aclr-new", first=1000, last=1000, priority=1)
    assert watched.cost(Change(AclRule, added.id, None, added)) == (1, 2)
    denied = replace(added, id="aclr-deny", action="deny", priority=2)
    assert watched.cost(Change(AclRule, denied.id, None, denied)) == (1, 1)
    moved = replace(added, priority=3)
    assert watched.cost(Change(AclRule, added.id, added, moved)) == (1, 4)
    assert watched.cost(Change(AclRule, added.id, moved, None)) == (0, 2)
    had = net.store.state.all(AclSubnet)["subnet-a"]
    now = replace(had, acl="acl-b")
    units, flows = watched.cost(Change(AclSubnet, had.id, had, now))
    assert units == 1 and flows == 2 + 2 * 50 + 1, "the key of the ACL in two flows, and the rules of the old one"
    units, flows = watched.cost(Change(AclSubnet, had.id, now, None))
    assert (units, flows) == (0, 2)
    renamed = net.store.state.all(NetworkAcl)["acl-b"]
    assert watched.cost(Change(NetworkAcl, renamed.id, renamed, replace(renamed, name="x"))) == (0, 0)


def test_one_port_more_costs_the_same_with_an_acl_as_without() -> None:
    costs = []
    for rules in (0, 100):
        net = big(3, rules)
        watched = Watched(net)
        known = {(change.cls, change.id) for change in net.changes()}
        net.port(net.subnet_of("subnet-a"), "new", "10.0.9.9")
        costs.append(watched.cost(*(change for change in net.changes() if (change.cls, change.id) not in known)))
    assert costs[0] == costs[1], costs


def test_the_blocks_of_a_list_are_the_rule_s() -> None:
    """A change of the list is one change of each rule that names it."""
    net = big(1, 0)
    made, vpc = net.store.state.all(NetworkAcl)["acl-a"], net.store.state.all(Vpc)["vpc-a"]
    ruled(net, made, "in", "deny", "all", listed(net, vpc, "10.1.0.0/16"))
    watched = Watched(net)
    (blocks,) = net.store.state.all(VpcPrefixes).values()
    more = replace(blocks, blocks=(*blocks.blocks, Cidr.parse("10.2.0.0/16"), Cidr.parse("10.3.0.0/16")))
    assert watched.cost(Change(VpcPrefixes, blocks.id, blocks, more)) == (1, 2)
    assert watched.cost(Change(VpcPrefixes, blocks.id, more, None)) == (1, 3)


@pytest.mark.parametrize(("source", "arrives"), [(ROUTER_MAC, False), (ROUTER_ITSELF_MAC, True)], ids=str)
def test_a7_the_router_s_own_answers_pass_and_what_it_hands_on_does_not(lab: Live, source: int, arrives: bool) -> None:
    """For a port whose ACL lets nothing in, from this host or another one: what a tunnel brings begins there too."""
    port = lab.port("shut1")
    vpc = lab.network.store.state.all(Vpc)[port.vpc]
    error = IP(src="10.0.3.1", dst="10.0.3.10") / ICMP(type=3, code=4) / Raw(b"x" * 28)
    sent = bytes(Ether(src=str(Mac(source)), dst=str(port.mac)) / error)
    begins = (set_field(VPC, vpc.key), set_field(OUT_PORT, port.key), begin_at(EGRESS))
    assert set(lab.say(PacketOut(sent, begins))) == ({"shut1"} if arrives else set())
