"""The rules that VPC peerings keep, within a transaction."""

from collections.abc import Sequence
from dataclasses import replace

from apps.peering.facts import connected
from apps.peering.model import PAIR, VpcPeering
from apps.vpc.model import ANYTHING, Subnet, Vpc
from sdnctl.base.addresses import Cidr
from sdnctl.base.errors import IntentError
from sdnctl.program.lifecycle import blocks, born
from sdnctl.store import Records, Txn


def blocks_of(vpc: Vpc, records: Records | Txn) -> Sequence[Cidr]:
    """The addresses that a VPC may use: its own block, or where it has none those of its subnets."""
    if vpc.cidr != ANYTHING:
        return [vpc.cidr]
    return sorted(subnet.cidr for subnet in records.many(Subnet, records.by(Subnet, ("vpc",), vpc.id)))


def check_apart(txn: Txn, vpc: Vpc, other: Vpc) -> None:
    """Raise IntentError 409 when two VPCs have an address in common."""
    for mine in blocks_of(vpc, txn):
        for theirs in blocks_of(other, txn):
            if mine.overlaps(theirs):
                text = f"{theirs} of {other.id} overlaps {mine} of {vpc.id}: addresses must be told apart"
                raise IntentError("remoteVpcId", text, 409, "CONFLICT")


def meet(txn: Txn, peering: VpcPeering) -> None:
    """Note on both sides that they have met, where the other one is there."""
    if connected(peering.vpc, peering.remote_vpc, txn):
        pair = (peering.remote_vpc, peering.vpc)
        for side in txn.many(VpcPeering, {peering.id} | set(txn.by(VpcPeering, PAIR, pair))):
            txn.put(replace(side, met=True))


@born(Subnet)
def apart_from_peers(subnet: Subnet, txn: Txn) -> None:
    """A new subnet has no address in common with a VPC that its own VPC has a peering with."""
    for peering in txn.many(VpcPeering, sorted(txn.by(VpcPeering, ("vpc",), subnet.vpc))):
        other = txn.get(Vpc, peering.remote_vpc)
        for block in blocks_of(other, txn) if other is not None else ():
            if subnet.cidr.overlaps(block):
                text = f"{subnet.cidr} overlaps {block} of {peering.remote_vpc}, a peer by {peering.id}"
                raise IntentError("addressPrefix", text, 409, "CONFLICT")


@blocks(Vpc)
def peered(vpc: Vpc, txn: Txn) -> str:
    """A peering that the VPC has."""
    for peering in sorted(txn.by(VpcPeering, ("vpc",), vpc.id)):
        return f"{vpc.id} still has peering {peering}"
    return ""
