"""The division of a package's bandwidth among its members, and the share that one of them has now.

Each direction is divided by itself.  A member gets what it uses and room to grow; whoever wants more than its share has
the rest, in equal parts (max-min fairness).  The shares never add up to more than the package.
"""

from collections.abc import Sequence, Set
from typing import Any, NamedTuple, Protocol

from apps.bandwidth_package.model import BLOCKED, BandwidthPackage, MemberShare, MemberUse, PackageMember
from apps.eip.model import ElasticIp
from apps.holder.facts import holder_of
from sdnctl.program.feature import View

HUNGRY = -1
KBPS = 1000
GROWTH, HEADROOM_KBPS, HEADROOM_PART = 1.5, 1000, 10
"""The room of a member that does not use its share: half as much again and 1 Mbit/s, or where that is more than this
part of the package for all members together, less."""


class Share(NamedTuple):
    """The kbit/s of a line that a member may send and receive."""

    out: int
    into: int


class Records(Protocol):
    """The part of a state, a transaction or a region that is needed here."""

    def get(self, cls: type[Any], id: str) -> Any:
        """A record, or None."""

    def by(self, cls: type, index: tuple[str, ...], value: Any) -> Set[str]:
        """The ids under an index value."""


def member_of(eip: str, here: str, view: View) -> str:
    """The id of an elastic IP's membership in a package, "" without one."""
    return min(view.by(PackageMember, ("eip",), eip), default="")


def share_of(member: str, here: str, view: View) -> Share | None:
    """The share that a member has now; None for one that is not there."""
    record, share = view.get(PackageMember, member), view.get(MemberShare, member)
    if record is None:
        return None
    if share is not None and share.round == record.round:
        return Share(share.out, share.into)
    return Share(record.out, record.into)


def members(package: str, records: Records) -> list[PackageMember]:
    """The members of a package, in an order that is the same everywhere."""
    found = (records.get(PackageMember, id) for id in sorted(records.by(PackageMember, ("package",), package)))
    return [member for member in found if member is not None]


def divided(package: BandwidthPackage, ones: Sequence[PackageMember], records: Records) -> list[Share]:
    """The shares of a package's members by what they use now, as the hosts that present them have told."""
    total = package.bandwidth * KBPS
    caps = [total if one.limit < BLOCKED else min(one.limit * KBPS, total) for one in ones]
    uses = [_use(one, records) for one in ones]
    out = divide(total, caps, [use.out for use in uses])
    return [Share(*both) for both in zip(out, divide(total, caps, [use.into for use in uses]), strict=True)]


def _use(member: PackageMember, records: Records) -> Share:
    """The use of a member: none while it is bound to nothing, hungry until the host that presents it has told."""
    eip = records.get(ElasticIp, member.eip)
    if eip is None or not eip.port:
        return Share(0, 0)
    use = records.get(MemberUse, f"{holder_of(str(eip.address), records)}/{member.id}")
    return Share(use.out, use.into) if use is not None else Share(HUNGRY, HUNGRY)


def divide(total: int, caps: Sequence[int], uses: Sequence[int]) -> list[int]:
    """``total`` divided among those who may have at most ``caps`` and use ``uses``; HUNGRY is as much as there is."""
    room = min(HEADROOM_KBPS, total // (HEADROOM_PART * len(caps))) if caps else 0
    wants = [cap if use == HUNGRY else min(cap, int(use * GROWTH) + room) for cap, use in zip(caps, uses, strict=True)]
    shares = _fill(total, wants)
    rest = _fill(total - sum(shares), [cap - share for cap, share in zip(caps, shares, strict=True)])
    return [share + more for share, more in zip(shares, rest, strict=True)]


def _fill(total: int, wants: Sequence[int]) -> list[int]:
    """As much as each wants, and where that is more than there is, the same for all who want more than that."""
    shares = [0] * len(wants)
    left, open = total, len(wants)
    for place in sorted(range(len(wants)), key=lambda place: wants[place]):
        shares[place] = min(wants[place], left // open)
        left, open = left - shares[place], open - 1
    return shares


def share_words(eip: ElasticIp, view: View) -> str:
    """The package that limits an elastic IP, in words; "" when it is in none."""
    member = view.get(PackageMember, view.derived(member_of, eip.id))
    if member is None:
        return ""
    share = view.derived(share_of, member.id)
    now = f", now {share.out / KBPS:g} Mbit/s out and {share.into / KBPS:g} in" if share is not None else ""
    return f"as much as is its share of package {member.package}{now}"
