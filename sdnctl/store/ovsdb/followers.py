"""The followers of a store in one process: all that is there first, then every commit in order."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from sdnctl.store import Batch


@dataclass(slots=True)
class Follower:
    """A subscriber; ``welcome`` is set once everything present was delivered."""

    deliver: Callable[[Batch], None]
    welcome: threading.Event = field(default_factory=threading.Event)


class Followers:
    """The followers, and those who are still to be welcomed; ``join`` and ``joining`` need the store's lock."""

    def __init__(self) -> None:
        self._followers: list[Follower] = []
        self._joining: list[Follower] = []

    def join(self, deliver: Callable[[Batch], None]) -> Follower:
        """Take in somebody who is welcomed as soon as the store is loaded."""
        follower = Follower(deliver)
        self._joining.append(follower)
        return follower

    def joining(self) -> list[Follower]:
        """Those who wait to be welcomed, from now on by the caller."""
        joining, self._joining = self._joining, []
        return joining

    def welcome(self, follower: Follower, everything: Batch) -> None:
        """Deliver all that is there to one of them; commits follow."""
        follower.deliver(everything)
        self._followers.append(follower)
        follower.welcome.set()

    def deliver(self, batch: Batch) -> None:
        """Deliver a commit."""
        for follower in self._followers:
            follower.deliver(batch)
