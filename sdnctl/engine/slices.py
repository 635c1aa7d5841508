"""Long work in slices: a generator that pauses after each piece, and returns the result when it has come to its end.

So one thread does long work and is never away for longer than a slice, and nothing needs a lock: what happens in a
pause happens at a place that the work has chosen.
"""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")
SLICE = 8
"""The units and flows of one slice, or one unit with more: a pause for each small unit would cost as much as a flow."""


def finished(work: Generator[None, None, T]) -> T:
    """The result of the work, done without a pause."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result
