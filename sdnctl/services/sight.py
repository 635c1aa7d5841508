"""The region as services read it, and which of them a change concerns.

The records are held once, for all services of the process, and changed by the loop's thread alone: what a service reads
is consistent until it waits.
"""

import asyncio
from collections.abc import Hashable, Mapping, Set
from typing import TypeVar

from sdnctl.base.errors import FeatureError
from sdnctl.model.resource import Index, meta
from sdnctl.store import Change, Interest, State

R = TypeVar("R")


class Holdings:
    """The records of the region that this process holds; ``interest`` None is all of them."""

    def __init__(self, interest: Interest | None) -> None:
        self.state = State()
        self.interest = interest
        self._sights: set[Sight] = set()

    def take(self, changes: list[Change]) -> None:
        """Take changes in and wake whom they concern."""
        self.state.apply(changes)
        for sight in self._sights:
            if not sight.changed.is_set() and any(map(sight.concerns, changes)):
                sight.changed.set()

    def join(self, sight: "Sight") -> None:
        """Wake this one from now on."""
        self._sights.add(sight)

    def leave(self, sight: "Sight") -> None:
        """Wake it no more."""
        self._sights.discard(sight)


class Sight:
    """One service's reads between two waits: ``changed`` is set when something that was read is no longer so."""

    def __init__(self, holdings: Holdings) -> None:
        self.changed = asyncio.Event()
        self._holdings = holdings
        self._records: set[tuple[type, str]] = set()
        self._wholes: set[type] = set()
        self._members: dict[type, set[tuple[Index, Hashable]]] = {}

    def anew(self) -> None:
        """Forget what was read."""
        self.changed.clear()
        self._records.clear()
        self._wholes.clear()
        self._members.clear()

    def concerns(self, change: Change) -> bool:
        """True when a change is of something that was read."""
        if (change.cls, change.id) in self._records or change.cls in self._wholes:
            return True
        for index, value in self._members.get(change.cls, ()):
            values_of = meta(change.cls).index_of[index]
            before = change.old is not None and value in values_of(change.old)
            if before != (change.new is not None and value in values_of(change.new)):
                return True
        return False

    def get(self, cls: type[R], id: str) -> R | None:
        """See ``program.service.Region``; FeatureError for a class that is not followed here."""
        self._records.add((self._followed(cls), id))
        return self._holdings.state.get(cls, id)

    def by(self, cls: type, index: Index, value: Hashable) -> Set[str]:
        """See ``program.service.Region``; FeatureError for a class that is not followed here."""
        self._members.setdefault(self._followed(cls), set()).add((index, value))
        return frozenset(self._holdings.state.by(cls, index, value))

    def all(self, cls: type[R]) -> Mapping[str, R]:
        """See ``program.service.Region``; FeatureError for a class that is not followed here."""
        self._wholes.add(self._followed(cls))
        return dict(self._holdings.state.all(cls))

    def _followed(self, cls: type) -> type:
        if self._holdings.interest is not None and cls not in self._holdings.interest:
            name = cls.__name__
            raise FeatureError(f"{name} is not followed on hosts: give it a reach, or declare reads=({name},)")
        return cls
