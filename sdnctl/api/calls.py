"""A call, from the operation that it means to its answer: the same for the tenants' API and for the operator's.

Nothing here knows HTTP servers or threads; `app.py` does. Every refusal is an IntentError and leaves the store as it
was.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import structlog
from pydantic import ValidationError

from sdnctl.api.access import Caller, Reader, Writer
from sdnctl.api.cost import Spend, free
from sdnctl.api.operations import Later, Operation, Result
from sdnctl.api.progress import WAIT, Held, patience
from sdnctl.api.routes import Found
from sdnctl.api.schema import Json, Request, explain
from sdnctl.api.wire import Answer, RawRequest, body_parameters, query_parameters, storable
from sdnctl.base.errors import DiskFull, Doubtful, IntentError, Refused, StoreError
from sdnctl.store import Change, Records, Txn

R = TypeVar("R")
WITH_BODY = frozenset(("POST", "PUT", "PATCH"))
FULL = "the store's disk is full: reads are answered, changes are refused until there is room"
AWAY = "the store cannot be reached: nothing was changed, try again later"
DOUBTFUL = (
    "the store did not answer in time, so it is not known whether the change was made: "
    "look at what is there, or send the call again with the same clientToken"
)
log = structlog.get_logger("sdnctl.api")


class Transacts(Protocol):
    """The part of a store that calls need; a rehearsal has it too."""

    def transact(self, work: Callable[[Txn], R]) -> R:
        """See ``store.Store``."""

    def read(self) -> AbstractContextManager[Records]:
        """See ``store.Store``."""

    def moment(self) -> AbstractContextManager[Records]:
        """See ``store.Store``."""


class Served(NamedTuple):
    """A region as an API serves it: its store and its name."""

    store: Transacts
    region: str


@dataclass(slots=True)
class Call:
    """A call, with what becomes known while it is carried out; ``sequence`` is its commit's, 0 when it changed nothing.

    ``holds`` is the sequence number from which on its answer is true, ``wait`` for how many seconds the caller waits
    for the hosts, if at all, ``changes`` what its transaction wrote.
    """

    raw: RawRequest
    request_id: str
    now: float
    operation: str = ""
    sequence: int = 0
    holds: int = 0
    wait: float | None = None
    changes: Sequence[Change] = ()

    def means(self, operation: Operation) -> None:
        """Note the operation that is asked for, and for how long its caller waits once it has written."""
        self.operation = f"{operation.service}.{operation.name}"
        if not operation.reads:
            self.wait = patience(self.raw.query)

    def committing(self, txn: Txn) -> None:
        """Note the sequence number that this transaction will have, if it changes anything."""
        self.sequence = txn.sequence if self.changes else 0
        self.holds = self.sequence or txn.sequence - 1

    def rehearsed(self) -> None:
        """Note that nothing of it was carried out, so that there is nothing to wait for."""
        self.sequence, self.holds, self.wait, self.changes = 0, 0, None, ()

    def told(self, answer: Answer, names: bool) -> Answer:
        """An answer with all that is known of its call; ``names`` is whether the caller may know the hosts' names."""
        made = answer._replace(operation=self.operation, sequence=self.sequence)
        if answer.code != 200:
            return made
        held = answer.held if self.wait is None else Held(self.holds, self.wait, names=names)
        return made._replace(holds=self.holds, held=held)


class Shape(NamedTuple):
    """The form of an API's answers: to (request id, document), and to (request id, error)."""

    success: Callable[[str, Json], Answer]
    failure: Callable[[str, IntentError], Answer]
    names: bool = False
    """True when the caller may know the names of the hosts."""


def answered(call: Call, work: Callable[[Call], Result], shape: Shape) -> Answer:
    """The answer to a call that is carried out by ``work``."""
    raw, id = call.raw, call.request_id
    try:
        result = work(call)
    except IntentError as error:
        log.info("refused", request=id, method=raw.method, path=raw.path, code=error.code, error=str(error))
        return call.told(shape.failure(id, error), shape.names)
    except Refused as error:
        log.error("the store refuses", request=id, operation=call.operation, error=str(error))
        never = IntentError(None, "the store does not take this change", 500, "INTERNAL")
        return call.told(shape.failure(id, never), shape.names)
    except StoreError as error:
        log.warning("store", request=id, error=str(error))
        return call.told(shape.failure(id, unavailable(error)), shape.names)
    more = {"sequence": call.sequence} if call.sequence else {}
    log.info("served", request=id, method=raw.method, path=raw.path, operation=call.operation, **more)
    if isinstance(result, Held):
        answer = shape.success(id, {})._replace(held=result)
    elif isinstance(result, Later):
        answer = shape.success(id, {})._replace(later=result)
    else:
        answer = shape.success(id, result)
    return call.told(answer, shape.names)


def unavailable(error: StoreError) -> IntentError:
    """The refusal of a call that the store did not take, for its caller: 503, and what may be done about it."""
    if isinstance(error, DiskFull):
        text = FULL
    elif isinstance(error, Doubtful):
        text = DOUBTFUL
    else:
        text = AWAY
    return IntentError(None, text, 503, "UNAVAILABLE")


def carried_out(
    call: Call,
    served: Served,
    operation: Operation,
    request: Request,
    account_of: Callable[[Records], str],
    change: Callable[[Operation, Request, Writer], Result],
    spend: Spend = free,
) -> Result:
    """The result of an operation: a reading one by itself, a writing one by ``change``, within one transaction.

    What reads may take long, so it reads a moment of the store, and nobody waits for it.
    """

    def caller(records: Records) -> Caller:
        return Caller(account_of(records), served.region, call.request_id)

    if operation.reads:
        with served.store.moment() as moment:
            return operation.run(request, Reader(moment, caller(moment), call.now, spend))

    def work(txn: Txn) -> Result:
        writer = Writer(txn, caller(txn), spend)
        call.holds = txn.sequence - 1
        try:
            result = change(operation, request, writer)
        finally:
            call.changes = txn.changes()  # paid for, even if nothing comes of it
        call.committing(txn)
        return result

    return served.store.transact(work)


def parameters(found: Found, raw: RawRequest) -> Request:
    """The checked parameters of a call: those of the path go before those of the query or body."""
    given = {**arguments(found.operation, raw), **found.parameters}
    storable(given)
    try:
        return found.operation.request.model_validate(given)
    except ValidationError as error:
        raise explain(error) from None


def arguments(operation: Operation, raw: RawRequest) -> dict[str, Any]:
    """The arguments of a call, from its body or query; how long it waits is no business of the operation."""
    if raw.method in WITH_BODY:
        return body_parameters(raw.body)
    given = query_parameters(raw.query)
    if not operation.reads:
        given.pop(WAIT, None)
    return given
