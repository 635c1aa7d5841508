"""Elastic IPs that share a package: the meters of each have the rate of its share, which follows what all of them use.

No packet passes a second meter and no flow changes: whoever has the most of what is left is found out once a second
from the meters themselves.  One limit of 0 is a flow that drops.
"""

from collections.abc import Iterator

from apps.bandwidth_package.facts import HUNGRY, KBPS, member_of, share_of
from apps.bandwidth_package.model import BLOCKED, MOST_KBPS, MemberUse, PackageMember
from apps.bandwidth_package.tables import BLOCKED_MEMBER
from apps.eip.facts import METERED_KBPS_PER_MBPS, leads_to, presented
from apps.eip.model import ElasticIp
from apps.eip.tables import DNAT, SNAT
from apps.gateway.facts import served_here
from apps.nat_gateway.facts import gateway_at
from apps.nat_gateway.tables import CHECK, NAT_ZONE
from apps.pipeline import VPC, drop
from sdnctl.of.fields import ETH_TYPE, ETH_TYPE_IP, IP_DST, IP_SRC, Field, Value
from sdnctl.of.meter import Meter
from sdnctl.program.feature import Item, Reading, Used, View, counts, feature, placed, says, tells
from sdnctl.program.pipeline import Priority
from sdnctl.program.step import Step

METERED = METERED_KBPS_PER_MBPS / KBPS
BURST_SECONDS = 0.5
"""With less, TCP gets less than its share beside UDP (measured: docs/decisions/034-bandwidth-package.md)."""
LEAST_KBPS = 64
LOOK_SECONDS = 1.0
NEARLY_ALL = 0.9
STILL = 0.1
"""The part by which a use must have changed to be told anew."""


@feature(each=ElasticIp, within=placed("port", test=served_here))
def shared(eip: ElasticIp, here: str, view: View) -> Iterator[Item]:
    """An elastic IP in a package: the two meters of its share, in place of those of its own bandwidth."""
    member = view.get(PackageMember, view.derived(member_of, eip.id))
    share = view.derived(share_of, member.id) if member is not None else None
    if member is None or share is None:
        return
    yield _meter(eip.out_meter, share.out)
    yield _meter(eip.in_meter, share.into)


@feature(each=PackageMember)
def blocked(member: PackageMember, here: str, view: View) -> Iterator[Item]:
    """A member whose limit is 0, where it is presented."""
    eip = view.get(ElasticIp, member.eip) if member.limit == BLOCKED else None
    vpc = leads_to(eip, here, view) if eip is not None else None
    if eip is not None and vpc is not None and presented(eip, here, view):
        natgw = gateway_at(eip.port, view)
        if natgw is None:
            # From the instance, fragments too: nothing passes.
            yield SNAT.flow(Priority.rank(1), {VPC: vpc.key, IP_SRC: eip.private}, drop(BLOCKED_MEMBER))
        else:
            # From a machine behind the NAT gateway, which has got the address: nothing passes.
            match: dict[Field, Value] = {NAT_ZONE: natgw.zone, ETH_TYPE: ETH_TYPE_IP, IP_SRC: eip.address}
            yield CHECK.flow(Priority.EXACT, match, drop(BLOCKED_MEMBER))
        # For it: nothing either.
        yield DNAT.flow(Priority.rank(1), {IP_DST: eip.address}, drop(BLOCKED_MEMBER))


def _meter(id: int, kbps: int) -> Meter:
    rate = max(int(kbps * METERED), LEAST_KBPS)
    return Meter(id, rate, int(rate * BURST_SECONDS))


@counts(shared, "eip")
def direction(eip: ElasticIp, meter: Meter) -> str:
    """Outbound or inbound, seen from the instance: the same counters as outside a package."""
    return "out" if meter.id == eip.out_meter else "in"


@tells(shared, seconds=LOOK_SECONDS)
def use(eip: ElasticIp, reading: Reading, here: str, view: View) -> MemberUse | None:
    """The use of each direction of a member in the last second, where it is not what was told before."""
    member = view.derived(member_of, eip.id)
    share = view.derived(share_of, member)
    out, into = reading.used.get(eip.out_meter), reading.used.get(eip.in_meter)
    if share is None or out is None or into is None:
        return None
    known = view.get(MemberUse, f"{here}/{member}")
    return MemberUse(
        id=f"{here}/{member}",
        host=here,
        member=member,
        out=_told(out, share.out, known.out if known is not None else None),
        into=_told(into, share.into, known.into if known is not None else None),
    )


def _told(used: Used, share: int, known: int | None) -> int:
    """The use in kbit/s of the line: HUNGRY for who was held back, or nearly was; the one told before if it is near."""
    kbps = int(used.bytes * 8 / KBPS / used.seconds / METERED)
    if used.dropped or kbps > share * NEARLY_ALL:
        return HUNGRY
    if known is not None and known != HUNGRY and abs(kbps - known) <= max(known * STILL, KBPS / 4):
        return known
    return min(kbps, MOST_KBPS)


@says(blocked)
def blocked_flow_said(step: Step, view: View) -> str:
    """The member that is blocked, in words."""
    return f"elastic IP {step.record.eip} may carry nothing within {step.record.package}: its limit there is 0"


@says(BLOCKED_MEMBER)
def blocked_said(step: Step, view: View) -> str:
    """The package and the limit that stop a packet, in words."""
    return f"{step.record.eip} has the limit 0 within {step.record.package}: nothing passes"
