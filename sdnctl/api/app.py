"""The HTTP server of a region: signed calls of tenants, the operator's calls, health, and the API's own
documentation.

An ASGI application (FastAPI on uvicorn). A call is read whole, then carried out in a small pool of threads, because
the store is synchronous.
"""

import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable
from functools import partial

import anyio
import anyio.to_thread
import structlog
from fastapi import FastAPI
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from sdnctl.api import openapi
from sdnctl.api.gateway import Gateway
from sdnctl.api.metrics import CONTENT_TYPE_LATEST, PATH, Metrics
from sdnctl.api.operator import Desk, is_operators, refusal
from sdnctl.api.registry import OPERATOR, Operation, Tracing, no_tracing
from sdnctl.api.signature import WINDOW_S
from sdnctl.api.wire import MAX_BODY, REQUEST_ID, Answer, RawRequest, failure, invalid
from sdnctl.errors import IntentError, StoreError
from sdnctl.store import Store

THREADS = 8
log = structlog.get_logger("sdnctl.api")


class Front(BaseRoute):
    """Takes what no other route took, whatever its path looks like, to the gateway or the operator's desk."""

    def __init__(self, gateway: Gateway, desk: Desk, metrics: Metrics) -> None:
        self._gateway = gateway
        self._desk = desk
        self._metrics = metrics
        self._threads = anyio.CapacityLimiter(THREADS)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Every HTTP request."""
        return (Match.FULL if scope["type"] == "http" else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read one request, have it carried out, send the answer."""
        began = time.perf_counter()
        request_id = scope.setdefault("state", {})["request_id"] = uuid.uuid4().hex
        body = await _body(receive)
        if body is None:
            error = invalid(None, f"the body is larger than {MAX_BODY} bytes")
            answer = refusal(error) if is_operators(_target(scope)) else failure(request_id, error)
        elif scope["method"] == "GET" and _target(scope) == PATH:
            await self._figures(_raw(scope, body), request_id)(scope, receive, send)
            return
        else:
            answer = await self._answer(_raw(scope, body), request_id)
        self._metrics.count(answer, time.perf_counter() - began)
        await _response(answer, request_id)(scope, receive, send)

    def _figures(self, raw: RawRequest, request_id: str) -> Response:
        """This process in numbers, for whoever has the operator's token."""
        try:
            self._desk.admit(raw)
        except IntentError as error:
            return _response(refusal(error), request_id)
        return Response(self._metrics.text(), 200, {REQUEST_ID: request_id}, CONTENT_TYPE_LATEST)

    async def _answer(self, raw: RawRequest, request_id: str) -> Answer:
        handler = self._desk.handle if is_operators(raw.path) else self._gateway.handle
        work = partial(handler, raw, request_id, time.time())
        return await anyio.to_thread.run_sync(work, limiter=self._threads)


async def _body(receive: Receive) -> bytes | None:
    """The whole body, or None when it is too large."""
    chunks, size = [], 0
    while True:
        message = await receive()
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


def _response(answer: Answer, request_id: str) -> Response:
    return Response(answer.body(), answer.code, {REQUEST_ID: request_id}, "application/json")


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
    tracing: Tracing = no_tracing,
) -> FastAPI:
    """The application; `token` is the operator's, `ready` is called once when it is about to serve, `tracing` asks a
    switch what would become of a packet.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        ready()
        yield

    app = FastAPI(
        title="sdnctl",
        docs_url="/docs",
        openapi_url="/openapi.json",
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    document = openapi.document(operations, region)
    app.openapi = lambda: document  # type: ignore[method-assign]
    app.add_exception_handler(Exception, _crashed)

    metrics = app.state.metrics = Metrics()
    _add_health(app, store)
    public = tuple(o for o in operations if o.service != OPERATOR)
    gateway = Gateway(store, region, public, window_s, tracing)
    app.router.routes.append(Front(gateway, Desk(store, region, operations, token, tracing), metrics))
    return app


def _add_health(app: FastAPI, store: Store) -> None:
    """Two questions that need no token: is it alive, and would a call succeed now."""

    @app.get("/healthz")
    def healthz() -> JSONResponse:
        """Whether the process is alive: its loop turns and a thread is free."""
        return JSONResponse({"status": "ok"})

    @app.get("/readyz")
    def readyz() -> JSONResponse:
        """Whether calls can be served: the store is loaded, and its server is followed now."""
        try:
            with store.read() as state:
                sequence = state.sequence
            if store.current:
                return JSONResponse({"status": "ok", "sequence": sequence})
            message = "the store's server is away: reads are answered, changes wait"
        except StoreError as error:
            message = str(error)
        return JSONResponse({"status": "unavailable", "message": message}, 503)
