"""Changes on their way into the state of an engine: which of them anybody can feel, and by which keys."""

from collections.abc import Iterable

from sdnctl.engine.graph import ANY, Key
from sdnctl.model.resource import meta
from sdnctl.store.state import Change, State


def absorb(state: State, changes: Iterable[Change]) -> tuple[list[Change], set[Key]]:
    """Put changes into a state: those that are felt, and the keys that changed."""
    felt: list[Change] = []
    keys: set[Key] = set()
    had: dict[Key, bool] = {}
    for given in changes:
        old = state.get(given.cls, given.id)
        change = given if given.old is old else Change(given.cls, given.id, old, given.new)
        described = meta(change.cls)
        if old is not None and change.new is not None and described.identity(old) == described.identity(change.new):
            state.apply((change,))
            continue
        if old is None and change.new is None:
            continue
        felt.append(change)
        keys.add((change.cls, change.id))
        if old is None or change.new is None:
            keys.add((change.cls,))
        for index, value, any_before in state.replace(change.cls, change.id, change.new):
            key = (change.cls, index, value)
            keys.add(key)
            had.setdefault(key, any_before)
    keys.update((*key, ANY) for key, before in had.items() if bool(state.by(*key)) != before)
    return felt, keys
