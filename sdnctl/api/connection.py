"""One connection to the API: uvicorn's protocol, with limits of time and size, and refusals in the API's own form.

A head has to come within some seconds, a body within some more; an answer has to be taken.  What is too large is
refused unread: 431 for a head, 413 for a body (RFC 9110, 15.5.14; RFC 6585, 5).  Over TLS the handshake is part of the
head's time.
"""

import asyncio
import ssl
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sdnctl.api.guests import Guests
from sdnctl.api.wire import REQUEST_ID, failure
from sdnctl.base.errors import IntentError

MALFORMED = "this is no HTTP/1.1 request"
FRAMES_MOST = 8
"""Bytes on the wire for each of a body, a head's worth aside: one in chunks of one byte has 6 (RFC 9112, 7.1)."""


class TooLarge(Exception):
    """The end of reading: the connection has been refused."""


class Connection(HttpToolsProtocol):
    """A connection, as a guest (see ``guests``)."""

    def __init__(self, *args: Any, guests: Guests, door: "Door | None" = None, **kwargs: Any) -> None:
        """``door`` is where it came in, if its handshake is over."""
        super().__init__(*args, **kwargs)
        self._guests = guests
        self._bounds = guests.bounds
        self._door = door
        self.peer = ""
        self._due: float | None = None
        self._slow_since: float | None = None
        self._in_head = self._refused = False
        self._size = self._framed = 0
        self._early: list[bytes] = []
        self.lost = False

    # The guest.

    @property
    def busy(self) -> bool:
        """See Guest."""
        return not self._refused and (self._answering or bool(self.pipeline)) and self._due is None

    @property
    def _in_body(self) -> bool:
        return not self._in_head and self._due is not None

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def leave(self) -> None:
        """See Guest."""
        self.transport.abort()

    def look(self, now: float) -> None:
        """See Guest."""
        if not self.transport.get_write_buffer_size():
            self._slow_since = None
        elif self._slow_since is None:
            self._slow_since = now
        elif now - self._slow_since > self._bounds.answer_s:
            self.leave()
        if self._due is None or now < self._due:
            return
        if self._refused:
            self.leave()
        elif self.flow.read_paused:  # it is us who do not read
            self._due = now + 1.0
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "DEADLINE_EXCEEDED", "the request did not come whole in time")

    # The protocol.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        super().connection_made(transport)
        self.peer = peer_of(transport)
        if self._door is not None:
            self._guests.gone(self._door)
        self._due = self.loop.time() + self._bounds.head_s
        if not self._guests.admit(self):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "UNAVAILABLE", "too many connections are in use")

    def begin(self) -> None:
        """Read what came early."""
        early, self._early = self._early, []
        for data in early:
            self.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio; it may come before ``connection_made`` too."""
        self.lost = True
        self._guests.gone(self)
        if self.transport is not None:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio; what comes together with the end of a handshake comes before ``connection_made``."""
        if self.transport is None:
            self._early.append(data)
            return
        if self._refused:
            return
        if self._in_head:
            self._size += len(data)
        else:
            self._framed += len(data)
        super().data_received(data)
        if self._refused:
            return
        if self._in_head and self._size > self._bounds.head:
            self._too_large_head()
        elif self._in_body and self._framed > self._bounds.head + FRAMES_MOST * self._size:
            self._too_large_body()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be parsed; what was too large is refused already."""
        if not self._refused:
            self._refuse(HTTPStatus.BAD_REQUEST, "INVALID_ARGUMENT", MALFORMED)

    # Called by the parser.

    def on_message_begin(self) -> None:
        """See httptools."""
        super().on_message_begin()
        self._in_head, self._size = True, 0
        self._due = self.loop.time() + self._bounds.head_s

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools; what comes after a body is not kept (RFC 9110, 6.5.1)."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """See httptools."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self._bounds.head:
            self._too_large_head()
            raise TooLarge
        length = next((value for name, value in self.headers if name == b"content-length"), b"0")
        if int(length) > self._bounds.body:
            self._too_large_body()
            raise TooLarge
        self._in_head, self._size, self._framed = False, 0, 0
        self._due = self.loop.time() + self._bounds.body_s
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._size += len(body)
        if self._size > self._bounds.body:
            self._too_large_body()
            raise TooLarge
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        self._due = None
        super().on_message_complete()

    # Refusals.

    def _too_large_head(self) -> None:
        text = f"the request's head is larger than {self._bounds.head} bytes"
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "INVALID_ARGUMENT", text)

    def _too_large_body(self) -> None:
        text = f"the body is larger than {self._bounds.body} bytes"
        self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "INVALID_ARGUMENT", text)

    def _refuse(self, code: HTTPStatus, status: str, text: str) -> None:
        """Answer and end the connection, in a way in which the peer gets to read the answer (RFC 9112, 9.6)."""
        self._refused = True
        self._unset_keepalive_if_required()
        self._due = self.loop.time() + self._bounds.linger_s
        if self._answering and not self.cycle.more_body:
            self.cycle.keep_alive, self._due = False, None  # what was asked before is answered, and that is the end
            return
        if self.pipeline or (self._answering and self.cycle.response_started):
            self.transport.close()
            return
        if self._answering:
            self.cycle.disconnected = True  # nobody waits for the rest of it any more
            self.cycle.message_event.set()
        self.transport.write(answer(code, status, text))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()


class Door(asyncio.Protocol):
    """The beginning of a connection over TLS: a guest that has not said yet what it wants."""

    busy = False

    def __init__(self, guests: Guests, context: ssl.SSLContext, make: Callable[["Door"], Connection]) -> None:
        """``make`` gives the connection that begins when the handshake is over."""
        self._guests = guests
        self._context = context
        self._make = make
        self.peer = ""
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        self._transport, self.peer = transport, peer_of(transport)
        if not self._guests.admit(self):
            transport.abort()
            return
        transport.pause_reading()  # what comes from now on is TLS
        self._task = asyncio.get_running_loop().create_task(self._shake_hands())

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._guests.gone(self)

    def leave(self) -> None:
        """See Guest."""
        self._transport.abort()

    def look(self, now: float) -> None:
        """See Guest; asyncio watches the handshake."""

    async def _shake_hands(self) -> None:
        loop, made = asyncio.get_running_loop(), self._make(self)
        try:
            secure = await loop.start_tls(
                self._transport,
                made,
                self._context,
                server_side=True,
                ssl_handshake_timeout=self._guests.bounds.head_s,
                ssl_shutdown_timeout=self._guests.bounds.answer_s,
            )
        except OSError:  # also of TLS and of time
            self._guests.gone(self)
            self._transport.abort()
            return
        if secure is None or made.lost:
            self._guests.gone(self)
        else:
            made.connection_made(secure)
            made.begin()


def peer_of(transport: asyncio.Transport) -> str:
    """The address of the other side, without its port."""
    found = transport.get_extra_info("peername")
    return str(found[0]) if isinstance(found, tuple) and found else ""


def answer(code: HTTPStatus, status: str, text: str) -> bytes:
    """A whole answer, in the API's form, that ends its connection."""
    request_id = uuid.uuid4().hex
    body = failure(request_id, IntentError(None, text, code, status)).body()
    head = [
        f"HTTP/1.1 {int(code)} {code.phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        f"{REQUEST_ID}: {request_id}",
        "connection: close",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body
