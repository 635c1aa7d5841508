"""A time of grace in a real switch: what is judged how, in the words of a trace, and that SYN is judged as always."""

from collections.abc import Iterator

import pytest

from sdnctl.model.host import SWITCH, Grace
from sdnctl.of import fields as f
from sdnctl.trace import switch
from sdnctl.trace.model import Leg
from sdnctl.trace.ofproto import read
from sdnctl.trace.words import tell
from tests.build import Network
from tests.lab import Lab

SYN, ACK = 0x2, 0x10
CLIENT, SERVER, OTHER = "10.0.1.10", "10.0.1.11", "10.0.1.12"


def network(whose: str) -> Network:
    """A client that lets nothing in, a server that lets in what is for one port and nothing out, and a third one."""
    net = Network()
    vpc = net.vpc("a", "10.0.0.0/16")
    subnet = net.subnet(vpc, "a", "10.0.1.0/24")
    closed, served = net.group(vpc, "closed"), net.group(vpc, "served")
    net.rule(served, "in", protocol="tcp", first=5001, last=5001)
    net.rule(served, "out", action="deny")
    net.port(subnet, "client", CLIENT, groups=(closed,))
    net.port(subnet, "server", SERVER, groups=(served,))
    net.port(subnet, "other", OTHER)
    if whose:
        net.grace(whose)
    return net


@pytest.fixture(scope="module", params=[SWITCH, "port-client"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with Lab(network(request.param)) as made:
        yield made


@pytest.fixture(scope="module")
def restarted() -> Iterator[Lab]:
    with Lab(network(SWITCH)) as made:
        yield made


@pytest.fixture(scope="module")
def settled() -> Iterator[Lab]:
    with Lab(network("")) as made:
        yield made


def told(lab: Lab, sender: str, to: str, protocol: int, source: int, target: int, flags: int = ACK) -> Leg:
    """The way of a packet from an interface, in words."""
    port = lab.port(sender)
    receiver = next(one for one in map(lab.port, ("client", "server", "other")) if str(one.addresses[0]) == to)
    ports = (f.TCP_SRC, f.TCP_DST) if protocol == f.IP_PROTO_TCP else (f.UDP_SRC, f.UDP_DST)
    packet = {
        f.IN_PORT: lab.ofport(sender),
        f.ETH_SRC: port.mac,
        f.ETH_DST: receiver.mac,
        f.ETH_TYPE: f.ETH_TYPE_IP,
        f.IP_SRC: port.addresses[0],
        f.IP_DST: receiver.addresses[0],
        f.IP_TTL: 64,
        f.IP_PROTO: protocol,
        **dict(zip(ports, (source, target), strict=True)),
        **({f.TCP_FLAGS: flags} if protocol == f.IP_PROTO_TCP else {}),
    }
    return tell(read(switch.ask(str(lab.switch.rundir), lab.switch.bridge, packet), packet), lab.engine)


def said(leg: Leg, *tables: str) -> list[str]:
    return [f"{one.table}: {one.says}" for one in leg.statements if one.table in tables]


def test_what_a_server_sends_passes_as_a_reply(lab: Lab) -> None:
    leg = told(lab, "other", CLIENT, f.IP_PROTO_TCP, 80, 41001)
    assert leg.outcome == "delivered"
    whole = (Grace, SWITCH) in lab.network.local
    whose = "the switch has just started" if whole else "port-client has just moved here"
    assert said(leg, "in_judge", "in_rules", "in_replies", "in_refused", "in_remember") == [
        f"in_judge: {whose}: it may belong to a connection that nobody has seen begin",
        "in_replies: a reply: its connection is allowed: no rule of sg-closed is for what goes out",
    ]


def test_what_looks_like_a_client_s_is_the_first_of_its_connection_before_all_else(lab: Lab) -> None:
    leg = told(lab, "other", CLIENT, f.IP_PROTO_TCP, 41001, 80)
    assert leg.outcome == "delivered"
    assert said(leg, "in_rules", "in_replies", "in_refused") == [
        "in_refused: refused as the first of a connection",
        "in_replies: a reply: its connection is allowed: no rule of sg-closed is for what goes out",
    ]


@pytest.mark.parametrize(
    ("protocol", "source", "target", "flags"),
    [
        *((f.IP_PROTO_TCP, 80, 41001, SYN), (f.IP_PROTO_TCP, 41001, 80, SYN)),
        *((f.IP_PROTO_UDP, 41001, 53, 0), (f.IP_PROTO_UDP, 41001, 41002, 0), (f.IP_PROTO_UDP, 53, 123, 0)),
    ],
)
def test_nothing_new_gets_in(lab: Lab, protocol: int, source: int, target: int, flags: int) -> None:
    leg = told(lab, "other", CLIENT, protocol, source, target, flags)
    assert leg.verdict == "dropped: allowed by no rule of sg-closed at port-client (group)"


def test_a_server_that_lets_nothing_out_goes_on_with_what_it_lets_in(restarted: Lab) -> None:
    leg = told(restarted, "server", OTHER, f.IP_PROTO_TCP, 5001, 41001)
    assert leg.outcome == "delivered"
    assert said(leg, "out_replies", "out_rules") == [
        "out_replies: a reply: its connection is allowed by rule sgr-served-1 of sg-served"
    ]
    leg = told(restarted, "server", OTHER, f.IP_PROTO_TCP, 5002, 41001)
    assert leg.verdict == "dropped: dropped by rule sgr-served-2 of sg-served at port-server (group)"
    assert said(leg, "out_replies", "out_rules", "out_refused") == [
        "out_refused: refused as a reply",
        "out_refused: dropped by rule sgr-served-2 of sg-served at port-server",
    ]


def test_s14_outside_that_time_what_begins_nothing_has_to_be_allowed_as_a_reply_too(settled: Lab) -> None:
    """But for what looks like a client's."""
    leg = told(settled, "client", OTHER, f.IP_PROTO_TCP, 80, 41001)
    assert (
        leg.verdict == "dropped: a reply, and its connection is allowed by no rule of sg-closed at port-client (group)"
    )
    assert said(leg, "out_judge", "out_rules", "out_allowed") == [
        "out_judge: it begins no connection, and nobody knows the one that it may belong to",
        "out_rules: allowed: no rule of sg-closed is for what goes out",
        "out_allowed: it passes only if it may be a reply, too",
    ]
    leg = told(settled, "client", OTHER, f.IP_PROTO_TCP, 41001, 80)
    assert leg.outcome == "delivered"
    assert said(leg, "out_rules", "out_allowed", "out_replies") == [
        "out_rules: allowed: no rule of sg-closed is for what goes out"
    ]
    assert told(settled, "client", OTHER, f.IP_PROTO_TCP, 80, 41001, SYN).outcome == "delivered"
    assert told(settled, "other", CLIENT, f.IP_PROTO_TCP, 80, 41001).outcome == "dropped"
