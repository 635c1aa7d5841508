#!/usr/bin/env python3
"""Let every vCPU of this machine take its share of the network's interrupts.

Runs inside a guest as a plain script: one file, the standard library, Python 3.9 or later, root.  Without arguments
each network card gets as many queues as it and the vCPUs allow; the interrupt of each queue goes to a vCPU of its own
(smp_affinity_list); where queues are fewer than vCPUs, RPS hands packets on to the others; XPS lets each vCPU send
by its own queue (kernel: networking/scaling.rst, core-api/irq/irq-affinity.rst).  What is right is left alone.
``--install`` has it run at every boot and for every interface or vCPU that is plugged in.

Exit codes: 0 all is spread, 1 something could not be set (it is said what), 2 wrong usage.
"""
# The same rules as apps/multi_queue/model.py, written again because this file travels alone; a test compares them.

from __future__ import annotations

import argparse
import array
import contextlib
import errno
import fcntl
import glob
import json
import os
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

PROGRAM = "usr/local/sbin/sdnctl-nic-tune"
UNIT = "etc/systemd/system/sdnctl-nic-tune.service"
WANTED = "etc/systemd/system/multi-user.target.wants/sdnctl-nic-tune.service"
RULES = "etc/udev/rules.d/90-sdnctl-nic-tune.rules"

_SIOCETHTOOL = 0x8946  # linux/sockios.h
_GET_CHANNELS, _SET_CHANNELS = 0x3C, 0x3D  # linux/ethtool.h
_CHANNELS = struct.Struct("=9I")  # struct ethtool_channels
_REQUEST = struct.Struct("16sP16x")  # struct ifreq with ifr_data
_QUEUE = re.compile(r"(tx[-_.]?rx|rx[-_.]?tx|input|output|rx|tx|comp|queue|q|fp)[-_.]*(\d+)(?:@.*)?$", re.IGNORECASE)


class Counts(NamedTuple):
    """Channels of an interface, as ``ethtool -l`` shows them."""

    max_rx: int
    max_tx: int
    max_other: int
    max_combined: int
    rx: int
    tx: int
    other: int
    combined: int

    @property
    def limit(self) -> int:
        """The most queues that receive as well as send."""
        return self.max_combined or min(self.max_rx, self.max_tx)

    def having(self, queues: int) -> Counts:
        """The same interface with so many queues."""
        if self.max_combined:
            return self._replace(rx=0, tx=0, combined=queues)
        return self._replace(rx=queues, tx=queues, combined=0)


class Kernel:
    """The ETHTOOL_GCHANNELS and ETHTOOL_SCHANNELS ioctls of the running kernel (netdevice(7))."""

    def get(self, name: str) -> Counts:
        """The channels of an interface."""
        return Counts(*_CHANNELS.unpack(self._ask(name, _CHANNELS.pack(_GET_CHANNELS, *(0,) * 8)))[1:])

    def set(self, name: str, counts: Counts) -> None:
        """Change them."""
        self._ask(name, _CHANNELS.pack(_SET_CHANNELS, *counts))

    def _ask(self, name: str, data: bytes) -> bytes:
        buffer = array.array("B", data)
        request = _REQUEST.pack(name.encode()[:15], buffer.buffer_info()[0])
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as any_socket:
            fcntl.ioctl(any_socket.fileno(), _SIOCETHTOOL, request)
        return buffer.tobytes()


class Irq(NamedTuple):
    """An interrupt: its name is the one in /proc/interrupts, it serves one queue or none, each CPU took it so often."""

    number: int
    name: str
    queue: int | None
    counts: dict[int, int]


class Plan(NamedTuple):
    """A plan: the CPU of each interrupt, the CPUs of each receive queue (RPS) and each transmit queue (XPS)."""

    irqs: dict[int, int]
    rps: list[tuple[int, ...]]
    xps: list[tuple[int, ...]]


def decide(irqs: Sequence[Irq], receiving: int, sending: int, online: Sequence[int], isolated: Sequence[int]) -> Plan:
    """The CPU for each queue: each for one in turn, as few for two as can be, none that is isolated."""
    everyone = sorted(online)
    usable = [cpu for cpu in everyone if cpu not in isolated] or everyone
    chosen = [usable[queue % len(usable)] for queue in range(max(receiving, sending))]
    mine = {irq.number: chosen[irq.queue] for irq in irqs if irq.queue is not None and irq.queue < len(chosen)}
    served = {irq.queue for irq in irqs}
    enough = bool(mine) and receiving >= len(usable) and served >= set(range(receiving))
    rps, xps = _groups(chosen[:receiving], usable), _groups(chosen[:sending], everyone)
    return Plan(mine, [()] * receiving if enough else rps, xps if sending > 1 else [()])


def _groups(chosen: Sequence[int], pool: Iterable[int]) -> list[tuple[int, ...]]:
    """Every CPU of the pool with one queue; where queues are more, every queue with its own CPU."""
    groups = [{cpu} for cpu in chosen]
    for cpu in sorted(set(pool) - set(chosen)):
        min(groups, key=len).add(cpu)
    return [tuple(sorted(group)) for group in groups]


def queues_of(names: dict[int, str]) -> dict[int, int | None]:
    """The queue that each interrupt serves, by the interrupt's name; drivers number from 0 or from 1."""
    found: dict[int, tuple[str, int]] = {}
    for number, name in names.items():
        match = _QUEUE.search(name)
        if match:
            word = match[1].lower()
            found[number] = (word if word in ("tx", "output") else "receives", int(match[2]))
    lowest = {kind: min(n for other, n in found.values() if other == kind) for kind, _ in found.values()}
    return {number: found[number][1] - lowest[found[number][0]] if number in found else None for number in names}


def cpu_list(text: str) -> list[int]:
    """The CPUs of a list such as "0-3,8"."""
    parts = (part.partition("-") for part in text.strip().split(",") if part)
    return sorted({cpu for low, _, high in parts for cpu in range(int(low), int(high or low) + 1)})


def mask_of(cpus: Iterable[int]) -> str:
    """A bitmap as rps_cpus takes it: words of 32 bits in hexadecimal, the highest first."""
    bits = sum(1 << cpu for cpu in set(cpus))
    words = [bits >> shift & 0xFFFFFFFF for shift in range(0, max(bits.bit_length(), 1), 32)]
    return ",".join(f"{word:08x}" for word in reversed(words))


def cpus_of(mask: str) -> list[int]:
    """The CPUs of such a bitmap."""
    bits = int(mask.strip().replace(",", "") or "0", 16)
    return [place for place in range(bits.bit_length()) if bits >> place & 1]


class Machine:
    """The machine as /proc and /sys below ``root`` show it, and ``ethtool`` for the channels."""

    def __init__(self, root: str = "/", ethtool: Kernel | None = None) -> None:
        self.root = root
        self.ethtool = ethtool or Kernel()

    def path(self, *parts: str) -> str:
        """A path below the root."""
        return os.path.join(self.root, *parts)

    def read(self, *parts: str) -> str:
        """A file's text; "" when there is none or it cannot be read."""
        try:
            with open(self.path(*parts)) as file:
                return file.read().strip()
        except OSError:
            return ""

    def write(self, text: str, *parts: str) -> None:
        """Set one attribute."""
        with open(self.path(*parts), "w") as file:
            file.write(text)

    def cpus(self, which: str) -> list[int]:
        """The vCPUs that are "online", or kept free of interrupts: "isolated" (isolcpus=) or "nohz_full"."""
        text = self.read("sys/devices/system/cpu", which)
        return cpu_list(text) if text[:1].isdigit() else []

    def cards(self) -> list[str]:
        """The interfaces that a device stands behind, so no loopback, bridge or tunnel."""
        return sorted(path.split("/")[-2] for path in glob.glob(self.path("sys/class/net/*/device")))

    def queues(self, name: str, kind: str) -> int:
        """The number of receive ("rx") or transmit ("tx") queues in use."""
        return len(glob.glob(self.path("sys/class/net", name, "queues", f"{kind}-*"))) or 1

    def channels(self, name: str) -> Counts | None:
        """The interface's channels; None when its driver has no such thing."""
        try:
            return self.ethtool.get(name)
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.EINVAL):
                return None
            raise

    def irqs(self, name: str) -> list[Irq]:
        """The interrupts of an interface: those of its device on the bus, or those that bear its name."""
        device = os.path.realpath(self.path("sys/class/net", name, "device"))
        lines = self._interrupts()
        # A virtio device gets its interrupts from the PCI device that it is on.
        bus = os.path.dirname(device) if os.path.basename(device).startswith("virtio") else device
        wanted = {int(os.path.basename(path)) for path in glob.glob(f"{bus}/msi_irqs/*")}
        if not wanted:
            mine = re.compile(rf"({re.escape(name)}|{re.escape(os.path.basename(device))})([-@:.]|$)")
            wanted = {number for number, (text, _) in lines.items() if mine.match(text)}
        serves = queues_of({number: lines[number][0] for number in sorted(wanted) if number in lines})
        return [Irq(number, lines[number][0], queue, lines[number][1]) for number, queue in serves.items()]

    def _interrupts(self) -> dict[int, tuple[str, dict[int, int]]]:
        """/proc/interrupts: number -> (name, CPU -> count)."""
        first, *rest = self.read("proc/interrupts").splitlines() or [""]
        cpus = [int(word[3:]) for word in first.split()]
        found = {}
        for line in rest:
            number, _, more = line.partition(":")
            words = more.split()
            if number.strip().isdigit() and len(words) > len(cpus):
                found[int(number)] = (words[-1], {cpu: int(words[place]) for place, cpu in enumerate(cpus)})
        return found

    def softnet(self) -> dict[int, dict[str, int]]:
        """/proc/net/softnet_stat: CPU -> packets it processed, dropped, and got by RPS."""
        found = {}
        for place, line in enumerate(self.read("proc/net/softnet_stat").splitlines()):
            word = [int(text, 16) for text in line.split()]
            cpu = word[12] if len(word) > 12 else place
            found[cpu] = {"processed": word[0], "dropped": word[1], "by_rps": word[9]}
        return found

    def irqbalance(self) -> int:
        """The process id of a running irqbalance; 0: none."""
        pids = (os.path.basename(path) for path in glob.glob(self.path("proc/[0-9]*")))
        return next((int(pid) for pid in pids if self.read("proc", pid, "comm") == "irqbalance"), 0)


class Tuning:
    """One run over one interface: what was changed, and what could not be."""

    def __init__(self, machine: Machine, name: str, dry: bool = False) -> None:
        self.machine, self.name, self.dry = machine, name, dry
        self.changed: list[str] = []
        self.problems: list[str] = []

    def run(self, queues: int = 0) -> Tuning:
        """Set channels, interrupts, RPS and XPS, each only where it is not so already; ``queues`` 0: all there are."""
        machine, name = self.machine, self.name
        cpus, isolated = machine.cpus("online"), [*machine.cpus("isolated"), *machine.cpus("nohz_full")]
        with self._told("queues"):
            self._channels(queues, len(set(cpus) - set(isolated)) or len(cpus))
        plan = decide(machine.irqs(name), machine.queues(name, "rx"), machine.queues(name, "tx"), cpus, isolated)
        for number, cpu in plan.irqs.items():
            self._set(f"interrupt {number}", f"proc/irq/{number}/smp_affinity_list", (cpu,), cpu_list, str(cpu))
        for kind, side, groups in (("rps", "rx", plan.rps), ("xps", "tx", plan.xps)):
            for queue, group in enumerate(groups):
                file = f"sys/class/net/{name}/queues/{side}-{queue}/{kind}_cpus"
                self._set(f"{kind} of {side} queue {queue}", file, group, cpus_of, mask_of(group))
        return self

    def _channels(self, queues: int, usable: int) -> None:
        counts = self.machine.channels(self.name)
        if counts is None or counts.limit < 1:
            if queues > 1:
                self.problems.append("queues: the driver of this card cannot change them")
            return
        if queues > counts.limit:
            self.problems.append(f"queues: {queues} were asked for, the card has at most {counts.limit}")
        wanted = counts.having(min(queues or usable, counts.limit))
        if wanted != counts:
            if not self.dry:
                self.machine.ethtool.set(self.name, wanted)
            self.changed.append(f"queues to {wanted.combined or wanted.rx}")

    def _set(self, what: str, file: str, wanted: Sequence[int], parse: Any, text: str) -> None:
        if parse(self.machine.read(file)) == list(wanted):
            return
        with self._told(what):
            if not self.dry:
                self.machine.write(text, file)
            self.changed.append(f"{what} to CPU {','.join(map(str, wanted)) or 'none'}")

    @contextlib.contextmanager
    def _told(self, what: str) -> Any:
        try:
            yield
        except OSError as error:
            hint = " (root may)" if error.errno in (errno.EPERM, errno.EACCES) else ""
            hint = " (the kernel keeps this interrupt where it is)" if error.errno == errno.EIO else hint
            self.problems.append(f"{what}: {error.strerror}{hint}")

    def __str__(self) -> str:
        said = [*(self.changed or ["nothing to change"]), *(f"PROBLEM: {one}" for one in self.problems)]
        return "\n".join(f"{self.name}: {text}" for text in said)


def state(machine: Machine, names: Sequence[str]) -> dict[str, Any]:
    """The settings, and the work that each CPU has done so far, for programs."""

    def cpus(name: str, side: str, kind: str) -> list[list[int]]:
        places = (f"sys/class/net/{name}/queues/{side}-{queue}" for queue in range(machine.queues(name, side)))
        return [cpus_of(machine.read(place, f"{kind}_cpus")) for place in places]

    def card(name: str) -> dict[str, Any]:
        driver = os.path.basename(os.path.realpath(machine.path("sys/class/net", name, "device/driver")))
        counts, set_to = machine.channels(name), "proc/irq/{}/smp_affinity_list"
        irqs = [{**i._asdict(), "cpus": cpu_list(machine.read(set_to.format(i.number)))} for i in machine.irqs(name)]
        masks = {"rps": cpus(name, "rx", "rps"), "xps": cpus(name, "tx", "xps")}
        return {"interface": name, "driver": driver, "channels": counts and counts._asdict(), "irqs": irqs, **masks}

    cards, softnet = [card(name) for name in names], machine.softnet()
    return {"cpus": machine.cpus("online"), "softnet": softnet, "irqbalance": machine.irqbalance(), "interfaces": cards}


def balance_warning(machine: Machine, names: Sequence[str]) -> str:
    """Advice about irqbalance, which moves interrupts as it sees fit; "" when it does not run."""
    pid = machine.irqbalance()
    banned = " ".join(f"--banirq={irq.number}" for name in names for irq in machine.irqs(name) if irq.queue is not None)
    text = f"""irqbalance runs (pid {pid}) and may move these interrupts again.  In /etc/default/irqbalance:
  IRQBALANCE_ARGS="{banned}"
or switch it off: systemctl disable --now irqbalance"""
    return text if pid else ""


_UNIT = """[Unit]
Description=Spread the interrupts of network interfaces over the vCPUs
After=network.target irqbalance.service

[Service]
Type=oneshot
ExecStart={python} /{program}

[Install]
WantedBy=multi-user.target
"""
_RULES = """# An interface or a vCPU was plugged in: spread the interrupts of network interfaces over the vCPUs.
ACTION=="add", SUBSYSTEM=="net", TEST=="device", RUN+="{python} /{program} $name"
ACTION=="online", SUBSYSTEM=="cpu", RUN+="{python} /{program}"
"""


def install(machine: Machine) -> list[str]:
    """Have this file run at every boot and for every interface or vCPU plugged in; the paths written."""
    with open(os.path.abspath(__file__)) as file:
        own = file.read()
    ours = machine.root == "/" and not os.path.exists("/usr/bin/python3")
    names = {"python": sys.executable if ours else "/usr/bin/python3", "program": PROGRAM}
    for path, text in ((PROGRAM, own), (UNIT, _UNIT.format(**names)), (RULES, _RULES.format(**names))):
        os.makedirs(os.path.dirname(machine.path(path)), exist_ok=True)
        if machine.read(path) != text.strip():
            machine.write(text, path)
        os.chmod(machine.path(path), 0o755 if path == PROGRAM else 0o644)
    # What `systemctl enable` does, also in an image where no systemd runs.
    os.makedirs(os.path.dirname(machine.path(WANTED)), exist_ok=True)
    if not os.path.lexists(machine.path(WANTED)):
        os.symlink(f"/{UNIT}", machine.path(WANTED))
    if machine.root == "/" and os.path.exists("/run/udev/control"):
        subprocess.run(["udevadm", "control", "--reload"], check=False)  # by itself udev looks every few seconds only
    return [f"/{path}" for path in (PROGRAM, UNIT, WANTED, RULES)]


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="sdnctl-nic-tune", description=__doc__.split("\n")[0])
    parser.add_argument("interface", nargs="*", help="default: every interface with a device behind it")
    parser.add_argument("--queues", type=int, default=0, metavar="N", help="default: as many as card and vCPUs allow")
    parser.add_argument("--dry-run", action="store_true", help="only say what would change")
    parser.add_argument("--show", action="store_true", help="only print what is set and counted, as JSON")
    parser.add_argument("--install", action="store_true", help="also at every boot and for what is plugged in later")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument("--root", default="/", metavar="DIR", help="where /sys, /proc and /etc are; for images")
    asked = parser.parse_args(argv)
    machine = Machine(asked.root)
    names: list[str] = asked.interface or machine.cards()
    unknown = [name for name in names if not os.path.isdir(machine.path("sys/class/net", name))]
    if unknown or asked.queues < 0:
        parser.error(f"no interface {', '.join(unknown)}" if unknown else "--queues must be at least 1")
    if asked.show:
        print(json.dumps(state(machine, names)))
        return 0
    written = {"installed": install(machine)} if asked.install and not asked.dry_run else {}
    with open(os.path.abspath(__file__)) as own:
        fcntl.flock(own, fcntl.LOCK_EX)  # udev starts one for every vCPU that came: the last one sees them all
        runs = [Tuning(machine, name, asked.dry_run).run(asked.queues) for name in names]
    warning = balance_warning(machine, names)
    print(warning, file=sys.stderr, end="\n" * bool(warning))
    if asked.json:
        told = [{"interface": run.name, "changed": run.changed, "problems": run.problems} for run in runs]
        print(json.dumps({**written, "interfaces": told, "warning": warning}))
    else:
        print("\n".join(map(str, runs)) or "no network card here")
    return 1 if any(run.problems for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
