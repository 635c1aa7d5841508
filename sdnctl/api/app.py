"""The HTTP server of a region: signed calls of tenants, the operator's calls, health, and the API's own
documentation.

An ASGI application (Starlette on uvicorn). A call is read whole, then carried out in a small pool of threads, because
the store is synchronous.
"""

import asyncio
import contextlib
import math
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import MappingProxyType

import structlog
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from sdnctl.api import openapi
from sdnctl.api.calls import FULL, Served, unavailable
from sdnctl.api.metrics import CONTENT_TYPE_LATEST, PATH, Metrics
from sdnctl.api.operations import OPERATOR, Operation
from sdnctl.api.operator import OperatorApi, is_operators, refusal
from sdnctl.api.progress import AFTER, SEQUENCE, after, headers
from sdnctl.api.rehearsal import Rehearsals
from sdnctl.api.schema import Json
from sdnctl.api.signature import WINDOW_S
from sdnctl.api.tenants import TenantApi
from sdnctl.api.tracing import Tracing
from sdnctl.api.waiting import Waiting
from sdnctl.api.wire import MAX_BODY, REQUEST_ID, Answer, RawRequest, failure, invalid, success
from sdnctl.base.errors import IntentError, StoreError
from sdnctl.store import Store

THREADS = 8
CATCH_UP_S = 5.0
GONE = b"\0gone"
log = structlog.get_logger("sdnctl.api")


class Front(BaseRoute):
    """Takes what no other route took, whatever its path looks like, to the tenants' API or the operator's."""

    def __init__(
        self, tenants: TenantApi, operator: OperatorApi, metrics: Metrics, waiting: Waiting, tracing: Tracing
    ) -> None:
        self._tenants = tenants
        self._operator = operator
        self._metrics = metrics
        self._waiting = waiting
        self._tracing = tracing
        self._threads = ThreadPoolExecutor(THREADS, "call")

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Every HTTP request."""
        return (Match.FULL if scope["type"] == "http" else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read one request, have it carried out, send the answer."""
        began = time.perf_counter()
        request_id = scope.setdefault("state", {})["request_id"] = uuid.uuid4().hex
        body = await _body(receive)
        if body is GONE:
            return
        if body is None:
            answer = _refused(_target(scope), request_id, invalid(None, f"the body is larger than {MAX_BODY} bytes"))
        elif scope["method"] == "GET" and _target(scope) == PATH:
            await self._figures(_raw(scope, body), request_id)(scope, receive, send)
            return
        else:
            answer = await self._answer(_raw(scope, body), request_id)
        took = time.perf_counter() - began  # that somebody waits for hosts says nothing of us
        answer = await self._traced(_target(scope), request_id, answer)
        self._metrics.count(answer, took)
        answer, more = await self._hold(answer)
        await _response(answer, request_id, more)(scope, receive, send)

    def _figures(self, raw: RawRequest, request_id: str) -> Response:
        """This process in numbers, for whoever has the operator's token."""
        try:
            self._operator.admit(raw)
            self._metrics.unreadable(self._operator.unreadable())
        except IntentError as error:
            return _response(refusal(error), request_id)
        except StoreError as error:
            return _response(refusal(unavailable(error)), request_id)
        return Response(self._metrics.text(), 200, {REQUEST_ID: request_id}, CONTENT_TYPE_LATEST)

    async def _answer(self, raw: RawRequest, request_id: str) -> Answer:
        try:
            await self._catch_up(raw)
        except IntentError as error:
            return _refused(raw.path, request_id, error)
        api = self._operator if is_operators(raw.path) else self._tenants
        work = partial(api.handle, raw, request_id, time.time())
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _catch_up(self, raw: RawRequest) -> None:
        """Wait until this server knows what the caller knows; before anything is looked at, its keys may be as new."""
        sequence = after(raw.header(AFTER))
        if not await self._waiting.reached(sequence, CATCH_UP_S):
            message = f"this server does not know of {sequence} yet, after {CATCH_UP_S:g} s: ask again, or another one"
            raise IntentError(AFTER, message, 503, "UNAVAILABLE")

    async def _traced(self, path: str, request_id: str, answer: Answer) -> Answer:
        """The answer that is made of what hosts say of a packet, where it needs them."""
        if answer.later is None:
            return answer
        try:
            found = await self._tracing.answer(answer.later)
        except IntentError as error:
            refused = _refused(path, request_id, error)
        except StoreError as error:
            log.warning("store", request=request_id, error=str(error))
            refused = _refused(path, request_id, unavailable(error))
        else:
            return answer._replace(document=found if is_operators(path) else success(request_id, found).document)
        return refused._replace(operation=answer.operation)

    async def _hold(self, answer: Answer) -> tuple[Answer, dict[str, str]]:
        """The answer once what it waits for has come, or its time is over; and what its headers say of that."""
        more = {SEQUENCE: str(answer.holds)} if answer.holds else {}
        held = answer.held
        if held is None:
            return answer, more
        found = await self._waiting.applied(held.sequence, held.seconds)
        document = answer.document if held.show is None else held.show(found)
        return answer._replace(document=document), more | headers(held, found)


async def _body(receive: Receive) -> bytes | None:
    """The whole body, None when it is too large, GONE when its sender has left in the middle of it."""
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return GONE
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _target(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return _text(raw.partition(b"?")[0])


def _text(raw: bytes) -> str:
    """Bytes as the client meant them: UTF-8, else one character a byte; never fails, never yields what cannot be
    encoded.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _raw(scope: Scope, body: bytes) -> RawRequest:
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(_text(name).lower(), []).append(_text(value))
    return RawRequest(scope["method"], _target(scope), _text(scope["query_string"]), headers, body)


def _refused(path: str, request_id: str, error: IntentError) -> Answer:
    """A refusal before anybody has looked at the call, in the shape of the API that it is for."""
    return refusal(error) if is_operators(path) else failure(request_id, error)


def _response(answer: Answer, request_id: str, more: Mapping[str, str] = MappingProxyType({})) -> Response:
    wait = {"retry-after": str(math.ceil(answer.again))} if answer.again else {}  # RFC 9110, 10.2.3; RFC 6585, 4
    return Response(answer.body(), answer.code, {REQUEST_ID: request_id, **wait, **more}, "application/json")


async def _crashed(request: HttpRequest, error: Exception) -> Response:
    """The single place where an unforeseen error ends: logged with its traceback, told without it."""
    request_id = getattr(request.state, "request_id", None) or uuid.uuid4().hex
    log.error("internal error", request=request_id, path=request.url.path, exc_info=error)
    request.app.state.metrics.crashed()
    return _response(failure(request_id, IntentError(None, "internal error", 500, "INTERNAL")), request_id)


def create_app(
    store: Store,
    region: str,
    operations: tuple[Operation, ...],
    token: str,
    *,
    window_s: float = WINDOW_S,
    ready: Callable[[], None] = lambda: None,
) -> Starlette:
    """The application; `token` is the operator's, `ready` is called once when it is about to serve."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        ready()
        yield

    public = tuple(o for o in operations if o.service != OPERATOR)
    served, metrics, waiting = Served(store, region), Metrics(), Waiting(store)
    tenants, operator = TenantApi(served, public, window_s, Rehearsals(store)), OperatorApi(served, operations, token)
    routes = [*_documents(openapi.document(operations, region)), *_health(store)]
    app = Starlette(
        routes=[*routes, Front(tenants, operator, metrics, waiting, Tracing(store))],
        exception_handlers={Exception: _crashed},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.metrics, app.state.waiting = metrics, waiting
    return app


def _documents(document: Json) -> Iterator[Route]:
    """The API's document, for programs and, as a page, for people; it is large and asked for without a key."""
    text = JSONResponse(document).body
    yield Route("/openapi.json", lambda request: Response(text, media_type="application/json"))
    yield Route("/docs", lambda request: HTMLResponse(openapi.PAGE))


def _health(store: Store) -> Iterator[Route]:
    """Two questions that need no token: is it alive, and would a call succeed now."""

    def healthz(request: HttpRequest) -> Response:
        """The process is alive: its loop turns and a thread is free."""
        return JSONResponse({"status": "ok"})

    def readyz(request: HttpRequest) -> Response:
        """Calls can be served: the store is loaded, and its server is followed now."""
        try:
            with store.read() as state:
                sequence = state.sequence
            message = store.trouble or (FULL if store.full else "")
        except StoreError as error:
            message = store.trouble or str(error)
        if not message:
            return JSONResponse({"status": "ok", "sequence": sequence})
        refused = {"code": 503, "status": "UNAVAILABLE", "message": message}
        return JSONResponse({"status": "unavailable", "message": message, "error": refused}, 503)

    yield Route("/healthz", healthz)
    yield Route("/readyz", readyz)
