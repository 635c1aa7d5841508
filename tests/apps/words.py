"""Packets in tenant words for trace tables: honest unless told otherwise."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sdnctl.of import fields as f
from sdnctl.program.step import Packet
from sdnctl.trace.ofproto import flow_text, read
from sdnctl.trace.words import tell
from tests.apps.live import Live
from tests.build import Network

ROUTER = "0e:00:00:00:00:01"
GATEWAY = "02:00:00:00:00:01"
HOST = "02:00:00:00:00:09"
BROADCAST = "ff:ff:ff:ff:ff:ff"
SOMEBODY = "198.51.100.7"
"""An address of the internet that belongs to nobody here."""
PING = "icmp,icmp_type=8,icmp_code=0"
DHCP = "udp,udp_src=68,udp_dst=67"

Said = Callable[[Live, str], str]
"""From a lab and the sender's name to a packet as ovs-ofctl writes it."""
Case = tuple[str, Said, str]
"""A case: the sender, the packet, and the fate that must befall it."""
Cases = Mapping[str, Case]


def ip(
    to: str, kind: str = PING, *, source: str = "", mac: str = "", via: str = "", ttl: int = 64, more: str = ""
) -> Said:
    """IPv4 from the sender's primary address (``SOMEBODY`` outside) to the next router's MAC address."""

    def say(lab: Live, sender: str) -> str:
        outside = sender == "internet"
        eth = mac or (GATEWAY if outside else lab.mac(sender))
        src = source or (SOMEBODY if outside else lab.address(sender))
        next_hop = via or (HOST if outside else ROUTER)
        text = f"dl_src={eth},dl_dst={next_hop},{kind},nw_src={src},nw_dst={to},nw_ttl={ttl}"
        return f"{text},{more}" if more else text

    return say


def arp(
    about: str, *, op: int = 1, claims: str = "", inside: str = "", mac: str = "", to: str = BROADCAST, more: str = ""
) -> Said:
    """ARP from the sender's own addresses: 1 asks who has ``about``, 2 answers it."""

    def say(lab: Live, sender: str) -> str:
        outside = sender == "internet"
        eth = mac or (GATEWAY if outside else lab.mac(sender))
        spa = claims or ("203.0.113.1" if outside else lab.address(sender))
        text = f"dl_src={eth},dl_dst={to},arp,arp_op={op},arp_spa={spa},arp_tpa={about},arp_sha={inside or eth}"
        return f"{text},{more}" if more else text

    return say


def raw(text: str) -> Said:
    """Any other packet, from the sender's own MAC address."""
    return lambda lab, sender: f"dl_src={lab.mac(sender)},{text}"


def sent(text: str) -> Said:
    """A packet as it stands here, whoever sends it."""
    return lambda lab, sender: text


def told(lab: Live, case: Case) -> None:
    """The switch does with the packet what the case says."""
    sender, packet, expected = case
    verdict = lab.trace(sender, packet(lab, sender))
    assert str(verdict) == expected, verdict.text


def verdict(lab: Live, came_in: int, packet: Packet) -> str:
    """The end of a packet's way that came in at a switch port, as a trace tells it."""
    whole = {f.IN_PORT: came_in, **packet}
    return tell(read(lab.told(flow_text(whole)), whole), lab.engine).verdict


@contextmanager
def running(network: Network) -> Iterator[Live]:
    """A lab of that network, for a fixture of a module."""
    with Live(network) as lab:
        yield lab
