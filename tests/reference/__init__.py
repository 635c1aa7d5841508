"""The reference model, from the resources alone: may this packet arrive, where, looking how, or why not.

Nothing here knows of flows, tables or registers; a switch that does something else is wrong, or this is.

Each file says what one feature means, by rules: functions that are asked at a moment of a frame's way, one after
another, until one tells its fate.

    sent     (world, id, frame)    an interface (its id) has sent it
    inside   (world, port, frame)  it is for one receiver, from an interface that may send it
    handed   (world, port, frame)  it is to leave by an interface
    owned    (world, port, address)  an interface may send from it, though the address is not its own
    outside  (world, frame)        it came in from the public network
    leaving  (world, frame)        it is to leave for the public network
    arrives  (world, frame)        it is for an elastic IP that is no interface's own
    entered  (world, eip, frame)   it came in by an elastic IP
    NEXT HOP (world, route, port, frame)  a route of this type leads it
"""

import importlib
import inspect
import pkgutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from graphlib import TopologicalSorter
from types import ModuleType
from typing import Any, TypeVar

from sdnctl.base.discovery import modules, packages
from sdnctl.model.host import UPLINK, Binding, LocalPort, LocalUplink
from tests.build import Network

R = TypeVar("R")
LIMITED_BROADCAST = 0xFFFFFFFF
PORTS = {"udp": 53, "dhcp": 67, "offer": 68, "tcp": 80}
"""The destination ports of the frames that the tests send, by kind."""
SOURCES = {"udp": 4000, "dhcp": 68, "offer": 67, "tcp": 0}
"""Their source ports."""
EVERY_PORT = (1, 65535)
"""The ports of a rule that is for each packet of its protocol: nobody has port 0."""


@dataclass(frozen=True)
class Frame:
    """A frame: ``kind`` is ping, reply, error, nearby, udp, tcp, dhcp, offer, arp, ipv6, router6, offer6 or other.

    ``nearby`` is ICMP that is for neighbours only, such as a redirect; ``router6`` and ``offer6`` are IPv6's router
    advertisement and message of a DHCP server.  The addresses are ARP's for ARP.
    """

    kind: str
    eth_src: int
    eth_dst: int
    src: int = 0
    dst: int = 0
    ttl: int = 64
    op: int = 0
    sha: int = 0
    tha: int = 0
    tagged: bool = False

    @property
    def ip(self) -> bool:
        """True for IPv4."""
        return self.kind not in ("arp", "ipv6", "router6", "offer6", "other")

    @property
    def protocol(self) -> str:
        """The protocol that rules know: icmp, udp or tcp."""
        return "icmp" if self.kind in ("ping", "reply", "error", "nearby") else "tcp" if self.kind == "tcp" else "udp"

    @property
    def port(self) -> int:
        """The destination port of UDP or TCP."""
        return PORTS[self.kind]

    @property
    def source(self) -> int:
        """The source port of UDP or TCP."""
        return SOURCES[self.kind]

    @property
    def begins(self) -> bool:
        """True for a packet of TCP that begins a connection: the tests send none."""
        return False

    @property
    def router(self) -> bool:
        """True for what only a router says to its neighbours: a redirect, or that it is there."""
        return False

    @property
    def piece(self) -> bool:
        """True for a fragment."""
        return False

    @property
    def later(self) -> bool:
        """True for a fragment that is not the first of its datagram, and so has no ports."""
        return False

    @property
    def group(self) -> bool:
        """True for a frame to a group of receivers."""
        return bool(self.eth_dst >> 40 & 1)


@dataclass(frozen=True)
class Fate:
    """The fate of a frame: it is ``to`` somebody, looking like ``frame``; or asks the controller; or is dropped.

    Where equal routes share the traffic it is any one of ``among``; ``remembered`` are the interfaces that remember the
    connection if it is this one.
    """

    to: str = ""
    frame: Frame | None = None
    asks: str = ""
    dropped: str = ""
    among: tuple["Fate", ...] = ()
    remembered: tuple[str, ...] = field(default=(), compare=False)

    @property
    def options(self) -> tuple["Fate", ...]:
        """The fates that it may be: nearly always itself."""
        return self.among or (self,)

    def __str__(self) -> str:
        if self.to:
            return f"to {self.to}"
        return f"asks ask_{self.asks}" if self.asks else f"dropped: {self.dropped}"


Rule = Callable[..., Fate | None]


def rule(moment: str, after: tuple[str, ...] = ()) -> Callable[[Rule], Rule]:
    """Ask the function below at a moment, after the rules named (those of features that are there)."""

    def mark(function: Rule) -> Rule:
        function.moment, function.after = moment, after  # type: ignore[attr-defined]
        return function

    return mark


@cache
def parts() -> tuple[ModuleType, ...]:
    """The files of this folder, each what one feature means, and ``reference.py`` of features outside the project."""
    own = (importlib.import_module(found.name) for found in pkgutil.iter_modules(__path__, f"{__name__}."))
    others = (module for package in packages()[1:] for module in modules("reference", package))
    return (*own, *others)


@cache
def rules() -> dict[str, tuple[Rule, ...]]:
    """Moment -> its rules in the order in which they are asked."""
    marked: dict[str, dict[str, Any]] = defaultdict(dict)
    for part in parts():
        for name, function in inspect.getmembers(part, lambda found: hasattr(found, "moment")):
            if function.__module__ == part.__name__:
                marked[function.moment][name] = function
    ordered = {}
    for moment, named in marked.items():
        order = TopologicalSorter({name: sorted(set(one.after) & set(named)) for name, one in sorted(named.items())})
        ordered[moment] = tuple(named[name] for name in order.static_order())
    return ordered


class World:
    """The resources, as one host sees them, and what its switch knows of the connection that a frame belongs to.

    Each interface has a memory of its own: ``new`` nothing is known, ``full`` neither, and there is no room for more,
    ``going`` the frame goes the way of the first one, ``reply`` it comes back, ``error`` it is an ICMP error that
    quotes one of a known connection, ``invalid`` it can be of none, ``late`` it is a
    fragment that has waited too long for the others.
    """

    def __init__(self, network: Network, sends: str = "new", gets: str = "new", everywhere: bool = False) -> None:
        """``sends`` is what the sender's interface knows of it, ``gets`` what any other does.

        ``everywhere``: all hosts are looked at as one, and not ``HERE`` alone.
        """
        self.remembered: list[str] = []
        """The interfaces that have remembered the connection of the last frame asked about, whichever its fate is."""
        self.if_full: set[str] = set()
        """The reasons for which the last frame asked about is dropped where there is no room to translate it."""
        self._sends, self._gets = sends, gets
        self._everywhere = everywhere
        self._sender = ""
        self._state = network.store.state
        self._local = network.local

    def all(self, cls: type[R]) -> list[R]:
        """Every resource of a class."""
        return list(self._state.all(cls).values())

    def find(self, cls: type[R], id: str) -> R | None:
        """A resource, or None."""
        return self._state.get(cls, id)

    def get(self, cls: type[R], id: str) -> R:
        """A resource that must be there."""
        found = self.find(cls, id)
        assert found is not None
        return found

    def find_local(self, cls: type[R], id: str) -> R | None:
        """A record of this host's own, or None; where all hosts are looked at, none has any."""
        return None if self._everywhere else self._local.get((cls, id))

    def plugged(self, port: str) -> bool:
        """True while an interface is on this host, or on any."""
        if self._everywhere:
            return self.find(Binding, port) is not None
        return (LocalPort, port) in self._local

    @property
    def uplink(self) -> LocalUplink | None:
        """This host's way to the public network."""
        return self._local.get((LocalUplink, UPLINK))

    def knows(self, port: str) -> str:
        """The thing that an interface knows of the frame's connection."""
        return self._sends if port == self._sender else self._gets

    def ask(self, moment: str, *about: Any) -> Fate:
        """The fate that the first rule tells that has one; AssertionError when none has."""
        told = self.tell(moment, *about)
        assert told is not None, (moment, about)
        return told

    def one_of(self, moment: str, *about: Any) -> Fate:
        """The same where it is one of several fates, with the interfaces that remember the connection by that one."""
        return self.alone(lambda: self.ask(moment, *about))

    def alone(self, told: Callable[[], Fate]) -> Fate:
        """A fate that is one of several, each with the interfaces that remember the connection by it."""
        whichever, self.remembered = self.remembered, []
        fate = told()
        more, self.remembered = tuple(self.remembered), whichever
        among = tuple(replace(one, remembered=(*one.remembered, *more)) for one in fate.among)
        return replace(fate, remembered=(*fate.remembered, *more), among=among)

    def tell(self, moment: str, *about: Any) -> Fate | None:
        """The fate that the first rule tells that has one, or None."""
        return next((fate for one in rules().get(moment, ()) if (fate := one(self, *about)) is not None), None)

    def listed(self, name: str) -> list[Any]:
        """All that the functions of a name, one in each file that has it, list of this world."""
        found = (getattr(part, name, None) for part in parts())
        mine = {part.__name__ for part in parts()}
        return [one for lists in found if lists is not None and lists.__module__ in mine for one in lists(self)]

    def fate(self, sender: str, frame: Frame) -> Fate:
        """The fate of a frame that ``sender`` (an interface's id, or UPLINK) sends."""
        self._sender, self.remembered, self.if_full = sender, [], set()
        if frame.tagged or (sender == UPLINK and self.uplink is None):
            return Fate(dropped="unsupported" if frame.tagged else "unknown-port")
        return self.ask("outside", frame) if sender == UPLINK else self.ask("sent", sender, frame)


def answered(asker: str, frame: Frame, mac: int, back: int) -> Fate:
    """ARP turned round: ``mac`` has it, which is told to the address that the question itself names (RFC 826)."""
    hardware = {"eth_src": mac, "eth_dst": back, "sha": mac, "tha": frame.sha}
    return Fate(to=asker, frame=replace(frame, op=2, src=frame.dst, dst=frame.src, **hardware))
