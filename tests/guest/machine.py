"""A virtual machine on a hypervisor of the topology: QEMU without hardware help, spoken to by its serial line."""

import contextlib
import json
import re
import shlex
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from apps.multi_queue.host.fragments import Plug, preparation, qemu
from tests.guest.image import Image, archive
from topologies.hypervisor import Hypervisor
from topologies.process import stop, wait_until
from topologies.station import CommandError

GUEST = Path(__file__).parents[2] / "apps" / "multi_queue" / "guest.py"
BOOT_SECONDS = 200.0
ANSWER_SECONDS = 60.0
_END = re.compile(rb"=(\d+)=\r?\n$")


class VirtualMachine:
    """Starts when a `with` block begins and is gone when it ends; ``overlay`` is laid over its root file system.

    ``vcpus`` of the four run from the start, the others wait to be plugged in.
    """

    def __init__(
        self, name: str, host: Hypervisor, image: Image, plugs: Sequence[Plug], overlay: Path, vcpus: int = 4
    ) -> None:
        self.host = host
        self._home = host.directory / name
        self._home.mkdir()
        root = self._home / "root.cpio"
        root.write_bytes(image.root.read_bytes() + archive(overlay))
        start = f"console=ttyS0 panic=-1 systemd.show_status=0 maxcpus={vcpus}"
        self._argv = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "4", "-m", "512"]
        self._argv += ["-nodefaults", "-display", "none", "-no-reboot", "-kernel", str(image.kernel)]
        self._argv += ["-initrd", str(root), "-append", start, "-serial", f"file:{self._home}/console.log"]
        self._argv += ["-serial", self._server("line"), "-qmp", self._server("qmp")]
        self.plugs = list(plugs)

    def _server(self, name: str) -> str:
        return f"unix:{self._home}/{name},server=on,wait=off"

    def __enter__(self) -> Self:
        nics = [argument for plug in self.plugs for argument in qemu(plug, vhost=False)]
        for plug in self.plugs:
            self._prepare(plug)
        self._process = self.host.spawn([*self._argv, *nics], log=self._home / "qemu.log")
        with contextlib.ExitStack() as undo:
            undo.callback(stop, self._process)
            self._line, self._qmp = (undo.enter_context(self._connect(name)) for name in ("line", "qmp"))
            self._hear(re.compile(rb"READY\r?\n$"), BOOT_SECONDS)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _prepare(self, plug: Plug) -> None:
        """Do on the host what an operator is told to do before the guest starts."""
        for command in preparation(plug):
            self.host.run(*shlex.split(command), env=self.host.env)

    def _connect(self, name: str) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        path = self._home / name
        if not wait_until(path.exists, 15) or self._process.poll() is not None:
            raise CommandError(f"QEMU did not start: {(self._home / 'qemu.log').read_text()}")
        made.connect(str(path))
        return made

    def _hear(self, end: re.Pattern[bytes], seconds: float) -> bytes:
        heard, until = b"", time.monotonic() + seconds
        while not end.search(heard):
            self._line.settimeout(max(until - time.monotonic(), 0.01))
            try:
                piece = self._line.recv(65536)
            except TimeoutError:
                piece = b""
            if not piece:
                log = (self._home / "console.log").read_text(errors="replace")[-3000:]
                raise CommandError(f"no answer after {seconds} s, only {heard!r}; the guest's console: {log}")
            heard += piece
        return heard

    def run(self, command: str, check: bool = True) -> str:
        """A shell command inside, its output both streams; CommandError when it fails."""
        self._line.sendall(command.encode() + b"\n")
        heard = self._hear(_END, ANSWER_SECONDS)
        found = _END.search(heard)
        assert found is not None
        text = heard[: found.start()].decode()
        if check and found[1] != b"0":
            raise CommandError(f"{command} -> {found[1].decode()}: {text}")
        return text

    def monitor(self, command: str, **arguments: Any) -> None:
        """A command of QEMU's machine protocol (QMP)."""
        with self._qmp.makefile("rw") as lines:
            for asked in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                lines.write(json.dumps(asked) + "\n")
                lines.flush()
                while not {"return", "error"} & (answer := json.loads(lines.readline())).keys():
                    pass
                if "error" in answer and asked["execute"] == command:
                    raise CommandError(f"{command}: {answer['error']}")

    def plug_vcpus(self) -> None:
        """Bring every vCPU to work that waits."""
        self.run("for cpu in /sys/devices/system/cpu/cpu[1-9]; do echo 1 >$cpu/online; done")

    def plug_nic(self, plug: Plug) -> None:
        """Plug a network interface into the running machine."""
        self._prepare(plug)
        _, netdev, _, device = qemu(plug, vhost=False)
        for command, text, kind in (("netdev_add", netdev, "type"), ("device_add", device, "driver")):
            first, *rest = text.split(",")
            self.monitor(command, **{kind: first}, **dict(_option(one) for one in rest))
        self.plugs.append(plug)

    def state(self, mac: str) -> dict[str, Any]:
        """The state of the interface with this MAC address, and of the machine, as ``guest.py --show`` says."""
        name = self.run(f"grep -l {mac} /sys/class/net/*/address").split("/")[4]
        shown = json.loads(self.run(f"python3 /root/guest.py --show {name}"))
        packets = int(self.run(f"cat /sys/class/net/{name}/statistics/rx_packets"))
        return {**shown, **shown["interfaces"][0], "packets": packets}


def _option(text: str) -> tuple[str, str | int | bool]:
    """An option of the command line as QMP wants it."""
    name, _, value = text.partition("=")
    return name, int(value) if value.isdigit() else {"on": True, "off": False}.get(value, value)


def versions(image: Image) -> str:
    """The versions of what the virtual machine is made of, for a person."""
    emulator = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True).stdout
    switch = subprocess.run(["ovs-vswitchd", "--version"], capture_output=True, text=True, check=True).stdout
    kernel = next(f"{name} {text}" for name, text in image.packages.items() if name.startswith("linux-image"))
    systemd = image.packages["systemd"]
    found = [re.search(r"[\d.]+", text) for text in (emulator, switch)]
    qemu_version, ovs_version = (match[0] if match else "?" for match in found)
    return f"QEMU {qemu_version} (tcg), Open vSwitch {ovs_version}, guest: {kernel}, systemd {systemd}"
