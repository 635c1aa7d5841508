"""The links between the members of a store: RAFT over TLS under a CA of its own, which no host has a certificate of.

``ovsdb-server`` has one set of keys for all its connections (ovsdb-server(1), "Public Key Infrastructure Options"), so
a certificate that lets an agent in would let it join the store as a member, which may write anything.  So members know
each other by Unix sockets, ``unix:raft/HOST:PORT`` in the data directory, and this carries what goes through them:
what a member's server sends to such a socket to HOST:PORT by TLS, and what comes from others there to its own socket.
"""

import asyncio
import contextlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import structlog
import uvloop

from sdnctl.base.addresses import HostPort

CA, CERTIFICATE, KEY = FILES = ("raft-ca.pem", "raft-cert.pem", "raft-key.pem")
SOCKETS = "raft"
PREFIX = f"unix:{SOCKETS}/"
LOOK_S, DIAL_S, ASK_S = 0.5, 3.0, 2.0
DEAD_MS = 5000  # what is not acknowledged for so long was sent to nobody (tcp(7), TCP_USER_TIMEOUT)
_CHUNK = 1 << 16
_MEMBER = re.compile(re.escape(PREFIX) + r"([^\s/]+?:\d+)\b")
log = structlog.get_logger("sdnctl.store")
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def address(where: str) -> str:
    """The address by which the members of a store know the one at HOST:PORT."""
    return PREFIX + where


def has_keys(pki: Path | None) -> bool:
    """True when a directory of certificates has those for these links."""
    return pki is not None and all((pki / name).is_file() for name in FILES)


class RaftLinks:
    """The links of one member, on a thread of their own from ``start`` to ``close``."""

    def __init__(self, data: Path, pki: Path, own: str, others: tuple[str, ...]) -> None:
        """``own`` is the HOST:PORT where others reach this member, "" when its server listens itself.

        ``others`` are members that it knows of; further ones are those that its server names.
        """
        self._data, self._pki, self._own = data, pki, own
        self._known = set(others)
        self._there: set[str] = set()
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),), daemon=True)
        self._end = asyncio.Event()

    def start(self) -> None:
        """Begin to carry."""
        (self._data / SOCKETS).mkdir(mode=0o700, exist_ok=True)
        self._thread.start()

    def close(self) -> None:
        """End all links."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(5)

    async def _run(self) -> None:
        servers = []
        if self._own:
            servers.append(await self._listen())
        while not self._end.is_set():
            for where in sorted(self._known - self._there - {self._own}):
                servers.append(await self._offer(where))
                self._there.add(where)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), LOOK_S)
            self._known |= await self._members()
        for server in servers:
            server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _listen(self) -> asyncio.Server:
        """Take links of other members in; their certificates are looked at before anything is read."""
        where = HostPort.parse(self._own)
        while True:
            try:
                context = self._context(ssl.PROTOCOL_TLS_SERVER)
                return await asyncio.start_server(
                    self._taken, where.host, where.port, ssl=context, ssl_handshake_timeout=DIAL_S
                )
            except OSError as error:
                log.error("other members cannot reach this one", raft=self._own, error=str(error))
                await asyncio.sleep(LOOK_S)

    async def _offer(self, where: str) -> asyncio.Server:
        """Make the socket by which this member's server reaches another one."""
        path = self._data / SOCKETS / where
        path.unlink(missing_ok=True)
        return await asyncio.start_unix_server(partial(self._dialled, where), path)

    async def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = self._data / SOCKETS / self._own
        await _carried(reader, writer, asyncio.open_unix_connection(path), self._own)

    async def _dialled(self, where: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _carried(reader, writer, self._dial(where), where)

    async def _dial(self, where: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        to = HostPort.parse(where)
        return await asyncio.open_connection(to.host, to.port, ssl=self._context(ssl.PROTOCOL_TLS_CLIENT))

    def _context(self, side: int) -> ssl.SSLContext:
        """Read anew each time, so that a new certificate needs no restart for links that are dialled."""
        made = ssl.SSLContext(side)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.check_hostname = False
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(self._pki / CA)
        made.load_cert_chain(self._pki / CERTIFICATE, self._pki / KEY)
        return made

    async def _members(self) -> set[str]:
        """The members that this one's server knows of, by HOST:PORT; none while it does not answer."""
        try:
            async with asyncio.timeout(ASK_S):
                reader, writer = await asyncio.open_unix_connection(self._data / "store.ctl")
                writer.write(json.dumps({"id": 0, "method": "cluster/status", "params": ["sdnctl"]}).encode())
                said = await reader.readuntil(b"}")
                writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return set()
        return set(_MEMBER.findall(said.decode(errors="replace").replace("\\n", "\n")))


async def _carried(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    dialling: Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]],
    where: str,
) -> None:
    """Carry bytes both ways between a link and the one that is being dialled, until either ends."""
    try:
        async with asyncio.timeout(DIAL_S):
            other_reader, other_writer = await dialling
    except (OSError, TimeoutError) as error:
        log.debug("no link to a member", member=where, error=str(error))
        writer.close()
        return
    for one in (writer, other_writer):
        _watch(one)
    async with asyncio.TaskGroup() as both:
        both.create_task(_copied(reader, other_writer, writer))
        both.create_task(_copied(other_reader, writer, other_writer))


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    for one in (writer, back):
        one.close()


def _watch(writer: asyncio.StreamWriter) -> None:
    """Have a link end when the machine at its other end is gone without a word."""
    sock = writer.get_extra_info("socket")
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in ((socket.TCP_KEEPIDLE, 2), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 3)):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_MS)
