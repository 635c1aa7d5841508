"""Counts what each CPU does for an interface: interrupts by queue, and packets taken up.

Of an interface's own are its interrupts (/proc/interrupts) and packets (``tap``); of the whole machine is what
/proc/net/softnet_stat has, one line a CPU in hexadecimal: packets, drops, time squeezes, six zeros, calls received by
RPS, flow limits, backlog, the CPU's number (kernel net/core/net-procs.c).
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from apps.multi_queue.host.machine import Machine
from apps.multi_queue.host.tap import Tap
from apps.multi_queue.model import Nic, Plan, Spread, spread
from sdnctl.program.service import Figure
from sdnctl.program.service import Sample as FigureSample

log = structlog.get_logger("nic")
PACKETS, DROPS, SQUEEZES, RPS, CPU = 0, 1, 2, 9, 12
Counts = Mapping[int, int]
LOOK_S = 1.0
"""Seconds of a look for figures: whoever counts packets costs a little, so nobody counts all the time."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The counters at one moment, by CPU; those of interrupts by number first.

    ``packets`` are those of one interface, or of the whole machine, as ``drops`` and ``handed`` (by RPS, from another
    CPU) are.
    """

    packets: Counts
    drops: Counts
    handed: Counts
    irqs: Mapping[int, Counts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """The spread of some seconds' work for one interface; ``handed`` and ``drops`` are the whole machine's."""

    nic: str
    seconds: float
    packets: Spread
    interrupts: Spread
    handed: Counts
    drops: Counts
    irqs: Mapping[str, Counts]
    verdict: str

    def shown(self) -> dict[str, Any]:
        """The report as JSON, for programs."""
        parts = {name: _shown(getattr(self, name)) for name in ("packets", "interrupts")}
        by_cpu = {name: dict(getattr(self, name)) for name in ("handed", "drops")}
        irqs = {name: dict(counts) for name, counts in self.irqs.items()}
        return {"nic": self.nic, "seconds": self.seconds, "verdict": self.verdict, **parts, **by_cpu, "irqs": irqs}


def _shown(found: Spread) -> dict[str, Any]:
    shares = {cpu: round(share, 4) for cpu, share in found.shares.items()}
    numbers = {"maxOverMean": round(found.busiest, 3), "gini": round(found.gini, 3), "busyCpus": found.busy}
    return {"counts": dict(found.counts), "shares": shares, **numbers, "verdict": found.verdict}


def sample(machine: Machine, irqs: Iterable[int] = ()) -> Sample:
    """The counters now, the packets of the whole machine among them."""
    lines = [line.split() for line in (machine.proc / "net/softnet_stat").read_text().splitlines()]
    # Before Linux 5.10 a line did not tell its CPU: they are those online, in order.
    online = machine.cpus().online
    cpus = [int(words[CPU], 16) if len(words) > CPU else online[n] for n, words in enumerate(lines)]
    packets, drops, handed = (
        {cpu: int(words[column], 16) for cpu, words in zip(cpus, lines, strict=True)}
        for column in (PACKETS, DROPS, RPS)
    )
    return Sample(packets, drops, handed, interrupts(machine, irqs))


def interrupts(machine: Machine, wanted: Iterable[int]) -> dict[int, Counts]:
    """Number -> CPU -> how often, of some interrupts."""
    own = set(wanted)
    lines = (machine.proc / "interrupts").read_text().splitlines() if own else [""]
    cpus = [int(word.removeprefix("CPU")) for word in lines[0].split()]
    found: dict[int, Counts] = {}
    for line in lines[1:]:
        number, _, rest = line.strip().partition(":")
        if number.isdigit() and int(number) in own:
            found[int(number)] = dict(zip(cpus, map(int, rest.split()[: len(cpus)]), strict=True))
    return found


def between(nic: Nic, made: Plan, cpus: Iterable[int], before: Sample, after: Sample, seconds: float) -> Report:
    """The report on the time between two samples, judged by how many of ``cpus`` the plan wants to work.

    Interrupts are judged where they do the spreading, packets where RPS does; neither where the interface received too
    little.
    """
    taken = _less(after.packets, before.packets)
    known = sorted({*cpus, *(cpu for cpu, count in taken.items() if count)})
    wanted = len(set(made.cpus) | {cpu for mask in made.rps for cpu in mask})
    names = {irq.number: irq.name for irq in nic.irqs if irq.queue is not None}
    irqs = {names[n]: _less(counts, before.irqs.get(n, {})) for n, counts in after.irqs.items() if n in names}
    summed = {cpu: sum(counts.get(cpu, 0) for counts in irqs.values()) for cpu in known}
    packets = spread({cpu: taken.get(cpu, 0) for cpu in known}, wanted)
    fired = spread(summed, len(set(made.irqs.values())) or wanted)
    by_irq = bool(made.irqs) and not any(made.rps) and "idle" not in (packets.verdict, fired.verdict)
    handed, drops = _less(after.handed, before.handed), _less(after.drops, before.drops)
    verdict = (fired if by_irq else packets).verdict
    return Report(nic.name, round(seconds, 2), packets, fired, handed, drops, irqs, verdict)


def watch(machine: Machine, nic: Nic, made: Plan, seconds: float) -> Report:
    """Count for some seconds, in which somebody sends traffic; Problem where this process may not count."""
    (report,) = counted(machine, [(nic, made)], seconds)
    return report


def counted(machine: Machine, planned: Iterable[tuple[Nic, Plan]], seconds: float) -> list[Report]:
    """The reports on the same seconds for several interfaces."""
    cpus, nics = machine.cpus(), list(planned)
    numbers = [irq.number for nic, _ in nics for irq in nic.irqs if irq.queue is not None]
    with contextlib.ExitStack() as open_:
        taps = [open_.enter_context(Tap(nic.name, max(cpus.online) + 1)) for nic, _ in nics]

        def now() -> list[Sample]:
            all_ = sample(machine, numbers)
            return [replace(all_, packets=tap.counts()) for tap in taps]

        began, before = time.monotonic(), now()
        log.info("counting", nics=[nic.name for nic, _ in nics], seconds=seconds)
        time.sleep(seconds)
        after, took = now(), time.monotonic() - began
    each = zip(nics, before, after, strict=True)
    return [between(nic, made, cpus.eligible, first, last, took) for (nic, made), first, last in each]


def looked(
    machine: Machine, names: Iterable[str], planned: Callable[[str], tuple[Nic, Plan]], seconds: float = LOOK_S
) -> Iterator[tuple[Plan, Report]]:
    """A short look at the interfaces that are there, for figures: with what each has planned, its report."""
    here = set(machine.names())
    nics = [planned(name) for name in names if name in here]
    yield from zip((made for _, made in nics), counted(machine, nics, seconds) if nics else (), strict=True)


QUEUES = Figure("nic_queues", "Receive queues of an interface.", ("nic",))
SHARE = Figure("nic_cpu_share", "Part of an interface's packets that a CPU took up.", ("cpu", "nic"))
SPREAD = Figure("nic_spread", "How the work is shared.", ("nic", "verdict"))


def samples(reports: Iterable[tuple[Plan, Report]]) -> Iterator[FigureSample]:
    """The same as figures for Prometheus."""
    for made, report in reports:
        yield FigureSample(QUEUES, (report.nic,), made.channels.receiving)
        yield FigureSample(SPREAD, (report.nic, report.verdict), 1)
        for cpu, share in sorted(report.packets.shares.items()):
            yield FigureSample(SHARE, (str(cpu), report.nic), share)


def _less(after: Counts, before: Counts) -> dict[int, int]:
    """The difference; counters have 32 bits and begin anew."""
    return {cpu: (count - before.get(cpu, 0)) % 2**32 for cpu, count in after.items()}
