"""What the operator alone may do: accounts and their keys, public address pools, hosts, quotas, health.

It lives under `/x/v1`, takes JSON and a bearer token from `DATA/endpoint.json`, and answers plain JSON; a tenant's
keys are worth nothing here. Errors are `{"error": {"code", "status", "message"}}`.
"""

import hmac

import structlog
from pydantic import ValidationError

from sdnctl.api.gateway import WITH_BODY
from sdnctl.api.registry import OPERATOR, OPERATOR_PREFIX, Operation
from sdnctl.api.routing import Routes
from sdnctl.api.schema import Json, explain
from sdnctl.api.view import Caller, View, Writer
from sdnctl.api.wire import Answer, RawRequest, body_parameters, query_parameters
from sdnctl.errors import IntentError, StoreError
from sdnctl.store import Store

log = structlog.get_logger("sdnctl.api.operator")


class Desk:
    """The operator API of one region on top of a store."""

    def __init__(self, store: Store, region: str, operations: tuple[Operation, ...], token: str) -> None:
        self._store = store
        self._region = region
        self._routes = Routes(o for o in operations if o.service == OPERATOR)
        self._token = token.encode()

    def handle(self, raw: RawRequest, request_id: str, now: float) -> Answer:
        """Answer one call; `now` is in epoch seconds."""
        try:
            return Answer(200, self._run(raw, request_id, now))
        except IntentError as error:
            return refusal(error)
        except StoreError as error:
            log.warning("store", request=request_id, error=str(error))
            return refusal(IntentError(None, "the store cannot be reached", 503, "UNAVAILABLE"))

    def _run(self, raw: RawRequest, request_id: str, now: float) -> Json:
        scheme, _, token = raw.header("authorization").partition(" ")
        given = token.strip().encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(given, self._token):
            raise IntentError(None, "the operator's bearer token is missing or wrong", 401, "UNAUTHENTICATED")
        found = self._routes.match(OPERATOR, raw.method, raw.path)
        if found is None:
            raise IntentError(None, "there is no such operation", 404, "NOT_FOUND")
        data = body_parameters(raw.body) if raw.method in WITH_BODY else query_parameters(raw.query)
        try:
            request = found.operation.request.model_validate({**data, **found.parameters})
        except ValidationError as error:
            raise explain(error) from None
        caller = Caller("", self._region, request_id)
        if found.operation.reads:
            with self._store.read() as state:
                return found.operation.run(request, View(state, caller, now))
        return self._store.transact(lambda txn: found.operation.run(request, Writer(txn, caller)))


def is_operators(path: str) -> bool:
    """Whether a path belongs to the operator API."""
    return path == OPERATOR_PREFIX or path.startswith(OPERATOR_PREFIX + "/")


def refusal(error: IntentError) -> Answer:
    """An error in the operator API's shape."""
    message = f"{error.field}: {error.message}" if error.field else error.message
    return Answer(error.code, {"error": {"code": error.code, "status": error.status, "message": message}})
