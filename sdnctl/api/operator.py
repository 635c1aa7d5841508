"""The operator's API: accounts and their keys, public address pools, hosts, quotas, health.

It lives under `/x/v1`, takes JSON and a bearer token from `DATA/endpoint.json`, and answers plain JSON; a tenant's
keys are worth nothing here. Errors are `{"error": {"code", "status", "message"}}`.
"""

import hmac

from sdnctl.api.access import Writer
from sdnctl.api.calls import Call, Served, Shape, answered, carried_out, parameters
from sdnctl.api.operations import OPERATOR, OPERATOR_PREFIX, Operation, Result
from sdnctl.api.routes import Routes
from sdnctl.api.schema import Json, Request
from sdnctl.api.wire import Answer, RawRequest
from sdnctl.base.errors import IntentError
from sdnctl.model.unreadable import Unreadable


class OperatorApi:
    """The operator API of one region."""

    def __init__(self, served: Served, operations: tuple[Operation, ...], token: str) -> None:
        self._served = served
        self._routes = Routes(o for o in operations if o.service == OPERATOR)
        self._token = token.encode()

    def handle(self, raw: RawRequest, request_id: str, now: float) -> Answer:
        """Answer one call; `now` is in epoch seconds."""
        return answered(Call(raw, request_id, now), self._run, SHAPE)

    def admit(self, raw: RawRequest) -> None:
        """Raise IntentError unless a request carries the operator's token."""
        scheme, _, token = raw.header("authorization").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self._token):
            raise IntentError(None, "the operator's bearer token is missing or wrong", 401, "UNAUTHENTICATED")

    def unreadable(self) -> list[Unreadable]:
        """The reports of hosts that cannot be read."""
        with self._served.store.read() as state:
            return list(state.all(Unreadable).values())

    def _run(self, call: Call) -> Result:
        self.admit(call.raw)
        found = self._routes.match(OPERATOR, call.raw.method, call.raw.path)
        if found is None:
            raise IntentError(None, "there is no such operation", 404, "NOT_FOUND")
        call.means(found.operation)
        request = parameters(found, call.raw)
        return carried_out(call, self._served, found.operation, request, lambda records: "", _change)


def _change(operation: Operation, request: Request, txn: Writer) -> Result:
    return operation.run(request, txn)


def is_operators(path: str) -> bool:
    """True when a path belongs to the operator API."""
    return path == OPERATOR_PREFIX or path.startswith(OPERATOR_PREFIX + "/")


def refusal(error: IntentError) -> Answer:
    """An error in the operator API's shape."""
    message = f"{error.field}: {error.message}" if error.field else error.message
    document = {"error": {"code": error.code, "status": error.status, "message": message}}
    return Answer(error.code, document, again=error.again)


def _success(request_id: str, document: Json) -> Answer:
    return Answer(200, document)


def _failure(request_id: str, error: IntentError) -> Answer:
    return refusal(error)


SHAPE = Shape(_success, _failure, names=True)
