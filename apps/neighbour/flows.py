"""Every address of a VPC is answered for by the switch the question came in at; nothing is ever flooded."""

from collections.abc import Iterator

from apps.eni.model import NetworkInterface
from apps.pipeline import (
    BROADCAST,
    FORWARD,
    NEXT_HOP,
    OUT_PORT,
    OUTPUT,
    OWN_ADDRESS,
    OWN_ARP,
    PORT,
    RESOLVE,
    SERVICE,
    SWITCH,
    VPC,
    drop,
)
from apps.vpc.model import Vpc, vpc_here
from sdnctl.feature import Item, View, always, feature, placed
from sdnctl.host import LocalPort
from sdnctl.of.actions import IN_PORT, Action, Instruction, move, output, set_field
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
from sdnctl.pipeline import Priority, goto

GROUP_BIT = 1 << 40
MULTICAST = (0xE0000000, 0xF0000000)
LIMITED_BROADCAST = 0xFFFFFFFF
REQUEST, REPLY = 1, 2


@always
def answer() -> Iterator[Item]:
    """Questions and packets take the same way to a MAC address; there a question becomes its own answer."""
    # An ARP request: what is asked for is the next hop.
    yield SERVICE.flow(Priority.EXACT, {ARP_OP: REQUEST}, [move(ARP_TPA, NEXT_HOP), goto(OWN_ARP)])
    # Not for the sender's own address: look it up.
    yield OWN_ARP.flow(Priority.MISS, {}, [goto(RESOLVE)])
    # Anything else for a group of receivers ends here.
    yield SERVICE.flow(Priority.NORMAL, {ETH_DST: (GROUP_BIT, GROUP_BIT)}, drop(BROADCAST))
    for block in (MULTICAST, LIMITED_BROADCAST):
        # Neither does an IPv4 group become one receiver by a unicast MAC address (RFC 1812, 5.3.4).
        yield SERVICE.flow(Priority.NORMAL, {IP_DST: block}, drop(BROADCAST))
    # An IPv4 packet for one receiver goes on.
    yield SERVICE.flow(Priority.BROAD, {ETH_TYPE: ETH_TYPE_IP}, [goto(SWITCH)])
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
    yield FORWARD.flow(Priority.NORMAL, {ETH_TYPE: ETH_TYPE_IP}, [goto(OUTPUT)])


@feature(each=NetworkInterface, within=placed("vpc", test=vpc_here))
def address(port: NetworkInterface, here: str, view: View) -> Iterator[Item]:
    """Where each address of a port is; for a local port also that nobody else has it."""
    vpc = view.get(Vpc, port.vpc)
    if vpc is None:
        return
    found: list[Action | Instruction] = [set_field(ETH_DST, port.mac), set_field(OUT_PORT, port.key), goto(FORWARD)]
    local = view.get(LocalPort, port.id) is not None
    for ip in port.addresses:
        # The next hop is this address: its MAC address and port.
        yield RESOLVE.flow(Priority.NORMAL, {VPC: vpc.key, NEXT_HOP: ip}, found)
        if local:
            # Duplicate address detection (RFC 5227): to the address's owner, silence means free.
            yield OWN_ARP.flow(Priority.NORMAL, {PORT: port.key, ARP_TPA: ip}, drop(OWN_ADDRESS))
