"""Every operation is declared once, beside the resource it works on; the routes, the API document and the tests come
from the declarations.

    @operation("vpc", "createVpc", "POST", "/regions/{regionId}/vpcs/", CreateVpc)
    def create_vpc(request: CreateVpc, txn: Writer) -> Json: ...

A reading operation (GET, or `reads=True`) gets a `View` instead of a `Writer`. `@operator` declares what the operator
alone may do.
"""

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sdnctl.api.extend import request_of
from sdnctl.api.progress import Held
from sdnctl.api.schema import Json, Request
from sdnctl.base.discovery import modules
from sdnctl.model import records
from sdnctl.store import State
from sdnctl.trace.model import Exit, Question, Trace

Q = TypeVar("Q", bound=Request)
V = TypeVar("V")
OPERATOR = "operator"
OPERATOR_PREFIX = "/x/v1"


@dataclass(frozen=True, slots=True)
class Later:
    """An answer that hosts must be asked for, once the store is let go of (see ``tracing``).

    ``account`` asks, "" for the operator.  ``show`` makes the answer of the trace, or raises IntentError; ``onward``
    says where a packet comes in again that left a host by its uplink, None where the region ends.
    """

    question: Question
    account: str
    show: Callable[[Trace, State], Json]
    onward: Callable[[Exit, State], Question | None]


Result = Json | Later | Held
T = TypeVar("T", bound=Result)


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing a client may ask for."""

    service: str
    name: str
    method: str
    path: str  # with version, as the clients write it: /v1/regions/{regionId}/vpcs/
    request: type[Request]
    run: Callable[[Any, Any], Result]
    reads: bool
    orders: type | None = None
    """The class of what the operation makes or changes, for the fields that other features accept."""

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (self.run.__doc__ or "").strip().partition("\n")[0]


_OPERATIONS: dict[tuple[str, str], Operation] = {}


def operation(
    service: str,
    name: str,
    method: str,
    path: str,
    request: type[Q],
    *,
    version: str = "v1",
    reads: bool | None = None,
    orders: type | None = None,
) -> Callable[[Callable[[Q, V], T]], Callable[[Q, V], T]]:
    """Declare a public operation; raises TypeError when the name is taken.

    ``orders`` is the class of the records that it makes or changes, when other features may add to its parameters.
    """

    def declare(run: Callable[[Q, V], T]) -> Callable[[Q, V], T]:
        _add(Operation(service, name, method, f"/{version}{path}", request, run, _reads(method, reads), orders))
        return run

    return declare


def operator(
    name: str, method: str, path: str, request: type[Q], *, reads: bool | None = None
) -> Callable[[Callable[[Q, V], T]], Callable[[Q, V], T]]:
    """Declare an operation of the operator API under /x/v1; it sees the whole region."""

    def declare(run: Callable[[Q, V], T]) -> Callable[[Q, V], T]:
        _add(Operation(OPERATOR, name, method, OPERATOR_PREFIX + path, request, run, _reads(method, reads)))
        return run

    return declare


def _reads(method: str, given: bool | None) -> bool:
    return method == "GET" if given is None else given


def _add(made: Operation) -> None:
    known = _OPERATIONS.get((made.service, made.name))
    if known is not None and known.run.__module__ != made.run.__module__:
        raise TypeError(f"operation {made.service}.{made.name} is declared twice")
    _OPERATIONS[made.service, made.name] = made


def discover() -> tuple[Operation, ...]:
    """Import every feature's `api` and return all operations, ordered by service and path.

    Each takes what other features accept for what it orders.
    """
    importlib.import_module("sdnctl.api.hosts")
    records.load()
    list(modules("api"))
    return ordered(replace(o, request=request_of(o.request, o.orders)) for o in _OPERATIONS.values())


def ordered(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Operations by service, path and method."""
    return tuple(sorted(operations, key=lambda o: (o.service, o.path, o.method)))
