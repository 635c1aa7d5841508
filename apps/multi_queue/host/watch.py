"""Keeps interfaces as they are wanted: looks again when the kernel tells of a link, and now and then anyway.

A link that flaps, a driver that resets and an interface that comes back under its name all send RTM_NEWLINK
(rtnetlink(7)).  Queues and CPUs that come and go send uevents (netlink(7), NETLINK_KOBJECT_UEVENT): a tap gets its
queues only when the guest turns them on.  What sends nothing is found within ``period`` seconds.
"""

import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from pyroute2.netlink.rtnl import RTMGRP_LINK
from pyroute2.netlink.rtnl.marshal import MarshalRtnl

from apps.multi_queue.host.pmd import Switch
from apps.multi_queue.host.tuner import Tuner
from apps.multi_queue.model import Wish
from sdnctl.base.problem import Problem

SETTLE_S = 0.1
ROUTE_PROTOCOL, UEVENT_PROTOCOL, KERNEL_GROUP = 0, 15, 1
LISTEN_S = 1.0  # after which a listener looks whether it is still wanted
EVERYTHING = ""
SETTING, BOUND = "sdnctl-nics", "bound"
_QUEUE = re.compile(r"@/devices/.*/net/([^/]+)/queues/")
_CPU = re.compile(r"^(?:online|offline)@/devices/system/cpu/cpu\d+$")
log = structlog.get_logger("nic")


class Source(Protocol):
    """A source of the interfaces that are looked after."""

    def now(self) -> Mapping[str, Wish]:
        """Interface -> what is wanted of it, at this moment; Problem when that cannot be told."""

    def named(self) -> Mapping[str, Wish]:
        """The interfaces that are looked after even when ``now`` cannot tell."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The interfaces looked after: those named, and with ``switch`` its uplink and the taps of bound ports."""

    wishes: Mapping[str, Wish]
    switch: Switch | None = None

    def now(self) -> Mapping[str, Wish]:
        """See Source."""
        bound = self.switch.looked_after() if self.switch is not None else ()
        return {**{name: Wish() for name in bound}, **self.wishes}

    def named(self) -> Mapping[str, Wish]:
        """See Source."""
        return self.wishes


@dataclass(frozen=True, slots=True)
class Chosen:
    """The interfaces that the operator has chosen in the switch's settings: ``external_ids:sdnctl-nics``.

    It holds names of interfaces, separated by commas, and ``bound`` for the uplink and the taps of bound ports.  While
    it is not set, none is looked after.
    """

    switch: Switch

    def now(self) -> Mapping[str, Wish]:
        """See Source."""
        names = self.switch.setting(SETTING).replace(",", " ").split()
        bound = self.switch.looked_after() if BOUND in names else ()
        return {name: Wish() for name in (*bound, *names) if name != BOUND}

    def named(self) -> Mapping[str, Wish]:
        """See Source."""
        return {}


class Watcher:
    """Applies what is wanted and does so again whenever it is not so any more; ``told`` hears of each event."""

    def __init__(self, tuner: Tuner, wanted: Source, told: Callable[[dict[str, Any]], None], force: bool) -> None:
        self._tuner = tuner
        self._wanted = wanted
        self._told = told
        self._force = force
        self._links: queue.Queue[str | None] = queue.Queue()
        self._said: dict[str, str] = {}
        self._stopped = threading.Event()

    def run(self, period: float) -> None:
        """Watch until ``stop``; nothing is undone at the end."""
        listening = threading.Event()
        threading.Thread(target=self._listen, args=(listening,), name="links", daemon=True).start()
        threading.Thread(target=self._hear, name="uevents", daemon=True).start()
        listening.wait(5)
        self._told({"event": "watching"})
        names: set[str] | None = None
        while True:
            self.look(names)
            try:
                first = self._links.get(timeout=period)
            except queue.Empty:
                names = None
                continue
            # A flap is several messages, and a driver needs a moment after the last of them.
            time.sleep(SETTLE_S)
            heard = [first]
            while not self._links.empty():
                heard.append(self._links.get())
            if None in heard:
                return
            names = None if EVERYTHING in heard else {name for name in heard if name is not None}

    def stop(self) -> None:
        """Let ``run`` return; may be called from a signal handler, and on any thread."""
        self._stopped.set()
        self._links.put(None)

    def look(self, names: Iterable[str] | None = None) -> None:
        """Compare some interfaces with what is wanted of them (None: all), and set right what differs."""
        try:
            wanted = self._wanted.now()
        except Problem as problem:
            self._failed("", problem)
            wanted = self._wanted.named()
        here = set(self._tuner.machine.names())
        for name, wish in wanted.items():
            if name in here and (names is None or name in names):
                self._mend(name, wish)

    def _mend(self, name: str, wish: Wish) -> None:
        try:
            record = self._tuner.journal.read(name)
            fresh = record is None or record.index != self._tuner.machine.index(name)
            if not fresh and record is not None and record.wish == wish and record.applied:
                drift = self._tuner.drift(name)
                if record.pending is None and not drift:
                    self._said.pop(name, None)
                    return
            done = self._tuner.apply(name, wish, self._force)
        except (Problem, OSError) as problem:
            if name in self._tuner.machine.names():  # else it went while it was looked at
                self._failed(name, problem)
            return
        self._said.pop(name, None)
        event = "applied" if fresh else "re-applied"
        log.info(event, nic=name, changes=len(done.changes))
        self._told({"event": event, "nic": name, "changes": {knob: after for knob, (_, after) in done.changes.items()}})

    def _failed(self, name: str, problem: Exception) -> None:
        """Say it once, not every time."""
        if self._said.get(name) != str(problem):
            self._said[name] = str(problem)
            log.warning("not applied", nic=name, because=str(problem))
            self._told({"event": "failed", "nic": name, "because": str(problem)})

    def _listen(self, listening: threading.Event) -> None:
        """Links that come, or come up."""
        marshal = MarshalRtnl()
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, ROUTE_PROTOCOL) as kernel:
            kernel.bind((0, RTMGRP_LINK))
            listening.set()
            for heard in self._messages(kernel):
                for message in marshal.parse(heard):
                    if message["event"] == "RTM_NEWLINK":
                        self._links.put(str(message.get_attr("IFLA_IFNAME")))

    def _hear(self) -> None:
        """Queues of an interface, and CPUs, that come and go."""
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, UEVENT_PROTOCOL) as kernel:
            kernel.bind((0, KERNEL_GROUP))
            for heard in self._messages(kernel):
                what = heard.split(b"\0", 1)[0].decode(errors="replace")
                if found := _QUEUE.search(what):
                    self._links.put(found[1])
                elif _CPU.match(what):
                    self._links.put(EVERYTHING)

    def _messages(self, kernel: socket.socket) -> Iterator[bytes]:
        """Yield the kernel's messages, until ``stop``."""
        kernel.settimeout(LISTEN_S)
        while not self._stopped.is_set():
            try:
                yield kernel.recv(65536)
            except TimeoutError:
                continue
            except OSError:  # ENOBUFS: too much at once, and some of it lost
                self._links.put(EVERYTHING)
                time.sleep(SETTLE_S)
