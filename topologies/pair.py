"""Two hosts of one region: `sdnctl up` on the first, an agent that follows its store on the second, a cable between.

underlay  172.31.0.0/24     hosts .101 and .102: what their tunnels use
"""

import contextlib
from pathlib import Path

from topologies.cloud import Cloud
from topologies.hypervisor import Hypervisor
from topologies.process import wait_until
from topologies.program import Program
from topologies.scenarios import Instance
from topologies.service import ROOT
from topologies.station import CommandError

_CABLE = "underlay"
_IN_STEP = b"the switch is in step"


class Pair(Cloud):
    """Use it as a context manager, like a Cloud; a machine runs on `hv2` when its scenario says so, else on `hv1`."""

    def _start(self, undo: contextlib.ExitStack) -> None:
        super()._start(undo)
        self.other: Hypervisor = self.net.addHost("hv2", cls=Hypervisor)
        self.other.start_switch()
        self.net.addLink(self.host, self.other, intfName1=_CABLE, intfName2=_CABLE, up=None)
        self.host.underlay(_CABLE, "172.31.0.101/24")
        self.other.underlay(_CABLE, "172.31.0.102/24")
        argv = [
            "agent",
            "--store",
            f"unix:{self.service.data / 'store.sock'}",
            "--ovs-db",
            f"unix:{self.other.database}",
        ]
        self.agent = Program("agent of hv2", self.other, argv, self.directory / "hv2.log")
        self.agent.checkout = self._checkout
        undo.callback(self.agent.stop)
        self.agent.start()
        if not wait_until(lambda: len(self.cli("host", "list")["hosts"]) == 2, 30, 0.3):
            raise CommandError(f"hv2 does not tell of itself: {self.agent.tail()}")

    def end(self) -> None:
        """End the control plane in order, on both hosts."""
        self.agent.stop()
        self.service.down()

    def start(self, checkout: Path = ROOT, patience: float = 60.0) -> None:
        """Start it again on the same data, from this checkout or another, and wait until both switches are in step.

        Nothing in the store tells that: what the programs before confirmed stays in force meanwhile.
        """
        self.service.checkout = self.agent.checkout = checkout
        logs = [self.service.data / "controller.log", self.agent.log]
        before = [log.stat().st_size for log in logs]
        self.service.up()
        self.agent.start()

        def in_step() -> bool:
            return all(_IN_STEP in log.read_bytes()[size:] for log, size in zip(logs, before, strict=True))

        if not wait_until(in_step, patience, 0.1):
            raise CommandError(f"a switch is not in step: {self.service.tail()}\n{self.agent.tail()}")

    def _home(self, instance: Instance) -> Hypervisor:
        return self.other if instance.host == self.other.name else self.host
