"""A trace as a tenant may hear it: what concerns others is said without naming them, and no host is named."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol, TypeVar

from sdnctl.model.resource import resources
from sdnctl.trace.model import Leg, Statement, Trace

R = TypeVar("R")
Owner = Callable[[str], tuple[str, str]]
"""From an id to the account whose resource it is, and what kind of thing it is; ("", "") when it is nobody's."""
ANOTHER_HOST = "another host"
_ID = re.compile(r"\b[a-z]+-[A-Za-z0-9-]+")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Records(Protocol):
    """The whole region's, in a transaction or not."""

    def get(self, cls: type[R], id: str) -> R | None:
        """The record, or None."""


def owner_in(region: Records, id: str) -> tuple[str, str]:
    """The account of the resource with an id, and what kind of thing it is; a port of a switch is its interface."""
    for name, cls in resources().items():
        account = getattr(region.get(cls, id), "account", "")
        if account:
            return account, _CAPITAL.sub(" ", name).lower().replace(" ip", " IP")
    return "", ""


def names_in(region: Records, told: Iterable[str]) -> dict[str, str]:
    """The names of the resources whose ids are in what was told, by id; what has no name is left out."""
    ids = {id for text in told for id in _ID.findall(text)}
    found = ((id, getattr(region.get(cls, id), "name", "")) for id in sorted(ids) for cls in resources().values())
    return {id: name for id, name in found if name}


def for_account(trace: Trace, account: str, owner: Owner, hosts: Iterable[str]) -> Trace:
    """The trace for an account: from the first resource of another one on, nothing is named any more.

    Whose a resource is, is looked up by ``owner``: no host's answer is believed about it.
    """
    hidden = _names(hosts)
    legs = []
    foreign = False
    for leg in trace.legs:
        made, foreign = _leg(leg, account, owner, foreign)
        said = [replace(one, says=_hide(one.says, hidden)) for one in made.statements]
        legs.append(replace(made, host="", verdict=_hide(made.verdict, hidden), statements=tuple(said), exit=None))
    return Trace(tuple(legs))


def _leg(leg: Leg, account: str, owner: Owner, foreign: bool) -> tuple[Leg, bool]:
    """A leg as far as it may be told, and whether it got to another account's resource; ``foreign``: one did before."""
    statements: list[Statement] = []
    for one in leg.statements:
        its, kind = owner(one.about)
        strange = not {its, *(owner(id)[0] for id in _ID.findall(one.says))} <= {account, ""}
        foreign |= strange
        if strange:
            whose = f"another account's {kind}: " if kind else "another account's: "
            one = replace(one, says=f"{whose}{one.plain}", resource="", about="")
        elif foreign:
            one = replace(one, says=one.plain, resource="", about="")
        statements.append(one)
    return replace(leg, verdict=_verdict(leg, statements, foreign), statements=tuple(statements)), foreign


def _verdict(leg: Leg, statements: list[Statement], foreign: bool) -> str:
    if not statements:
        return leg.verdict if leg.outcome == "unknown" else "the switch says nothing"
    said = statements[-1].says
    if leg.outcome == "dropped":
        return f"dropped: {said}" + (f" ({leg.reason})" if leg.reason else "")
    return "delivered to another account's network interface" if foreign and leg.outcome == "delivered" else said


def _names(hosts: Iterable[str]) -> re.Pattern[str] | None:
    names = sorted(filter(None, hosts), key=len, reverse=True)
    return re.compile(rf"(?:\bhost )?(?<![\w.-])(?:{'|'.join(map(re.escape, names))})(?![\w-]|\.\w)") if names else None


def _hide(text: str, hidden: re.Pattern[str] | None) -> str:
    return hidden.sub(ANOTHER_HOST, text) if hidden is not None else text
