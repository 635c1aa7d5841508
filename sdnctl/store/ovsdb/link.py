"""A connection to the store that comes back by itself, on a thread of its own.

When to connect and when to doubt is decided by ``pace.Pace``; the bytes go through ``wire.Wire``.  Answers wake the
thread that asked; everything else goes to the listener, on the link's thread.
"""

import math
import os
import random
import select
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from sdnctl.store.ovsdb.pace import Pace
from sdnctl.store.ovsdb.tls import check, connect
from sdnctl.store.ovsdb.wire import Message, Wire

_CONNECT_S = 1.0


class Lost(Exception):
    """A request got no answer; if it was ``sent``, nobody knows what became of it.

    ``closed``: the other side ended the connection, perhaps because of this very request.
    """

    def __init__(self, reason: str, sent: bool, closed: bool = False) -> None:
        super().__init__(reason)
        self.sent = sent
        self.closed = closed


class Garbled(Exception):
    """The other side said something that makes no sense; the connection is dropped and made anew."""


class Listener(Protocol):
    """The receiver of a link's news, called on the link's own thread."""

    def connected(self) -> list[Message]:
        """A new connection; what to say first (ids are strings: numbers belong to ``call``)."""

    def received(self, message: Message) -> list[Message]:
        """A notification, or an answer to what the listener said; what to say next.  May raise Garbled."""

    def lost(self, reason: str, hangs: int | None = None) -> None:
        """The connection is gone, or could not be made.

        Or it is there, and the server of this machine does not answer: then ``hangs`` is its process, 0 if not known.
        """

    def answers(self) -> None:
        """The server that did not answer does again, on the same connection."""

    def woken(self) -> list[Message]:
        """The messages to send next, after somebody called ``wake``."""


class _Call:
    """A request somebody waits for."""

    __slots__ = ("answer", "closed", "done")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.closed = False
        self.answer: Message | None = None


class Link:
    """One session with one of several servers, begun with at random."""

    def __init__(self, remotes: Sequence[str], timeout: float, listener: Listener, pki: Path | None = None) -> None:
        """``timeout`` in seconds bounds each send; ``pki`` holds the certificate for ``ssl:``.  See ``tls.check``."""
        check(remotes, pki)
        self._pki = pki
        self._remotes = random.sample(remotes, len(remotes))  # many clients spread over the servers
        self._timeout = timeout
        self._listener = listener
        self._wire: Wire | None = None
        self._calls: dict[int, _Call] = {}
        self._calling = threading.Lock()
        self._number = 0
        self._closing = False
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        # A Unix socket ends with its server; a network may lose the other side without a word.  Where there are other
        # servers, a frozen one is left too; the only one of this machine is waited for.
        self._stays = len(self._remotes) == 1 and self._remotes[0].startswith("unix:")
        self._hangs = False
        self._pace = Pace(len(self._remotes), self._stays)
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    @property
    def remote(self) -> str:
        """The server that is connected to, or tried next."""
        return self._remotes[0]

    @property
    def here(self) -> bool:
        """True when the caller is on the link's thread, where waiting for an answer would last forever."""
        return threading.current_thread() is self._thread

    @property
    def alive(self) -> bool:
        """False once closed, or ended by an error of a listener."""
        return self._thread.is_alive() and not self._closing

    def call(self, method: str, params: list[Any], deadline: float, leave: bool = False) -> Message:
        """Send a request and wait for its answer until ``deadline`` (``time.monotonic()``).

        With ``leave``, a server that gives none is left for another one.  Raises Lost; ValueError when it cannot be
        sent (see ``wire.encoded``).
        """
        call = _Call()
        with self._calling:
            wire = self._wire
            if wire is None:
                raise Lost("the store cannot be reached", sent=False)
            self._number += 1
            number = self._number
            self._calls[number] = call
        try:
            wire.send({"method": method, "params": params, "id": number})
            call.done.wait(max(0.0, deadline - time.monotonic()))
        except OSError as error:
            wire.abort()  # the link's thread notices and drops the connection
            raise Lost(str(error), sent=True, closed=call.closed or not call.done.is_set()) from error
        finally:
            with self._calling:
                self._calls.pop(number, None)
        if call.answer is None:
            if leave and not call.done.is_set():
                wire.abort()
            broke = call.done.is_set()
            raise Lost("the connection broke" if broke else "no answer in time", sent=True, closed=call.closed)
        return call.answer

    def wake(self) -> None:
        """Have the listener's ``woken`` called soon."""
        with self._calling:
            if self._wakeup >= 0:
                os.eventfd_write(self._wakeup, 1)

    def close(self) -> None:
        """End the session and its thread; whoever waits gets Lost."""
        self._closing = True
        self.wake()
        if self.here:
            return
        self._thread.join()
        with self._calling:
            if self._wakeup >= 0:
                os.close(self._wakeup)
                self._wakeup = -1

    def _run(self) -> None:
        try:
            while not self._closing:
                self._step()
        finally:
            self._drop("the store connection is closed")

    def _step(self) -> None:
        wait: float | None = None
        if self._wire is None:
            wait = self._pace.until_attempt(time.monotonic())
            if not wait:
                self._connect()
                return
        elif not self._hangs:
            wait = self._pace.until_doubt(time.monotonic())
            if not wait:
                self._doubt()
                return
        self._wait(wait)

    def _doubt(self) -> None:
        reason = f"{self.remote}: the store does not answer"
        if self._pace.doubt():
            self._say([{"method": "echo", "params": [], "id": "echo"}])
        elif self._stays and self._wire is not None:
            self._hangs = True
            self._listener.lost(reason, self._wire.peer)
        else:
            self._drop(reason)

    def _wait(self, seconds: float | None) -> None:
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        if self._wire is not None:
            poll.register(self._wire.fileno(), select.POLLIN)
        ready = {fd for fd, _ in poll.poll(None if seconds is None else math.ceil(seconds * 1000))}
        if self._wakeup in ready:
            os.eventfd_read(self._wakeup)
            self._say(self._listener.woken())
        if self._wire is not None and self._wire.fileno() in ready:
            self._receive(self._wire)

    def _connect(self) -> None:
        remote = self._remotes[0]
        try:
            wire = connect(remote, _CONNECT_S, self._pki)
        except OSError as error:
            self._remotes.append(self._remotes.pop(0))
            self._pace.failed(time.monotonic())
            self._listener.lost(f"{remote}: {error}")
            return
        wire.set_timeout(self._timeout)
        self._pace.connected(time.monotonic())
        with self._calling:
            self._wire = wire
        self._say(self._listener.connected())

    def _say(self, messages: list[Message]) -> None:
        for message in messages:
            if self._wire is None:
                return
            try:
                self._wire.send(message)
            except OSError as error:
                self._drop(f"{self.remote}: {error}")

    def _receive(self, wire: Wire) -> None:
        try:
            messages = wire.receive()
        except (OSError, UnicodeDecodeError) as error:
            self._drop(f"{self.remote}: {error}", closed=True)
            return
        self._pace.heard(time.monotonic())
        if self._hangs:
            self._hangs = False
            self._listener.answers()
        for message in messages:
            try:
                self._say(self._handle(message))
            except Garbled as error:
                self._drop(f"{self.remote}: {error}")
            if self._wire is not wire:
                return

    def _handle(self, message: Message) -> list[Message]:
        id = message.get("id")
        if message.get("method") == "echo":
            return [{"id": id, "result": message["params"], "error": None}]
        if isinstance(id, int):
            self._answer(id, message)
        elif id != "echo":
            return self._listener.received(message)
        return []

    def _answer(self, number: int, message: Message) -> None:
        with self._calling:
            call = self._calls.pop(number, None)
        if call is not None:  # else its caller ran out of time
            call.answer = message
            call.done.set()

    def _drop(self, reason: str, closed: bool = False) -> None:
        """End the connection; ``closed`` where the other side has, else it is left, and no call is to blame."""
        with self._calling:
            wire, self._wire = self._wire, None
            calls = list(self._calls.values())
            self._calls.clear()
        for call in calls:
            call.closed = closed
            call.done.set()
        self._hangs = False
        if wire is not None:
            wire.close()
            self._remotes.append(self._remotes.pop(0))
            self._pace.dropped(time.monotonic())
        self._listener.lost(reason)
