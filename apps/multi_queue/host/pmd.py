"""Receive queues of a userspace datapath with poll mode drivers: how many, and which PMD thread polls each.

ovs-vswitchd.conf.db(5): ``options:n_rxq`` and ``other_config:pmd-rxq-affinity`` of an Interface; threads come from
``Open_vSwitch other_config:pmd-cpu-mask``.  A datapath without PMD threads (the kernel's, netdev with taps, veth or
AF_XDP without PMD) has nothing of it.

A thread that a queue is pinned to polls nothing else, unless ``pmd-rxq-assign=group`` and ``pmd-rxq-isolate=false``:
with anything else pinning the queues of one interface would leave those of all others unserved.
"""

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace

from apps.multi_queue.host.journal import Journal, Record
from apps.multi_queue.model import Cpus, Wish, assign
from sdnctl.base.problem import Problem

_THREAD = re.compile(r"^pmd thread numa_id (\d+) core_id (\d+):", re.MULTILINE)
POLLED = ("dpdk", "dpdkvhostuser", "dpdkvhostuserclient", "afxdp", "dummy-pmd")
AFFINITY = "pmd-rxq-affinity"
RECORD = ".pmd"
"""The ending of a record's name: the kernel knows nothing of these interfaces."""
UNPINNED = "Open vSwitch chooses the threads: pinning needs pmd-rxq-assign=group and pmd-rxq-isolate=false"


class NotApplicable(Problem):
    """The refusal of an interface on which nothing is to be set, with the reason."""


@dataclass(frozen=True, slots=True)
class Polling:
    """The present and planned polling of an interface: queues, and queue -> core as OVS writes it ("0:3,1:4")."""

    nic: str
    queues: tuple[str, str]
    affinity: tuple[str, str]
    cores: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def changes(self) -> dict[str, tuple[str, str]]:
        """Setting -> (before, after) of what is different."""
        both = {"options:n_rxq": self.queues, f"other_config:{AFFINITY}": self.affinity}
        return {name: pair for name, pair in both.items() if pair[0] != pair[1]}


@dataclass(frozen=True, slots=True)
class Switch:
    """An Open vSwitch: its database, and the control socket of ovs-vswitchd ("" finds it in the usual place)."""

    db: str
    control: str = ""

    def threads(self) -> dict[int, int]:
        """Core -> NUMA node of each PMD thread."""
        shown = self._appctl("dpif-netdev/pmd-rxq-show")
        return {int(core): int(node) for node, core in _THREAD.findall(shown)}

    def interface(self, name: str) -> Mapping[str, str]:
        """Type, n_rxq and affinity of an Interface row; NotApplicable when there is none."""
        columns = ("--columns=type,options,other_config", "find", "Interface", f"name={name}")
        rows = json.loads(self._vsctl("--format=json", *columns))["data"]
        if not rows:
            raise NotApplicable(f"{name} is no interface of this Open vSwitch")
        kind, options, other = rows[0]
        return {
            "type": kind,
            "n_rxq": dict(options[1]).get("n_rxq", ""),
            "affinity": dict(other[1]).get(AFFINITY, ""),
        }

    def pins(self) -> bool:
        """True when a queue can be pinned without taking its thread away from all others."""
        other = self._vsctl("get", "Open_vSwitch", ".", "other_config")
        return "pmd-rxq-isolate=false" in other.replace('"', "") and "pmd-rxq-assign=group" in other.replace('"', "")

    def polling(self, name: str, wish: Wish) -> Polling:
        """The plan for a polled interface: as many queues as asked for, else one for each PMD thread."""
        found = self.interface(name)
        if found["type"] not in POLLED:
            kind = found["type"] or "system"
            raise NotApplicable(f"not applicable: {name} is of type {kind}, which no PMD thread polls")
        threads = self.threads()
        if not threads:
            raise NotApplicable(f"not applicable: the datapath of {name} has no PMD threads")
        # PMD threads are meant to be on isolated CPUs: the threads are all the choice there is.
        cpus = Cpus(tuple(threads), threads)
        queues = wish.queues or len(cpus.online)
        before = dict(pair.split(":") for pair in found["affinity"].split(",") if ":" in pair)
        held = [int(before.get(str(queue), -1)) for queue in range(queues)]
        cores = assign(queues, cpus, -1, held)
        affinity = ",".join(f"{queue}:{core}" for queue, core in enumerate(cores))
        notes: tuple[str, ...] = ()
        if not self.pins():
            affinity, notes = found["affinity"], (UNPINNED,)
        return Polling(name, (found["n_rxq"], str(queues)), (found["affinity"], affinity), cores, notes)

    def apply(self, made: Polling, journal: Journal) -> None:
        """Write down what differs, and set it in one transaction."""
        with journal.held():
            known = journal.read(f"{made.nic}{RECORD}") or Record(f"{made.nic}{RECORD}", 0, applied=True)
            base = {**{name: before for name, (before, _) in made.changes.items()}, **known.base}
            journal.write(replace(known, cpus=made.cores, base=base).noting(made.changes))
            self._set(made.nic, {name: after for name, (_, after) in made.changes.items()})

    def rollback(self, name: str, journal: Journal) -> None:
        """Bring back what was before the first change; Problem when there was none."""
        with journal.held():
            record = journal.read(f"{name}{RECORD}")
            if record is None:
                raise Problem(f"{name}: nothing was changed here, so there is nothing to roll back")
            self._set(name, record.base)
            journal.forget(record.nic)

    def _set(self, name: str, wanted: Mapping[str, str]) -> None:
        words: list[str] = []
        for setting, value in wanted.items():
            column, _, key = setting.partition(":")
            if value:
                words += ["--", "set", "Interface", name, f"{column}:{key}={json.dumps(value)}"]
            else:
                words += ["--", "remove", "Interface", name, column, key]
        if words:
            self._vsctl(*words)

    def bound(self) -> dict[str, str]:
        """Interface -> iface-id of every interface that has one."""
        columns = ("--columns=name,external_ids", "list", "Interface")
        rows = json.loads(self._vsctl("--format=json", *columns))["data"]
        found = {name: dict(ids[1]).get("iface-id", "") for name, ids in rows}
        return {name: port for name, port in found.items() if port}

    def uplink(self) -> str:
        """The interface that leads to the public network; "" when there is none."""
        return self.setting("sdnctl-uplink")

    def looked_after(self) -> list[str]:
        """The uplink and the interfaces of bound ports."""
        return [name for name in (self.uplink(), *self.bound()) if name]

    def setting(self, name: str) -> str:
        """A setting of this host, in the Open_vSwitch row's external_ids; "" when it is not set."""
        shown = self._vsctl("--if-exists", "get", "Open_vSwitch", ".", f"external_ids:{name}").strip()
        return str(json.loads(shown)) if shown.startswith('"') else shown

    def _vsctl(self, *args: str) -> str:
        return _run("ovs-vsctl", f"--db={self.db}", "--timeout=5", *args)

    def _appctl(self, *args: str) -> str:
        target = ("-t", self.control) if self.control else ()
        return _run("ovs-appctl", "--timeout=5", *target, *args)


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except FileNotFoundError:
        raise NotApplicable(f"not applicable: {command[0]} is not installed") from None
    if done.returncode:
        raise Problem(f"{command[0]}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'failed'}")
    return done.stdout
