"""The tenants' API: one signed call from its raw bytes to its answer.

The signature is verified, the operation found, its parameters are checked, it is run, and the result is told.
"""

from sdnctl.api import catalogue, flows, identity
from sdnctl.api.access import Writer
from sdnctl.api.calls import Call, Served, Shape, answered, carried_out, parameters
from sdnctl.api.nonces import Nonces
from sdnctl.api.operations import Operation, Result
from sdnctl.api.rate import RATE, Budget, Limiter
from sdnctl.api.rehearsal import Rehearsals, part
from sdnctl.api.routes import Found, Routes, versioned
from sdnctl.api.schema import Json, Request
from sdnctl.api.signature import NO_REGION, Scope, signed, unauthenticated, verify
from sdnctl.api.wire import Answer, RawRequest, failure, invalid, success
from sdnctl.base.errors import IntentError
from sdnctl.model.account import Account

SHAPE = Shape(success, failure)


class DryRun(IntentError):
    """The exception that ends a transaction that was only to be checked."""

    def __init__(self) -> None:
        super().__init__(None, "dry run")


class TenantApi:
    """The public API of one region."""

    def __init__(
        self, served: Served, operations: tuple[Operation, ...], window_s: float, rehearsals: Rehearsals
    ) -> None:
        self._served = served
        self._rehearsals = rehearsals
        self._routes = Routes(operations)
        self._window_s = window_s
        self._limiter = Limiter()
        self._nonces = Nonces(window_s)

    def handle(self, raw: RawRequest, request_id: str, now: float) -> Answer:
        """Answer one call; `now` is in epoch seconds."""
        return answered(Call(raw, request_id, now), self._run, SHAPE)

    def _run(self, call: Call) -> Result:
        scope = verify(call.raw, self._secret_of, call.now, self._window_s)
        once_only = signed(call.raw)
        self._nonces.check(once_only)  # whoever repeats a call of somebody's spends nothing of what that one may spend
        budget = self._admit(scope.access_key)
        self._nonces.take(once_only, call.now)
        path, token = part(call.raw.path)
        found = self._find(scope, call.raw._replace(path=path))
        self._check_region(scope, found)
        for name, value in found.parameters.items():
            if not value:
                raise invalid(name, "must not be empty")
        request = parameters(found, call.raw)
        call.means(found.operation)
        served = self._rehearsed(scope, token, call.now) if token else self._served
        try:
            return carried_out(
                call,
                served,
                found.operation,
                request,
                lambda records: identity.account_of(records, scope.access_key),
                once,
                budget.spend,
            )
        except DryRun:
            return {}
        finally:
            budget.owe(flows.steps(call.changes))  # a rehearsal costs the same: it keeps others from the store
            if token:
                call.rehearsed()

    def _rehearsed(self, scope: Scope, token: str, now: float) -> Served:
        """The region as a rehearsal of the caller's has it."""
        with self._served.store.read() as state:
            account = identity.account_of(state, scope.access_key)
        return self._served._replace(store=self._rehearsals.of(account, token, now))

    def _secret_of(self, access_key: str) -> str | None:
        with self._served.store.read() as state:
            return identity.secret_of(state, access_key)

    def _admit(self, access_key: str) -> Budget:
        """Spend a token of an account, once the caller has proved to be it; the replica in memory knows the rate."""
        with self._served.store.read() as state:
            account = state.get(Account, identity.account_of(state, access_key))
        if account is None:  # deleted a moment ago: what it asks for is refused later
            return Budget(self._limiter, "", 0)
        rate = RATE.of(account)
        self._limiter.admit(account.id, rate)
        return Budget(self._limiter, account.id, rate)

    def _find(self, scope: Scope, raw: RawRequest) -> Found:
        found = self._routes.match(scope.service, raw.method, raw.path)
        if found is not None:
            return found
        if scope.service in catalogue.public_services() and versioned(raw.path):
            raise IntentError(
                None, f"{scope.service} {raw.method} {raw.path[:128]} is not implemented", 501, "NOT_IMPLEMENTED"
            )
        raise IntentError(None, f"there is no such operation in service {scope.service[:64]!r}", 404, "NOT_FOUND")

    def _check_region(self, scope: Scope, found: Found) -> None:
        asked = found.parameters.get("regionId", NO_REGION)
        if scope.region != asked:
            raise unauthenticated("the credential's region and the path's differ")
        if asked not in (self._served.region, NO_REGION):
            text = f"region {asked[:64]!r} is not served here, only {self._served.region}"
            raise IntentError("regionId", text, 404, "NOT_FOUND")


def once(operation: Operation, request: Request, txn: Writer) -> Result:
    """Run a changing operation once, even if a client repeats it with the same `clientToken`; a dry run changes
    nothing.
    """
    token: str | None = getattr(request, "clientToken", None)
    if not token:
        result = _run(operation, request, txn)
    else:
        fingerprint = identity.digest(request.model_dump())
        known: Json | None = identity.recall(txn, operation.name, token, fingerprint)
        if known is not None:
            return known
        result = _run(operation, request, txn)
        identity.remember(txn, operation.name, token, fingerprint, result)
    if getattr(request, "dryRun", False):
        raise DryRun
    return result


def _run(operation: Operation, request: Request, txn: Writer) -> Result:
    """Run an operation, within the account's flows."""
    result = operation.run(request, txn)
    flows.admit(txn)
    return result
