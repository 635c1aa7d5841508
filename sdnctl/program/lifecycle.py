"""The life of a record: what goes along with making, changing and deleting it, in the same transaction.

The feature that owns a class makes, changes and deletes its records by ``create``, ``change`` and ``remove``.  A
feature above it declares in its ``writes.py`` what else that takes:

    @born(Vpc)
    def default_table(vpc: Vpc, txn: Txn) -> None: ...

    @changed(Vpc)
    def local_routes(before: Vpc, after: Vpc, txn: Txn) -> None: ...

    @blocks(NetworkInterface)
    def next_hop(port: NetworkInterface, txn: Txn) -> str: ...

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


def born(of: type[R]) -> Callable[[Callable[[R, Any], None]], Born]:
    """Declare what is made along with a record of a class."""
    return lambda run: Born(of, run)


def changed(of: type[R]) -> Callable[[Callable[[R, R, Any], None]], Changed]:
    """Declare what changes along with a record of a class, or refuses the change."""
    return lambda run: Changed(of, run)


def blocks(of: type[R]) -> Callable[[Callable[[R, Any], str]], Blocks]:
    """Declare what keeps a record of a class from being deleted."""
    return lambda why: Blocks(of, why)


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


def remove(txn: Transaction, record: Any, field: str) -> None:
    """Delete a record; IntentError naming ``field``, the caller's word for it, when something blocks that."""
    for item in _blocks().get(type(record), ()):
        reason = item.why(record, txn)
        if reason:
            raise IntentError.precondition(field, reason)
    txn.delete(type(record), record.id)


@cache
def _born() -> Mapping[type, Sequence[Born]]:
    return by_class(Born, LEAF)


@cache
def _changed() -> Mapping[type, Sequence[Changed]]:
    return by_class(Changed, LEAF)


@cache
def _blocks() -> Mapping[type, Sequence[Blocks]]:
    return by_class(Blocks, LEAF)
