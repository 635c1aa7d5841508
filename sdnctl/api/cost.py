"""The cost of work in steps, a thousand of which are worth one call: about a millisecond of an API server."""

from collections.abc import Callable

STEPS = 1000
LOOK, SHOW, WRITE, FLOW = 1, 20, 100, 10
"""The steps of a record looked at, of one shown, of one written, and of a flow that a host works out for it."""
COMPARED = 5
"""The number of values that are compared in one step."""
Spend = Callable[[int, str], None]
"""The payment for work before it is done: so many steps, and what they are for."""


def free(steps: int, what: str) -> None:
    """The payment of somebody who pays nothing."""
