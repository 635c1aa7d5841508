"""A service is what a feature runs beside its flows: health checks, daemons, watchers, ledgers.

    @service(per="host", writes=(TargetHealth,))
    async def probes(context: Context) -> None:
        async for region in context.changes(every=5.0):
            for id in region.by(Target, ("host",), context.host):
                ...
            await context.report(TargetHealth(...))

It stands in ``service.py`` of a feature's folder and is found there.  Who runs, restarts and watches it is told in
docs/decisions/012-services.md.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from sdnctl.base.discovery import modules
from sdnctl.model import records
from sdnctl.model.resource import Index, meta

R = TypeVar("R")
Per = Literal["host", "region", "gateway"]
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure for Prometheus: ``sdnctl_NAME`` with its labels; ``text`` says what it counts."""

    name: str
    text: str
    labels: tuple[str, ...] = ()
    counter: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a figure, with a value for each of its labels."""

    figure: Figure
    labels: tuple[str, ...]
    value: float


class Region(Protocol):
    """The region as a service reads it: consistent until the service waits again; every read is remembered."""

    def get(self, cls: type[R], id: str) -> R | None:
        """A record, or None."""

    def by(self, cls: type, index: Index, value: Hashable) -> Set[str]:
        """The ids under an index value."""

    def all(self, cls: type[R]) -> Mapping[str, R]:
        """Every record of a class."""


class Child(Protocol):
    """A process that goes on when its service, or all of sdnctl, is started again."""

    pid: int
    fresh: bool
    """False when it had been started before and was found again."""

    def alive(self) -> bool:
        """True while it runs."""

    async def ended(self) -> None:
        """Wait for its end."""

    async def stop(self, seconds: float = 5.0) -> None:
        """End it: SIGTERM, and SIGKILL after some seconds."""


class Context(Protocol):
    """The context of a service: the region, its rights, a clock and a place of its own."""

    host: str
    """The machine that it runs on; for a service of a host or gateway, the host's name."""
    place: str
    """A directory of its own, kept over restarts."""
    data: str
    """The directory of this machine's programs, shared with the commands that run here."""
    namespace: str
    """The name of its network namespace (ip-netns(8)); empty unless it was declared with ``namespace=True``."""
    switch: str
    """This host's Open vSwitch database, ``unix:PATH``; empty where there is none."""

    def now(self) -> float:
        """The time in seconds since 1970, as in a transaction."""

    def changes(self, every: float = 0.0) -> AsyncIterator[Region]:
        """The region now, and again whenever something changed that was read of it; at least ``every`` seconds."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def waiting(self, something: Awaitable[R]) -> R:
        """Wait for something that may take as long as it likes; any other pause counts as a hang after a while."""

    async def blocking(self, work: Callable[..., R], *arguments: Any) -> R:
        """Run a function that blocks in a thread."""

    async def report(self, *records: Any, gone: Iterable[tuple[type, str]] = ()) -> None:
        """Write and remove reported records; returns when the store has them, however long it is away."""

    async def transact(self, work: Callable[[Any], R]) -> R:
        """Change intent in one transaction; only services of the region may.

        ``work`` gets a store.Txn.  IntentError when it is refused, StoreError when the store cannot be reached.
        """

    async def child(self, name: str, argv: Sequence[str]) -> Child:
        """The process of that name: the one that runs since before, or a new one if that has another command."""

    def say(self, text: str) -> None:
        """Tell the operator in a few words what the service does or waits for; may be called on any thread."""

    def show(self, samples: Iterable[Sample]) -> None:
        """The service's figures from now on."""


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """A declared service.  ``writes`` are the classes that it may write, ``reads`` those that it follows entirely."""

    name: str
    per: Per
    run: Callable[[Context], Awaitable[None]]
    writes: tuple[type, ...] = ()
    reads: tuple[type, ...] = ()
    namespace: bool = False
    patience: float = PATIENCE_S


def service(
    *,
    per: Per,
    writes: tuple[type, ...] = (),
    reads: tuple[type, ...] = (),
    namespace: bool = False,
    patience: float = PATIENCE_S,
) -> Callable[[Callable[[Context], Awaitable[None]]], Service]:
    """Declare what runs on every host, on every gateway, or once in the region.

    A host's service reads what its host follows, and ``reads`` besides; the region's reads everything.  One that goes
    for ``patience`` seconds without waiting through its context hangs, and is started again.  ValueError when a host's
    service declares to write intent: only a service of the region knows enough for that.
    """

    def declare(run: Callable[[Context], Awaitable[None]]) -> Service:
        name = f"{run.__module__.split('.')[-2:][0]}.{getattr(run, '__name__', '')}"
        intent = [cls.__name__ for cls in writes if not meta(cls).report]
        if per != "region" and intent:
            raise ValueError(f"{name} runs on hosts and cannot write {intent[0]}, which is intent")
        return Service(name, per, run, writes, reads, namespace, patience)

    return declare


def discover(package: str = "") -> tuple[Service, ...]:
    """Every service of a package of features, or of all, by name: what each ``service.py`` declares."""
    records.load(package)
    declared = [value for module in modules("service", package) for value in vars(module).values()]
    found = {one.name: one for one in declared if isinstance(one, Service)}
    return tuple(found[name] for name in sorted(found))


def delegated(services: Iterable[Service]) -> frozenset[str]:
    """The names of the classes that the region's services may write."""
    return frozenset(cls.__name__ for one in services if one.per == "region" for cls in one.writes)
