"""os-ken carries the OpenFlow conversation; here are the repairs its native hub needs to do that safely.

Each was reproduced (docs/decisions/003-management-socket.md and the platform notes): an exception in a handler ends its
event thread without a word; a dead connection leaves threads and no DEAD event; a send that takes over five seconds is
cut in the middle of a message; the send queue of 16 blocks its caller; the parser needs 6 to 11 s for 100k flows.
"""

import contextlib
import logging
import os
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

from os_ken import cfg
from os_ken.base import app_manager
from os_ken.controller import controller, ofp_event, ofp_handler
from os_ken.controller.handler import DEAD_DISPATCHER, MAIN_DISPATCHER
from os_ken.lib import hub
from os_ken.ofproto import ofproto_parser, ofproto_v1_4

from sdnctl.of import message

OFP_VERSION: int = ofproto_v1_4.OFP_VERSION
CHUNK = 256 * 1024
HEADER = 8
STALLED_S = 30.0  # a switch that takes no byte for so long is given up
DIVERTED = frozenset(
    (message.ERROR, message.PACKET_IN, message.MULTIPART_REPLY, message.BARRIER_REPLY, message.BUNDLE_CONTROL)
)
Divert = Callable[["Datapath", list[bytes]], None]
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7))
log = logging.getLogger("sdnctl.switch")


class TaskExit(BaseException):
    """The exception to be used as hub.TaskExit: one that no handler can raise by accident."""


class _NoDelay:
    """A Unix socket that takes the TCP_NODELAY which os-ken sets on every connection, and ignores it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def setsockopt(self, level: int, option: int, value: int) -> None:
        if level != socket.IPPROTO_TCP or self._sock.family != socket.AF_UNIX:
            self._sock.setsockopt(level, option, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class Datapath(controller.Datapath):  # type: ignore[misc]
    """os-ken's connection with its own loops: sends never block the caller and are never cut; bulk replies go raw.

    ``divert`` gets (datapath, messages) on the receiving thread for every message of DIVERTED after the handshake.
    """

    def __init__(self, sock: socket.socket, address: Any, divert: Divert) -> None:
        self._divert = divert
        self._out: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._waiting = 0
        self._order = threading.Lock()  # held while it is decided which bytes are next
        super().__init__(_NoDelay(sock), address)

    def send(self, buf: bytes, close_socket: bool = False) -> bool:
        """Hand bytes to the switch, and queue what it does not take now; False when the connection is already over."""
        if self.state == DEAD_DISPATCHER:
            return False
        with self._order:
            # Another thread would wait until this one, which has more to do, gives it the interpreter.
            taken = 0 if self._waiting else self._offer(buf)
            if taken < len(buf):
                self._waiting += 1
                self._out.put(bytes(buf[taken:]))
            if close_socket:
                self._out.put(None)
        return True

    def _offer(self, data: bytes) -> int:
        """The number of bytes that the switch takes at once; an error is left to the sending loop to meet."""
        try:
            return os.write(self.socket.fileno(), data)  # socket.send would wait: os-ken gives the socket a timeout
        except OSError:
            return 0

    def waiting(self) -> int:
        """The number of buffers that the switch has not taken yet."""
        return self._waiting

    @property
    def process(self) -> int:
        """The process id of the switch, 0 where it is not on this machine."""
        if self.socket.family != socket.AF_UNIX:
            return 0
        told = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return int(_CREDENTIALS.unpack(told)[0])

    def hang_up(self) -> None:
        """End the connection from any thread; the loops notice and finish."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def _send_loop(self) -> None:
        while (buffer := self._out.get()) is not None:
            if not self._send_whole(memoryview(buffer)):
                break
            with self._order:
                self._waiting -= 1
        self.hang_up()

    def _send_whole(self, rest: memoryview) -> bool:
        """All of it in pieces, however slow the reader, as long as it reads at all."""
        stalled = time.monotonic() + STALLED_S
        while rest:
            try:
                sent = self.socket.send(rest[:CHUNK])
            except TimeoutError:
                if time.monotonic() > stalled:
                    log.warning("the switch takes no bytes, connection dropped")
                    return False
                continue
            except OSError:
                return False
            rest = rest[sent:]
            stalled = time.monotonic() + STALLED_S
        return True

    def _recv_loop(self) -> None:
        held: bytes | None = b""
        try:
            while self.state != DEAD_DISPATCHER:
                try:
                    got = self.socket.recv(CHUNK)
                except TimeoutError:
                    continue
                except OSError:
                    break
                if not got:
                    break
                held = self._take(held + got if held else got)
                if held is None:
                    break
        finally:
            self.set_state(DEAD_DISPATCHER)
            self._out.put(None)
            with self._order, contextlib.suppress(OSError):  # its number may be another file's afterwards
                self.socket.close()

    def _take(self, data: bytes) -> bytes | None:
        """Hand on every whole message, keep the rest; None when the stream makes no sense any more."""
        raw: list[bytes] = []
        start, end = 0, len(data)
        while end - start >= HEADER:
            version, kind, length, xid = ofproto_parser.header(data[start : start + HEADER])
            if length < HEADER:
                log.warning("a message of %d bytes, connection dropped", length)
                return None
            if end - start < length:
                break
            one = data[start : start + length]
            start += length
            if kind in DIVERTED and self.state == MAIN_DISPATCHER:
                raw.append(one)
            else:
                self._parse(version, kind, length, xid, one)
        if raw:
            self._divert(self, raw)
        return data[start:]

    def _parse(self, version: int, kind: int, length: int, xid: int, one: bytes) -> None:
        """os-ken's way for everything else: parse, tell the observers, run the handshake's handlers."""
        parsed = ofproto_parser.msg(self, version, kind, length, xid, bytearray(one))
        if not parsed:
            return
        event = ofp_event.ofp_msg_to_ev(parsed)
        brick = self.ofp_brick
        if brick is None:
            return
        brick.send_event_to_observers(event, self.state)
        for handler in list(brick.get_handlers(event)):
            if self.state in handler.callers[event.__class__].dispatchers:
                handler(event)


def repair() -> None:
    """Mend the native hub and keep os-ken from listening: this controller dials its switch."""
    hub.TaskExit = TaskExit
    ofp_handler.OFPHandler.start = app_manager.OSKenApp.start


def dial(path: str, divert: Divert) -> None:
    """Connect to a bridge's management socket and serve it until it ends; returns at once when nobody is there."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.closing(sock):
        try:
            sock.connect(path)
        except OSError as error:
            log.debug("%s: %s", path, error)
            return
        Datapath(sock, path, divert).serve()


def run(app: type[app_manager.OSKenApp], **settings: Any) -> Any:
    """Start os-ken with one app and without ``osken-manager``, which os-ken 4 no longer ships; returns the app."""
    repair()
    cfg.CONF(args=[], project="os_ken", default_config_files=[], default_config_dirs=[])
    manager = app_manager.AppManager.get_instance()
    manager.instantiate(ofp_handler.OFPHandler)
    made = manager.instantiate(app, **settings)
    for one in list(manager.applications.values()):
        one.start()
    return made


def stop() -> None:
    """Close every app, and with it what it has open."""
    app_manager.AppManager.get_instance().close()
