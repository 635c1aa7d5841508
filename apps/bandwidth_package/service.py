"""Divides the bandwidth of packages anew, as what their members use changes."""

from apps.bandwidth_package.facts import Share, divided, members
from apps.bandwidth_package.model import BandwidthPackage, MemberShare, PackageMember
from sdnctl.program.service import Context, Region, service

STILL = 0.1
"""A share that would change by less than this part, and all others of the package with it, stays: a meter with a new
rate begins with a full bucket."""


@service(per="region", writes=(MemberShare,))
async def division(context: Context) -> None:
    """The shares of every package, each time that a host has told another use or a package has changed."""
    async for region in context.changes():
        packages = region.all(BandwidthPackage)
        made = [share for id in sorted(packages) for share in division_of(packages[id], region)]
        if made:
            await context.report(*made)
        context.say(f"divides {len(packages)} packages by what their members use")


def division_of(package: BandwidthPackage, region: Region) -> list[MemberShare]:
    """The shares that are to be told anew: none while the division differs little from what is in force."""
    ones = members(package.id, region)
    wanted = divided(package, ones, region)
    now = [_in_force(one, region) for one in ones]
    if not any(_differs(a, b) for old, new in zip(now, wanted, strict=True) for a, b in zip(old, new, strict=True)):
        return []
    return [
        MemberShare(id=one.id, member=one.id, vpc=one.vpc, out=new.out, into=new.into, round=one.round)
        for one, old, new in zip(ones, now, wanted, strict=True)
        if old != new
    ]


def _in_force(member: PackageMember, region: Region) -> Share:
    share = region.get(MemberShare, member.id)
    if share is not None and share.round == member.round:
        return Share(share.out, share.into)
    return Share(member.out, member.into)


def _differs(old: int, new: int) -> bool:
    return abs(new - old) > STILL * max(old, 1)
