"""Ten thousand ports from the store into a real ovs-vswitchd, with the real programs.

    python -m bench.scale [ports] [ports here] [changes of each kind]

The store is an ovsdb-server, the switch an ovs-vswitchd with simulated ports, the controller a process of its own;
this process plays the API server.  What is timed ends where the switch or the store says so, not the controller:
a flow is there when a flow monitor of the switch reports it, a sequence number is confirmed when the store has it.
"""

import re
import sys
import time
from datetime import datetime

from bench.changes import SPARES, edits, spare_id
from bench.monitor import FlowMonitor
from bench.region import FIRST_OFPORT, Region
from bench.rig import Rig, cpu, peak, resident
from bench.table import milliseconds, quantile, show
from sdnctl.host import Host
from sdnctl.of import message
from sdnctl.of.meter import ADD, meter_mod, meters_of
from sdnctl.store import Txn

QUIET_S = 0.01
CONFIRM_S = 5.0
_LINE = re.compile(r"^(\S+) \[\w+ *\] (.*)$")


class Programming:
    """Starts of the controller: how long, how many messages, how much memory."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.rows: list[list[str]] = []
        self.memory: list[list[str]] = []

    def start(self, name: str, least: int) -> None:
        """Start the controller and wait until the store has that ``least`` flows are in the switch at its sequence."""
        rig, before = self.rig, self.rig.watch.row
        sequence, seen = rig.store.state.sequence, before.seen if before is not None else 0.0
        read = (rig.data / "controller.log").stat().st_size if (rig.data / "controller.log").exists() else 0
        began, epoch = time.monotonic(), time.time()
        process = rig.controller()

        def reached(row: Host) -> bool:
            return row.applied >= sequence and row.flows >= least and row.seen > seen

        took = rig.watch.wait(reached) - began
        log = (rig.data / "controller.log").read_text()[read:]
        loaded = _when(log, "the store and the switch are known") - epoch
        live = _when(log, "the switch is in step") - epoch
        sent = re.search(r"flow_mods=(\d+)", log)
        row = rig.watch.row
        assert row is not None and sent is not None
        used = cpu(process.pid)
        self.rows.append(
            [name, str(row.flows), sent[1], f"{took:.2f}", f"{live:.2f}", f"{live - loaded:.2f}", f"{used:.2f}"]
        )
        self.took = live - loaded

    def note_memory(self, when: str) -> None:
        """Resident MiB of each program now, and the most it ever was."""
        pids = {name: process.pid for name, process in self.rig.processes.items()}
        pids |= {"ovs-vswitchd": self.rig.switch.vswitchd}
        cells = [f"{resident(pids[n]):.0f} ({peak(pids[n]):.0f})" if n in pids else "-" for n in PROGRAMS]
        self.memory.append([when, *cells])


PROGRAMS = ("controller", "api", "store", "ovs-vswitchd")


def _when(log: str, event: str) -> float:
    """Seconds since 1970 at which the log says that."""
    for line in log.splitlines():
        found = _LINE.match(line)
        if found and found[2].startswith(event):
            return datetime.fromisoformat(found[1]).timestamp()
    raise RuntimeError(f"the controller never said {event!r}:\n{log}")


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


def single_changes(rig: Rig, rounds: int) -> None:
    """One change at a time among all those ports: when its flows were in the switch, and when it was confirmed."""
    samples: dict[str, list[tuple[float, float, float, int]]] = {}
    with FlowMonitor(rig.switch.mgmt) as monitor:
        for edit in edits(rig.region, rounds):
            time.sleep(QUIET_S)
            seen = len(monitor.events)
            began = time.monotonic()
            rig.store.transact(edit.work)
            committed = time.monotonic()
            sequence = rig.store.state.sequence
            confirmed = rig.watch.wait(lambda row, wanted=sequence: row.applied >= wanted, CONFIRM_S)
            time.sleep(QUIET_S / 2)
            events = monitor.events[seen:]
            last = events[-1][0] if events else 0.0
            timed = (committed - began, last - committed, confirmed - committed, len(events))
            samples.setdefault(edit.kind, []).append(timed)
    rows = []
    for kind, timed in samples.items():
        commit, flow, told, events = zip(*timed, strict=True)
        whole = [a + b for a, b in zip(commit, flow, strict=True)]
        has = quantile(events, 0.5) > 0
        rows.append(
            [
                kind,
                milliseconds(commit),
                milliseconds(flow) if has else "no flow",
                milliseconds(whole) if has else "no flow",
                milliseconds(told),
                f"{quantile(events, 0.5):.0f} ({max(events)})",
            ]
        )
    head = ("change", "commit", "commit to flow", "call to flow", "commit to confirmed", "flow changes (most)")
    show(f"Single changes, ms p50 / p99 of {rounds} each", head, rows)


def api(rig: Rig) -> None:
    """Start the real API server beside, for its memory."""
    where = ["--store", rig.server.remote, "--data", str(rig.data), "--listen", "127.0.0.1:0"]
    rig.spawn("api", [sys.executable, "-m", "sdnctl.api", *where])
    for _ in range(200):
        time.sleep(0.05)
        if (rig.data / "api.log").read_text().startswith("{"):
            return
    raise TimeoutError((rig.data / "api.log").read_text())


def main() -> None:
    """Measure and print."""
    ports, here, rounds = (int(given) for given in (*sys.argv[1:], *("10000", "200", "200")[len(sys.argv) - 1 :]))
    region = Region(ports=ports, here=here, eips=here // 2)
    with Rig(region) as rig:
        began = time.monotonic()
        region.fill(rig.store.transact)
        print(f"{ports} ports written to the store in {time.monotonic() - began:.2f} s")
        rig.plug_region()
        rig.plug([(f"s{n}", FIRST_OFPORT + here + n, spare_id(n)) for n in range(SPARES)])
        timed = Programming(rig)
        timed.note_memory("store filled")
        timed.start("first: an empty switch", ports)
        first = timed.took
        took = floor(rig)
        timed.note_memory("programmed")
        rig.stop("controller")
        with FlowMonitor(rig.switch.mgmt) as monitor:
            timed.start("restart, nothing changed", ports)
            changed = len(monitor.events)
        rig.stop("controller")
        rig.switch.ofctl("del-flows")
        timed.start("flows lost meanwhile", ports)
        head = ("start of the controller", "flows", "flow-mods sent", "start to confirmed s", "start to switch s")
        show(f"{ports} ports, {here} of them here", (*head, "loaded store to switch s", "CPU s"), timed.rows)
        ratio = f"a first start {first / took:.2f} times that, flows alone {timed.took / took:.2f} times"
        print(f"The same flows by ovs-ofctl --bundle into another bridge: {took:.2f} s; {ratio}.")
        print(f"Flow changes that the switch saw at the restart: {changed}.")
        single_changes(rig, rounds)
        api(rig)
        timed.note_memory("after the changes")
        show("Resident memory, MiB now (peak)", ("when", *PROGRAMS), timed.memory)


if __name__ == "__main__":
    main()
