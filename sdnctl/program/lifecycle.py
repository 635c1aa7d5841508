"""The life of a record: what goes along with making, changing and deleting it, in the same transaction.

The feature that owns a class makes, changes and deletes its records by ``create``, ``change`` and ``remove``.  A
feature above it declares in its ``writes.py`` what else that takes:

    @born(Vpc)
    def default_table(vpc: Vpc, txn: Txn) -> None: ...

    @changed(Vpc)
    def local_routes(before: Vpc, after: Vpc, txn: Txn) -> None: ...

    @blocks(NetworkInterface)
    def next_hop(port: NetworkInterface, txn: Txn) -> str: ...

    @removed(NetworkInterface)
    def left(port: NetworkInterface, txn: Txn) -> None: ...

So a lower feature never names an upper one.  Any of them may raise IntentError: then nothing of the transaction is
done.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeVar

from sdnctl.base.discovery import by_class
from sdnctl.base.errors import IntentError

R = TypeVar("R")
LEAF = "writes"


class Transaction(Protocol):
    """The part of ``store.Txn`` that is needed here."""

    def get(self, cls: type[R], id: str) -> R | None:
        """The record as the transaction sees it, or None."""

    def put(self, record: Any) -> None:
        """Write a record."""

    def delete(self, cls: type, id: str) -> None:
        """Remove a record."""


@dataclass(frozen=True, slots=True, eq=False)
class Born:
    """A declared function (record, transaction) that runs when a record of a class has been made."""

    of: type
    run: Callable[[Any, Any], None]


@dataclass(frozen=True, slots=True, eq=False)
class Changed:
    """A declared function (before, after, transaction) that runs when a record of a class has been changed."""

    of: type
    run: Callable[[Any, Any, Any], None]


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """A declared function (record, transaction) whose sentence says why a record may not be deleted; "" if it may."""

    of: type
    why: Callable[[Any, Any], str]


@dataclass(frozen=True, slots=True, eq=False)
class Removed:
    """A declared function (record, transaction) that runs when a record of a class has been deleted."""

    of: type
    run: Callable[[Any, Any], None]


@dataclass(frozen=True, slots=True, eq=False)
class Arbitrates:
    """A declared function (known, wanted, transaction) that judges a host's wish for a contested record.

    It returns the record as it is to be, None while nothing backs the wish.  ``keys`` is true of the ids it is for.
    """

    of: type
    judge: Callable[[Any, Any, Any], Any]
    keys: Callable[[str], bool]


def arbitrates(
    of: type[R], keys: Callable[[str], bool] = lambda id: True
) -> Callable[[Callable[[R | None, R, Any], R | None]], Arbitrates]:
    """Declare a rule for the records of a class that hosts take over from each other, those whose id ``keys`` is for.

    All rules must agree; a record that no rule is for is given to nobody.
    """
    return lambda judge: Arbitrates(of, judge, keys)


def arbitrated(known: R | None, wanted: R, txn: Transaction) -> R | None:
    """The record that a host's wish becomes, None while nothing backs it."""
    id = getattr(wanted, "id")  # noqa: B009 - every resource has one, a type variable does not
    rules = [item for item in _arbitrates().get(type(wanted), ()) if item.keys(id)]
    made: R | None = wanted if rules else None
    for item in rules:
        if made is not None:
            made = item.judge(known, made, txn)
    return made


def born(of: type[R]) -> Callable[[Callable[[R, Any], None]], Born]:
    """Declare what is made along with a record of a class."""
    return lambda run: Born(of, run)


def changed(of: type[R]) -> Callable[[Callable[[R, R, Any], None]], Changed]:
    """Declare what changes along with a record of a class, or refuses the change."""
    return lambda run: Changed(of, run)


def blocks(of: type[R]) -> Callable[[Callable[[R, Any], str]], Blocks]:
    """Declare what keeps a record of a class from being deleted."""
    return lambda why: Blocks(of, why)


def removed(of: type[R]) -> Callable[[Callable[[R, Any], None]], Removed]:
    """Declare what goes along with a record of a class that is deleted."""
    return lambda run: Removed(of, run)


def create(txn: Transaction, record: R) -> R:
    """Write a new record and all that comes with it; the record as it is then."""
    cls = type(record)
    txn.put(record)
    for item in _born().get(cls, ()):
        item.run(record, txn)
    made = txn.get(cls, getattr(record, "id"))  # noqa: B009 - every resource has one, a type variable does not
    return record if made is None else made


def change(txn: Transaction, before: R, after: R) -> None:
    """Write a changed record, and what changes along with it."""
    txn.put(after)
    for item in _changed().get(type(after), ()):
        item.run(before, after, txn)


def kept_by(txn: Transaction, record: Any) -> str:
    """The reason why a record may not be deleted; "" if it may."""
    reasons = (item.why(record, txn) for item in _blocks().get(type(record), ()))
    return next(filter(None, reasons), "")


def remove(txn: Transaction, record: Any, field: str) -> None:
    """Delete a record and what goes with it; IntentError naming ``field``, the caller's word for it, when blocked."""
    reason = kept_by(txn, record)
    if reason:
        raise IntentError.precondition(field, reason)
    txn.delete(type(record), record.id)
    for gone in _removed().get(type(record), ()):
        gone.run(record, txn)


@cache
def _born() -> Mapping[type, Sequence[Born]]:
    return by_class(Born, LEAF)


@cache
def _changed() -> Mapping[type, Sequence[Changed]]:
    return by_class(Changed, LEAF)


@cache
def _blocks() -> Mapping[type, Sequence[Blocks]]:
    return by_class(Blocks, LEAF)


@cache
def _removed() -> Mapping[type, Sequence[Removed]]:
    return by_class(Removed, LEAF)


@cache
def _arbitrates() -> Mapping[type, Sequence[Arbitrates]]:
    return by_class(Arbitrates, LEAF)
