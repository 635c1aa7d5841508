"""The few packets the controller answers itself: DHCP, neighbour questions, and errors that cross a translated address.

Pure functions on Ethernet frames; a frame that a tenant sent is never trusted to be well formed.
"""

from sdnctl.packet.dhcp import DhcpRequest, DhcpType, dhcp_reply, parse_dhcp
from sdnctl.packet.frame import (
    BROADCAST,
    Arp,
    Icmp,
    Ip,
    Packet,
    Udp,
    arp_reply,
    arp_request,
    checksum,
    gratuitous_arp,
    ipv4,
    parse,
)
from sdnctl.packet.icmp import icmp_error, nat_icmp_error, quoted
from sdnctl.packet.options import DhcpError
from sdnctl.packet.segment import tcp_probe, tcp_segment

__all__ = [
    "BROADCAST",
    "Arp",
    "DhcpError",
    "DhcpRequest",
    "DhcpType",
    "Icmp",
    "Ip",
    "Packet",
    "Udp",
    "arp_reply",
    "arp_request",
    "checksum",
    "dhcp_reply",
    "gratuitous_arp",
    "icmp_error",
    "ipv4",
    "nat_icmp_error",
    "parse",
    "parse_dhcp",
    "quoted",
    "tcp_probe",
    "tcp_segment",
]
