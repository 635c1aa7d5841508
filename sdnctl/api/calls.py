"""A call, from the operation that it means to its answer: the same for the tenants' API and for the operator's.

Nothing here knows HTTP servers or threads; `app.py` does. Every refusal is an IntentError and leaves the store as it
was.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog
from pydantic import ValidationError

from sdnctl.api.access import Caller, Reader, Records, Writer
from sdnctl.api.operations import Later, Operation, Result
from sdnctl.api.progress import WAIT, Held, patience
from sdnctl.api.routes import Found
from sdnctl.api.schema import Json, Request, explain
from sdnctl.api.wire import Answer, RawRequest, body_parameters, query_parameters
from sdnctl.base.errors import IntentError, StoreError
from sdnctl.store import Store, Txn

WITH_BODY = frozenset(("POST", "PUT", "PATCH"))
log = structlog.get_logger("sdnctl.api")


class Served(NamedTuple):
    """A region as an API serves it: its store and its name."""

    store: Store
    region: str


@dataclass(slots=True)
class Call:
    """A call, with what becomes known while it is carried out; ``sequence`` is its commit's, 0 when it changed nothing.

    ``holds`` is the sequence number from which on its answer is true, ``wait`` for how many seconds the caller waits
    for the hosts, if at all.
    """

    raw: RawRequest
    request_id: str
    now: float
    operation: str = ""
    sequence: int = 0
    holds: int = 0
    wait: float | None = None

    def means(self, operation: Operation) -> None:
        """Note the operation that is asked for, and for how long its caller waits once it has written."""
        self.operation = f"{operation.service}.{operation.name}"
        if not operation.reads:
            self.wait = patience(self.raw.query)

    def committing(self, txn: Txn) -> None:
        """Note the sequence number that this transaction will have, if it changes anything."""
        self.sequence = txn.sequence if txn.changes() else 0
        self.holds = self.sequence or txn.sequence - 1

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
    except StoreError as error:
        log.warning("store", request=id, error=str(error))
        away = IntentError(None, "the store cannot be reached", 503, "UNAVAILABLE")
        return call.told(shape.failure(id, away), shape.names)
    more = {"sequence": call.sequence} if call.sequence else {}
    log.info("served", request=id, method=raw.method, path=raw.path, operation=call.operation, **more)
    if isinstance(result, Held):
        answer = shape.success(id, {})._replace(held=result)
    elif isinstance(result, Later):
        answer = shape.success(id, {})._replace(later=result)
    else:
        answer = shape.success(id, result)
    return call.told(answer, shape.names)


def carried_out(
    call: Call,
    served: Served,
    operation: Operation,
    request: Request,
    account_of: Callable[[Records], str],
    change: Callable[[Operation, Request, Writer], Result],
) -> Result:
    """The result of an operation: a reading one by itself, a writing one by ``change``, within one transaction."""

    def caller(records: Records) -> Caller:
        return Caller(account_of(records), served.region, call.request_id)

    if operation.reads:
        with served.store.read() as state:
            return operation.run(request, Reader(state, caller(state), call.now))

    def work(txn: Txn) -> Result:
        writer = Writer(txn, caller(txn))
        call.holds = txn.sequence - 1
        result = change(operation, request, writer)
        call.committing(txn)
        return result

    return served.store.transact(work)


def parameters(found: Found, raw: RawRequest) -> Request:
    """The checked parameters of a call: those of the path go before those of the query or body."""
    given = arguments(found.operation, raw)
    try:
        return found.operation.request.model_validate({**given, **found.parameters})
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
