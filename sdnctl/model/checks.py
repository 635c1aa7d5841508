"""Checks of what hosts report: a record's ``check`` method raises ValueError by them when it makes no sense."""

TIME_MAX = 253402300799.0
"""The last second of the year 9999, in seconds since 1970: what a calendar can show."""
COUNT_MAX = 2**63 - 1


def named(id: str, wanted: str) -> None:
    """ValueError unless the id is the one that follows from the other fields: it would be in somebody else's place."""
    if id != wanted:
        raise ValueError(f"the id is {id[:64]!r} and should be {wanted[:64]!r}")


def within(name: str, number: float, low: float, high: float) -> None:
    """ValueError unless a number is from ``low`` to ``high``."""
    if not low <= number <= high:
        raise ValueError(f"{name} is {number}, not from {low} to {high}")
