"""A resource goes by its id or by its name; a name that two of them have is refused, and the refusal lists their ids.

What is inside something else may also be named ``SCOPE/NAME``: two of them may each have one ``front`` inside.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sdnctl.base.problem import Problem
from sdnctl.cli.catalogue import catalogue
from sdnctl.cli.exchange import Refused
from sdnctl.cli.kind import Column, Kind
from sdnctl.cli.signed import Tenant, conditions

Json = dict[str, Any]
MENTIONED = 10


class Unknown(Problem):
    """The failure to find anything by a name or id."""


class Ambiguous(Problem):
    """The failure to tell which thing a name means: more than one goes by it."""


def listed(tenant: Tenant, kind: Kind, filters: Iterable[tuple[str, Iterable[str]]] = ()) -> Iterator[Json]:
    """The tenant's resources of a kind that pass every filter, oldest first."""
    return tenant.pages(kind.service, kind.path, kind.plural, conditions(filters))


def described(tenant: Tenant, kind: Kind, id: str) -> Json:
    """One resource as the API shows it now; Refused when there is none."""
    found: Json = tenant.get(kind.service, kind.item(id))[kind.singular]
    return found


def find(tenant: Tenant, kind: Kind, text: str, said: str = "") -> Json:
    """The one resource that goes by an id, a name, SCOPE/NAME or what else it is known by.

    Raises Unknown, which quotes what was ``said`` where that is not the same, or Ambiguous.
    """
    found = candidates(tenant, kind, text)
    if not found:
        raise Unknown(
            f"no {kind.noun} goes by {(said or text)[:80]!r}: 'sdnctl {kind.command} list' shows what there is"
        )
    if len(found) > 1:
        raise ambiguous(kind, text, found)
    return found[0]


def find_id(tenant: Tenant, kind: Kind, text: str, said: str = "") -> str:
    """The id of the one resource that goes by this text; what is an id already is not asked for."""
    return text if kind.is_id(text) else str(find(tenant, kind, text, said)[kind.id_key])


def candidates(tenant: Tenant, kind: Kind, text: str) -> list[Json]:
    """Every resource that goes by this text; an id beats a name."""
    if not text:
        return []
    if kind.is_id(text):
        try:
            return [described(tenant, kind, text)]
        except Refused as refused:
            if not refused.gone:
                raise
    filters: list[tuple[str, Iterable[str]]] = []
    scope, slash, name = text.rpartition("/")
    if slash and kind.inside:
        around = catalogue().kinds[kind.inside]
        filters.append((around.id_key, [find_id(tenant, around, scope)]))
    for known_by, spelling in kind.known_by.items():
        if re.fullmatch(spelling, name, re.ASCII):
            return list(listed(tenant, kind, [(known_by, [name])]))
    filters.append((kind.name_filter, [name]))
    return [shown for shown in listed(tenant, kind, filters) if shown[kind.name_key] == name]


def ambiguous(kind: Kind, text: str, found: list[Json]) -> Ambiguous:
    """The refusal of a name that several have."""
    ids = [shown[kind.id_key] for shown in found]
    rest = f" and {len(ids) - MENTIONED} more" if len(ids) > MENTIONED else ""
    how = f"its id or as {scoped(kind)}" if kind.inside and "/" not in text else "its id"
    return Ambiguous(f"{len(ids)} {kind.noun}s go by {text!r} ({', '.join(ids[:MENTIONED])}{rest}): name one by {how}")


def told(tenant: Tenant, message: str) -> str:
    """A refusal as people read it: each id with its name, each class of the model as the kind that it is."""
    kinds = list(catalogue().kinds.values())

    def named(found: re.Match[str]) -> str:
        kind = next(kind for kind in kinds if kind.is_id(found["id"]))
        word = found["word"] if found["word"] != f"{kind.resource} " else f"{kind.noun} "
        with contextlib.suppress(Problem):  # it is not there, or nobody can be asked
            if name := described(tenant, kind, found["id"])[kind.name_key]:
                return f"{word}{name} ({found['id']})"
        return f"{word}{found['id']}"

    prefixes = "|".join(kind.prefix for kind in kinds)
    return re.sub(rf"(?P<word>(?:\b[A-Z][A-Za-z]+ )?)(?P<id>\b(?:{prefixes})-[a-z0-9]{{10}}\b)", named, message)


def scoped(kind: Kind) -> str:
    """The written form of a name inside something else: SCOPE/NAME."""
    return f"{catalogue().kinds[kind.inside].word}/NAME"


def beside(kind: Kind, text: str, scope: str) -> str:
    """A text that names one of a kind, by which a plain name is one of this scope (an id; "" for any)."""
    return text if not scope or "/" in text or kind.is_id(text) else f"{scope}/{text}"


def tagged(text: str, kinds: Sequence[Kind]) -> tuple[Kind | None, str]:
    """``KIND:NAME`` as one of these kinds and the name; an id says its kind itself; None when the kind is not said."""
    tag, colon, name = text.partition(":")
    if colon and tag in {kind.command for kind in kinds}:
        return catalogue().kinds[tag], name
    return next((kind for kind in kinds if kind.is_id(text)), None), text


class NameBook:
    """Ids as people know them: the names of one account's resources, asked for kind by kind when needed."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._known: dict[str, dict[str, str]] = {}
        prefixes = "|".join(kind.prefix for kind in catalogue().kinds.values())
        self._id = re.compile(rf"\b(?:{prefixes})-[a-z0-9]{{10}}\b", re.ASCII)

    def name(self, id: str) -> str:
        """The name of what an id is of; "" when it has none."""
        kind = next(kind for kind in catalogue().kinds.values() if kind.is_id(id))
        if kind.command not in self._known:
            found = listed(self._tenant, kind)
            self._known[kind.command] = {shown[kind.id_key]: shown[kind.name_key] for shown in found}
        return self._known[kind.command].get(id, "")

    def cell(self, column: Column, shown: Json) -> Any:
        """The value of a resource in a column."""
        value = column.of(shown)
        return self.translated(value, lambda id, name: name) if column.named else value

    def translated(self, value: Any, how: Callable[[str, str], str]) -> Any:
        """A text, or a list of them, in which ``how(id, name)`` stands for each id that has a name."""
        if isinstance(value, list):
            return [self.translated(item, how) for item in value]
        if not isinstance(value, str):
            return value
        return self._id.sub(lambda found: how(found[0], name) if (name := self.name(found[0])) else found[0], value)
