"""A network interface may send from its own addresses only, and gets what is meant for it."""

from collections.abc import Iterator

from apps.eni.facts import called, claim, known_by_key, plugged_in
from apps.eni.model import NetworkInterface
from apps.eni.tables import NOT_HERE, ORIGIN, OUTPUT, SOURCE, SPOOFED, UNSUPPORTED
from apps.pipeline import ASKER, OUT_PORT, PORT, SUBNET, VPC, asker, drop
from apps.vpc.model import Subnet, Vpc
from sdnctl.model.host import Binding, LocalPort
from sdnctl.of.actions import load, output, set_field
from sdnctl.of.fields import (
    ARP_SHA,
    ARP_SPA,
    ETH_SRC,
    ETH_TYPE,
    ETH_TYPE_ARP,
    ETH_TYPE_IPV6,
    IN_PORT,
    IP_DST,
    IP_SRC,
    UDP_DST,
    UDP_SRC,
    VLAN_VID,
    Field,
    Value,
)
from sdnctl.packet.dhcp import CLIENT_PORT, EVERYBODY, SERVER_PORT
from sdnctl.program.feature import Item, Reported, View, always, feature, says
from sdnctl.program.meters import of_port
from sdnctl.program.pipeline import Priority, onward
from sdnctl.program.step import Step


@always
def ipv4_only() -> Iterator[Item]:
    """Drop IPv6 for a reason of its own, apart from spoofing, so that the counters stay honest."""
    # Every Linux guest tries IPv6 on its own: no offence, no service.
    yield SOURCE.flow(Priority.BROAD, {ETH_TYPE: ETH_TYPE_IPV6}, drop(UNSUPPORTED))


@feature(each=LocalPort, reports=(Binding,))
def interface(local: LocalPort, here: str, view: View) -> Iterator[Item]:
    """A network interface that is plugged in here: who sends, what it may send, and how to reach it."""
    port = view.get(NetworkInterface, local.id) if plugged_in(local.id, view) else None
    vpc = view.get(Vpc, port.vpc) if port is not None else None
    subnet = view.get(Subnet, port.subnet) if port is not None else None
    if port is None or vpc is None or subnet is None:
        return
    # The region learns that the port is on this host.
    yield Reported(claim(port, local, here, view))
    # In at this switch port, untagged: the packet is the port's, in its subnet and VPC.
    yield ORIGIN.flow(
        Priority.NORMAL,
        {IN_PORT: local.ofport, VLAN_VID: 0},
        [set_field(VPC, vpc.key), set_field(SUBNET, subnet.key), set_field(PORT, port.key), onward(ORIGIN)],
    )
    # What it asks, and what must not be looked at before it is within its limit.
    yield from asker(of_port(local.ofport), {PORT: port.key})
    yield from _source_check(port)
    # Out: forget where it came in, since it may have to leave there again.
    yield OUTPUT.flow(Priority.NORMAL, {VPC: vpc.key, OUT_PORT: port.key}, [load(IN_PORT, 0), output(local.ofport)])


def _source_check(port: NetworkInterface) -> Iterator[Item]:
    """Its own MAC address with one of its own IP addresses, in the frame and inside ARP; or no check at all."""
    passed = [onward(SOURCE)]
    if not port.sanity_check:
        # An appliance that routes for others: any source.
        yield SOURCE.flow(Priority.NORMAL, {PORT: port.key}, passed)
        return
    sender: dict[Field, Value] = {PORT: port.key, ETH_SRC: port.mac}
    for ip in port.addresses:
        # IPv4 from an address of its own.
        yield SOURCE.flow(Priority.NORMAL, {**sender, IP_SRC: ip}, passed)
        # ARP that says the same of itself.
        yield SOURCE.flow(Priority.NORMAL, {**sender, ARP_SHA: port.mac, ARP_SPA: ip}, passed)
    # An ARP probe says nothing of an IP address yet (RFC 5227).
    yield SOURCE.flow(Priority.NORMAL, {**sender, ARP_SHA: port.mac, ARP_SPA: 0}, passed)
    # Neither does a host that asks DHCP for one (RFC 2131).
    asking: dict[Field, Value] = {IP_SRC: 0, IP_DST: EVERYBODY, UDP_SRC: CLIENT_PORT, UDP_DST: SERVER_PORT}
    yield SOURCE.flow(Priority.NORMAL, {**sender, **asking}, passed)


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
    if step.table == OUTPUT.id:
        return f"delivered to {called(port)}"
    if not port.sanity_check:
        return f"no spoof check: {port.id} may send from any address"
    return f"spoof check passed: {_claimed(step)} is an address of {port.id}"


@says(SPOOFED)
def spoofed(step: Step, view: View) -> str:
    """The address that is not the sender's own, in words."""
    port = known_by_key(step.value(PORT), view)
    if port is None:
        return SPOOFED.text
    macs = [step.mac(ETH_SRC), *([step.mac(ARP_SHA)] if step.value(ETH_TYPE) == ETH_TYPE_ARP else [])]
    for mac in macs:
        if mac != port.mac:
            return f"{mac} is not the MAC address of {port.id}, which is {port.mac}"
    own = ", ".join(map(str, port.addresses))
    return f"{_claimed(step)} is no address of {port.id}, which has {own}"


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
