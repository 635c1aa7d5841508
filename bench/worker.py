"""Some of the hosts of ``bench.hosts``, in a process of their own: real stores, cores, agents, sessions; fake switches.

It is told what to do by lines of JSON and answers each with one.
"""

import gc
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import structlog

from bench.fake import FakeKeeper, FakeSwitch
from bench.fleet import FIRST_OFPORT, snapshot
from bench.rig import cpu, resident
from sdnctl.agent.events import Connected
from sdnctl.agent.loop import Loop
from sdnctl.base.addresses import Mac
from sdnctl.bridge.snapshot import Row
from sdnctl.program import feature
from sdnctl.program.feature import Program
from sdnctl.store.ovsdb.client import OvsdbStore

STACK_BYTES = 1 << 20


class HostProcess:
    """One host, as its controller has it: a store of its own, a loop of its own, and a switch that is no switch."""

    def __init__(self, program: Program, remote: str, number: int, ports: Iterable[str]) -> None:
        self.number = number
        self.seen = snapshot(number, ports)
        self.store = OvsdbStore(remote, interest={}, timeout=120)
        self.loop = Loop(self.store, program, self._dial, FakeKeeper(lambda event: self.loop.put(event)))
        self.switch = FakeSwitch(lambda messages: self.loop.received(self.switch, messages))
        self.loop.start()
        self.loop.put(self.seen)
        self.store.subscribe(self.loop.put)

    def _dial(self) -> None:
        self.loop.put(Connected(self.switch))

    def plug(self, id: str) -> None:
        """A network interface is plugged in."""
        ofport = max((known.ofport for known in self.seen.ports.values()), default=FIRST_OFPORT) + 1
        zone = ofport - FIRST_OFPORT + 1
        row = Row(f"tap{ofport}", ofport, id, Mac(0), f"{self.number}/{id}", zone=zone)
        self.seen = replace(self.seen, ports={**self.seen.ports, id: row})
        self.loop.put(self.seen)

    def unplug(self, id: str) -> None:
        """It is taken out."""
        self.seen = replace(self.seen, ports={known: row for known, row in self.seen.ports.items() if known != id})
        self.loop.put(self.seen)

    def figures(self) -> list[Any]:
        """The state of a host: in step or not, flows, changes to the switch, units run, time of the last change."""
        agent = self.loop.agent
        live = agent is not None and agent.status()["state"] == "LIVE"
        runs = agent.engine.runs if agent is not None else 0
        return [live, len(self.switch.flows), self.switch.mods, runs, self.switch.changed]

    def right(self) -> bool:
        """True when the switch has what its controller wants, and no unit failed."""
        agent = self.loop.agent
        have = {cookie for cookie, _ in self.switch.flows.values()}
        return agent is not None and have == agent.engine.desired.flows.keys() and not agent.engine.errors


def obey(hosts: dict[int, HostProcess], order: dict[str, Any], program: Program) -> Any:
    """Carry out one order."""
    what = order["do"]
    if what == "start":
        for number, ports in order["hosts"].items():
            hosts[int(number)] = HostProcess(program, order["remote"], int(number), ports)
        return time.monotonic()
    if what == "plug":
        began = time.monotonic()
        hosts[order["host"]].plug(order["port"])
        return began
    if what == "unplug":
        began = time.monotonic()
        hosts[order["host"]].unplug(order["port"])
        return began
    if what == "right":
        return [number for number, host in hosts.items() if not host.right()]
    assert what == "figures"
    used = {"rss": resident(os.getpid()), "cpu": cpu(os.getpid())}
    return {**used, "hosts": {number: host.figures() for number, host in hosts.items()}}


def main() -> None:
    """Serve until the input ends."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    threading.stack_size(STACK_BYTES)
    program, hosts = feature.discover(), dict[int, HostProcess]()
    gc.collect()
    gc.freeze()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(obey(hosts, json.loads(line), program)), flush=True)
    os._exit(0)
