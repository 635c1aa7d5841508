"""The laboratories under Mininet's own command: ``sudo .venv/bin/mn --custom topologies/mn.py --topo two-tenants``.

mn(1) takes every name of a ``--custom`` file as its own: ``topos`` are added to its topologies, and ``Mininet`` and
``CLI`` stand for its network and its prompt.
"""

from typing import Any

from mininet.net import Mininet as Network
from mininet.topo import Topo

from topologies.cloud import Cloud
from topologies.laboratory import NETWORKS
from topologies.prompt import Prompt
from topologies.scenarios import Scenario


class Laboratory(Topo):
    """A topology without nodes of its own: they come when its network is started."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__()
        self.scenario = scenario


class Mininet(Network):
    """A network that is a region of the cloud; it has switches, links and controllers of its own."""

    def __init__(self, topo: Laboratory, **_: Any) -> None:
        super().__init__(controller=None, build=False)
        self.scenario = topo.scenario
        self.cloud = Cloud(net=self)

    def start(self) -> None:
        """Start the switch, the control plane and the machines."""
        self.cloud.__enter__().build(self.scenario)

    def stop(self) -> None:
        """Take everything away."""
        self.cloud.__exit__()
        super().stop()


def CLI(net: Mininet, **_: Any) -> None:
    """Open the prompt of a laboratory."""
    Prompt(net.cloud).open()


topos = {name: lambda scenario=scenario: Laboratory(scenario) for name, scenario in NETWORKS.items()}
