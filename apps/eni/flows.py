"""A network interface may send from its own addresses only, and gets what is meant for it."""

from collections.abc import Iterator

from apps.eni.facts import called, claim, known_by_key, mac_of, plugged_in
from apps.eni.model import NetworkInterface, Resident
from apps.eni.tables import (
    CARRIED,
    NOT_HERE,
    ORIGIN,
    OUTPUT,
    OWN_MAC,
    RECEIVER,
    RECEIVER_SUBNET,
    SOURCE,
    SPOOFED_ARP,
    SPOOFED_DHCP,
    SPOOFED_IP,
    SPOOFED_MAC,
    SPOOFED_RA,
    UNKNOWN_PORT,
    UNSUPPORTED,
    WIRE_MAC,
)
from apps.oversize.facts import oversized
from apps.pipeline import ADMISSION, ASKER, OUT_PORT, PORT, SUBNET, VPC, asker, drop
from apps.vpc.facts import vpc_here
from apps.vpc.model import Subnet, Vpc
from sdnctl.base.addresses import Cidr, Mac
from sdnctl.model.host import Binding, LocalPort
from sdnctl.of.actions import load, output, pop_vlan, set_field
from sdnctl.of.fields import (
    ARP_OP,
    ARP_SHA,
    ARP_SPA,
    ETH_DST,
    ETH_SRC,
    ETH_TYPE,
    ETH_TYPE_ARP,
    ETH_TYPE_IP,
    ETH_TYPE_IPV6,
    ICMP_TYPE,
    ICMPV6_TYPE,
    IN_PORT,
    IP_DST,
    IP_PROTO,
    IP_PROTO_UDP,
    IP_SRC,
    UDP_DST,
    UDP_SRC,
    VLAN_PRESENT,
    VLAN_VID,
    Field,
    Value,
)
from sdnctl.packet.dhcp import CLIENT_PORT, EVERYBODY, SERVER_PORT
from sdnctl.program.feature import Item, Reported, View, always, feature, placed, says
from sdnctl.program.meters import of_oversized, of_port
from sdnctl.program.pipeline import Priority, begin_at, onward
from sdnctl.program.step import Step

NOISE = {
    ETH_TYPE_IPV6: "IPv6",
    0x05FF: "spanning tree, or another frame of IEEE 802.3 without an Ethernet type",
    0x8035: "RARP",
    0x8809: "LACP",
    0x888E: "EAPOL",
    0x88CC: "LLDP",
    0x9000: "a loopback test",
}
"""Ethernet types that honest machines send unasked, by number: a hypervisor says RARP after a live migration, say.

Open vSwitch takes a frame without an Ethernet type for one of type 0x05ff (ovs-fields(7))."""
NOBODY = tuple(map(Cidr.parse, ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3")))
"""Addresses that no packet comes from: of no host yet, of the host itself, of groups and kept free (RFC 6890)."""
ROUTER_ADVERTISEMENT = 134
REQUEST = 1
REDIRECT, ROUTER_HERE = 5, 9
"""Types of ICMP by which a router speaks to its neighbours (RFC 792, RFC 1256)."""
DHCPV6_SERVER = 547
VLAN_BITS = 12


@always
def untagged() -> Iterator[Item]:
    """A priority tag names no VLAN: the frame is as good as untagged (IEEE 802.1Q, 6.9), and is answered untagged.

    VLANs are told bit by bit, so that all that begin with the same bit are alike to the datapath.
    """
    # A tag with a priority and VLAN 0: off with it, and as any other.
    yield ORIGIN.flow(Priority.EXCEPTION, {VLAN_VID: VLAN_PRESENT}, [pop_vlan(), begin_at(ADMISSION)])
    for bit in range(VLAN_BITS):
        tagged = VLAN_PRESENT | 1 << bit
        # Of some VLAN: there are none here.
        yield ORIGIN.flow(Priority.prefix(0, bit), {VLAN_VID: (tagged, tagged)}, drop(UNSUPPORTED))


@always
def carried() -> Iterator[Item]:
    """IPv4 and ARP are carried; a message of IPv6 that would mislead its neighbours is counted apart from the rest."""
    for kind in (ETH_TYPE_IP, ETH_TYPE_ARP):
        # What the network is for.
        yield CARRIED.flow(Priority.NORMAL, {ETH_TYPE: kind}, [onward(CARRIED)])
    # Somebody who says that he is a router, also behind extension headers (RFC 6105).
    yield CARRIED.flow(Priority.EXACT, {ICMPV6_TYPE: ROUTER_ADVERTISEMENT}, drop(SPOOFED_RA))
    # Somebody who says that he gives addresses of IPv6 (RFC 7610).
    server: dict[Field, Value] = {ETH_TYPE: ETH_TYPE_IPV6, IP_PROTO: IP_PROTO_UDP, UDP_SRC: DHCPV6_SERVER}
    yield CARRIED.flow(Priority.EXACT, server, drop(SPOOFED_DHCP))


@always
def own_mac() -> Iterator[Item]:
    """Compare the sender's MAC address with its interface's, bit by bit, so that forged ones cost few lookups.

    A flow that matched the whole address would make each that does not match new to the datapath; here those are alike
    that differ in the same bit first.
    """
    low, high = WIRE_MAC
    for bit in range(ETH_SRC.width):
        own, place = (low, bit) if bit < low.width else (high, bit - low.width)
        for right in (0, 1):
            differs: dict[Field, Value] = {own: (right << place, 1 << place), ETH_SRC: ((1 - right) << bit, 1 << bit)}
            # Not the interface's own address.
            yield OWN_MAC.flow(Priority.prefix(0, bit), differs, drop(SPOOFED_MAC))
    # No bit differs: its own.
    yield OWN_MAC.flow(Priority.MISS, {}, [onward(OWN_MAC)])


@always
def nobody() -> Iterator[Item]:
    """No interface sends from what is no host's address, or as a DHCP server; with the source check off neither."""
    for block in NOBODY:
        # From nobody.
        yield SOURCE.flow(Priority.EXACT, {IP_SRC: (block.network, block.mask)}, drop(SPOOFED_IP))
    # But a host that asks DHCP for an address has none yet (RFC 2131).
    asking: dict[Field, Value] = {IP_SRC: 0, IP_DST: EVERYBODY, UDP_SRC: CLIENT_PORT, UDP_DST: SERVER_PORT}
    yield SOURCE.flow(Priority.EXCEPTION, asking, [onward(SOURCE)])
    # The only DHCP server is the subnet's, in the switch.
    yield SOURCE.flow(Priority.EXCEPTION, {UDP_SRC: SERVER_PORT}, drop(SPOOFED_DHCP))
    # ARP from anybody else than the interfaces below.
    yield SOURCE.flow(Priority.BROAD, {ETH_TYPE: ETH_TYPE_ARP}, drop(SPOOFED_ARP))


@always
def no_resident() -> Iterator[Item]:
    """A packet for no port of this host's switch enters no subnet here."""
    # For nobody who lives here.
    yield RECEIVER.flow(Priority.MISS, {}, [set_field(RECEIVER_SUBNET, 0), onward(RECEIVER)])


@feature(each=LocalPort, reports=(Binding, Resident))
def interface(local: LocalPort, here: str, view: View) -> Iterator[Item]:
    """A network interface that is plugged in here: who sends, what it may send, and how to reach it."""
    port = view.get(NetworkInterface, local.id) if plugged_in(local.id, view) else None
    vpc = view.get(Vpc, port.vpc) if port is not None else None
    subnet = view.get(Subnet, port.subnet) if port is not None else None
    if port is None or vpc is None or subnet is None:
        return
    # The region learns that the port is on this host.
    yield Reported(claim(port, local, here, view))
    # Features learn what subnets live here.
    yield Reported(Resident(id=port.id, subnet=subnet.id))
    low, high = WIRE_MAC
    mac = [set_field(low, port.mac & low.limit), set_field(high, port.mac >> low.width)]
    # In at this switch port, untagged: the packet is the port's, in its subnet and VPC.
    yield ORIGIN.flow(
        Priority.NORMAL,
        {IN_PORT: local.ofport, VLAN_VID: 0},
        [set_field(VPC, vpc.key), set_field(SUBNET, subnet.key), set_field(PORT, port.key), *mac, onward(ORIGIN)],
    )
    # What it asks, and what must not be looked at before it is within its limit.
    yield from asker(of_port(local.ofport), {PORT: port.key})
    # What it sends that is larger than the way there.
    yield from oversized(port.key, of_oversized(local.zone), view)
    yield from _source_check(port)
    # For the port, whatever way it took: into its subnet.
    mine: dict[Field, Value] = {VPC: vpc.key, OUT_PORT: port.key}
    yield RECEIVER.flow(Priority.NORMAL, mine, [set_field(RECEIVER_SUBNET, subnet.key), onward(RECEIVER)])
    # What came by a tunnel has the address that names it there, which may not be its own.
    own = [] if port.mac == mac_of(port.key) else [set_field(ETH_DST, port.mac)]
    # Out: forget where it came in, since it may have to leave there again.
    out = [*own, load(IN_PORT, 0), output(local.ofport)]
    yield OUTPUT.flow(Priority.NORMAL, mine, out)


@feature(each=Subnet, within=placed("vpc", test=vpc_here))
def residents(subnet: Subnet, here: str, view: View) -> Iterator[Item]:
    """The addresses of a subnet are those of interfaces that have them, also for one without source check."""
    vpc = view.get(Vpc, subnet.vpc)
    if vpc is not None:
        # In a neighbour's name, or the router's.
        block = (subnet.cidr.network, subnet.cidr.mask)
        yield SOURCE.flow(Priority.EXACT, {VPC: vpc.key, ARP_SPA: block}, drop(SPOOFED_ARP))


def _source_check(port: NetworkInterface) -> Iterator[Item]:
    """One of its own IP addresses in the frame, unless told otherwise, and in any case inside ARP."""
    passed = [onward(SOURCE)]
    sender: dict[Field, Value] = {PORT: port.key}
    for ip in port.addresses:
        # ARP that says its own of itself.
        yield SOURCE.flow(Priority.EXCEPTION, {**sender, ARP_SHA: port.mac, ARP_SPA: ip}, passed)
        if port.sanity_check:
            # IPv4 from an address of its own.
            yield SOURCE.flow(Priority.NORMAL, {**sender, IP_SRC: ip}, passed)
    # An ARP probe says nothing of an IP address yet (RFC 5227).
    yield SOURCE.flow(Priority.EXCEPTION, {**sender, ARP_SHA: port.mac, ARP_SPA: 0}, passed)
    if not port.sanity_check:
        for kind in (REDIRECT, ROUTER_HERE):
            # But no router of the network: what only its neighbours' own router says would be believed.
            yield SOURCE.flow(Priority.NORMAL, {**sender, ICMP_TYPE: kind}, drop(SPOOFED_RA))
        # It asks from an address that it serves, which is none of the VPC's, as Linux does: it alone is answered.
        yield SOURCE.flow(Priority.NORMAL, {**sender, ARP_OP: REQUEST, ARP_SHA: port.mac}, passed)
        # An appliance that routes for others: from any IP address.
        yield SOURCE.flow(Priority.BROAD, {**sender, ETH_TYPE: ETH_TYPE_IP}, passed)


@says(untagged)
def tag(step: Step, view: View) -> str:
    """The tag that a frame has, in words."""
    return "a tag of priority without a VLAN is taken off" if step.priority == Priority.EXCEPTION else ""


@says(carried)
def of_the_network(step: Step, view: View) -> str:
    """Nothing: all that is told later is of a protocol that is carried."""
    return ""


@says(UNKNOWN_PORT)
def unknown_port(step: Step, view: View) -> str:
    """The switch port that is nobody's, in words."""
    return f"switch port {step.value(IN_PORT)} is no network interface of the region"


@says(UNSUPPORTED)
def unsupported(step: Step, view: View) -> str:
    """The VLAN of a frame, or the protocol that nobody hears, in words."""
    vlan, kind = step.value(VLAN_VID) & ~VLAN_PRESENT, step.value(ETH_TYPE)
    if vlan:
        return f"the frame is tagged with VLAN {vlan}: there are no VLANs here"
    if kind in (ETH_TYPE_ARP, ETH_TYPE_IP):
        return UNSUPPORTED.text
    return f"{NOISE.get(kind, f'Ethernet type {kind:#06x}')}: {UNSUPPORTED.text}"


@says(own_mac)
def its_own(step: Step, view: View) -> str:
    """Nothing: only an address that is not its own is told of."""
    return ""


@says(no_resident)
def elsewhere(step: Step, view: View) -> str:
    """Nothing: the next table says whom it is for."""
    return ""


@says(interface)
def said(step: Step, view: View) -> str:
    """The sender, its right to send, and the receiver, in words."""
    port = view.get(NetworkInterface, step.record.id)
    if port is None:
        return f"{step.record.id} is no network interface any more"
    if step.table == ORIGIN.id:
        return f"{called(port)} sends, in {port.subnet} of {port.vpc}"
    if step.table == ASKER.id:
        return f"within the limit of {port.id}"
    if step.table == RECEIVER.id:
        return ""
    if step.table == OUTPUT.id:
        return f"delivered to {called(port)}"
    if not port.sanity_check and step.value(ETH_TYPE) == ETH_TYPE_IP:
        return f"no spoof check: {port.id} may send from any IP address"
    if step.value(ETH_TYPE) == ETH_TYPE_ARP and step.value(ARP_SPA) not in (0, *port.addresses):
        return f"no spoof check: {port.id} may ask from any IP address that is none of the VPC's"
    return f"spoof check passed: {_claimed(step)} is an address of {port.id}"


@says(nobody)
def without_address(step: Step, view: View) -> str:
    """The sender that has no address yet, in words."""
    return "asks for an address, and has none yet"


@says(SPOOFED_MAC)
def spoofed_mac(step: Step, view: View) -> str:
    """The MAC address that is not the sender's own, in words."""
    return _not_its_own(step.mac(ETH_SRC), step, view) or SPOOFED_MAC.text


@says(SPOOFED_ARP)
def spoofed_arp(step: Step, view: View) -> str:
    """The address inside ARP that is not the sender's own, in words."""
    return _not_its_own(step.mac(ARP_SHA), step, view) or _no_address(step, view) or SPOOFED_ARP.text


@says(SPOOFED_IP)
def spoofed_ip(step: Step, view: View) -> str:
    """The IP address that is not the sender's own, or nobody's, in words."""
    ip = step.ip(IP_SRC)
    if any(block.contains(ip) for block in NOBODY):
        return f"no packet comes from {ip} (RFC 1122)"
    return _no_address(step, view) or SPOOFED_IP.text


def _not_its_own(mac: Mac, step: Step, view: View) -> str:
    port = known_by_key(step.value(PORT), view)
    return f"{mac} is not the MAC address of {port.id}, which is {port.mac}" if port and mac != port.mac else ""


def _no_address(step: Step, view: View) -> str:
    port = known_by_key(step.value(PORT), view)
    own = ", ".join(map(str, port.addresses)) if port is not None else ""
    return f"{_claimed(step)} is no address of {port.id}, which has {own}" if port is not None else ""


@says(SPOOFED_DHCP)
def spoofed_dhcp(step: Step, view: View) -> str:
    """The server that there is instead, in words."""
    return f"it says what only a DHCP server says: {SPOOFED_DHCP.text}"


@says(SPOOFED_RA)
def spoofed_ra(step: Step, view: View) -> str:
    """The message that only a router sends, in words."""
    return f"it says what only a router says: {SPOOFED_RA.text}"


def _claimed(step: Step) -> str:
    """The IPv4 address that the packet, or the ARP in it, claims to come from."""
    return str(step.ip(ARP_SPA if step.value(ETH_TYPE) == ETH_TYPE_ARP else IP_SRC))


@says(NOT_HERE)
def not_here(step: Step, view: View) -> str:
    """The place of a receiver that is not here, in words."""
    port = known_by_key(step.value(OUT_PORT), view)
    if port is None:
        return NOT_HERE.text
    where = "on another host, to which there is no way" if view.get(Binding, port.id) else "plugged into no host"
    return f"{called(port)} is {where}"
