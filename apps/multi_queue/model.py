"""The number of queues of an interface, and the CPU that works for each: decided here, applied elsewhere.

Standard library only and nothing read or written, so that the host (``host/``) and the guest (``guest``) decide by
the same rules.  The terms are those of the kernel's Documentation/networking/scaling.rst: an interrupt of a queue goes
to one CPU (affinity), RPS hands packets of a receive queue on to further CPUs, XPS chooses the transmit queue by the
sending CPU, RFS follows the CPU that reads the socket.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

FLOW_TABLE = 32768
"""Entries of the machine's table of flows for RFS, as scaling.rst suggests for a server of moderate load."""
_QUEUE = re.compile(
    r"(tx[-_.]?rx|rx[-_.]?tx|input|output|rx|tx|comp|queue|q|fp)[-_.]*(\d+)(?:@.*)?$",
    re.IGNORECASE,
)
_SENDS = ("tx", "output")


class Impossible(ValueError):
    """The refusal of a wish that this interface cannot meet; the message names the interface and its limit."""


@dataclass(frozen=True, slots=True)
class Channels:
    """Counts of channels as ethtool -l shows them: ``combined`` ones receive and send, the others do one of it."""

    combined: int = 0
    rx: int = 0
    tx: int = 0

    @property
    def receiving(self) -> int:
        """Receive queues."""
        return self.combined + self.rx

    @property
    def sending(self) -> int:
        """Transmit queues."""
        return self.combined + self.tx

    def __str__(self) -> str:
        return f"combined {self.combined}" if self.combined else f"rx {self.rx} tx {self.tx}"


@dataclass(frozen=True, slots=True)
class Irq:
    """An interrupt of an interface: its number, its name in /proc/interrupts, the queue it serves (None: none)."""

    number: int
    name: str
    queue: int | None = None


@dataclass(frozen=True, slots=True)
class Nic:
    """An interface as the machine reports it; ``node`` is its NUMA node (-1: unknown or none).

    ``now`` are the queues there are, ``most`` those that can be set (None: the driver sets none).  ``flows`` says
    whether RFS can be set, ``threaded`` the state of threaded NAPI (None: not settable).
    """

    name: str
    now: Channels
    most: Channels | None = None
    driver: str = ""
    node: int = -1
    irqs: tuple[Irq, ...] = ()
    flows: bool = False
    threaded: bool | None = None
    rings: Mapping[str, int] = field(default_factory=dict)
    coalesce: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cpus:
    """The machine's CPUs: those online, the NUMA node of each, those kept free of interrupts (isolcpus, nohz_full).

    ``load`` is the work that neighbours (other interfaces) have put on a CPU already, in queues; ``threads`` is which
    one of its core's hardware threads a CPU is: 0 for the first.
    """

    online: tuple[int, ...]
    nodes: Mapping[int, int] = field(default_factory=dict)
    isolated: frozenset[int] = frozenset()
    load: Mapping[int, float] = field(default_factory=dict)
    threads: Mapping[int, int] = field(default_factory=dict)

    @property
    def eligible(self) -> tuple[int, ...]:
        """The CPUs that may take interrupts; all that are online where every one of them is isolated."""
        return tuple(c for c in sorted(self.online) if c not in self.isolated) or tuple(sorted(self.online))

    def near(self, node: int) -> tuple[int, ...]:
        """The eligible ones of a NUMA node; all eligible ones when the node is unknown or has none."""
        return tuple(c for c in self.eligible if self.nodes.get(c, 0) == node) or self.eligible


@dataclass(frozen=True, slots=True)
class Wish:
    """The settings asked for: ``queues`` 0 means one for each near CPU; ``threaded`` None leaves NAPI as it is.

    ``flows`` asks for RFS, of use only where sockets are read: in a guest, not in a switch.
    """

    queues: int = 0
    flows: bool = False
    threaded: bool | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings to be made on one interface.

    ``cpus[q]`` works for queue q; ``irqs`` is the CPU of each interrupt; ``rps[q]`` and ``xps[q]`` are the CPUs of
    receive and transmit queue q (none: off); ``flow_count`` is rps_flow_cnt of each receive queue and ``flow_table``
    rps_sock_flow_entries of the machine (0: leave both).  ``notes`` say what could not be as one might expect.
    """

    nic: str
    channels: Channels
    cpus: tuple[int, ...]
    irqs: Mapping[int, int]
    rps: tuple[tuple[int, ...], ...]
    xps: tuple[tuple[int, ...], ...]
    flow_count: int = 0
    flow_table: int = 0
    threaded: bool | None = None
    rings: Mapping[str, int] = field(default_factory=dict)
    coalesce: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def plan(nic: Nic, cpus: Cpus, wish: Wish | None = None, before: Sequence[int] = ()) -> Plan:
    """Queues and CPUs for an interface; ``before`` is the CPU of each queue until now, which is kept where it may be.

    Raises Impossible when more queues are asked for than the driver has, or when there is no CPU.
    """
    wish = wish or Wish()
    if not cpus.online:
        raise Impossible(f"{nic.name}: no CPU is online")
    notes: list[str] = []
    channels = _channels(nic, cpus, wish, notes)
    receiving, sending = max(channels.receiving, 1), max(channels.sending, 1)
    chosen = assign(max(receiving, sending), cpus, nic.node, before)
    irqs = _interrupts(nic, chosen)
    rps = _rps(chosen[:receiving], cpus, nic, len(irqs))
    xps = _groups(chosen[:sending], sorted(cpus.online), cpus) if sending > 1 else ((),)
    flows = wish.flows and nic.flows
    if wish.flows and not nic.flows:
        notes.append("RFS cannot be set here")
    if wish.threaded is not None and nic.threaded is None:
        raise Impossible(f"{nic.name}: the driver {nic.driver or 'here'} has no threaded NAPI")
    return Plan(
        nic=nic.name,
        channels=channels,
        cpus=chosen,
        irqs=irqs,
        rps=rps,
        xps=xps,
        flow_count=FLOW_TABLE // _power(receiving) if flows else 0,
        flow_table=FLOW_TABLE if flows else 0,
        threaded=wish.threaded,
        rings=nic.rings,
        coalesce=nic.coalesce,
        notes=tuple(notes),
    )


def _channels(nic: Nic, cpus: Cpus, wish: Wish, notes: list[str]) -> Channels:
    """The channels to have; what cannot be set stays as it is, unless it was asked for."""
    driver = nic.driver or "(it has no name)"
    if wish.queues < 0:
        raise Impossible(f"{nic.name}: {wish.queues} queues are no number of queues")
    if nic.most is None:
        if wish.queues not in (0, nic.now.receiving):
            text = f"{nic.name}: the driver {driver} cannot change its channels: there are {nic.now.receiving}"
            raise Impossible(f"{text}, {wish.queues} were asked for")
        notes.append(f"the driver {driver} cannot change its channels")
        return nic.now
    limit = nic.most.combined or min(nic.most.rx, nic.most.tx)
    if limit < 1:
        raise Impossible(f"{nic.name}: the driver {driver} reports no channels")
    if wish.queues > limit:
        raise Impossible(f"{nic.name}: {wish.queues} queues were asked for, the driver {driver} has at most {limit}")
    count = wish.queues or min(limit, len(cpus.near(nic.node)))
    return Channels(combined=count) if nic.most.combined else Channels(rx=count, tx=count)


def assign(queues: int, cpus: Cpus, node: int = -1, before: Sequence[int] = ()) -> tuple[int, ...]:
    """A CPU for each queue: eligible, near ones first, no CPU two queues ahead of another, as before where it may be.

    Between CPUs that are otherwise equal neighbours' load decides, then that a core has more threads than work.
    """
    eligible = cpus.eligible
    held = dict.fromkeys(eligible, 0)
    for cpu in before[:queues]:
        if cpu in held:
            held[cpu] += 1
    each, more = divmod(queues, len(eligible))
    near = frozenset(cpus.near(node))

    def rank(cpu: int) -> tuple[bool, float, int, int]:
        return (cpu not in near, cpus.load.get(cpu, 0.0), cpus.threads.get(cpu, 0), cpu)

    # Who already holds more than everybody's share keeps it, but never at the cost of a nearer one.
    first = sorted(eligible, key=lambda c: (c not in near, held[c] <= each, *rank(c)))[:more]
    room = dict.fromkeys(eligible, each)
    for cpu in first:
        room[cpu] += 1
    made: list[int | None] = [None] * queues
    for queue, cpu in enumerate(before[:queues]):
        if room.get(cpu, 0):
            made[queue] = cpu
            room[cpu] -= 1
    # In rounds over the CPUs, not CPU by CPU: neighbouring queues are busy together.
    left = sorted((turn, rank(c), c) for c in eligible for turn in range(room[c]))
    rest = (cpu for _, _, cpu in left)
    return tuple(next(rest) if cpu is None else cpu for cpu in made)


def _interrupts(nic: Nic, chosen: Sequence[int]) -> dict[int, int]:
    """The CPU of each interrupt that serves a queue in use."""
    return {i.number: chosen[i.queue] for i in nic.irqs if i.queue is not None and i.queue < len(chosen)}


def _rps(chosen: Sequence[int], cpus: Cpus, nic: Nic, interrupts: int) -> tuple[tuple[int, ...], ...]:
    """The CPUs that each receive queue's packets are handed on to; off where the interrupts do it all by themselves."""
    near = cpus.near(nic.node)
    pool = near if len(chosen) <= len(near) else cpus.eligible
    served = {i.queue for i in nic.irqs if i.queue is not None}
    if interrupts and len(chosen) >= len(pool) and served >= set(range(len(chosen))):
        return ((),) * len(chosen)
    return _groups(chosen, pool, cpus)


def _groups(chosen: Sequence[int], pool: Iterable[int], cpus: Cpus) -> tuple[tuple[int, ...], ...]:
    """Every CPU of the pool with one queue (or, where queues are more, every queue with its own CPU only)."""
    groups = [{cpu} for cpu in chosen]
    for cpu in sorted(set(pool) - set(chosen)):
        at = cpus.nodes.get(cpu, 0)
        queue = min(range(len(groups)), key=lambda q: (len(groups[q]), cpus.nodes.get(chosen[q], 0) != at, q))
        groups[queue].add(cpu)
    return tuple(tuple(sorted(group)) for group in groups)


def _power(count: int) -> int:
    """The next power of two: rps_flow_cnt must be one."""
    return 1 << (count - 1).bit_length()


def irqs_of(names: Mapping[int, str]) -> tuple[Irq, ...]:
    """Interrupts with their queues, from number -> name in /proc/interrupts; what serves no queue has None.

    Drivers number from 0 or from 1: the lowest number of each direction is queue 0.
    """
    found = {number: _QUEUE.search(name) for number, name in names.items()}
    lowest: dict[str, int] = {}
    for match in filter(None, found.values()):
        kind = _kind(match[1])
        lowest[kind] = min(lowest.get(kind, int(match[2])), int(match[2]))
    return tuple(
        Irq(number, names[number], int(match[2]) - lowest[_kind(match[1])] if match else None)
        for number, match in sorted(found.items())
    )


def _kind(word: str) -> str:
    return word.lower() if word.lower() in _SENDS else "receives"


def cpu_list(text: str) -> tuple[int, ...]:
    """The CPUs of a list as /sys writes it: "0-3,8"; ValueError when it is none."""
    found: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        low, _, high = part.partition("-")
        found.update(range(int(low), int(high or low) + 1))
    return tuple(sorted(found))


def cpu_ranges(cpus: Iterable[int]) -> str:
    """A list of CPUs as /sys writes it; "" for none."""
    runs: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if runs and runs[-1][1] == cpu - 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def mask_of(cpus: Iterable[int]) -> str:
    """A bitmap as rps_cpus and xps_cpus take it: groups of 32 bits in hexadecimal, the highest first."""
    bits = sum(1 << cpu for cpu in set(cpus))
    words = [bits >> shift & 0xFFFFFFFF for shift in range(0, max(bits.bit_length(), 1), 32)]
    return ",".join(f"{word:08x}" for word in reversed(words))


def cpus_of(mask: str) -> tuple[int, ...]:
    """The CPUs of such a bitmap; ValueError when it is none."""
    words = mask.strip().split(",")
    bits = sum(int(word, 16) << 32 * place for place, word in enumerate(reversed(words)))
    return tuple(place for place in range(bits.bit_length()) if bits >> place & 1)


@dataclass(frozen=True, slots=True)
class Spread:
    """The spread of work over CPUs: ``counts`` by CPU; ``busiest`` is the largest count divided by the mean.

    ``gini`` is 0 when all do the same and nears 1 when one does everything; ``busy`` CPUs did a tenth of a fair share.
    """

    counts: Mapping[int, int]
    busiest: float = 0.0
    gini: float = 0.0
    busy: int = 0
    verdict: str = "idle"

    @property
    def shares(self) -> dict[int, float]:
        """Each CPU's part of the whole; 0 of nothing."""
        total = sum(self.counts.values())
        return {cpu: count / total if total else 0.0 for cpu, count in self.counts.items()}


def spread(counts: Mapping[int, int], wanted: int, least: int = 1000) -> Spread:
    """Judge how work was shared that should be on ``wanted`` of these CPUs; below ``least`` events, nothing is said.

    Verdicts: "idle", "even" (no CPU has twice the share that it should have), "uneven", "one cpu" (one has 9 tenths).
    """
    total, number = sum(counts.values()), len(counts)
    if total < least or not number:
        return Spread(dict(counts))
    rising = sorted(counts.values())
    weighted = sum(place * count for place, count in enumerate(rising, 1))
    gini = 2 * weighted / (number * total) - (number + 1) / number
    busy = sum(count * number * 10 >= total for count in rising)
    fair = total / max(1, min(wanted, number))
    verdict = "even" if rising[-1] < 2 * fair and busy >= min(wanted, number) else "uneven"
    if wanted > 1 and number > 1 and rising[-1] >= 0.9 * total:
        verdict = "one cpu"
    return Spread(dict(counts), rising[-1] * number / total, max(gini, 0.0), busy, verdict)
