"""Frames from a MAC address that is not the interface's own."""

from collections.abc import Iterator

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q
from scapy.packet import Raw

from tests.packet.attacks import BROADCAST, PORT, ROUTER, Ground, Sent, Who, attempt, ether, udp


def _as(at: Ground, by: str, mac: str, to: str, mark: bytes) -> Iterator[Sent]:
    yield Sent(by, udp(Who(mac, at[by].ip), at[to], mark))


@attempt
def the_neighbours(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From the MAC address of a neighbour to another one, on this host and on the other."""
    yield from _as(at, "mallory", at["near"].mac, "far", mark)
    yield from _as(at, "mallory", at["far"].mac, "near", mark)


@attempt
def the_routers(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From the router's MAC address."""
    yield from _as(at, "mallory", ROUTER, "near", mark)


@attempt
def another_tenants(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From a MAC address of the other tenant, to both tenants."""
    yield from _as(at, "mallory", at["shop"].mac, "pal", mark)
    yield from _as(at, "mallory", at["shop"].mac, "near", mark)


@attempt
def everybodys(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From the broadcast address."""
    yield from _as(at, "mallory", BROADCAST, "near", mark)


@attempt
def a_groups(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From a group's MAC address."""
    yield from _as(at, "mallory", "01:00:5e:00:00:01", "near", mark)


@attempt
def nobodys(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From the MAC address zero."""
    yield from _as(at, "mallory", "00:00:00:00:00:00", "near", mark)


@attempt
def one_bit_off(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From 48 MAC addresses that each differ from the own one in one bit."""
    own = int(at["mallory"].mac.replace(":", ""), 16)
    for bit in range(48):
        forged = (own ^ 1 << bit).to_bytes(6, "big").hex(":")
        yield from _as(at, "mallory", forged, "near", mark)


@attempt
def the_neighbours_unchecked(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From the MAC address of a neighbour, with the source check off."""
    yield from _as(at, "free", at["near"].mac, "far", mark)


@attempt
def the_routers_unchecked(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From the router's MAC address, with the source check off."""
    yield from _as(at, "free", ROUTER, "near", mark)


@attempt
def a_strange_one_unchecked(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From a MAC address that nobody has, through the router, with the source check off."""
    yield Sent("free", udp(Who("02:11:11:11:11:11", at["free"].ip), Who(ROUTER, at["inner"].ip), mark))


@attempt
def behind_a_priority_tag(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From the MAC address of a neighbour, behind a tag that is taken off."""
    inside = IP(src=at["mallory"].ip, dst=at["far"].ip) / UDP(sport=40000, dport=PORT) / Raw(mark)
    yield Sent("mallory", ether(at["near"].mac, at["far"].mac, Dot1Q(vlan=0, prio=5), inside))
