"""A follower that checks what it is told."""

from sdnctl.store import Batch, Change, State
from sdnctl.store.memory import everything


class Mirror:
    """A follower that builds a state of its own from the batches, and checks that each fits the one before."""

    def __init__(self) -> None:
        self.state = State()
        self.batches: list[Batch] = []
        self.misfits: list[Change] = []

    @property
    def followed(self) -> int:
        """The last follow that it was told of; -1 before anything."""
        return self.batches[-1].followed if self.batches else -1

    def __call__(self, batch: Batch) -> None:
        self.misfits += [change for change in batch.changes if self.state.get(change.cls, change.id) != change.old]
        self.state.apply(batch.changes)
        self.batches.append(batch)


def contents(state: State) -> dict[tuple[type, str], object]:
    """Everything in a state."""
    return {(change.cls, change.id): change.new for change in everything(state)}
