"""From the public network, and to it."""

from collections.abc import Iterator

from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.l2 import ARP, Dot1Q
from scapy.packet import Raw

from tests.packet.attacks import BROADCAST, HOSTS, OUTSIDE, PORT, ROUTER, Ground, Sent, Who, attempt, ether, udp


def _in(at: Ground, source: str, target: str, mark: bytes) -> Iterator[Sent]:
    """From outside to the MAC address of each host's uplink."""
    for host in HOSTS:
        yield Sent(OUTSIDE, udp(Who(at.gateway.mac, source), Who(at.uplink(host), target), mark))


@attempt
def to_private_addresses(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From outside straight to private addresses."""
    for to in ("mallory", "depot", "inner"):
        yield from _in(at, "198.51.100.10", at[to].ip, mark)


@attempt
def from_a_neighbours_address(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From outside to an elastic IP, from the private address of a neighbour."""
    yield from _in(at, at["near"].ip, at.public("mallory"), mark)
    yield from _in(at, at["pal"].ip, at.public("shop"), mark)


@attempt
def from_an_elastic_ip(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From outside to an elastic IP, from another of the region, and from itself."""
    yield from _in(at, at.public("mallory"), at.public("shop"), mark)
    yield from _in(at, at.public("shop"), at.public("shop"), mark)


@attempt
def from_nobodys_addresses(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From outside, from loopback, a group, link-local, this network and what is reserved."""
    for source in ("127.0.0.1", "224.0.0.1", "169.254.169.254", "0.0.0.0", "255.255.255.255", "240.0.0.1"):
        yield from _in(at, source, at.public("shop"), mark)


@attempt
def tagged(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From outside to an elastic IP, in a VLAN."""
    inside = IP(src="198.51.100.10", dst=at.public("shop")) / UDP(sport=9, dport=PORT) / Raw(mark)
    for host in HOSTS:
        yield Sent(OUTSIDE, ether(at.gateway.mac, at.uplink(host), Dot1Q(vlan=7), inside))


@attempt
def to_other_mac_addresses(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From outside to an elastic IP, at MAC addresses that are not the uplink's."""
    for mac in (ROUTER, BROADCAST, at["shop"].mac, "01:00:5e:00:00:01"):
        yield Sent(OUTSIDE, udp(Who(at.gateway.mac, "198.51.100.10"), Who(mac, at.public("shop")), mark))


@attempt
def an_error_about_a_foreign_connection(at: Ground, mark: bytes) -> Iterator[Sent]:
    """ "Fragmentation needed" from outside that quotes a packet which the elastic IP never sent."""
    for quoted in ("8.8.8.8", at.public("mallory"), at["shop"].ip):
        inner = IP(src=quoted, dst="198.51.100.77") / UDP(sport=9, dport=53) / Raw(mark)
        said = IP(src="203.0.113.1", dst=at.public("shop")) / ICMP(type=3, code=4, nexthopmtu=576) / inner
        for host in HOSTS:
            yield Sent(OUTSIDE, ether(at.gateway.mac, at.uplink(host), said))


@attempt
def a_redirect_from_outside(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A redirect from the public gateway to an elastic IP."""
    inner = IP(src=at.public("shop"), dst="198.51.100.10") / UDP(sport=9, dport=53) / Raw(mark)
    said = IP(src="203.0.113.1", dst=at.public("shop")) / ICMP(type=5, code=1, gw="203.0.113.66") / inner
    for host in HOSTS:
        yield Sent(OUTSIDE, ether(at.gateway.mac, at.uplink(host), said))


@attempt
def an_error_in_the_name_of_a_neighbours_elastic_ip(at: Ground, mark: bytes) -> Iterator[Sent]:
    """An ICMP error out through the own elastic IP that quotes a packet which another one got."""
    inner = IP(src="198.51.100.10", dst=at["near"].ip) / UDP(sport=53, dport=9) / Raw(mark)
    said = IP(src=at["mallory"].ip, dst="198.51.100.10") / ICMP(type=3, code=4, nexthopmtu=576) / inner
    yield Sent("mallory", ether(at["mallory"].mac, ROUTER, said))


@attempt
def a_reset_to_an_elastic_ip_from_within(at: Ground, mark: bytes) -> Iterator[Sent]:
    """A TCP reset to the other tenant's elastic IP in the name of a server of the internet."""
    inside = IP(src="198.51.100.10", dst=at.public("shop")) / TCP(sport=443, dport=40000, flags="R") / Raw(mark)
    yield Sent("mallory", ether(at["mallory"].mac, ROUTER, inside))
    yield Sent("free", ether(at["free"].mac, ROUTER, inside))


@attempt
def fragments_without_a_beginning(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The later fragments of a datagram to an elastic IP, of which the first never comes."""
    whole = IP(src="198.51.100.10", dst=at.public("shop"), id=77) / UDP(sport=9, dport=PORT) / Raw(mark * 100)
    for piece in fragment(whole, fragsize=800)[1:]:
        for host in HOSTS:
            yield Sent(OUTSIDE, ether(at.gateway.mac, at.uplink(host), piece))


@attempt
def as_the_public_gateway(at: Ground, mark: bytes) -> Iterator[Sent]:
    """ARP that the public gateway is here, from an interface and with the source check off."""
    for by in ("mallory", "free"):
        for op in (1, 2):
            said = ARP(op=op, hwsrc=at[by].mac, psrc=at.gateway.ip, hwdst=BROADCAST, pdst=at.gateway.ip)
            yield Sent(by, ether(at[by].mac, BROADCAST, said, Raw(mark)))


@attempt
def the_elastic_ip_of_another(at: Ground, mark: bytes) -> Iterator[Sent]:
    """ARP that the other tenant's elastic IP is here."""
    for by in ("mallory", "free"):
        said = ARP(op=2, hwsrc=at[by].mac, psrc=at.public("shop"), hwdst=BROADCAST, pdst=at.gateway.ip)
        yield Sent(by, ether(at[by].mac, BROADCAST, said, Raw(mark)))
