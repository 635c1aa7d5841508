"""Ten thousand ports from the store into a real ovs-vswitchd, with the real programs.

    python -m bench.scale [ports] [ports here] [changes of each kind]

The store is an ovsdb-server, the switch an ovs-vswitchd with simulated ports, the controller a process of its own;
this process plays the API server.  A flow is there when a flow monitor of the switch says so, a sequence number is
confirmed when this process reads it in the store.
"""

import re
import sys
import time
from datetime import datetime
from typing import NamedTuple

from bench.changes import SPARES, edits, spare_id
from bench.monitor import FlowMonitor
from bench.region import FIRST_OFPORT, Region
from bench.rig import Rig, cpu, peak, resident
from bench.table import milliseconds, quantile, show
from sdnctl.model.host import HostStatus
from sdnctl.of import message
from sdnctl.of.fields import IN_PORT
from sdnctl.of.flow import flow, flow_add
from sdnctl.of.meter import ADD, meter_mod, meters_of

DEFAULTS = (10_000, 200, 200)
QUIET_S = 0.01
CONFIRM_S = 5.0
PROGRAMS = ("controller", "api", "store", "ovs-vswitchd")
LOADED, IN_STEP = "the store and the switch are known", "the switch is in step"
_LINE = re.compile(r"^(\S+) \[\w+ *\] (.*)$", re.MULTILINE)


class Start(NamedTuple):
    """One start of the controller; seconds from its start, and flow-mods that it sent."""

    name: str
    flows: int
    flow_mods: int
    confirmed: float
    in_step: float
    loaded: float
    cpu: float

    def row(self) -> list[str]:
        """For the table."""
        seconds = (self.confirmed, self.in_step, self.in_step - self.loaded, self.cpu)
        return [self.name, str(self.flows), str(self.flow_mods), *(f"{value:.2f}" for value in seconds)]


def start(rig: Rig, name: str) -> Start:
    """Start the controller and wait until the store has that all flows are in the switch at its sequence number."""
    sequence, known = rig.store.state.sequence, rig.watch.row
    seen, log = known.seen if known is not None else 0.0, rig.data / "controller.log"
    read = log.stat().st_size if log.exists() else 0
    began, epoch = time.monotonic(), time.time()
    process = rig.controller()

    def reached(row: HostStatus) -> bool:
        return row.applied >= sequence and row.flows >= rig.region.ports and row.seen > seen

    confirmed = rig.watch.wait(reached) - began
    said = log.read_text()[read:]
    at = {text: datetime.fromisoformat(when).timestamp() - epoch for when, text in _LINE.findall(said)}
    loaded, in_step = (next(t for text, t in at.items() if text.startswith(event)) for event in (LOADED, IN_STEP))
    sent = re.search(r"flow_mods=(\d+)", said)
    assert sent is not None and rig.watch.row is not None
    return Start(name, rig.watch.row.flows, int(sent[1]), confirmed, in_step, loaded, cpu(process.pid))


def memory(rig: Rig, when: str) -> list[str]:
    """Resident MiB of each program now, and the most it ever was."""
    pids = {name: process.pid for name, process in rig.processes.items()} | {"ovs-vswitchd": rig.switch.vswitchd}
    return [when, *(f"{resident(pids[n]):.0f} ({peak(pids[n]):.0f})" if n in pids else "-" for n in PROGRAMS)]


def floor(rig: Rig) -> float:
    """Seconds that ``ovs-ofctl --bundle`` takes to put the same flows into another bridge of the same switch."""
    with rig.switch.connect() as wire:
        meters = [m for reply in wire.ask(message.meter_config_request(1)) for m in meters_of(reply)]
    file = rig.data / "flows.txt"
    file.write_text(rig.switch.ofctl("dump-flows", "--no-stats", "--no-names"))
    with rig.other_bridge() as bridge:
        with bridge.connect() as wire:
            refused = wire.ask(*(meter_mod(ADD, meter, 2) for meter in meters))
        assert not refused, refused
        began = time.monotonic()
        bridge.ofctl("add-flows", "--bundle", str(file))
        return time.monotonic() - began


def starts(rig: Rig, memories: list[list[str]]) -> None:
    """An empty switch, a restart with nothing changed, and a switch that lost its flows; beside ovs-ofctl."""
    first = start(rig, "an empty switch")
    took = floor(rig)
    memories.append(memory(rig, "programmed"))
    rig.stop("controller")
    with FlowMonitor(rig.switch.mgmt) as monitor:
        again = start(rig, "again, nothing changed")
        changed = len(monitor.events)
    rig.stop("controller")
    rig.switch.ofctl("del-flows")
    lost = start(rig, "again, the switch lost its flows")
    head = ("the controller is started with", "flows", "flow-mods sent", "start to confirmed s", "start to switch s")
    rows = [made.row() for made in (first, again, lost)]
    title = f"{rig.region.ports} ports, {rig.region.here} of them here"
    show(title, (*head, "loaded store to switch s", "CPU s"), rows)
    ratios = [(made.in_step - made.loaded) / took for made in (first, lost)]
    print(f"\nThe same flows by `ovs-ofctl --bundle` into another bridge of that switch: {took:.2f} s; loaded store to")
    print(
        f"switch takes {ratios[0]:.1f} times that into an empty switch, {ratios[1]:.1f} times into one that lost them."
    )
    print(f"Flow changes that the switch itself saw when nothing had changed: {changed}.")


class Timed(NamedTuple):
    """One change: seconds from the call to the commit, from there to the last flow and to the confirmation."""

    commit: float
    flow: float
    confirmed: float
    events: int


def single_changes(rig: Rig, rounds: int) -> None:
    """One change at a time among all those ports: when its flows were in the switch, and when it was confirmed."""
    samples: dict[str, list[Timed]] = {}
    with FlowMonitor(rig.switch.mgmt) as monitor:
        for edit in edits(rig.region, rounds):
            time.sleep(QUIET_S)
            seen = len(monitor.events)
            began = time.monotonic()
            rig.store.transact(edit.work)
            committed, wanted = time.monotonic(), rig.store.state.sequence
            told = rig.watch.wait(lambda row, wanted=wanted: row.applied >= wanted, CONFIRM_S)  # type: ignore[misc]
            time.sleep(QUIET_S / 2)
            events = monitor.events[seen:]
            last = events[-1][0] if events else committed
            timed = Timed(committed - began, last - committed, told - committed, len(events))
            samples.setdefault(edit.kind, []).append(timed)
        alone = switch_alone(rig, monitor, rounds)
    head = ("change", "call to commit", "commit to flow", "call to flow", "commit to confirmed", "flow changes")
    title = f"Single changes among {rig.region.ports} ports, ms p50 / p99 of {rounds} each"
    rows = [_row(kind, timed) for kind, timed in samples.items()]
    none = ["-"] * 3
    show(title, head, [*rows, ["(the switch alone: add a flow)", none[0], milliseconds(alone), *none[1:], "1"]])


def switch_alone(rig: Rig, monitor: FlowMonitor, rounds: int) -> list[float]:
    """Seconds from sending one flow in a bundle, without controller or store, until the monitor has it."""
    took = []
    with rig.switch.connect() as wire:
        for n in range(rounds):
            time.sleep(QUIET_S)
            one = flow(0, 1, {IN_PORT: 60_000 + n}, [])
            count, began = len(monitor.events), time.monotonic()
            wire.ask(*message.bundle([flow_add(one, 1)], 1, 2))
            assert monitor.wait(count + 1, CONFIRM_S)
            took.append(monitor.events[-1][0] - began)
    return took


def _row(kind: str, timed: list[Timed]) -> list[str]:
    events = [one.events for one in timed]
    flow = ["no flow", "no flow"]
    if quantile(events, 0.5):
        flow = [milliseconds([t.flow for t in timed]), milliseconds([t.commit + t.flow for t in timed])]
    told = milliseconds([t.confirmed for t in timed])
    return [kind, milliseconds([t.commit for t in timed]), *flow, told, f"{quantile(events, 0.5):.0f}"]


def api(rig: Rig) -> None:
    """Start the real API server beside the rest, for its memory."""
    where = ["--store", rig.server.remote, "--data", str(rig.data), "--listen", "127.0.0.1:0"]
    rig.spawn("api", [sys.executable, "-m", "sdnctl.api", *where])
    for _ in range(200):
        time.sleep(0.05)
        if (rig.data / "api.log").read_text().startswith("{"):
            return
    raise TimeoutError((rig.data / "api.log").read_text())


def main() -> None:
    """Measure and print."""
    ports, here, rounds = (*map(int, sys.argv[1:]), *DEFAULTS[len(sys.argv) - 1 :])
    region = Region(ports=ports, here=here, eips=here // 2)
    with Rig(region) as rig:
        began = time.monotonic()
        region.fill(rig.store.transact)
        print(f"{ports} ports written to the store in {time.monotonic() - began:.2f} s")
        rig.plug_region()
        rig.plug([(f"s{n}", FIRST_OFPORT + here + n, spare_id(n)) for n in range(SPARES)])
        memories = [memory(rig, "store filled")]
        starts(rig, memories)
        single_changes(rig, rounds)
        api(rig)
        memories.append(memory(rig, "after the changes"))
        show("Resident memory, MiB now (peak)", ("when", *PROGRAMS), memories)


if __name__ == "__main__":
    main()
