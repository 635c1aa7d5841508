"""One signed call from its raw bytes to its answer: verify, find the operation, check the parameters, run it, tell
the result.

Nothing here knows HTTP servers or threads; `app.py` does. Every refusal is an IntentError and leaves the store as it
was.
"""

from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import ValidationError

from apps.account.model import Account
from sdnctl.api import catalogue, identity
from sdnctl.api.rate import RATE, Limiter
from sdnctl.api.registry import Operation, Result, Tracing, finish, no_tracing
from sdnctl.api.routing import Found, Routes, versioned
from sdnctl.api.schema import Json, Request, explain
from sdnctl.api.signature import NO_REGION, Scope, unauthenticated, verify
from sdnctl.api.standing import WAIT, Held, patience
from sdnctl.api.view import Caller, View, Writer
from sdnctl.api.wire import Answer, RawRequest, body_parameters, failure, invalid, query_parameters, success
from sdnctl.base.errors import IntentError, StoreError
from sdnctl.store import Store, Txn

WITH_BODY = frozenset(("POST", "PUT", "PATCH"))
log = structlog.get_logger("sdnctl.api")


class DryRun(IntentError):
    """Ends a transaction that was only to be checked."""

    def __init__(self) -> None:
        super().__init__(None, "dry run")


@dataclass(slots=True)
class Call:
    """What becomes known of a call while it is carried out; ``sequence`` is its commit's, 0 when it changed nothing.

    ``holds`` is the sequence number from which on its answer is true, ``wait`` for how many seconds the caller waits
    for the hosts, if at all.
    """

    request_id: str
    operation: str = ""
    sequence: int = 0
    holds: int = 0
    wait: float | None = None

    def committing(self, txn: Txn) -> None:
        """Note the sequence number that this transaction will have, if it changes anything."""
        self.sequence = txn.sequence if txn.changes() else 0
        self.holds = self.sequence or txn.sequence - 1

    def told(self, answer: Answer, names: bool = False) -> Answer:
        """An answer with all that is known of its call; ``names`` is whether the caller may know the hosts' names."""
        made = answer._replace(operation=self.operation, sequence=self.sequence)
        if answer.code != 200:
            return made
        held = answer.held if self.wait is None else Held(self.holds, self.wait, names=names)
        return made._replace(holds=self.holds, held=held)


class Gateway:
    """The public API of one region on top of a store."""

    def __init__(
        self,
        store: Store,
        region: str,
        operations: tuple[Operation, ...],
        window_s: float,
        tracing: Tracing = no_tracing,
    ) -> None:
        self._tracing = tracing
        self._store = store
        self._region = region
        self._routes = Routes(operations)
        self._window_s = window_s
        self._limiter = Limiter()

    def handle(self, raw: RawRequest, request_id: str, now: float) -> Answer:
        """Answer one call; `now` is in epoch seconds."""
        call = Call(request_id)
        return call.told(self._answer(raw, call, now))

    def _answer(self, raw: RawRequest, call: Call, now: float) -> Answer:
        id = call.request_id
        try:
            result = finish(self._run(raw, call, now), self._tracing)
        except IntentError as error:
            log.info("refused", request=id, method=raw.method, path=raw.path, code=error.code, error=str(error))
            return failure(id, error)
        except StoreError as error:
            log.warning("store", request=id, error=str(error))
            return failure(id, IntentError(None, "the store cannot be reached", 503, "UNAVAILABLE"))
        more = {"sequence": call.sequence} if call.sequence else {}
        log.info("served", request=id, method=raw.method, path=raw.path, operation=call.operation, **more)
        return success(id, result)

    def _run(self, raw: RawRequest, call: Call, now: float) -> Result:
        scope = verify(raw, self._secret_of, now, self._window_s)
        self._admit(scope.access_key)
        found = self._find(scope, raw)
        self._check_region(scope, found)
        request = parameters(found, raw)
        operation = found.operation
        call.operation = f"{operation.service}.{operation.name}"
        if operation.reads:
            with self._store.read() as state:
                account = identity.account_of(state, scope.access_key)
                return operation.run(request, View(state, Caller(account, self._region, call.request_id), now))

        call.wait = patience(raw.query)

        def work(txn: Txn) -> Result:
            account = identity.account_of(txn, scope.access_key)
            call.holds = txn.sequence - 1
            result = carry_out(operation, request, Writer(txn, Caller(account, self._region, call.request_id)))
            call.committing(txn)
            return result

        try:
            return self._store.transact(work)
        except DryRun:
            return {}

    def _secret_of(self, access_key: str) -> str | None:
        with self._store.read() as state:
            return identity.secret_of(state, access_key)

    def _admit(self, access_key: str) -> None:
        """Only who has proved to be the account spends its tokens; the replica in memory knows the rate."""
        with self._store.read() as state:
            account = state.get(Account, identity.account_of(state, access_key))
        if account is not None:
            self._limiter.admit(account.id, RATE.of(account))

    def _find(self, scope: Scope, raw: RawRequest) -> Found:
        found = self._routes.match(scope.service, raw.method, raw.path)
        if found is not None:
            return found
        if scope.service in catalogue.SERVICES and versioned(raw.path):
            raise IntentError(
                None, f"{scope.service} {raw.method} {raw.path[:128]} is not implemented", 501, "NOT_IMPLEMENTED"
            )
        raise IntentError(None, f"there is no such operation in service {scope.service[:64]!r}", 404, "NOT_FOUND")

    def _check_region(self, scope: Scope, found: Found) -> None:
        asked = found.parameters.get("regionId", NO_REGION)
        if scope.region != asked:
            raise unauthenticated("the credential's region and the path's differ")
        if asked not in (self._region, NO_REGION):
            raise IntentError(
                "regionId", f"region {asked[:64]!r} is not served here, only {self._region}", 404, "NOT_FOUND"
            )


def parameters(found: Found, raw: RawRequest) -> Request:
    """The checked parameters of a call: those of the path go before those of the query or body."""
    for name, value in found.parameters.items():
        if not value:
            raise invalid(name, "must not be empty")
    given = arguments(found.operation, raw)
    try:
        return found.operation.request.model_validate({**given, **found.parameters})
    except ValidationError as error:
        raise explain(error) from None


def arguments(operation: Operation, raw: RawRequest) -> dict[str, Any]:
    """What a call says in its body or query; how long it waits is no business of the operation."""
    if raw.method in WITH_BODY:
        return body_parameters(raw.body)
    given = query_parameters(raw.query)
    if not operation.reads:
        given.pop(WAIT, None)
    return given


def carry_out(operation: Operation, request: Request, txn: Writer) -> Result:
    """Run a changing operation once, even if a client repeats it with the same `clientToken`; a dry run changes
    nothing.
    """
    token: str | None = getattr(request, "clientToken", None)
    if not token:
        result = operation.run(request, txn)
    else:
        fingerprint = identity.digest(request.model_dump())
        known: Json | None = identity.recall(txn, operation.name, token, fingerprint)
        if known is not None:
            return known
        result = operation.run(request, txn)
        identity.remember(txn, operation.name, token, fingerprint, result)
    if getattr(request, "dryRun", False):
        raise DryRun
    return result
