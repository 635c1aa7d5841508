"""Benchmark of one answer of the controller: a question read, an answer made; beside os-ken's library and scapy.

    python -m bench.packets

CPU microseconds, best of some rounds (decision 015). All three make the same bytes: that is checked before the clock.
"""

import gc
import time
from collections.abc import Callable

from os_ken.lib.packet import dhcp as oskendhcp
from os_ken.lib.packet import ethernet, icmp, ipv4, packet, udp
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from bench.table import show
from sdnctl.base.addresses import Ip4, Mac
from sdnctl.packet import DhcpType, dhcp_reply, icmp_error, parse_dhcp

ROUNDS, TIMES = 7, 300
CLIENT, ROUTER = "fa:16:3e:00:00:01", "0e:00:00:00:00:01"
YOURS, SERVER, MASK, GATEWAY, DNS, MTU, LEASE = (
    "10.0.0.10",
    "10.0.0.2",
    "255.255.255.0",
    "10.0.0.1",
    "8.8.8.8",
    1450,
    3600,
)
TIMES_OF = {51: LEASE, 58: LEASE // 2, 59: LEASE * 7 // 8}

DISCOVER = bytes(
    Ether(src=CLIENT, dst="ff:ff:ff:ff:ff:ff")
    / IP(src="0.0.0.0", dst="255.255.255.255")
    / UDP(sport=68, dport=67)
    / BOOTP(chaddr=bytes.fromhex(CLIENT.replace(":", "")), xid=7)
    / DHCP(options=[("message-type", "discover"), "end"])
)
LOST = bytes(Ether(src=CLIENT, dst=ROUTER) / IP(src=YOURS, dst="10.0.1.7", ttl=1) / UDP(dport=33434) / Raw(b"x" * 32))


def our_offer() -> bytes:
    """An OFFER by sdnctl.packet."""
    request = parse_dhcp(DISCOVER)
    assert request is not None
    addresses = {"your_ip": Ip4.parse(YOURS), "server_ip": Ip4.parse(SERVER), "router": Ip4.parse(GATEWAY)}
    numbers = {"server_mac": Mac.parse(ROUTER), "mask": 0xFFFFFF00, "dns": (Ip4.parse(DNS),), "mtu": MTU}
    return dhcp_reply(request, DhcpType.OFFER, **addresses, **numbers, lease_s=LEASE)


def our_error() -> bytes:
    """A "time exceeded" by sdnctl.packet."""
    made = icmp_error(LOST, 11, 0, Ip4.parse(GATEWAY), Mac.parse(ROUTER))
    assert made is not None
    return made


def osken_offer() -> bytes:
    """An OFFER by os-ken."""
    asked = packet.Packet(DISCOVER)
    ether, question = asked.get_protocol(ethernet.ethernet), asked.get_protocol(oskendhcp.dhcp)
    values = [(53, bytes([2])), (54, quad(SERVER)), (1, quad(MASK)), (3, quad(GATEWAY)), (6, quad(DNS))]
    values += [
        (26, MTU.to_bytes(2, "big")),
        *((code, seconds.to_bytes(4, "big")) for code, seconds in TIMES_OF.items()),
    ]
    options = oskendhcp.options([oskendhcp.option(code, value) for code, value in values])
    answer = packet.Packet()
    answer.add_protocol(ethernet.ethernet(dst=ether.src, src=ROUTER, ethertype=0x0800))
    answer.add_protocol(ipv4.ipv4(dst=YOURS, src=SERVER, proto=17, flags=2, ttl=64))
    answer.add_protocol(udp.udp(src_port=67, dst_port=68))
    answer.add_protocol(
        oskendhcp.dhcp(op=2, chaddr=question.chaddr, xid=question.xid, yiaddr=YOURS, options=options, hlen=6)
    )
    answer.serialize()
    return bytes(answer.data)


def osken_error() -> bytes:
    """A "time exceeded" by os-ken."""
    asked = packet.Packet(LOST)
    ether, ip = asked.get_protocol(ethernet.ethernet), asked.get_protocol(ipv4.ipv4)
    answer = packet.Packet()
    answer.add_protocol(ethernet.ethernet(dst=ether.src, src=ROUTER, ethertype=0x0800))
    answer.add_protocol(ipv4.ipv4(dst=ip.src, src=GATEWAY, proto=1, tos=0xC0, flags=2, ttl=64))
    answer.add_protocol(icmp.icmp(11, 0, data=icmp.TimeExceeded(data_len=0, data=LOST[14 : 14 + 548])))
    answer.serialize()
    return bytes(answer.data)


def scapy_offer() -> bytes:
    """An OFFER by scapy."""
    asked = Ether(DISCOVER)
    options = [("message-type", "offer"), ("server_id", SERVER), ("subnet_mask", MASK), ("router", GATEWAY)]
    options += [("name_server", DNS), ("interface-mtu", MTU), ("lease_time", LEASE)]
    options += [("renewal_time", TIMES_OF[58]), ("rebinding_time", TIMES_OF[59]), "end"]
    ether = Ether(src=ROUTER, dst=asked.src) / IP(src=SERVER, dst=YOURS, id=0, flags="DF") / UDP(sport=67, dport=68)
    return bytes(
        ether / BOOTP(op=2, chaddr=asked[BOOTP].chaddr, xid=asked[BOOTP].xid, yiaddr=YOURS) / DHCP(options=options)
    )


def scapy_error() -> bytes:
    """A "time exceeded" by scapy."""
    asked = Ether(LOST)
    ip = IP(src=GATEWAY, dst=asked[IP].src, id=0, flags="DF", tos=0xC0)
    return bytes(Ether(src=ROUTER, dst=asked.src) / ip / ICMP(type=11, code=0) / bytes(asked[IP])[:548])


def quad(text: str) -> bytes:
    """An address as four bytes."""
    return Ip4.parse(text).to_bytes(4, "big")


def options_of(frame: bytes) -> dict[object, object]:
    """The parts of an OFFER as scapy reads them: the addresses, the transaction and the options, in no order."""
    read = Ether(frame)
    told = [option[:2] for option in read[DHCP].options if isinstance(option, tuple)]
    return {"yours": read[BOOTP].yiaddr, "xid": read[BOOTP].xid, "from": read[IP].src, "to": read[IP].dst, **dict(told)}


def cost(work: Callable[[], bytes]) -> float:
    """CPU microseconds of one, in the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(TIMES):
            work()
        best = min(best, time.process_time() - began)
    return best / TIMES * 1e6


def main() -> None:
    """Check that they agree, measure, and print."""
    assert our_error() == scapy_error()
    assert options_of(our_offer()) == options_of(scapy_offer())
    gc.disable()
    same_error, same_offer = osken_error() == our_error(), options_of(osken_offer()) == options_of(our_offer())
    rows = [
        ["sdnctl.packet", f"{cost(our_offer):.0f}", f"{cost(our_error):.0f}", "reference"],
        ["os_ken.lib.packet", f"{cost(osken_offer):.0f}", f"{cost(osken_error):.0f}", f"{same_offer} / {same_error}"],
        ["scapy", f"{cost(scapy_offer):.0f}", f"{cost(scapy_error):.0f}", "True / True"],
    ]
    show("One answer, CPU us", ("library", "DHCP OFFER", "ICMP time exceeded", "same content: offer / error"), rows)


if __name__ == "__main__":
    main()
