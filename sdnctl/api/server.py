"""The server of the API's application: uvicorn with its fastest parts, our limits of connections, and TLS."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette

from sdnctl.api.connection import Connection, Door
from sdnctl.api.guests import Bounds, Guests
from sdnctl.api.tls import Certificate
from sdnctl.base.addresses import HostPort

BACKLOG = 128
"""Connections that wait in the kernel, and that are taken at once: no more than descriptors are kept free for."""
GRACE_S = 3
TICKS = 10  # of uvicorn's, in a second


class Server(uvicorn.Server):
    """Serves one application on one listening socket until it is told to end."""

    def __init__(self, app: Starlette, bounds: Bounds | None = None, certificate: Certificate | None = None) -> None:
        """``certificate`` makes it https."""
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                interface="asgi3",
                lifespan="on",
                ws="none",
                # uvloop 0.23 loses what a client says before start_tls, paused or not (TCPTransport starts to read).
                loop="uvloop" if certificate is None else "asyncio",
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self.guests = Guests(bounds or Bounds())
        self._waiting = app.state.waiting
        self._certificate = certificate

    async def startup(self, sockets: Sequence[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise SystemExit(3)
        loop = asyncio.get_running_loop()
        self.servers = [await loop.create_server(self._arrive, sock=sock, backlog=BACKLOG) for sock in sockets or ()]
        if self._certificate is not None:
            with contextlib.suppress(RuntimeError, ValueError):  # signals are for the main thread only
                loop.add_signal_handler(signal.SIGHUP, self._certificate.reload)
        self.started = True

    def _arrive(self) -> asyncio.Protocol:
        """A connection that was just accepted."""
        if self._certificate is None:
            return self._connection()
        return Door(self.guests, self._certificate.context, lambda door: self._connection(door=door))

    def _connection(self, **more: Any) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state, guests=self.guests, **more)

    async def on_tick(self, counter: int) -> bool:
        """See uvicorn."""
        if counter % TICKS == 0:
            self.guests.look(asyncio.get_running_loop().time())
            if self._certificate is not None:
                self._certificate.look()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn; those who wait for hosts have their answers: what they asked for is done."""
        self._waiting.end()
        await super().shutdown(sockets)


def listen(where: str) -> socket.socket:
    """A listening socket; connections wait in it until the server takes them."""
    host, port = HostPort.parse(where)
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(BACKLOG)
    return listener
