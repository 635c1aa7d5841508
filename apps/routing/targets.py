"""Next hops: what a route may lead to, each declared by the feature that it belongs to.

    @next_hop("natgw", of="NatGateway")
    def to_gateway(route: Route, view: View) -> Hop | None: ...

A declaration says which records may be named, what refuses one, and by which actions packets get there.  It stands in a
feature's ``targets.py``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from apps.eni.model import NetworkInterface
from apps.pipeline import DELIVERY, NEXT_HOP, PUBLIC
from apps.routing.model import INSTANCE, INTERFACE, INTERNET, LOCAL, Route
from apps.routing.tables import NO_NEXT_HOP
from sdnctl.base.addresses import Ip4
from sdnctl.base.discovery import declared
from sdnctl.of.actions import Action, Instruction, set_field
from sdnctl.program.declared import Reason
from sdnctl.program.feature import View
from sdnctl.program.pipeline import enter

Hop = Sequence[Action | Instruction]
PRIMARY = 1
LEAF = "targets"
PUBLIC_TYPES = frozenset({LOCAL, "vpc_peering", "bgw", "natgw", "havip", "l2gw"})
"""Types of next hop that the public API knows, beside those that a feature declares."""


def _never(record: Any) -> str:
    return ""


@dataclass(frozen=True, slots=True, eq=False)
class NextHop:
    """A declared type of next hop.

    ``kind`` is its name in the public API; ``of`` the class whose ids a route of this type names, "" for one that needs
    no id.  ``leads`` gives the actions towards it, the same for every route of a VPC that names it, None when it leads
    nowhere now, which drops the packet as ``otherwise``; ``refuses`` the reason why a record may not be named, "" if
    it may.
    """

    kind: str
    of: str
    leads: Callable[[Route, View], Hop | None]
    refuses: Callable[[Any], str]
    otherwise: Reason


def next_hop(
    kind: str, *, of: str = "", refuses: Callable[[Any], str] = _never, otherwise: Reason = NO_NEXT_HOP
) -> Callable[[Callable[[Route, View], Hop | None]], NextHop]:
    """Declare a type of next hop by the function that gives the actions towards it."""
    return lambda leads: NextHop(kind, of, leads, refuses, otherwise)


@cache
def next_hops() -> Mapping[str, NextHop]:
    """Every declared type of next hop by its name in the public API."""
    return {hop.kind: hop for hop in declared(NextHop, LEAF)}


def way(route: Route, view: View) -> Hop | None:
    """The actions towards a route's next hop; None where it leads nowhere."""
    known = next_hops().get(route.next_hop_type)
    return known.leads(route, view) if known is not None else None


def lost(route: Route) -> Reason:
    """The reason to drop what takes a route that leads nowhere."""
    known = next_hops().get(route.next_hop_type)
    return known.otherwise if known is not None else NO_NEXT_HOP


def alive(routes: Sequence[Route], view: View) -> Sequence[Route]:
    """Those of some equal routes that lead somewhere; all of them while none does."""
    return [route for route in routes if way(route, view) is not None] or routes


def known_type(kind: str) -> str:
    """A type of next hop that the public API knows or a feature declares; ValueError for any other."""
    known = PUBLIC_TYPES | next_hops().keys()
    if kind not in known:
        raise ValueError(f"must be one of {', '.join(sorted(known))}")
    return kind


def to_address(address: Ip4) -> Hop:
    """The actions that deliver a packet to the owner of an address of the VPC."""
    return [set_field(NEXT_HOP, address), enter(DELIVERY)]


@next_hop(INTERNET)
def to_internet(route: Route, view: View) -> Hop | None:
    """The hop out through the elastic IP of the source."""
    return [enter(PUBLIC)]


@next_hop(INSTANCE, of="Instance")
def to_instance(route: Route, view: View) -> Hop | None:
    """The hop to the primary interface of an instance."""
    primary = view.by(NetworkInterface, ("instance", "device_index"), (route.next_hop, PRIMARY))
    return _to_port(next(iter(primary), ""), route, view)


def _primary(port: NetworkInterface) -> str:
    return f"{port.id} is a primary interface: name its instance {port.instance}" if port.primary else ""


@next_hop(INTERFACE, of="NetworkInterface", refuses=_primary)
def to_interface(route: Route, view: View) -> Hop | None:
    """The hop to a network interface."""
    return _to_port(route.next_hop, route, view)


def _to_port(id: str, route: Route, view: View) -> Hop | None:
    port = view.get(NetworkInterface, id)
    return to_address(port.addresses[0]) if port is not None and port.vpc == route.vpc else None
