"""To the other tenant, whose addresses are known in advance."""

from collections.abc import Iterator

from scapy.contrib.geneve import GENEVE
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from tests.packet.attacks import PORT, ROUTER, STRANGER, UNDERLAY, Ground, Sent, Who, attempt, ether, udp


@attempt
def by_his_mac_address(at: Ground, mark: bytes) -> Iterator[Sent]:
    """To the MAC addresses of the other tenant, and addresses that both tenants have or only he has."""
    for to in ("shop", "pal", "vault", "depot"):
        yield Sent("mallory", udp(at["mallory"], Who(at[to].mac, at["depot"].ip), mark))
        yield Sent("free", udp(at["free"], Who(at[to].mac, at["depot"].ip), mark))


@attempt
def by_his_address(at: Ground, mark: bytes) -> Iterator[Sent]:
    """To an address that only the other tenant has, by the router."""
    for by in ("mallory", "free", "inner"):
        yield Sent(by, udp(at[by], Who(ROUTER, at["depot"].ip), mark))


@attempt
def by_an_equal_address(at: Ground, mark: bytes) -> Iterator[Sent]:
    """To addresses that both tenants have, at the other tenant's MAC addresses: the own neighbour gets it."""
    for to, own in (("pal", "near"), ("vault", "inner")):
        yield Sent("mallory", udp(at["mallory"], at[to], mark), may=(own,))


@attempt
def in_his_name_unchecked(at: Ground, mark: bytes) -> Iterator[Sent]:
    """From the other tenant's address to his addresses, with the source check off."""
    for to in ("shop", "pal", "depot"):
        own = {"pal": "near", "shop": "mallory"}.get(to, "")
        yield Sent("free", udp(Who(at["free"].mac, at["depot"].ip), at[to], mark), may=(own,))


@attempt
def in_the_name_of_his_elastic_ip_unchecked(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Out to the internet, and to him, from his elastic IP, with the source check off."""
    mine = Who(at["free"].mac, at.public("shop"))
    yield Sent("free", udp(mine, Who(ROUTER, "198.51.100.10"), mark))
    yield Sent("free", udp(mine, Who(ROUTER, at.public("shop")), mark))


@attempt
def in_a_packet_in_a_packet(at: Ground, mark: bytes) -> Iterator[Sent]:
    """IP in IP, and GRE: who gets the outer packet is no router, and the switch looks at no inner one."""
    inner = IP(src=at["shop"].ip, dst=at["depot"].ip) / UDP(sport=40000, dport=PORT) / Raw(mark)
    for outer in (IP(src=at["mallory"].ip, dst=at["near"].ip, proto=4), IP(src=at["mallory"].ip, dst=at["near"].ip)):
        inside = outer / inner if outer.proto == 4 else outer / GRE() / inner
        yield Sent("mallory", ether(at["mallory"].mac, at["near"].mac, inside), may=("near",))
        inside[IP].dst = at["depot"].ip
        yield Sent("mallory", ether(at["mallory"].mac, ROUTER, inside))


def _tunnels(at: Ground, mark: bytes, source: Who, router: str, ends: Iterator[str]) -> Iterator[bytes]:
    """Tunnel packets with every number of a network and port that there may be, to the ends of tunnels."""
    for end in ends:
        for key in range(1, 4):
            for to in ("pal", "depot", "near"):
                wire = f"fa:16:3e:{at.keys[to].to_bytes(3, 'big').hex(':')}"
                inner = Ether(src=ROUTER, dst=wire) / IP(src="10.0.0.10", dst=at[to].ip) / UDP(sport=9, dport=PORT)
                outer = IP(src=source.ip, dst=end)
                yield ether(source.mac, router, outer / UDP(sport=9, dport=6081) / GENEVE(vni=key) / inner / Raw(mark))
                yield ether(source.mac, router, outer / UDP(sport=9, dport=4789) / VXLAN(vni=key) / inner / Raw(mark))


@attempt
def through_a_tunnel_to_the_host(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Geneve and VXLAN to the tunnel ends of both hosts, from an interface with an elastic IP and from one without.

    From the one with an elastic IP it leaves for the internet, as any packet does.
    """
    for frame in _tunnels(at, mark, at["mallory"], ROUTER, iter(UNDERLAY.values())):
        yield Sent("mallory", frame, may=("outside",))
    for frame in _tunnels(at, mark, at["free"], ROUTER, iter(UNDERLAY.values())):
        yield Sent("free", frame)


@attempt
def through_a_tunnel_in_the_name_of_a_host(at: Ground, mark: bytes) -> Iterator[Sent]:
    """The same from the other host's tunnel address, with the source check off."""
    for frame in _tunnels(at, mark, Who(at["free"].mac, UNDERLAY["hv2"]), ROUTER, iter(UNDERLAY.values())):
        yield Sent("free", frame)


@attempt
def through_a_tunnel_from_a_stranger(at: Ground, mark: bytes) -> Iterator[Sent]:
    """Geneve and VXLAN from a machine on the underlay that is no host of the region; VXLAN goes to the host itself."""
    for host, end in UNDERLAY.items():
        mac = at.region.hosts[host].mac("br-phy")
        for frame in _tunnels(at, mark, Who("02:66:66:66:66:66", "172.31.0.66"), mac, iter((end,))):
            yield Sent(STRANGER, frame, may=(f"{host} br-phy",))


@attempt
def to_the_hosts_themselves(at: Ground, mark: bytes) -> Iterator[Sent]:
    """To the hosts' addresses on the underlay and in the control network, the store and the API, and to metadata.

    From an interface with an elastic IP it leaves for the internet instead, as any packet does.
    """
    ends = (*UNDERLAY.values(), "172.31.0.255", "192.168.70.101", "192.168.70.11", "192.168.70.21", "169.254.169.254")
    for by, may in (("mallory", ("outside",)), ("free", ())):
        for end in (*ends, "127.0.0.1", "0.0.0.0"):
            for inside in (UDP(sport=9, dport=PORT), TCP(sport=9, dport=6641, flags="S"), TCP(sport=9, dport=7480)):
                packet = IP(src=at[by].ip, dst=end) / inside / Raw(mark)
                yield Sent(by, ether(at[by].mac, ROUTER, packet), may)


@attempt
def to_the_hosts_by_their_mac_addresses(at: Ground, mark: bytes) -> Iterator[Sent]:
    """To the MAC addresses that the hosts have on the underlay, the public and the control network."""
    for host in UNDERLAY:
        for name in ("br-phy", "public", "control"):
            mac = at.region.hosts[host].mac(name)
            yield Sent("mallory", udp(at["mallory"], Who(mac, UNDERLAY[host]), mark), may=("outside",))
            yield Sent("free", udp(at["free"], Who(mac, UNDERLAY[host]), mark))
