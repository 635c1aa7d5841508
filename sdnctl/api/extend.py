"""Additions of an upper feature to the calls of a lower one: to its answers, its orders, the filters of its lists.

    @shows(Vpc)
    def tables(view: Reader, vpc: Vpc) -> Json:
        return {"routeTableIds": [...]}

    @accepts(Subnet, Follows)
    def follow(subnet: Subnet, asked: Follows, txn: Writer) -> Subnet:
        return replace(subnet, route_table=...)

    @narrows(Subnet, "aclId")
    def with_acl(view: Reader, subnet: Subnet) -> tuple[str]:
        return (...,)

The lower feature shows its records by ``shown``, and declares the class that a call orders: ``@operation(...,
orders=Subnet)``.  Both are found in the features' ``api.py``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from pydantic import create_model

from sdnctl.api.schema import Json, Model, Request
from sdnctl.base.discovery import by_class

R = TypeVar("R")
A = TypeVar("A", bound=Model)
LEAF = "api"


@dataclass(frozen=True, slots=True, eq=False)
class Shows:
    """A declared function (view, record) that gives further fields of the answers that show a class."""

    of: type
    show: Callable[[Any, Any], Json]


@dataclass(frozen=True, slots=True, eq=False)
class Accepts:
    """Declared ``fields`` of the orders of a class; ``fill`` (record, order, writer) gives the record as ordered."""

    of: type
    fields: type[Model]
    fill: Callable[[Any, Any, Any], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Narrows:
    """A declared function (view, record) that gives the values at which filter ``name`` of a class's lists looks."""

    of: type
    name: str
    values: Callable[[Any, Any], Iterable[str]]


def narrows(of: type[R], name: str) -> Callable[[Callable[[Any, R], Iterable[str]]], Narrows]:
    """Declare a filter of the lists of a class; it replaces the one of the same name."""
    return lambda values: Narrows(of, name, values)


def shows(of: type[R]) -> Callable[[Callable[[Any, R], Json]], Shows]:
    """Declare fields that answers about a class carry; they replace those of the same name."""
    return lambda show: Shows(of, show)


def accepts(of: type[R], fields: type[A]) -> Callable[[Callable[[R, A, Any], R]], Accepts]:
    """Declare fields that orders of a class take, each with a default; IntentError refuses the order."""
    return lambda fill: Accepts(of, fields, fill)


def shown(view: Any, record: Any, own: Json) -> Json:
    """An answer about a record: the fields of its ``own`` feature, and those that others add."""
    for item in _shows().get(type(record), ()):
        own |= item.show(view, record)
    return own


def filled(txn: Any, record: R, order: Request | None) -> R:
    """A record as ordered: with what the accepted fields say, or their defaults."""
    for item in _accepts().get(type(record), ()):
        record = item.fill(record, order if isinstance(order, item.fields) else item.fields(), txn)
    return record


def request_of(request: type[Request], orders: type | None) -> type[Request]:
    """The parameters of an operation together with those that are accepted for what it orders."""
    bases: list[Any] = [item.fields for item in _accepts().get(orders, ())] if orders is not None else []
    if not bases:
        return request
    return create_model(request.__name__, __base__=(request, *bases), __doc__=request.__doc__)


def narrowed(of: type) -> Mapping[str, Callable[[Any, Any], Iterable[str]]]:
    """The values of the filters that others declared for the lists of a class, by the filter's name."""
    return {item.name: item.values for item in _narrows().get(of, ())}


@cache
def _narrows() -> Mapping[type, Sequence[Narrows]]:
    return by_class(Narrows, LEAF)


@cache
def _shows() -> Mapping[type, Sequence[Shows]]:
    return by_class(Shows, LEAF)


@cache
def _accepts() -> Mapping[type, Sequence[Accepts]]:
    return by_class(Accepts, LEAF)
