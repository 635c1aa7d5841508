"""What the operator alone may do: accounts and their keys, public address pools, hosts, quotas, health.

It lives under `/x/v1`, takes JSON and a bearer token from `DATA/endpoint.json`, and answers plain JSON; a tenant's
keys are worth nothing here. Errors are `{"error": {"code", "status", "message"}}`.
"""

import hmac

import structlog
from pydantic import ValidationError

from sdnctl.api.gateway import Call, arguments
from sdnctl.api.registry import OPERATOR, OPERATOR_PREFIX, Operation, Result, Tracing, finish, no_tracing
from sdnctl.api.routing import Routes
from sdnctl.api.schema import explain
from sdnctl.api.standing import Held, patience
from sdnctl.api.view import Caller, View, Writer
from sdnctl.api.wire import Answer, RawRequest
from sdnctl.base.errors import IntentError, StoreError
from sdnctl.store import Store, Txn

log = structlog.get_logger("sdnctl.api.operator")


class Desk:
    """The operator API of one region on top of a store."""

    def __init__(
        self,
        store: Store,
        region: str,
        operations: tuple[Operation, ...],
        token: str,
        tracing: Tracing = no_tracing,
    ) -> None:
        self._tracing = tracing
        self._store = store
        self._region = region
        self._routes = Routes(o for o in operations if o.service == OPERATOR)
        self._token = token.encode()

    def handle(self, raw: RawRequest, request_id: str, now: float) -> Answer:
        """Answer one call; `now` is in epoch seconds."""
        call = Call(request_id)
        return call.told(self._answer(raw, call, now), names=True)

    def _answer(self, raw: RawRequest, call: Call, now: float) -> Answer:
        try:
            result = self._run(raw, call, now)
            document = finish(result, self._tracing)
        except IntentError as error:
            return refusal(error)
        except StoreError as error:
            log.warning("store", request=call.request_id, error=str(error))
            return refusal(IntentError(None, "the store cannot be reached", 503, "UNAVAILABLE"))
        more = {"sequence": call.sequence} if call.sequence else {}
        log.info("served", request=call.request_id, operation=call.operation, **more)
        return Answer(200, document, held=result if isinstance(result, Held) else None)

    def admit(self, raw: RawRequest) -> None:
        """Raise IntentError unless a request carries the operator's token."""
        scheme, _, token = raw.header("authorization").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self._token):
            raise IntentError(None, "the operator's bearer token is missing or wrong", 401, "UNAUTHENTICATED")

    def _run(self, raw: RawRequest, call: Call, now: float) -> Result:
        self.admit(raw)
        found = self._routes.match(OPERATOR, raw.method, raw.path)
        if found is None:
            raise IntentError(None, "there is no such operation", 404, "NOT_FOUND")
        call.operation = f"{OPERATOR}.{found.operation.name}"
        data = arguments(found.operation, raw)
        try:
            request = found.operation.request.model_validate({**data, **found.parameters})
        except ValidationError as error:
            raise explain(error) from None
        caller = Caller("", self._region, call.request_id)
        if found.operation.reads:
            with self._store.read() as state:
                return found.operation.run(request, View(state, caller, now))

        call.wait = patience(raw.query)

        def work(txn: Txn) -> Result:
            result = found.operation.run(request, Writer(txn, caller))
            call.committing(txn)
            return result

        return self._store.transact(work)


def is_operators(path: str) -> bool:
    """Whether a path belongs to the operator API."""
    return path == OPERATOR_PREFIX or path.startswith(OPERATOR_PREFIX + "/")


def refusal(error: IntentError) -> Answer:
    """An error in the operator API's shape."""
    message = f"{error.field}: {error.message}" if error.field else error.message
    return Answer(error.code, {"error": {"code": error.code, "status": error.status, "message": message}})
