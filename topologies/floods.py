"""Floods of questions that only a controller answers: two tenants on two hosts, one of which floods.

The loud one and the calm one have equal networks, each with a machine that has a public address and one beyond a
tunnel.
"""

from typing import NamedTuple

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from topologies import frames
from topologies.internet import SERVER
from topologies.pair import Pair
from topologies.questions import GATEWAY, Asker, discover, too_big
from topologies.scenarios import Account, Instance, Scenario, Subnet, Vpc, machine

SENDERS = "198.18.0.0/15"  # RFC 2544: nobody's


def tenant(name: str) -> Account:
    """A customer with a machine that has a public address, and one beyond a tunnel."""
    machines: tuple[Instance, ...] = (
        machine(name, "front", "10.0.0.10", 100),
        machine(f"{name}2", "front", "10.0.0.20", host="hv2"),
    )
    return Account(name, (Vpc("net", "10.0.0.0/16", (Subnet("front", "10.0.0.0/24"),), machines),))


class Loud(NamedTuple):
    """The machine that floods, as frames need it."""

    mac: str
    public: str
    router: str
    beyond: str
    outside: str
    uplink: str


def prepare(cloud: Pair) -> None:
    """Make both networks, and have their machines reach what they flood."""
    cloud.build(Scenario("flood", (tenant("loud"), tenant("calm"))))
    for name in ("loud", "calm"):
        for target in (SERVER, "10.0.0.20"):
            if not cloud.guests[name].reaches(target, 10):
                raise TimeoutError(f"{name} does not reach {target}")
    # Answers to senders that are nobody must not fill the kernel's one neighbour table.
    cloud.internet.gateway.run("ip", "route", "replace", "blackhole", SENDERS)
    cloud.guests["loud"].run("ip", "route", "replace", "blackhole", "default")


def uplink_mac(cloud: Pair) -> str:
    """The MAC address behind which the public addresses are."""
    (mac,) = frames.who_has(cloud.internet.gateway, cloud.public("calm"), GATEWAY, "public")
    return mac


def asker(cloud: Pair, name: str) -> Asker:
    """One of the two, as somebody who asks questions."""
    guest = cloud.guests[name]
    (router,) = frames.who_has(guest, "10.0.0.1", "10.0.0.10")
    (beyond,) = frames.who_has(guest, "10.0.0.20", "10.0.0.10")
    reach = (router, (beyond, "10.0.0.20"), cloud.internet.gateway, uplink_mac(cloud))
    return Asker(guest, "10.0.0.10", cloud.public(name), *reach)


def flooder(cloud: Pair, name: str) -> Loud:
    """One of the two, as somebody who floods."""
    guest = cloud.guests[name]
    (router,) = frames.who_has(guest, "10.0.0.1", "10.0.0.10")
    (beyond,) = frames.who_has(guest, "10.0.0.20", "10.0.0.10")
    outside = cloud.internet.gateway.mac("public")
    return Loud(guest.mac(), cloud.public(name), router, beyond, outside, uplink_mac(cloud))


Varied = tuple[bytes, *tuple[tuple[int, int], ...]]


def dhcp(loud: Loud) -> Varied:
    """DHCP, in its own name."""
    return discover(loud.mac, 1), (46, 4)


def dhcp_from_anybody(loud: Loud) -> Varied:
    """DHCP, each time in another name."""
    return discover(loud.mac, 1), (7, 5), (46, 4), (71, 5)


def expired_inside(loud: Loud) -> Varied:
    """Packets whose hop limit ends at the router."""
    return frames.udp((loud.mac, "10.0.0.10"), (loud.router, "10.0.1.1"), b"", ttl=1), (32, 2)


def to_the_router(loud: Loud) -> Varied:
    """UDP to a port that the router does not have."""
    return frames.udp((loud.mac, "10.0.0.10"), (loud.router, "10.0.0.1"), b""), (34, 4)


def too_big_for_a_tunnel(loud: Loud) -> Varied:
    """Packets that the tunnel is too narrow for."""
    sent = Ether(src=loud.mac, dst=loud.beyond) / IP(src="10.0.0.10", dst="10.0.0.20", flags="DF") / UDP(dport=9)
    return bytes(sent / Raw(b"x" * 1450)), (18, 2), (34, 4)


def errors_out(loud: Loud) -> Varied:
    """ICMP errors about packets from outside."""
    quoted = IP(src=SERVER, dst="10.0.0.10") / UDP(sport=53, dport=9)
    error = IP(src="10.0.0.10", dst=SERVER) / ICMP(type=3, code=3)
    return bytes(Ether(src=loud.mac, dst=loud.router) / error / bytes(quoted)), (32, 2), (46, 2)


def errors_in(loud: Loud) -> Varied:
    """ICMP errors from outside about packets of its own."""
    quoted = IP(src=loud.public, dst=SERVER) / UDP(sport=53, dport=9)
    return too_big("198.18.0.1", loud.public, quoted, (loud.outside, loud.uplink)), (28, 2), (46, 2)


def expired_outside(loud: Loud) -> Varied:
    """Packets from outside whose hop limit ends at the region."""
    return frames.udp((loud.outside, "198.18.0.1"), (loud.uplink, loud.public), b"", ttl=1), (28, 2)


def arp_from_anybody(loud: Loud) -> Varied:
    """ARP for its public address, each time in another name."""
    asked = frames.arp(1, (loud.outside, "203.0.113.77"), (frames.ZERO, loud.public))
    return asked, (7, 5), (23, 5), (31, 1)


def arp_as_the_gateway(loud: Loud) -> Varied:
    """Its own true announcement, again and again."""
    return frames.arp(2, (loud.outside, GATEWAY), (loud.uplink, loud.public)), (41, 1)


def arp_as_a_forged_gateway(loud: Loud) -> Varied:
    """Everybody on the public network says that the gateway is there."""
    return frames.arp(2, ("02:66:66:66:66:66", GATEWAY), (loud.uplink, loud.public)), (7, 5), (23, 5)


INSIDE = (dhcp, dhcp_from_anybody, expired_inside, to_the_router, too_big_for_a_tunnel, errors_out)
OUTSIDE = (errors_in, expired_outside, arp_from_anybody, arp_as_the_gateway, arp_as_a_forged_gateway)
