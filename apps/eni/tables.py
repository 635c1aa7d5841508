"""Tables of network interfaces in the path: a packet begins at one and ends at one."""

from apps.pipeline import ADMISSION, EGRESS, OUT_PORT, PIPELINE, PORT, VPC
from sdnctl.of.fields import (
    ARP_OP,
    ARP_SHA,
    ARP_SPA,
    CONJ_ID,
    CT_STATE,
    ETH_DST,
    ETH_SRC,
    ETH_TYPE,
    ICMP_TYPE,
    ICMPV6_TYPE,
    IN_PORT,
    IP_DST,
    IP_SRC,
    TUN_SRC,
    UDP_DST,
    UDP_SRC,
    VLAN_VID,
)

UNKNOWN_PORT = PIPELINE.reason(
    "unknown-port",
    "the frame came in at a port that is no network interface",
    "plug the port in under the interface's id (external_ids:iface-id)",
)
UNSUPPORTED = PIPELINE.reason(
    "unsupported",
    "neither untagged IPv4 nor an ARP request",
    "send untagged IPv4; switch IPv6, VLANs and bridging protocols off in the instance",
)
SPOOFED_MAC = PIPELINE.reason(
    "spoofed-mac",
    "the frame's source MAC address is not that of the network interface",
    "give the instance's card the MAC address of the interface: sdnctl eni get",
)
SPOOFED_IP = PIPELINE.reason(
    "spoofed-ip",
    "the source IP address is not one of the network interface, or nobody's",
    "send from an address of the interface (sdnctl eni get); an appliance that forwards needs --no-source-check",
)
SPOOFED_ARP = PIPELINE.reason(
    "spoofed-arp", "ARP names a sender that is not the network interface", "announce the interface's own addresses only"
)
SPOOFED_DHCP = PIPELINE.reason(
    "spoofed-dhcp",
    "a message of a DHCP server from a network interface",
    "stop the DHCP server on the instance: the subnet has one of its own",
)
SPOOFED_RA = PIPELINE.reason(
    "spoofed-ra",
    "a router's advertisement or redirect from a network interface",
    "stop router advertisements and redirects on the instance (net.ipv4.conf.all.send_redirects=0)",
)
NOT_HERE = PIPELINE.reason(
    "not-here",
    "the destination's network interface is bound to no reachable host",
    "start the receiver, or see whether its host is up",
)

ORIGIN = ADMISSION.table(
    "origin",
    "which network interface sent this",
    matches=[CONJ_ID, IN_PORT, VLAN_VID, ETH_DST, TUN_SRC],
    miss=UNKNOWN_PORT,
)
WIRE_MAC = (
    PIPELINE.field("wire_mac_low", since=ADMISSION, until=ADMISSION, show=hex),
    PIPELINE.field("wire_mac_high", bits=16, since=ADMISSION, until=ADMISSION, show=hex),
)
"""The MAC address of the interface at which a packet came in: its lower 32 bits, and the upper 16."""

CARRIED = ADMISSION.table(
    "carried",
    "is it of a protocol that the network carries",
    after="origin",
    before="asks",
    matches=[ETH_TYPE, UDP_SRC, ICMPV6_TYPE],
    miss=UNSUPPORTED,
)
OWN_MAC = ADMISSION.table(
    "own_mac",
    "is it from the MAC address of the interface",
    after="carried",
    before="asks",
    matches=[*WIRE_MAC, ETH_SRC],
)
SOURCE = ADMISSION.table(
    "source",
    "does the sender own the source addresses",
    after="own_mac asks",
    matches=[PORT, VPC, ETH_TYPE, IP_SRC, IP_DST, ICMP_TYPE, UDP_SRC, UDP_DST, ARP_OP, ARP_SHA, ARP_SPA],
    miss=SPOOFED_IP,
)
RECEIVER_SUBNET = PIPELINE.field("receiver_subnet", since=EGRESS, until=EGRESS)
"""The key of the subnet that a packet's receiver is in, 0 where it is none of this host's ports."""
RECEIVER = EGRESS.table(
    "receiver", "in which subnet is the receiver", before="output", matches=[VPC, OUT_PORT, IN_PORT, CT_STATE]
)
OUTPUT = EGRESS.table("output", "out to the network interface", matches=[VPC, OUT_PORT], miss=NOT_HERE)
