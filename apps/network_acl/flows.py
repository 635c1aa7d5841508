"""Network ACLs decide about each packet by itself, where it crosses the border of a subnet and nowhere else.

What stays in the subnet does not meet them, nor does what the switch answers itself.  Outwards a packet is judged where
it was sent, with the addresses that it has inside the VPC; inwards at the receiver's port, when it has them again.
"""

from collections.abc import Iterator

from apps.eni.tables import RECEIVER_SUBNET
from apps.filter.facts import Match, blocks_of, packets_of
from apps.network_acl.facts import acl_here, place, subnet_here
from apps.network_acl.model import AclRule, AclSubnet, Guarded, NetworkAcl
from apps.network_acl.tables import (
    ACL_IN,
    ACL_OUT,
    CROSSED,
    ENTERS,
    LEAVES,
    RECEIVER_ACL,
    REFUSED,
    SENDER_ACL,
)
from apps.pipeline import SUBNET, drop
from apps.vpc.model import ROUTER_MAC, Subnet
from sdnctl.of.actions import set_field
from sdnctl.of.fields import (
    ETH_SRC,
    ETH_TYPE,
    ETH_TYPE_IP,
    IP_DST,
    IP_SRC,
    TCP_DST,
    UDP_DST,
)
from sdnctl.program.feature import Item, Reported, View, always, feature, placed, says
from sdnctl.program.pipeline import Priority, goto, onward
from sdnctl.program.step import Step

ANY: Match = {ETH_TYPE: ETH_TYPE_IP}
PORTS = {"tcp": TCP_DST, "udp": UDP_DST}
GENERATED = (1 << 47, 1 << 47)
"""The highest bit of a MAC address: generated ones have it, the router's has not."""


@always
def border() -> Iterator[Item]:
    """Only what comes from the router has crossed the border of a subnet; a subnet without ACL lets all pass."""
    for table in (LEAVES, ENTERS, CROSSED):
        # No ACL there, or from within the subnet.
        yield table.flow(Priority.MISS, {}, [onward(table)])
    # From a neighbour's generated address: told by one bit, so that all neighbours are alike.
    yield CROSSED.flow(Priority.EXCEPTION, {ETH_SRC: GENERATED}, [onward(CROSSED)])
    # From the router.
    yield CROSSED.flow(Priority.NORMAL, {ETH_SRC: ROUTER_MAC}, [goto(ACL_IN)])


@feature(each=AclSubnet, within=placed("subnet", test=subnet_here), reports=(Guarded,))
def guarded(of: AclSubnet, here: str, view: View) -> Iterator[Item]:
    """The ACL that a subnet with ports here has."""
    acl, subnet = view.get(NetworkAcl, of.acl), view.get(Subnet, of.subnet)
    if acl is None or subnet is None:
        return
    # Its rules are wanted here.
    yield Reported(Guarded(id=subnet.id, acl=acl.id))
    # To the router: the ACL decides.
    yield LEAVES.flow(Priority.NORMAL, {SUBNET: subnet.key}, [set_field(SENDER_ACL, acl.key), goto(ACL_OUT)])
    # To a port of the subnet: the ACL decides, if it has crossed the border.
    yield ENTERS.flow(Priority.NORMAL, {RECEIVER_SUBNET: subnet.key}, [set_field(RECEIVER_ACL, acl.key), goto(CROSSED)])


@feature(each=AclRule, within=placed("acl", test=acl_here))
def rule(rule: AclRule, here: str, view: View) -> Iterator[Item]:
    """One rule of an ACL; its ports are the receiver's in both directions."""
    acl = view.get(NetworkAcl, rule.acl)
    if acl is None:
        return
    table, key, remote = (ACL_OUT, SENDER_ACL, IP_DST) if rule.direction == "out" else (ACL_IN, RECEIVER_ACL, IP_SRC)
    priority = Priority.rank(place(rule, view))
    verdict = [onward(table)] if rule.action == "allow" else drop(REFUSED)
    for block in blocks_of(rule, view):
        side: Match = {remote: (block.network, block.mask)} if block.length else {}
        for packet in packets_of(rule, PORTS):
            # What the rule is for.
            yield table.flow(priority, {key: acl.key, **side, **(packet or ANY)}, verdict)


@says(border)
def crossed(step: Step, view: View) -> str:
    """The side of the border that a packet comes from, in words; nothing where there is no ACL."""
    if step.table != CROSSED.id:
        return ""
    return "it comes from the router" if step.value(ETH_SRC) == ROUTER_MAC else "it comes from within the subnet"


@says(guarded)
def has_acl(step: Step, view: View) -> str:
    """The ACL that decides, in words."""
    side = "out of" if step.table == LEAVES.id else "into"
    return f"{step.record.acl} decides what comes {side} {step.record.subnet}"


@says(rule)
def allowed(step: Step, view: View) -> str:
    """The rule by which a packet passes, in words."""
    return f"rule {step.record.id} of {step.record.acl} lets it {_where(step, view)}"


@says(REFUSED)
def refused(step: Step, view: View) -> str:
    """The rule by which a packet does not pass, or the ACL that has none for it, in words."""
    if isinstance(step.record, AclRule):
        return f"rule {step.record.id} of {step.record.acl} does not let it {_where(step, view)}"
    key = step.value(SENDER_ACL if step.table == ACL_OUT.id else RECEIVER_ACL)
    acl = next(iter(view.by(NetworkAcl, ("key",), key)), "the network ACL")
    return f"{acl} has no rule that lets it {_where(step, view)}"


def _where(step: Step, view: View) -> str:
    """The border that a packet is at, and which way it goes, in words."""
    outwards = step.table == ACL_OUT.id
    key = step.value(SUBNET if outwards else RECEIVER_SUBNET)
    subnet = next(iter(view.by(Subnet, ("key",), key)), "the subnet")
    return f"{'out of' if outwards else 'into'} {subnet}"
