"""Packets from an IP address that is not the interface's own, or is nobody's."""

from collections.abc import Iterator

from scapy.layers.inet import IP, TCP, UDP, IPOption_LSRR, IPOption_SSRR, fragment
from scapy.packet import Raw

from tests.packet.attacks import PORT, ROUTER, ROUTER_IP, SERVER_IP, Ground, Sent, Who, attempt, ether, udp

SERVER = "198.51.100.10"


def _as(at: Ground, by: str, ip: str, to: str, mark: bytes) -> Iterator[Sent]:
    """To a neighbour, and to the internet."""
    mac = at[by].mac
    yield Sent(by, udp(Who(mac, ip), at[to], mark))
    yield Sent(by, udp(Who(mac, ip), Who(ROUTER, at["inner"].ip), mark))
    yield Sent(by, udp(Who(mac, ip), Who(ROUTER, SERVER), mark))


@attempt
def the_neighbours(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From a neighbour's address."""
    yield from _as(at, "mallory", at["far"].ip, "near", mark)


@attempt
def the_routers(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From the router's address."""
    yield from _as(at, "mallory", ROUTER_IP, "near", mark)


@attempt
def the_dhcp_servers(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From the DHCP server's address."""
    yield from _as(at, "mallory", SERVER_IP, "near", mark)


@attempt
def an_unused_one_of_the_subnet(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From an address of the subnet that nobody has."""
    yield from _as(at, "mallory", "10.0.0.77", "near", mark)


@attempt
def one_of_another_subnet(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From the address of an interface in another subnet."""
    yield from _as(at, "mallory", at["inner"].ip, "near", mark)


@attempt
def another_tenants(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From an address that only the other tenant has."""
    yield from _as(at, "mallory", at["depot"].ip, "near", mark)


@attempt
def another_tenants_elastic_ip(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From the elastic IP of the other tenant, to him as well."""
    yield from _as(at, "mallory", at.public("shop"), "near", mark)
    yield Sent("mallory", udp(Who(at["mallory"].mac, at.public("shop")), Who(ROUTER, at.public("shop")), mark))


@attempt
def its_own_elastic_ip(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From the own elastic IP, which is an address of the public network."""
    yield from _as(at, "mallory", at.public("mallory"), "near", mark)


@attempt
def the_public_gateways(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From the address of the public gateway."""
    yield from _as(at, "mallory", at.gateway.ip, "near", mark)


@attempt
def one_of_the_internet(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From an address of the internet."""
    yield from _as(at, "mallory", "8.8.8.8", "near", mark)


@attempt
def loopback(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From 127.0.0.1, with and without the source check."""
    for by in ("mallory", "free"):
        yield from _as(at, by, "127.0.0.1", "near", mark)


@attempt
def a_groups(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From a multicast address, with and without the source check."""
    for by in ("mallory", "free"):
        yield from _as(at, by, "224.0.0.5", "near", mark)


@attempt
def nobodys(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From 0.0.0.0, with and without the source check."""
    for by in ("mallory", "free"):
        yield from _as(at, by, "0.0.0.0", "near", mark)


@attempt
def everybodys(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From 255.255.255.255, with and without the source check."""
    for by in ("mallory", "free"):
        yield from _as(at, by, "255.255.255.255", "near", mark)


@attempt
def a_syn_of_the_neighbours(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A TCP connection in a neighbour's name."""
    inside = IP(src=at["far"].ip, dst=at["near"].ip) / TCP(sport=40000, dport=22, flags="S") / Raw(mark)
    yield Sent("mallory", ether(at["mallory"].mac, at["near"].mac, inside))


@attempt
def a_reset_of_the_neighbours(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A TCP reset in a neighbour's name."""
    inside = IP(src=at["far"].ip, dst=at["near"].ip) / TCP(sport=22, dport=40000, flags="RA") / Raw(mark)
    yield Sent("mallory", ether(at["mallory"].mac, at["near"].mac, inside))


@attempt
def fragments_of_the_neighbours(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Fragments of a datagram in a neighbour's name, the later ones first."""
    whole = IP(src=at["far"].ip, dst=at["near"].ip, id=7) / UDP(sport=40000, dport=PORT) / Raw(mark * 100)
    for piece in reversed(fragment(whole, fragsize=800)):
        yield Sent("mallory", ether(at["mallory"].mac, at["near"].mac, piece))


@attempt
def a_tiny_first_fragment(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The neighbour's address, in fragments of which the first has eight bytes."""
    header = IP(src=at["far"].ip, dst=at["near"].ip, id=8, proto=17, flags="MF")
    later = IP(src=at["far"].ip, dst=at["near"].ip, id=8, proto=17, frag=1)
    for piece in (header / UDP(sport=40000, dport=PORT, len=8 + len(mark)), later / Raw(mark)):
        yield Sent("mallory", ether(at["mallory"].mac, at["near"].mac, piece))


@attempt
def by_a_loose_source_route(at: Ground, mark: bytes) -> Iterator[Sent]:
    """To the other tenant by a route written into the packet (RFC 791), by way of a neighbour and of the router."""
    for via, mac in ((at["near"].ip, at["near"].mac), (ROUTER_IP, ROUTER)):
        route = IPOption_LSRR(routers=[at["depot"].ip, at.public("shop")])
        inside = IP(src=at["mallory"].ip, dst=via, options=[route]) / UDP(sport=40000, dport=PORT) / Raw(mark)
        yield Sent("mallory", ether(at["mallory"].mac, mac, inside), may=("near",))


@attempt
def by_a_strict_source_route(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The same by a strict route."""
    route = IPOption_SSRR(routers=[at["depot"].ip])
    inside = IP(src=at["mallory"].ip, dst=at["near"].ip, options=[route]) / UDP(sport=40000, dport=PORT) / Raw(mark)
    yield Sent("mallory", ether(at["mallory"].mac, at["near"].mac, inside), may=("near",))


@attempt
def options_around_a_forged_address(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A neighbour's address in a header with options, which is longer than most."""
    route = IPOption_LSRR(routers=["10.0.0.1"])
    inside = IP(src=at["far"].ip, dst=at["near"].ip, options=[route]) / UDP(sport=40000, dport=PORT) / Raw(mark)
    yield Sent("mallory", ether(at["mallory"].mac, at["near"].mac, inside))
