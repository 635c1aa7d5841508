"""Values derived from VPC peerings."""

from collections.abc import Iterator, Set
from typing import Any, Protocol

from apps.peering.model import PAIR, VpcPeering
from apps.vpc.facts import vpc_here
from sdnctl.program.feature import View
from sdnctl.verify.doors import Passage, Records, doors


class Indexed(Protocol):
    """The part of a state, a transaction or a view that is needed to find records by their indexes."""

    def by(self, cls: type, index: tuple[str, ...], value: Any) -> Set[str]:
        """The ids under an index value."""


def connected(vpc: str, other: str, records: Indexed) -> bool:
    """True while each of two VPCs has a peering with the other."""
    return bool(records.by(VpcPeering, PAIR, (vpc, other)) and records.by(VpcPeering, PAIR, (other, vpc)))


def only_peered_here(vpc: str, here: str, view: View) -> bool:
    """True when a host has no port of a VPC, but one of a VPC that is connected with it."""
    if view.derived(vpc_here, vpc):
        return False
    known = (view.get(VpcPeering, id) for id in view.by(VpcPeering, ("vpc",), vpc))
    others = [peering.remote_vpc for peering in known if peering is not None]
    return any(view.derived(vpc_here, other) and connected(vpc, other, view) for other in others)


@doors
def connections(records: Records) -> Iterator[Passage]:
    """Both ways between two VPCs, while each of them has a peering with the other."""
    pairs = {(peering.vpc, peering.remote_vpc) for peering in records.all(VpcPeering).values()}
    return (Passage(*pair) for pair in sorted(pairs) if pair[::-1] in pairs)
