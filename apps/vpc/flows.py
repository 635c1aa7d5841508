"""A VPC reaches itself and nothing else: its local routes come before any route table."""

from collections.abc import Iterator

from apps.pipeline import ACCOUNT, ACCOUNT_BURST, ACCOUNT_RATE, DELIVERY, NEXT_HOP, SUBNET, VPC, drop
from apps.vpc.facts import account_meter, vpc_here
from apps.vpc.model import ANYTHING, Subnet, Vpc
from apps.vpc.tables import LOCAL_ROUTE, NO_SUBNET, SWITCH
from sdnctl.of.actions import Action, Instruction, meter, move
from sdnctl.of.fields import IP_DST
from sdnctl.of.meter import Meter
from sdnctl.program.feature import Item, View, always, feature, placed, says
from sdnctl.program.pipeline import Priority, enter, onward
from sdnctl.program.step import Step


@always
def leave_subnet() -> Iterator[Item]:
    """Send packets beyond the own subnet to the router; those beyond every subnet go by the route table."""
    # Not within the subnet: the router takes over.
    yield SWITCH.flow(Priority.MISS, {}, [onward(SWITCH)])
    # Not within the VPC: the subnet's route table decides.
    yield LOCAL_ROUTE.flow(Priority.MISS, {}, [onward(LOCAL_ROUTE)])


@feature(each=Subnet, within=placed("vpc", test=vpc_here))
def subnet(subnet: Subnet, here: str, view: View) -> Iterator[Item]:
    """One subnet: reached directly from within, through the router from the rest of its VPC."""
    vpc = view.get(Vpc, subnet.vpc)
    if vpc is None:
        return
    block = (subnet.cidr.network, subnet.cidr.mask)
    to_neighbour: list[Action | Instruction] = [move(IP_DST, NEXT_HOP), enter(DELIVERY)]
    # From the same subnet: no router in between, so the hop limit and the source MAC stay.
    yield SWITCH.flow(Priority.NORMAL, {SUBNET: subnet.key, IP_DST: block}, to_neighbour)
    # From another subnet of the VPC: the router has already taken it.
    yield LOCAL_ROUTE.flow(Priority.prefix(subnet.cidr.length), {VPC: vpc.key, IP_DST: block}, to_neighbour)


@feature(each=Vpc, within=placed("id", test=vpc_here))
def unused_addresses(vpc: Vpc, here: str, view: View) -> Iterator[Item]:
    """An address of the VPC that lies in no subnet never leaves it: local beats every other route."""
    if vpc.cidr != ANYTHING:
        block = (vpc.cidr.network, vpc.cidr.mask)
        # In the VPC's prefix, in no subnet: nowhere to go.
        yield LOCAL_ROUTE.flow(Priority.prefix(vpc.cidr.length, 255), {VPC: vpc.key, IP_DST: block}, drop(NO_SUBNET))


@feature(each=Vpc)
def account(vpc: Vpc, here: str, view: View) -> Iterator[Item]:
    """Limit the questions that the VPC's account may ask of this host: one limit for all of its VPCs."""
    number = view.derived(account_meter, vpc.account)
    if vpc.meter == number:
        yield Meter(number, ACCOUNT_RATE, ACCOUNT_BURST, packets=True)
    # A question from this VPC, already within the limit of who asks.
    yield ACCOUNT.flow(Priority.NORMAL, {VPC: vpc.key}, [meter(number), onward(ACCOUNT)])


@says(account)
def within_account(step: Step, view: View) -> str:
    """The account whose limit it is, in words."""
    return f"within the limit of {step.record.id}'s account"


@says(leave_subnet)
def leaving(step: Step, view: View) -> str:
    """The distance of the destination: beyond the subnet, or beyond the VPC, in words."""
    if step.table == SWITCH.id:
        return f"{step.ip(IP_DST)} is not in the sender's subnet: to the router"
    return f"{step.ip(IP_DST)} is not in the VPC: by the route table"


@says(subnet)
def within(step: Step, view: View) -> str:
    """The subnet of the destination, in words."""
    if step.table == SWITCH.id:
        return f"{step.ip(IP_DST)} is in the same subnet, {step.record.id} ({step.record.cidr}): no router in between"
    return f"route {step.record.cidr} local: {step.record.id}"


@says(NO_SUBNET)
def no_subnet(step: Step, view: View) -> str:
    """The VPC of the destination, in words."""
    return f"{step.ip(IP_DST)} is in {step.record.id} ({step.record.cidr}), but in none of its subnets"
