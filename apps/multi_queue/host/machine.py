"""The CPUs and interfaces of this machine, read from /sys and /proc."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from apps.multi_queue.host import ethtool
from apps.multi_queue.model import Channels, Cpus, Irq, Nic, cpu_list, irqs_of
from sdnctl.base.problem import Problem

SYS, PROC = Path("/sys"), Path("/proc")
FLOW_ENTRIES = "sys/net/core/rps_sock_flow_entries"
NO_CHANNELS_TO_SET = ("tun",)
"""Drivers that tell a limit of channels but set none: a tap has as many queues as its user opened."""


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine, or one described by directories of the same shape."""

    sys: Path = SYS
    proc: Path = PROC

    def cpus(self, load: Mapping[int, float] | None = None) -> Cpus:
        """CPUs online, their NUMA nodes, and those that are to be left alone."""
        room = self.sys / "devices/system"
        nodes = {
            cpu: int(path.name.removeprefix("node"))
            for path in sorted((room / "node").glob("node[0-9]*"))
            for cpu in cpu_list(_text(path / "cpulist"))
        }
        online = cpu_list(_text(room / "cpu/online"))
        siblings = {cpu: _list(room / f"cpu/cpu{cpu}/topology/thread_siblings_list") for cpu in online}
        threads = {cpu: many.index(cpu) for cpu, many in siblings.items() if cpu in many}
        apart = {cpu for name in ("isolated", "nohz_full") for cpu in _list(room / "cpu" / name)}
        return Cpus(online, nodes, frozenset(apart), load or {}, threads)

    def names(self) -> list[str]:
        """Interfaces with queues, loopback left out."""
        found = sorted(path.name for path in _inside(self.sys / "class/net") if (path / "queues").is_dir())
        return [name for name in found if name != "lo"]

    def at(self, name: str) -> Path:
        """The directory of an interface; Problem when there is none."""
        path = self.sys / "class/net" / name
        if "/" in name or not (path / "queues").is_dir():
            raise Problem(f"there is no interface {name} with queues: 'sdnctl nic show' lists them")
        return path

    def index(self, name: str) -> int:
        """The number by which the kernel knows the interface: another one has the same name with another number."""
        number = _text(self.at(name) / "ifindex")
        if not number:
            raise Problem(f"{name} has just gone")
        return int(number)

    def queues(self, name: str, kind: str) -> list[Path]:
        """The directories of the receive ("rx") or transmit ("tx") queues, in order."""
        found = [path for path in _inside(self.at(name) / "queues") if path.name.startswith(f"{kind}-")]
        return sorted(found, key=lambda path: int(path.name.partition("-")[2]))

    def nic(self, name: str) -> Nic:
        """An interface as it is now."""
        path, driver = self.at(name), self.driver(name)
        node = _text(path / "device/numa_node")
        told = ethtool.channels(name)
        if told is None or driver in NO_CHANNELS_TO_SET:
            now = Channels(rx=len(self.queues(name, "rx")), tx=len(self.queues(name, "tx")))
            told = (now, None)  # type: ignore[assignment]
        assert told is not None
        threaded = _text(path / "threaded")
        return Nic(
            name=name,
            now=told[0],
            most=told[1],
            driver=driver,
            node=int(node) if node else -1,
            irqs=self.irqs(name),
            flows=(self.proc / FLOW_ENTRIES).exists(),
            threaded=bool(int(threaded)) if threaded else None,
            rings=ethtool.rings(name),
            coalesce=ethtool.coalesce(name),
        )

    def driver(self, name: str) -> str:
        """The driver's name: that of the device, else the kind of virtual interface."""
        path = self.at(name)
        try:
            return os.path.basename(os.readlink(path / "device/driver"))
        except OSError:  # no device: a virtual interface
            pass
        if (path / "tun_flags").exists():
            return "tun"
        try:
            with IPRoute() as route:
                for link in route.link("get", ifname=name):
                    info = link.get_attr("IFLA_LINKINFO")
                    return str(info.get_attr("IFLA_INFO_KIND")) if info is not None else ""
        except NetlinkError as error:
            raise Problem(f"{name}: {error.args[-1]}") from None
        return ""

    def irqs(self, name: str) -> tuple[Irq, ...]:
        """The interrupts of the interface's device; a virtual interface has none."""
        device = self.at(name) / "device"
        if not device.exists():
            return ()
        # A virtio device hangs below the PCI function that has the vectors, and they carry its name.
        real = device.resolve()
        vectors = next((d / "msi_irqs" for d in (real, real.parent) if (d / "msi_irqs").is_dir()), None)
        if vectors is None:
            return ()
        own = {int(path.name) for path in _inside(vectors)}
        names = {number: text for number, text in self.interrupts().items() if number in own}
        # Ports that share a PCI function name their vectors after themselves.
        mine = {number: text for number, text in names.items() if name in text}
        return irqs_of(mine or names)

    def interrupts(self) -> dict[int, str]:
        """Number -> name of every numbered interrupt in /proc/interrupts."""
        found = {}
        for line in _text(self.proc / "interrupts").splitlines()[1:]:
            number, _, rest = line.strip().partition(":")
            if number.isdigit() and rest.split():
                found[int(number)] = rest.split()[-1]
        return found

    def default_interface(self) -> str:
        """The interface that carries the IPv4 default route of this machine; "" when there is none."""
        for line in _text(self.proc / "net/route").splitlines()[1:]:
            words = line.split()
            if words[1:2] == ["00000000"] and words[7:8] == ["00000000"]:
                return words[0]
        return ""

    def running(self, program: str) -> int:
        """The process id of a program, by its name in /proc; 0 when it does not run."""
        for path in self.proc.glob("[0-9]*/comm"):
            if _text(path).strip() == program:
                return int(path.parent.name)
        return 0


def _text(path: Path) -> str:
    """A file of the kernel's; "" when it is not there, or tells nothing of this interface."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _inside(path: Path) -> list[Path]:
    """The entries of a directory of the kernel's; none when it has just gone, as interfaces do."""
    try:
        return [path / name for name in os.listdir(path)]
    except OSError:
        return []


def _list(path: Path) -> tuple[int, ...]:
    """The CPUs in such a file; nohz_full says "(null)" for none."""
    text = _text(path)
    return cpu_list(text) if text[:1].isdigit() else ()
