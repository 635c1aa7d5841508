"""Changes of bandwidth packages within a transaction, and the rules that they keep."""

from collections.abc import Iterable
from dataclasses import replace

from apps.bandwidth_package.facts import divided, members
from apps.bandwidth_package.model import BLOCKED, BandwidthPackage, PackageMember
from apps.eip.model import ElasticIp
from sdnctl.base.errors import IntentError
from sdnctl.program.lifecycle import blocks, changed
from sdnctl.program.weight import Weighed, weighs
from sdnctl.store import Txn


def _drops(records: Weighed, account: str) -> int:
    ones = records.many(PackageMember, records.by(PackageMember, ("account",), account))
    return 2 * sum(one.limit == BLOCKED for one in ones)


FLOWS = weighs(PackageMember, 0, most=2, exactly=_drops)


def divide_anew(txn: Txn, package: BandwidthPackage, gone: Iterable[PackageMember] = ()) -> None:
    """Begin a new round: shares by what the members use now; all of them, and who has ``gone``, change together."""
    ones = members(package.id, txn)
    for one, share in zip(ones, divided(package, ones, txn), strict=True):
        txn.put(replace(one, out=share.out, into=share.into, round=txn.sequence))
    for one in (*ones, *gone):
        eip = txn.get(ElasticIp, one.eip)
        if eip is not None:
            txn.put(replace(eip, sequence=txn.sequence))


@blocks(ElasticIp)
def in_a_package(eip: ElasticIp, txn: Txn) -> str:
    """The package that an elastic IP is in."""
    for one in txn.many(PackageMember, sorted(txn.by(PackageMember, ("eip",), eip.id))):
        return f"{eip.id} is in {one.package}: remove it from there first"
    return ""


@blocks(BandwidthPackage)
def has_members(package: BandwidthPackage, txn: Txn) -> str:
    """The elastic IPs in a package."""
    ones = members(package.id, txn)
    return f"{package.id} has {len(ones)} elastic IPs, {ones[0].eip} for one: remove them first" if ones else ""


@changed(ElasticIp)
def follow_elastic_ip(before: ElasticIp, after: ElasticIp, txn: Txn) -> None:
    """A member keeps its own bandwidth; bound elsewhere, it is the hosts of that VPC that must know its share."""
    for one in txn.many(PackageMember, sorted(txn.by(PackageMember, ("eip",), after.id))):
        if before.bandwidth != after.bandwidth:
            text = f"{after.id} is in {one.package}, which limits it: sdnctl package limit"
            raise IntentError.precondition("bandwidthMbps", text)
        package = txn.get(BandwidthPackage, one.package)
        if before.port != after.port and package is not None:
            txn.put(replace(one, vpc=after.vpc))
            divide_anew(txn, package)
