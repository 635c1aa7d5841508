"""The words of `sdnctl trace`: sentences, for packets that arrive and for those that do not, in a real switch."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from apps.security_group.writes import set_groups
from apps.trace.api import TraceFlow, trace_flow
from apps.vpc.model import Vpc
from sdnctl.api.access import Caller, Reader
from sdnctl.base.errors import IntentError
from sdnctl.model.host import UPLINK, Host, LocalUplink
from sdnctl.of.text import text
from sdnctl.program.feature import discover
from sdnctl.program.names import Names
from sdnctl.trace import switch
from sdnctl.trace.account import for_account, owner_in
from sdnctl.trace.model import Leg, Question, Trace
from sdnctl.trace.ofproto import read
from sdnctl.trace.words import arriving, tell
from tests.build import ELSEWHERE, HERE, Network
from tests.lab import Lab
from tests.networks import NETWORKS

CALLER = Caller("", "cn-test-1", "request")


def network() -> Network:
    """Two VPCs with equal addresses, one with two subnets and elastic IPs, one port elsewhere, one nowhere."""
    net = Network()
    net.uplink()
    vpc = net.vpc("a", "10.0.0.0/16")
    web, data = net.subnet(vpc, "web", "10.0.1.0/24"), net.subnet(vpc, "data", "10.0.2.0/24")
    one = net.port(web, "web1", "10.0.1.10")
    net.port(web, "web2", "10.0.1.11")
    net.port(web, "far", "10.0.1.12", host=ELSEWHERE)
    net.port(web, "loose", "10.0.1.13", host="")
    net.port(web, "router", "10.0.1.20", check=False)
    net.port(data, "data1", "10.0.2.10", "10.0.2.11")
    net.eip("a", "203.0.113.10", one, mbps=20)
    other = net.port(net.subnet(net.vpc("b", "10.0.0.0/16"), "b", "10.0.1.0/24"), "b1", "10.0.1.10")
    net.eip("b", "203.0.113.20", other, mbps=5)
    net.eip("free", "203.0.113.30")
    nfv = [net.port(data, f"nfv{n}", f"10.0.2.2{n}", check=False) for n in range(3)]
    table = net.table(vpc, "custom", net.subnet(vpc, "inner", "10.0.3.0/24"))
    inner = net.subnet_of("subnet-inner")
    net.port(inner, "inner", "10.0.3.10")
    net.route(table, "172.16.0.0/16", nfv[0])
    net.route(table, "172.17.0.0/16", nfv[1])
    net.route(table, "172.17.0.0/16", nfv[2])
    net.route(table, "172.18.0.0/16", other)
    uplink = net.local[LocalUplink, UPLINK]
    here = Host(id=HERE, uplink="up", uplink_mac=uplink.mac)
    net.store.report(lambda txn: txn.put(here))
    return net


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(network()) as made:
        yield made


def answer(lab: Lab, question: Question) -> Leg:
    """The answer of a lab's host to a question."""
    packet = arriving(question, lab.engine)
    assert not isinstance(packet, str), packet
    return tell(read(switch.ask(str(lab.switch.rundir), lab.switch.bridge, packet), packet), lab.engine)


def ask(lab: Lab, sender: str, to: str, **more: Any) -> tuple[Trace, dict[str, Any]]:
    """The trace of a packet, and what the API shows of it."""
    request = TraceFlow.model_validate({"from": sender, "to": to, **more})
    later = trace_flow(request, Reader(lab.network.store.state, CALLER, 0.0))
    trace = Trace((answer(lab, later.question),))
    return trace, later.show(trace, lab.network.store.state)


WEB, INNER, OUT = "port-web1", "port-inner", "internet"
TCP, UDP, ARP = {"protocol": "tcp"}, {"protocol": "udp"}, {"protocol": "arp"}
DISCOVER = {**UDP, "destinationPort": 67, "sourceAddress": "0.0.0.0"}
HTTPS = {**TCP, "destinationPort": 443}
GROUP = "is no single receiver: broadcast and multicast do not exist in a VPC (broadcast)"
NO_EIP = "has no elastic IP (no-elastic-ip)"
LEADS = "dropped: the route leads to the internet, but"
GATEWAY = "out to the public network by the gateway 203.0.113.1 on host host-1"
EXPIRED = "the controller answers: ICMP time exceeded, from 10.0.1.1, the router of subnet-web"
ITSELF = "belongs to the router of subnet-web, which offers no service but ping (router-itself)"

Case = tuple[str, str, dict[str, Any], str]
DELIVERED: list[Case] = [
    (WEB, "10.0.1.11", {}, "delivered to port-web2 on host host-1"),
    (WEB, "10.0.1.11", {"ttl": 1}, "delivered to port-web2 on host host-1"),
    (WEB, "10.0.2.10", {}, "delivered to port-data1 on host host-1"),
    (WEB, "10.0.2.11", HTTPS, "delivered to port-data1 on host host-1"),
    ("port-router", "10.0.2.10", {"sourceAddress": "192.0.2.1"}, "delivered to port-data1 on host host-1"),
    (WEB, "8.8.8.8", {}, GATEWAY),
    (WEB, "8.8.8.8", {**UDP, "destinationPort": 53}, GATEWAY),
    (WEB, "203.0.113.30", {}, GATEWAY),
    (WEB, "203.0.113.20", {}, "delivered to port-b1 on host host-1"),
    (WEB, "203.0.113.10", {}, "delivered to port-web1 on host host-1"),
    (OUT, "203.0.113.10", HTTPS, "delivered to port-web1 on host host-1"),
    (INNER, "172.16.0.1", {}, "delivered to port-nfv0 on host host-1"),
    (INNER, "172.17.0.1", TCP, r"delivered to port-nfv[12] on host host-1"),
]
ANSWERED: list[Case] = [
    (WEB, "10.0.1.1", {}, "ping answered by 10.0.1.1, router of subnet-web"),
    (WEB, "10.0.2.1", {}, "ping answered by 10.0.2.1, router of subnet-data"),
    (WEB, "10.0.1.2", {}, "ping answered by 10.0.1.2, DHCP server of subnet-web"),
    (WEB, "10.0.1.11", ARP, "ARP answered: 10.0.1.11 is at fa:16:3e:00:00:02"),
    (WEB, "10.0.1.1", ARP, "ARP answered: 10.0.1.1 is at 0e:00:00:00:00:01"),
    (OUT, "203.0.113.10", ARP, "ARP answered: 203.0.113.10, elastic IP fip-a, is here"),
]
ASKED: list[Case] = [
    (WEB, "255.255.255.255", DISCOVER, "the controller answers: DHCP, 10.0.1.10 for port-web1"),
    (WEB, "10.0.1.2", {**UDP, "destinationPort": 67}, "the controller answers: DHCP, 10.0.1.10 for port-web1"),
    (WEB, "10.0.1.1", UDP, "the controller answers: ICMP port unreachable, from 10.0.1.1"),
    (WEB, "10.0.2.10", {"ttl": 1}, EXPIRED),
    (WEB, "8.8.8.8", {"ttl": 0}, EXPIRED),
    (OUT, "203.0.113.10", {"ttl": 1}, "the controller answers: ICMP time exceeded, from 203.0.113.10"),
]
DROPPED: list[Case] = [
    (
        WEB,
        "10.0.2.10",
        {"sourceAddress": "10.0.1.11"},
        "dropped: 10.0.1.11 is no address of port-web1, which has 10.0.1.10 (spoofed-ip)",
    ),
    (
        WEB,
        "10.0.1.11",
        {**ARP, "sourceAddress": "10.0.1.1"},
        "dropped: 10.0.1.1 is no address of port-web1, which has 10.0.1.10 (spoofed-arp)",
    ),
    (
        "port-data1",
        "10.0.1.10",
        {"sourceAddress": "10.0.2.12"},
        "dropped: 10.0.2.12 is no address of port-data1, which has 10.0.2.10, 10.0.2.11 (spoofed-ip)",
    ),
    (WEB, "10.0.1.1", TCP, f"dropped: 10.0.1.1 {ITSELF}"),
    (
        WEB,
        "10.0.1.10",
        ARP,
        "dropped: port-web1 asks by ARP for 10.0.1.10, its own: silence means that nobody else has it (own-address)",
    ),
    (WEB, "10.0.1.99", ARP, "dropped: nobody in vpc-a has 10.0.1.99 (no-such-address)"),
    (WEB, "10.0.1.99", {}, "dropped: nobody in vpc-a has 10.0.1.99 (no-such-address)"),
    (WEB, "10.0.1.12", {}, "dropped: port-far is on another host, to which there is no way (not-here)"),
    (WEB, "10.0.1.13", {}, "dropped: port-loose is plugged into no host (not-here)"),
    (WEB, "10.0.9.9", {}, "dropped: 10.0.9.9 is in vpc-a (10.0.0.0/16), but in none of its subnets (no-subnet)"),
    (WEB, "224.0.0.1", {}, f"dropped: 224.0.0.1 {GROUP}"),
    (WEB, "255.255.255.255", {}, f"dropped: 255.255.255.255 {GROUP}"),
    ("port-web2", "8.8.8.8", {}, f"{LEADS} 10.0.1.11 of port-web2 {NO_EIP}"),
    ("port-router", "8.8.8.8", {"sourceAddress": "192.0.2.1"}, f"{LEADS} 192.0.2.1 of port-router {NO_EIP}"),
    (
        "port-b1",
        "10.0.2.10",
        {},
        "dropped: 10.0.2.10 is in vpc-b (10.0.0.0/16), but in none of its subnets (no-subnet)",
    ),
    ("port-b1", "10.0.1.11", {}, "dropped: nobody in vpc-b has 10.0.1.11 (no-such-address)"),
    (INNER, "8.8.8.8", {}, "dropped: rtb-custom has no route to 8.8.8.8 (no-route)"),
    (
        INNER,
        "172.18.0.1",
        {},
        "dropped: route 172.18.0.0/16 of rtb-custom leads to port-b1, "
        "which has no network interface in this VPC (no-next-hop)",
    ),
    (OUT, "203.0.113.30", {}, "dropped: elastic IP fip-free (203.0.113.30) is bound to nothing (not-ours)"),
    (OUT, "203.0.113.30", ARP, "dropped: elastic IP fip-free (203.0.113.30) is bound to nothing (not-ours)"),
    (OUT, "203.0.113.99", {}, "dropped: 203.0.113.99 is nobody's elastic IP (not-ours)"),
]
CASES = [
    pytest.param(outcome, *case, id=f"{case[0]}-{case[1]}-{'-'.join(map(str, case[2].values()))}")
    for outcome, cases in (("delivered", DELIVERED), ("answered", ANSWERED), ("asked", ASKED), ("dropped", DROPPED))
    for case in cases
]


@pytest.mark.parametrize(("outcome", "sender", "to", "more", "verdict"), CASES)
def test_the_verdict(lab: Lab, outcome: str, sender: str, to: str, more: dict[str, Any], verdict: str) -> None:
    trace, shown = ask(lab, sender, to, **more)
    wanted = verdict if "[12]" in verdict else re.escape(verdict)
    assert re.fullmatch(wanted, shown["verdict"]), shown
    assert shown["outcome"] == outcome
    assert bool(shown["reason"]) == (outcome == "dropped")
    assert [step["says"] for step in shown["steps"]] == [one.says for one in trace.legs[0].statements]


def says(lab: Lab, sender: str, to: str, **more: Any) -> list[str]:
    return [f"{step['table']}: {step['says']}" for step in ask(lab, sender, to, **more)[1]["steps"]]


def test_every_step_to_another_subnet_is_told(lab: Lab) -> None:
    assert says(lab, WEB, "10.0.2.10") == [
        "origin: port-web1 sends, in subnet-web of vpc-a",
        "asks: nothing in it is answered by the controller or sent back",
        "source: spoof check passed: 10.0.1.10 is an address of port-web1",
        "service: an IPv4 packet for one receiver",
        "out_track: what port-web1 sends is judged by sg-a",
        "out_rules: allowed by rule sgr-a-out of sg-a",
        "out_remember: the connection is remembered",
        "switch: 10.0.2.10 is not in the sender's subnet: to the router",
        "hop_limit: one router further: hop limit 63",
        "local_route: route 10.0.2.0/24 local: subnet-data",
        "resolve: 10.0.2.10 is port-data1 at fa:16:3e:00:00:06",
        "forward: the receiver's port is known",
        "remote: on this host",
        "in_track: what port-data1 gets is judged by sg-a",
        "in_rules: allowed by rule sgr-a-in of sg-a",
        "in_remember: the connection is remembered",
        "output: delivered to port-data1",
    ]


def test_every_step_to_the_internet_is_told(lab: Lab) -> None:
    assert says(lab, WEB, "8.8.8.8")[9:] == [
        "local_route: 8.8.8.8 is not in the VPC: by the route table",
        "table_of: subnet-web uses route table rtb-a",
        "route: route 0.0.0.0/0 of rtb-a leads to the internet",
        "snat: elastic IP fip-a: out as 203.0.113.10 from 10.0.1.10, at most 20 Mbit/s",
        "quoted_out: quotes no other packet",
        "dnat: 8.8.8.8 is no elastic IP of this host: out",
        "uplink: out to the public network by the gateway 203.0.113.1",
    ]


def test_the_way_in_is_told_with_the_inbound_floor(lab: Lab) -> None:
    inward = says(lab, OUT, "203.0.113.20")
    assert inward[:2] == ["origin: in from the public network", "arrival: one router further: hop limit 63"]
    assert "dnat: elastic IP fip-b: in to 10.0.1.10 of port-b1, at most 10 Mbit/s" in inward


def test_equal_routes_are_told_apart(lab: Lab) -> None:
    told = says(lab, INNER, "172.17.0.1", protocol="tcp")
    assert "route: 2 equal routes 172.17.0.0/16 of rtb-custom: the connection keeps to one" in told
    assert "equal: the connection has one of 256 slots, by addresses and TCP ports" in told
    assert any(re.fullmatch(r"ecmp: route 172.17.0.0/16 of rtb-custom leads to port-nfv[12]", line) for line in told)
    datagram = says(lab, INNER, "172.17.0.1", protocol="udp", destinationPort=53)
    assert "equal: the connection has one of 256 slots, by the client's UDP port" in datagram


def test_no_spoof_check_is_told(lab: Lab) -> None:
    told = says(lab, "port-router", "10.0.2.10", sourceAddress="192.0.2.1")
    assert "source: no spoof check: port-router may send from any IP address" in told


@pytest.mark.parametrize(
    ("sender", "to", "more", "says"),
    [
        ("port-nobody", "10.0.1.1", {}, "NetworkInterface 'port-nobody' does not exist"),
        ("i-nobody", "10.0.1.1", {}, "Instance 'i-nobody' does not exist"),
        ("port-loose", "10.0.1.1", {}, "port-loose is plugged into no host"),
        (WEB, "10.0.1.1", {"destinationPort": 5}, "icmp has no ports"),
    ],
)
def test_what_cannot_be_traced_is_refused(lab: Lab, sender: str, to: str, more: dict[str, Any], says: str) -> None:
    with pytest.raises(IntentError, match=re.escape(says)):
        ask(lab, sender, to, **more)


def test_another_account_hears_only_of_its_own(lab: Lab) -> None:
    """The neighbour behind an elastic IP is somebody else: nothing of it is named, neither id nor private address."""
    trace, _ = ask(lab, WEB, "203.0.113.20")
    assert trace.legs[0].statements[14].table == "dnat"
    state = lab.network.store.state

    def owner(id: str) -> tuple[str, str]:
        account, kind = owner_in(state, id)
        return "them" if id in ("vpc-b", "subnet-b", "port-b1", "fip-b") else account, kind

    heard = for_account(trace, "acc", owner, [HERE])
    lines = heard.legs[0].statements
    told = [line.says for line in lines]
    assert "elastic IP fip-a: out as 203.0.113.10 from 10.0.1.10, at most 20 Mbit/s" in told
    assert told[14] == "another account's elastic IP: public to private destination"
    assert heard.verdict == "delivered to another account's network interface"
    assert heard.legs[0].host == ""
    secret = {"port-b1", "vpc-b", "fip-b", "fa:16:3e"}
    assert not [text for text in (*told[14:], heard.verdict) if any(word in text for word in secret)]
    assert {line.resource for line in lines[14:]} == {""}


@pytest.mark.parametrize("name", NETWORKS)
def test_whoever_writes_flows_has_words(name: str) -> None:
    """A new feature says what its flows do: one function with @says in its own folder."""
    engine = NETWORKS[name]().engine()
    on = [
        flow
        for flow in engine.desired.flows.values()
        if "goto_table:drop" not in text(flow, Names(engine.program.pipeline))
    ]
    units = {unit.feature.name for flow in on for unit in engine.units(flow.cookie)}
    assert units - {"apps.misses"} <= set(engine.program.words)


def test_every_question_has_words() -> None:
    program = discover()
    assert set(program.pipeline.questions) <= set(program.words)


def test_the_reply_to_a_packet() -> None:
    """A database that lets nothing in but from the web, and nothing out: its replies pass, and no other."""
    net = network()
    vpc = net.store.state.all(Vpc)["vpc-a"]
    data, web = net.group(vpc, "data"), net.group(vpc, "web")
    net.rule(data, "in", protocol="tcp", first=5432, last=5432, peer=web.id)
    net.rule(data, "out", action="deny")
    for id, group in (("port-data1", data), ("port-web1", web)):
        net.store.transact(lambda txn, id=id, group=group: set_groups(txn, net.port_of(id), [group.id]))
    base = {**TCP, "destinationPort": 5432}
    with Lab(net) as lab:
        trace, shown = ask(lab, WEB, "10.0.2.10", **base)
        assert trace.verdict == "delivered to port-data1 on host host-1"
        trace, shown = ask(lab, WEB, "10.0.2.10", **base, reply=True)
        assert shown["packet"] == "reply to tcp 10.0.1.10 → 10.0.2.10 port 5432, hop limit 64"
        assert trace.verdict == "delivered to port-web1 on host host-1"
        says = [step["says"] for step in shown["steps"]]
        assert "a reply: its connection is allowed by rule sgr-data-1 of sg-data" in says
        assert says[0].startswith("port-data1 sends")
        trace, _ = ask(lab, WEB, "10.0.2.10", **{**base, "destinationPort": 22}, reply=True)
        assert trace.verdict == (
            "dropped: a reply, and its connection is allowed by no rule of sg-data at port-data1 (group)"
        )
        # What the database itself begins is another matter.
        assert ask(lab, "port-data1", "10.0.1.10", **base)[0].reason == "group"


REPLIES: list[Case] = [
    (WEB, "10.0.1.11", {}, "delivered to port-web1 on host host-1"),
    (WEB, "203.0.113.20", {}, "delivered to port-web1 on host host-1"),
    (WEB, "8.8.8.8", UDP, "delivered to port-web1 on host host-1"),
    (OUT, "203.0.113.10", HTTPS, GATEWAY),
]


@pytest.mark.parametrize(("sender", "to", "more", "verdict"), REPLIES)
def test_a_reply_finds_back(lab: Lab, sender: str, to: str, more: dict[str, Any], verdict: str) -> None:
    assert ask(lab, sender, to, **more, reply=True)[0].verdict == verdict


@pytest.mark.parametrize(
    ("sender", "to", "more", "why"),
    [
        (WEB, "10.0.1.99", {}, "10.0.1.99 is no network interface's"),
        (WEB, "203.0.113.30", {}, "fip-free is bound to nothing"),
        (WEB, "10.0.1.13", {}, "port-loose is plugged into no host"),
        ("port-data1", "8.8.8.8", {}, "10.0.2.10 of port-data1 has no elastic IP"),
        (WEB, "10.0.1.11", ARP, "the reply to arp is the switch's own"),
    ],
)
def test_nobody_replies(lab: Lab, sender: str, to: str, more: dict[str, Any], why: str) -> None:
    with pytest.raises(IntentError, match=re.escape(why)):
        ask(lab, sender, to, **more, reply=True)
