"""A machine that carries virtual machines: its own Open vSwitch in a network namespace of its own.

The daemons run from a private directory, without systemd, and the userspace datapath makes its tap devices inside the
namespace, so any number of these live beside each other and beside the system's own Open vSwitch.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from topologies.process import stop, wait_until
from topologies.station import CommandError, Station, environment

_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
_READ = "received: OFPST_FLOW request"
_LOOSE = "received: OFPT_FLOW_MOD"
_COMMIT = "type=COMMIT_REQUEST flags=atomic"
_SENT = re.compile(r"received: OFPT_(FLOW_MOD|BUNDLE_ADD_MESSAGE|METER_MOD|GROUP_MOD)\b")


class Hypervisor(Station):
    """One host of the region: ovsdb-server, ovs-vswitchd and br-int (userspace datapath, fail_mode=secure)."""

    def __init__(self, name: str, **params: object) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=f"sdnctl-{name}."))
        self.database = self.directory / "db.sock"
        self.log = self.directory / "ovs-vswitchd.log"
        run = str(self.directory)
        self.env = environment(OVS_RUNDIR=run, OVS_LOGDIR=run, OVS_DBDIR=run, OVS_SYSCONFDIR=run)
        self.switch: subprocess.Popen[str] | None = None
        super().__init__(name, **params)

    def start_switch(self) -> None:
        """Make the database and start both daemons; the bridge is there when this returns."""
        file = self.directory / "conf.db"
        self._tool("ovsdb-tool", "create", str(file), _SCHEMA)
        server = ["ovsdb-server", str(file), f"--remote=punix:{self.database}", "-vconsole:off"]
        server += [f"--unixctl={self.directory}/ovsdb-server.ctl", f"--log-file={self.directory}/ovsdb-server.log"]
        self._daemon(server, self.database)
        self.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".", f"external_ids:sdnctl-host={self.name}")
        self.start_vswitchd()
        bridge = ["datapath_type=netdev", "fail_mode=secure"]
        self.vsctl("--may-exist", "add-br", "br-int", "--", "set", "bridge", "br-int", *bridge)

    def start_vswitchd(self, *options: str) -> None:
        """Start ovs-vswitchd, the first time or again, with more options of its own; it serves when this returns."""
        control = self.directory / "ovs-vswitchd.ctl"
        control.unlink(missing_ok=True)
        # --disable-system: the userspace datapath also where the kernel has one, so results compare between machines.
        switch = ["ovs-vswitchd", f"unix:{self.database}", "--disable-system", f"--unixctl={control}"]
        self.switch = self._daemon([*switch, f"--log-file={self.log}", "-vconsole:off", *options], control)

    def kill_vswitchd(self) -> None:
        """SIGKILL ovs-vswitchd: ports stop forwarding, its flows are gone."""
        assert self.switch is not None
        stop(self.switch, signal.SIGKILL)
        self._running.remove(self.switch)

    def _daemon(self, argv: list[str], control: Path) -> "subprocess.Popen[str]":
        process = self.spawn(["env", *(f"{k}={v}" for k, v in self.env.items() if k.startswith("OVS_")), *argv])
        if not wait_until(lambda: answers(control), 15) or process.poll() is not None:
            raise CommandError(f"{argv[0]} did not start, see {self.directory}")
        return process

    def _tool(self, *argv: str) -> str:
        done = subprocess.run(argv, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise CommandError(f"{' '.join(argv)} -> {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def vsctl(self, *args: str) -> str:
        """ovs-vsctl on this switch's database."""
        return self._tool("ovs-vsctl", f"--db=unix:{self.database}", "--timeout=30", *args)

    def appctl(self, *args: str) -> str:
        """ovs-appctl to this ovs-vswitchd."""
        return self._tool("ovs-appctl", "-t", str(self.directory / "ovs-vswitchd.ctl"), *args)

    def ofctl(self, command: str, *args: str) -> str:
        """ovs-ofctl on br-int, OpenFlow 1.4: ofctl("dump-flows")."""
        return self._tool("ovs-ofctl", "-O", "OpenFlow14", command, f"unix:{self.directory}/br-int.mgmt", *args)

    def tell(self, **settings: str) -> None:
        """Tell this host about itself: tell(encap_ip="172.31.0.101") is external_ids:sdnctl-encap-ip."""
        pairs = [f"external_ids:sdnctl-{name.replace('_', '-')}={value}" for name, value in settings.items()]
        self.vsctl("set", "Open_vSwitch", ".", *pairs)

    def uplink(self, port: str) -> None:
        """Make an interface of this namespace the host's way to the public network."""
        self.plug(port)
        self.tell(uplink=port)

    def underlay(self, port: str, address: str) -> None:
        """Reach other hosts by an interface of this namespace: it goes on br-phy, which has the address itself.

        Open vSwitch sends what leaves a tunnel to the bridge that has a route to its end (ovs-vswitchd(8), userspace
        tunneling), so the address must not be on the interface.
        """
        self.run("ip", "link", "set", port, "up")
        self.vsctl("add-br", "br-phy", "--", "set", "bridge", "br-phy", "datapath_type=netdev", "fail_mode=standalone")
        self.vsctl("add-port", "br-phy", port)
        self.run("ip", "address", "add", address, "dev", "br-phy")
        self.run("ip", "link", "set", "br-phy", "up")
        self.tell(encap_ip=address.partition("/")[0])

    def plug(self, port: str, iface_id: str = "") -> None:
        """Put an interface of this namespace on br-int; `iface_id` (a network interface's id) is what binds it."""
        bind = ["--", "set", "interface", port, f"external_ids:iface-id={iface_id}"] if iface_id else []
        self.run("ip", "link", "set", port, "up")
        self.vsctl("--may-exist", "add-port", "br-int", port, *bind)

    def unplug(self, port: str) -> None:
        """Take an interface off br-int, as a hypervisor does when it detaches a virtual NIC."""
        self.vsctl("--if-exists", "del-port", "br-int", port)

    def flows(self) -> list[str]:
        """Every flow in br-int with its cookie and without counters, in an order of its own."""
        return sorted(line for line in self.ofctl("dump-flows", "--no-stats").splitlines() if "cookie=" in line)

    def meters(self) -> list[str]:
        """Every meter of br-int with its rate and burst."""
        return sorted(line for line in self.ofctl("dump-meters").splitlines() if line.startswith("meter="))

    def count_changes(self) -> "Changes":
        """Start counting what controllers change on this switch, from the switch's own log of messages received."""
        self.appctl("vlog/set", "vconn:file:dbg")
        self.appctl("vlog/disable-rate-limit", "vconn")
        return Changes(self.log)

    def terminate(self) -> None:
        """End the daemons and remove every trace."""
        with contextlib.suppress(CommandError, subprocess.TimeoutExpired):
            self.appctl("exit", "--cleanup")
        super().terminate()
        if not os.environ.get("SDNCTL_KEEP"):
            shutil.rmtree(self.directory, ignore_errors=True)


def answers(path: Path) -> bool:
    """True when somebody listens on a Unix socket: it is there a moment before that."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(path))
        return True
    return False


class Changes:
    """Counts flow, meter and group modifications that reached the switch since it was made.

    Source: the vconn module's debug log of ovs-vswitchd (ovs-appctl(8), vlog/set), one line a message.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._start = log.stat().st_size

    def __call__(self) -> int:
        """Modifications until now."""
        time.sleep(0.1)  # the log is written after the message has been handled
        return sum(1 for line in self._lines() if _SENT.search(line))

    def bundles(self) -> tuple[int, int]:
        """The number of atomic bundles committed until now, and of flow modifications that came outside of any."""
        time.sleep(0.1)
        lines = self._lines()
        return sum(_COMMIT in line for line in lines), sum(_LOOSE in line for line in lines)

    def read_back(self, seconds: float = 20.0) -> bool:
        """Wait until a controller has read the switch's flows, as one that has just come back does first."""
        return wait_until(lambda: any(_READ in line for line in self._lines()), seconds, 0.1)

    def _lines(self) -> list[str]:
        with open(self._log) as log:
            log.seek(self._start)
            return log.readlines()
