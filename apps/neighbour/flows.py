"""Every address of a VPC is answered for by the switch the question came in at; nothing is ever flooded."""

from collections.abc import Iterator

from apps.eni.facts import called, known_by_key, plugged_in
from apps.eni.model import NetworkInterface
from apps.neighbour.facts import resolved
from apps.neighbour.tables import BROADCAST, FORWARD, NO_ADDRESS, OWN_ADDRESS, OWN_ARP, SERVICE
from apps.pipeline import ASKS, DELIVERY, NEXT_HOP, PORT, VPC, checked, drop
from apps.vpc.facts import vpc_here
from apps.vpc.model import Vpc
from sdnctl.of.actions import IN_PORT, move, output, set_field
from sdnctl.of.fields import (
    ARP_OP,
    ARP_SHA,
    ARP_SPA,
    ARP_THA,
    ARP_TPA,
    ETH_DST,
    ETH_SRC,
    ETH_TYPE,
    ETH_TYPE_ARP,
    ETH_TYPE_IP,
    IP_DST,
)
from sdnctl.program.feature import Item, View, always, feature, placed, says
from sdnctl.program.pipeline import Priority, enter, goto, onward
from sdnctl.program.step import Step

GROUP_BIT = 1 << 40
MULTICAST = (0xE0000000, 0xF0000000)
LIMITED_BROADCAST = 0xFFFFFFFF
REQUEST, REPLY = 1, 2


@always
def answer() -> Iterator[Item]:
    """Questions and packets take the same way to a MAC address; there a question becomes its own answer."""
    # ARP is answered with what its sender wrote: within the sender's limit.
    yield ASKS.flow(Priority.NORMAL, {ETH_TYPE: ETH_TYPE_ARP}, checked())
    # An ARP request: what is asked for is the next hop.
    yield SERVICE.flow(Priority.EXACT, {ARP_OP: REQUEST}, [move(ARP_TPA, NEXT_HOP), goto(OWN_ARP)])
    # Not for the sender's own address: look it up.
    yield OWN_ARP.flow(Priority.MISS, {}, [enter(DELIVERY)])
    # Anything else for a group of receivers ends here.
    yield SERVICE.flow(Priority.NORMAL, {ETH_DST: (GROUP_BIT, GROUP_BIT)}, drop(BROADCAST))
    for block in (MULTICAST, LIMITED_BROADCAST):
        # Neither does an IPv4 group become one receiver by a unicast MAC address (RFC 1812, 5.3.4).
        yield SERVICE.flow(Priority.NORMAL, {IP_DST: block}, drop(BROADCAST))
    # An IPv4 packet for one receiver goes on.
    yield SERVICE.flow(Priority.BROAD, {ETH_TYPE: ETH_TYPE_IP}, [onward(SERVICE)])
    # The resolved MAC address stands in eth_dst: send the question back as the answer (RFC 826).
    yield FORWARD.flow(
        Priority.NORMAL,
        {ETH_TYPE: ETH_TYPE_ARP},
        [
            set_field(ARP_OP, REPLY),
            move(ARP_SHA, ARP_THA),
            move(ETH_DST, ARP_SHA),
            move(ETH_DST, ETH_SRC),
            move(ARP_THA, ETH_DST),
            move(ARP_SPA, ARP_TPA),
            move(NEXT_HOP, ARP_SPA),
            output(IN_PORT),
        ],
    )
    # An IPv4 packet: its receiver's port is known.
    yield FORWARD.flow(Priority.NORMAL, {ETH_TYPE: ETH_TYPE_IP}, [onward(FORWARD)])


@feature(each=NetworkInterface, within=placed("vpc", test=vpc_here))
def address(port: NetworkInterface, here: str, view: View) -> Iterator[Item]:
    """The place of each address of a port; for a local port also that nobody else has the address."""
    vpc = view.get(Vpc, port.vpc)
    if vpc is None:
        return
    local = plugged_in(port.id, view) is not None
    for ip in port.addresses:
        # The next hop is this address: its MAC address and port.
        yield resolved(vpc, port, ip)
        if local:
            # Duplicate address detection (RFC 5227): to the address's owner, silence means free.
            yield OWN_ARP.flow(Priority.NORMAL, {PORT: port.key, ARP_TPA: ip}, drop(OWN_ADDRESS))


@says(answer)
def asked(step: Step, view: View) -> str:
    """The kind of packet, and the answer to a question, in words."""
    arp = step.value(ETH_TYPE) == ETH_TYPE_ARP
    if step.table == ASKS.id:
        return "ARP is answered within the sender's limit"
    if step.table == SERVICE.id:
        return f"ARP asks who has {step.ip(ARP_TPA)}" if arp else "an IPv4 packet for one receiver"
    if step.table == OWN_ARP.id:
        return "not one of the sender's own addresses"
    if arp:
        return f"ARP answered: {step.ip(NEXT_HOP)} is at {step.mac(ETH_DST)}"
    return "the receiver's port is known"


@says(address)
def found(step: Step, view: View) -> str:
    """The owner of the next hop, in words."""
    return f"{step.ip(NEXT_HOP)} is {called(step.record)} at {step.record.mac}"


@says(BROADCAST)
def broadcast(step: Step, view: View) -> str:
    """The group that was meant, in words."""
    group = step.ip(IP_DST) if step.value(ETH_TYPE) == ETH_TYPE_IP else step.mac(ETH_DST)
    return f"{group} is no single receiver: {BROADCAST.text}"


@says(OWN_ADDRESS)
def own_address(step: Step, view: View) -> str:
    """The silence that answers duplicate address detection, in words."""
    return f"{step.record.id} asks by ARP for {step.ip(ARP_TPA)}, its own: silence means that nobody else has it"


@says(NO_ADDRESS)
def no_address(step: Step, view: View) -> str:
    """The address that was looked for, and the VPC that lacks it, in words."""
    vpc = next(iter(view.by(Vpc, ("key",), step.value(VPC))), "the VPC")
    sender = known_by_key(step.value(PORT), view)
    hint = f"; {called(sender)} sent it" if sender is not None and sender.vpc != vpc else ""
    return f"nobody in {vpc} has {step.ip(NEXT_HOP)}{hint}"
