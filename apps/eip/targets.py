"""Targets of elastic IPs: what an elastic IP may be bound to, each declared by the feature that it belongs to.

What else limits an elastic IP than its own bandwidth is said by ``@eip_limit``.

    @eip_target("natgw")
    def to_gateway(eip: ElasticIp, port: NetworkInterface, view: View) -> Arrival | None: ...

An elastic IP is always bound to an address of a network interface.  Whose interface it is decides what happens to a
packet that arrives: an instance's simply gets it, a managed one's owner says where its own tables begin.  It stands in
a feature's ``targets.py``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from apps.eip.model import ElasticIp
from apps.eni.model import NetworkInterface
from apps.pipeline import NEXT_HOP
from sdnctl.base.discovery import declared
from sdnctl.of.actions import Action, Instruction, set_field
from sdnctl.program.feature import View

Arrival = Sequence[Action | Instruction]
LEAF = "targets"
INSTANCES = ""


def _never(port: NetworkInterface, eips: int) -> str:
    return ""


def _always(port: NetworkInterface, here: str, view: View) -> bool:
    return True


@dataclass(frozen=True, slots=True, eq=False)
class EipTarget:
    """A declared kind of owner of interfaces that elastic IPs are bound to (``NetworkInterface.managed``).

    ``arrives`` gives the actions on a packet that came in for the elastic IP, before it is delivered in the VPC;
    ``refuses`` the reason why an interface that has so many elastic IPs may not have one more, "" if it may.

    With ``shared`` an address may have several elastic IPs, none is translated one to one, and ``arrives`` says all
    that becomes of a packet.  ``works`` is False where the owner of the interface does not take packets on this host.
    """

    kind: str
    arrives: Callable[[ElasticIp, NetworkInterface, View], Arrival]
    refuses: Callable[[NetworkInterface, int], str]
    shared: bool
    works: Callable[[NetworkInterface, str, View], bool]


def eip_target(
    kind: str,
    *,
    refuses: Callable[[NetworkInterface, int], str] = _never,
    shared: bool = False,
    works: Callable[[NetworkInterface, str, View], bool] = _always,
) -> Callable[[Callable[[ElasticIp, NetworkInterface, View], Arrival]], EipTarget]:
    """Declare a kind of target by the function that gives the actions on packets that arrive for it."""
    return lambda arrives: EipTarget(kind, arrives, refuses, shared, works)


@cache
def eip_targets() -> Mapping[str, EipTarget]:
    """Every declared kind of target."""
    return {target.kind: target for target in declared(EipTarget, LEAF)}


@dataclass(frozen=True, slots=True, eq=False)
class EipLimit:
    """A declared function (elastic IP, view) that says what limits it instead of its own bandwidth; "" if nothing."""

    words: Callable[[ElasticIp, View], str]


def eip_limit(words: Callable[[ElasticIp, View], str]) -> EipLimit:
    """Declare what else may limit an elastic IP, in words that go on "out as 203.0.113.9 from 10.0.0.9, "."""
    return EipLimit(words)


@cache
def _limits() -> tuple[EipLimit, ...]:
    return declared(EipLimit, LEAF)


def limit_words(eip: ElasticIp, mbps: int, view: View) -> str:
    """The limit of an elastic IP in words: its own bandwidth of ``mbps``, or what stands in its place."""
    others = (limit.words(eip, view) for limit in _limits())
    return next((words for words in others if words), f"at most {mbps} Mbit/s")


@eip_target(INSTANCES)
def to_owner(eip: ElasticIp, port: NetworkInterface, view: View) -> Arrival:
    """On to the private address, in its VPC."""
    return [set_field(NEXT_HOP, eip.private)]
