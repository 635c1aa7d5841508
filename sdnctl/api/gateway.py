"""One signed call from its raw bytes to its answer: verify, find the operation, check the parameters, run it, tell
the result.

Nothing here knows HTTP servers or threads; `app.py` does. Every refusal is an IntentError and leaves the store as it
was.
"""

from typing import Any

import structlog
from pydantic import ValidationError

from sdnctl.api import catalogue, identity
from sdnctl.api.registry import Operation
from sdnctl.api.routing import Found, Routes, versioned
from sdnctl.api.schema import Json, Request, explain
from sdnctl.api.signature import NO_REGION, Scope, unauthenticated, verify
from sdnctl.api.view import Caller, View, Writer
from sdnctl.api.wire import Answer, RawRequest, body_parameters, failure, invalid, query_parameters, success
from sdnctl.errors import IntentError, StoreError
from sdnctl.store import Store, Txn

WITH_BODY = frozenset(("POST", "PUT", "PATCH"))
log = structlog.get_logger("sdnctl.api")


class DryRun(IntentError):
    """Ends a transaction that was only to be checked."""

    def __init__(self) -> None:
        super().__init__(None, "dry run")


class Gateway:
    """The public API of one region on top of a store."""

    def __init__(self, store: Store, region: str, operations: tuple[Operation, ...], window_s: float) -> None:
        self._store = store
        self._region = region
        self._routes = Routes(operations)
        self._window_s = window_s

    def handle(self, raw: RawRequest, request_id: str, now: float) -> Answer:
        """Answer one call; `now` is in epoch seconds."""
        try:
            result = self._run(raw, request_id, now)
        except IntentError as error:
            log.info("refused", request=request_id, method=raw.method, path=raw.path, code=error.code, error=str(error))
            return failure(request_id, error)
        except StoreError as error:
            log.warning("store", request=request_id, error=str(error))
            return failure(request_id, IntentError(None, "the store cannot be reached", 503, "UNAVAILABLE"))
        log.info("served", request=request_id, method=raw.method, path=raw.path)
        return success(request_id, result)

    def _run(self, raw: RawRequest, request_id: str, now: float) -> Json:
        scope = verify(raw, self._secret_of, now, self._window_s)
        found = self._find(scope, raw)
        self._check_region(scope, found)
        request = parameters(found, raw)
        operation = found.operation
        if operation.reads:
            with self._store.read() as state:
                account = identity.account_of(state, scope.access_key)
                return operation.run(request, View(state, Caller(account, self._region, request_id), now))

        def work(txn: Txn) -> Json:
            account = identity.account_of(txn, scope.access_key)
            return carry_out(operation, request, Writer(txn, Caller(account, self._region, request_id)))

        try:
            return self._store.transact(work)
        except DryRun:
            return {}

    def _secret_of(self, access_key: str) -> str | None:
        with self._store.read() as state:
            return identity.secret_of(state, access_key)

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
    given: dict[str, Any] = body_parameters(raw.body) if raw.method in WITH_BODY else query_parameters(raw.query)
    try:
        return found.operation.request.model_validate({**given, **found.parameters})
    except ValidationError as error:
        raise explain(error) from None


def carry_out(operation: Operation, request: Request, txn: Writer) -> Json:
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
