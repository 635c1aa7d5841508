"""Network ACLs with real packets: a test for each sentence that is promised of them, A1 to A9."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.l2 import Ether

from topologies import frames, scenarios
from topologies.cloud import Cloud
from topologies.internet import SERVER
from topologies.process import wait_until, within
from topologies.station import Station

WEB, INNER, API = "10.0.0.10", "10.0.0.12", "10.0.1.10"
ASKED = 3
"""Echo requests at a time."""
FRONT, BACK = ("shop", "net", "front"), ("shop", "net", "back")
Rule = dict[str, Any]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenarios.elastic_ip())
        assert made.guests["web"].reaches(SERVER, 10)
        assert made.guests["web"].reaches(API, 10)
        yield made


def rule(direction: str, protocol: str = "All", remote: str = "0.0.0.0/0", port: int = 0, **more: Any) -> Rule:
    """A rule that allows; ``port`` 0 is every port."""
    made = {"direction": direction, "protocol": protocol, "addressPrefix": remote, "ruleAction": "allow", **more}
    return made | ({"fromPort": port, "toPort": port} if port else {}) | {"priority": more.get("priority", 100)}


OPEN = (rule("ingress"), rule("egress"))


@contextmanager
def acl(cloud: Cloud, where: tuple[tuple[str, ...], ...], *rules: Rule) -> Iterator[str]:
    """A new ACL of subnets during a `with` block, in force on the switch."""
    owner = cloud.owners["web"]
    id = owner.vpc("createNetworkAcl", vpcId=cloud.ids["shop", "net"], networkAclName="a")["networkAclId"]
    subnets = [cloud.ids[one] for one in where]
    add(cloud, id, *rules)
    owner.vpc("associateNetworkAcl", networkAclId=id, subnetIds=subnets)
    cloud.cli("wait")
    try:
        yield id
    finally:
        for subnet in subnets:
            owner.vpc("disassociateNetworkAcl", networkAclId=id, subnetId=subnet)
        owner.vpc("deleteNetworkAcl", networkAclId=id)
        cloud.cli("wait")


def add(cloud: Cloud, id: str, *rules: Rule) -> None:
    """Add rules in one call, and wait until the switch obeys."""
    if rules:
        cloud.owners["web"].vpc("addNetworkAclRules", networkAclId=id, networkAclRuleSpecs=list(rules))
        cloud.cli("wait")


def pings(cloud: Cloud, sender: str, target: str, answered: int = ASKED) -> bool:
    """True when so many of three are answered: all come soon, however busy the machine is, or none does."""
    return cloud.guests[sender].ping(target, count=ASKED, wait=5 if answered else 1) == answered


def asks(client: Station, server: Station, address: str, port: int) -> tuple[bool, bool, str]:
    """Has a UDP question arrived, has its answer, and whom did the server see."""
    far = within(server.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    near = within(client.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with far, near:
        far.settimeout(0.7)
        near.settimeout(0.7)
        far.bind(("0.0.0.0", port))
        near.bind(("0.0.0.0", 40000))
        near.sendto(b"question", (address, port))
        try:
            heard, peer = far.recvfrom(100)
        except TimeoutError:
            return False, False, ""
        far.sendto(heard, peer)
        try:
            return True, near.recv(100) == heard, str(peer[0])
        except TimeoutError:
            return True, False, str(peer[0])


def refused(client: Station, address: str) -> bool:
    """True when a UDP socket learns by an ICMP error that nobody listens."""
    with within(client.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
        sender.settimeout(0.7)
        sender.connect((address, 9))
        sender.send(b"anyone?")
        try:
            sender.recv(1)
        except (ConnectionRefusedError, TimeoutError) as answer:
            return isinstance(answer, ConnectionRefusedError)
    return False


def dropped(cloud: Cloud, reason: str = "acl") -> int:
    """Packets that the region has dropped for a reason, because of ACLs by default."""
    return int(cloud.cli("status")["drops"].get(reason, 0))


@contextmanager
def group(cloud: Cloud, name: str, direction: int, port: int) -> Iterator[None]:
    """A machine's security group lets one UDP port pass that way during a `with` block, and nothing else."""
    owner, interface = cloud.owners[name], cloud.interfaces[name, 0]["networkInterfaceId"]
    made = owner.vpc("createNetworkSecurityGroup", vpcId=cloud.ids["shop", "net"], networkSecurityGroupName="g")
    id = made["networkSecurityGroupId"]
    rule = {"direction": direction, "protocol": 17, "addressPrefix": "0.0.0.0/0", "fromPort": port, "toPort": port}
    owner.vpc("addNetworkSecurityGroupRules", networkSecurityGroupId=id, networkSecurityGroupRuleSpecs=[rule])
    owner.vpc("modifyNetworkInterface", networkInterfaceId=interface, securityGroups=[id])
    cloud.cli("wait")
    try:
        yield
    finally:
        owner.vpc("modifyNetworkInterface", networkInterfaceId=interface, securityGroups=[])
        owner.vpc("deleteNetworkSecurityGroup", networkSecurityGroupId=id)
        cloud.cli("wait")


def test_a1_without_acl_all_passes_and_a_new_acl_lets_nothing_pass(cloud: Cloud) -> None:
    web, api = cloud.guests["web"], cloud.guests["api"]
    before = dropped(cloud)
    assert pings(cloud, "web", API) and pings(cloud, "api", WEB)
    with acl(cloud, (FRONT,)):
        assert pings(cloud, "web", API, 0) and pings(cloud, "api", WEB, 0)
        assert not asks(web, api, API, 7000)[0] and not asks(api, web, WEB, 7000)[0]
        assert pings(cloud, "web", SERVER, 0)
        assert cloud.internet.server.ping(cloud.public("web"), wait=1) == 0
        # Nine echo requests of instances, three from outside, and two datagrams.
        assert wait_until(lambda: dropped(cloud) - before >= 14, 20, 0.5)
    assert pings(cloud, "web", API) and pings(cloud, "web", SERVER)


@pytest.mark.parametrize("first", ["allow", "deny"])
def test_a2_the_smallest_priority_decides_and_of_equal_ones_denial(cloud: Cloud, first: str) -> None:
    other = "deny" if first == "allow" else "allow"
    with acl(cloud, (FRONT,), *OPEN) as id:
        add(cloud, id, rule("egress", "ICMP", priority=20, ruleAction=other))
        assert pings(cloud, "web", API, ASKED * (other == "allow"))
        add(cloud, id, rule("egress", "ICMP", f"{API}/32", priority=10, ruleAction=first))
        assert pings(cloud, "web", API, ASKED * (first == "allow"))
        add(cloud, id, rule("egress", "ICMP", "10.0.1.0/24", priority=10, ruleAction=other))
        assert pings(cloud, "web", API, 0)


def test_a3_a_reply_needs_a_rule_of_its_own(cloud: Cloud) -> None:
    """Also an ICMP error, and a reply to what came from outside by a public address."""
    web, api, server, public = cloud.guests["web"], cloud.guests["api"], cloud.internet.server, cloud.public("web")
    with acl(cloud, (FRONT,), rule("egress", "UDP"), rule("ingress", "UDP", SERVER + "/32", 7000)) as id:
        assert asks(web, api, API, 7000) == (True, False, WEB)
        assert not refused(web, API)
        add(cloud, id, rule("ingress", "UDP", "10.0.1.0/24", 40000))
        assert asks(web, api, API, 7000) == (True, True, WEB)
        assert not refused(web, API)
        add(cloud, id, rule("ingress", "ICMP"))
        assert refused(web, API)
        assert asks(server, web, public, 7000)[:2] == (True, True)
        add(cloud, id, rule("egress", "UDP", SERVER + "/32", priority=1, ruleAction="deny"))
        assert asks(server, web, public, 7000)[:2] == (True, False)
        assert pings(cloud, "web", SERVER, 0)
        add(cloud, id, rule("egress", "ICMP"))
        assert pings(cloud, "web", SERVER)


def test_a4_only_the_border_is_guarded_and_both_subnets_are_asked(cloud: Cloud) -> None:
    web, inner, api = cloud.guests["web"], cloud.guests["inner"], cloud.guests["api"]
    with acl(cloud, (FRONT, BACK)) as id:
        assert pings(cloud, "web", INNER) and asks(inner, web, WEB, 7000)[1]
        add(cloud, id, rule("egress"))
        assert not asks(web, api, API, 7000)[0]
        add(cloud, id, rule("ingress", "UDP", "10.0.0.0/24", 7000))
        assert asks(web, api, API, 7000) == (True, False, WEB)
        add(cloud, id, rule("egress", "UDP", "10.0.1.0/24", 7001, ruleAction="deny", priority=1))
        add(cloud, id, rule("ingress", "UDP", "10.0.0.0/24", 7001))
        assert not asks(web, api, API, 7001)[0]
    with acl(cloud, (FRONT,), *OPEN), acl(cloud, (BACK,), rule("egress")):
        assert not asks(web, api, API, 7000)[0]


def test_a5_a_drop_names_the_acl_that_refused_first(cloud: Cloud) -> None:
    """The order among ACLs: out of the sender's subnet, then into the receiver's."""
    owner, sender = cloud.owners["web"], cloud.interfaces["web", 0]["networkInterfaceId"]
    with acl(cloud, (FRONT,)) as front, acl(cloud, (BACK,)) as back:
        told = owner.trace(sender, API)
        assert front in told["verdict"] and back not in told["verdict"], told
        add(cloud, front, *OPEN)
        told = owner.trace(sender, API)
        assert back in told["verdict"] and front not in told["verdict"], told


def test_a6_rules_see_private_addresses_and_the_real_client(cloud: Cloud) -> None:
    web, api, server = cloud.guests["web"], cloud.guests["api"], cloud.internet.server
    into = rule("ingress", "UDP", SERVER + "/32")
    with acl(cloud, (FRONT,), into, rule("egress", "UDP", SERVER + "/32")):
        assert asks(server, web, cloud.public("web"), 7000) == (True, True, SERVER)
        assert asks(web, server, SERVER, 7000) == (True, True, cloud.public("web"))
        assert not asks(api, web, WEB, 7000)[0]
    with acl(cloud, (FRONT,), rule("egress"), rule("ingress", "UDP", cloud.public("web") + "/32")):
        assert not asks(server, web, cloud.public("web"), 7000)[0]


def test_a7_arp_dhcp_and_the_router_itself_are_not_filtered(cloud: Cloud) -> None:
    web = cloud.guests["web"]
    with acl(cloud, (FRONT, BACK)) as id:
        assert len(frames.who_has(web, "10.0.0.1", WEB)) == len(frames.who_has(web, INNER, WEB)) == 1
        assert pings(cloud, "web", "10.0.0.1") and pings(cloud, "web", "10.0.0.2")
        assert cloud.guests["spare"].dhcp()["new_ip_address"] == "10.0.0.11"
        add(cloud, id, rule("egress", "UDP"))
        hops = web.run("traceroute", "-n", "-q", "1", "-w", "1", "-m", "1", API)
        assert "10.0.0.1" in hops, "it tells that the hop limit is over, and no rule lets ICMP in"


def large(cloud: Cloud, port: int) -> list[int]:
    """The offsets, in bytes, at which parts of a datagram of 4000 bytes reach the other subnet."""
    web, api = cloud.guests["web"], cloud.guests["api"]
    (router,) = frames.who_has(web, "10.0.0.1", WEB)
    number = int.from_bytes(os.urandom(2), "big") or 1
    whole = IP(src=WEB, dst=API, id=number) / UDP(sport=40000, dport=port) / os.urandom(4000)
    ether = Ether(src=web.mac(), dst=router)

    def part(frame: bytes) -> bool:
        packet = frames.ip(frame)
        return packet is not None and packet.src == WEB and packet.id == number

    with api.sniff() as wire:
        web.send(*(bytes(ether / one) for one in fragment(whole, 1376)))
        wait_until(lambda: len(wire.received(part)) >= 3, 1)
        found = [frames.ip(frame) for frame in wire.received(part)]
    return sorted(int(one.frag) * 8 for one in found if one)


def test_a8_a_rule_with_ports_judges_the_first_fragment(cloud: Cloud) -> None:
    """Later ones have no ports: a rule that allows some ports lets them pass, one that denies some stops none.

    None of them arrives without the first: the receiver's connection tracking, for its groups, waits for that.
    """
    with acl(cloud, (FRONT,), rule("egress", "UDP", port=9)) as id:
        assert large(cloud, 9) == [0, 1376, 2752]
        assert large(cloud, 10) == []
        add(cloud, id, rule("egress", "UDP", priority=10, ruleAction="deny"))
        assert large(cloud, 9) == []
    with acl(cloud, (FRONT,), rule("egress", "TCP", port=9)):
        assert large(cloud, 9) == []
    with acl(cloud, (FRONT,), rule("egress", "UDP", port=9, ruleAction="deny", priority=1), rule("egress")):
        assert large(cloud, 9) == []
        assert large(cloud, 10) == [0, 1376, 2752]


def counted(cloud: Cloud, port: int) -> tuple[int, int]:
    """Of a datagram of three fragments that does not arrive: those dropped by security groups, and by ACLs."""
    before = dropped(cloud, "group"), dropped(cloud)

    def more() -> tuple[int, int]:
        return dropped(cloud, "group") - before[0], dropped(cloud) - before[1]

    assert large(cloud, port) == []
    wait_until(lambda: sum(more()) >= 3, 10, 0.2)
    return more()


OUTWARDS, INWARDS = 1, 0


def test_a5_fragments_meet_group_then_acl_on_the_way_out_and_acl_then_group_on_the_way_in(cloud: Cloud) -> None:
    """Where a group forbids its port, the group drops the first fragment; later ones have no port, and go on."""
    with group(cloud, "web", OUTWARDS, 9):
        assert large(cloud, 9) == [0, 1376, 2752]
        with acl(cloud, (FRONT,)) as id:
            group_drops, acl_drops = counted(cloud, 9)
            assert group_drops == 0 and acl_drops >= 3, "the group allows it, the ACL does not"
            assert counted(cloud, 10) == (1, 2), "the group comes first"
            add(cloud, id, *OPEN)
            assert large(cloud, 9) == [0, 1376, 2752]
    with group(cloud, "api", INWARDS, 9):
        assert large(cloud, 9) == [0, 1376, 2752]
        with acl(cloud, (BACK,)) as id:
            assert counted(cloud, 9) == counted(cloud, 10) == (0, 3), "the ACL comes first"
            add(cloud, id, *OPEN)
            assert large(cloud, 9) == [0, 1376, 2752]


def test_a9_all_rules_of_one_call_are_in_force_at_once(cloud: Cloud) -> None:
    """A denial and what it takes back come in one call: between them nothing passes, whichever is written first."""
    web, api = cloud.guests["web"], cloud.guests["api"]
    (router,) = frames.who_has(web, "10.0.0.1", WEB)
    stray = frames.udp((web.mac(), WEB), (router, API), b"never")
    allows = [rule("egress", "UDP", priority=200 + n) for n in range(2)]
    denies = [rule("egress", "UDP", f"10.0.{n}.0/24", priority=1 + n, ruleAction="deny") for n in range(40)]
    owner = cloud.owners["web"]
    with acl(cloud, (FRONT,)) as id, api.sniff() as wire:
        for rules in ([allows[0], *denies], [*denies, allows[1]]):
            order = {"networkAclId": id, "networkAclRuleSpecs": rules}
            made = owner.vpc("addNetworkAclRules", **order)["networkAclRules"]
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                web.send(stray)
            cloud.cli("wait")
            owner.vpc("removeNetworkAclRules", networkAclId=id, ruleIds=[one["ruleId"] for one in made])
            cloud.cli("wait")
        add(cloud, id, allows[0])
        assert not wire.received(lambda frame: b"never" in frame)
        web.send(stray)
        assert wire.wait(lambda frame: b"never" in frame), "it arrives where nothing forbids it"
