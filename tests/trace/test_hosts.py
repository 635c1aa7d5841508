"""Traces over several hosts, each with an engine and a switch of its own, asked of the API server as people ask."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from apps.uplink.model import GatewayNeighbour
from sdnctl.agent.questions import Questions
from sdnctl.base.addresses import Mac
from sdnctl.model.host import LocalPort
from sdnctl.testing.simulated import Simulated
from sdnctl.trace import switch
from tests.api.region import Refused, Region
from tests.apps.machines import Machines

HOSTS = ("g1", "n1", "h1", "h2")


class Thinking:
    """A machine's engine, looked at by one at a time."""

    def __init__(self, machine: Any) -> None:
        self.agent = SimpleNamespace(host=machine.id, engine=machine.engine)

    def ask(self, work: Callable[[Any], Any]) -> Any:
        return work(self.agent)


class Site:
    """A gateway, a host without an uplink and two with one; each has a machine, and a switch that is asked."""

    def __init__(self, stack: ExitStack) -> None:
        machines = self.machines = Machines(*HOSTS)
        for name in ("g1", "h1", "h2"):
            mac = Mac.parse("02:00:00:00:00:01")
            neighbour = GatewayNeighbour(id=f"{name}/pool-1", host=name, pool="pool-1", mac=mac)
            machines.store.report(lambda txn, neighbour=neighbour: txn.put(neighbour))
        for number, name in enumerate(HOSTS):
            port = machines.port(f"vm-{name}", name, f"10.0.1.{10 + number}")
            machines.settle()
            machines.bind(machines.eip(name, f"203.0.113.{10 + number}"), port)
        machines.settle()
        machines.wait(16)
        for name, machine in machines.all.items():
            ports = {f"p{one.ofport}": one.ofport for one in machine.local.values() if hasattr(one, "ofport")}
            simulated = stack.enter_context(Simulated(machine.engine, ports))
            ask = partial(switch.ask, str(simulated.switch.rundir), simulated.switch.bridge)
            questions = Questions(machines.store, Thinking(machine), ask)
            questions.start()
            stack.callback(questions.close)
            assert any(cls is LocalPort for cls, _ in machine.local), name
        self.region = stack.enter_context(Region(store=machines.store))

    def trace(self, sender: str, to: str, **more: Any) -> dict[str, Any]:
        return self.region.operator("POST", "/flowTraces", {"from": sender, "to": to, **more})


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(stack)


def test_to_a_machine_on_another_host(site: Site) -> None:
    told = site.trace("port-vm-h2", "10.0.1.12")
    assert told["hosts"] == ["h2", "h1"]
    assert told["verdict"] == "delivered to port-vm-h1 on host h1"
    says = [step["says"] for step in told["steps"]]
    way = says.index("port-vm-h1 is on h1")
    assert says[way : way + 3] == ["port-vm-h1 is on h1", "through the tunnel", "in from another host"]
    assert any("what port-vm-h1 gets is judged by" in one for one in says[way:])
    assert says[-1] == "delivered to port-vm-h1"
    assert site.trace("port-vm-h2", "10.0.1.12", sourceAddress="10.0.1.11")["reason"] == "spoofed-ip"


def test_a_reply_is_one_on_every_host(site: Site) -> None:
    told = site.trace("port-vm-h2", "10.0.1.12", protocol="tcp", destinationPort=443, reply=True)
    assert told["hosts"] == ["h1", "h2"]
    assert told["verdict"] == "delivered to port-vm-h2 on host h2"
    assert sum(step["says"].startswith("a reply: its connection is allowed by") for step in told["steps"]) == 2


def test_in_and_out_through_a_gateway(site: Site) -> None:
    inward = site.trace("internet", "203.0.113.11", protocol="tcp", destinationPort=443)
    assert inward["hosts"] == ["g1", "n1"]
    assert inward["verdict"] == "delivered to port-vm-n1 on host n1"
    outward = site.trace("port-vm-n1", "198.51.100.9")
    assert outward["hosts"] == ["n1", "g1"]
    assert outward["verdict"] == "out to the public network by the gateway 203.0.113.1 on host g1"


def test_from_one_elastic_ip_to_another(site: Site) -> None:
    """Out at the sender's host, in where the other is presented, and on to where its machine is."""
    near = site.trace("port-vm-h1", "203.0.113.13")
    assert near["hosts"] == ["h1", "h2"]
    assert near["verdict"] == "delivered to port-vm-h2 on host h2"
    far = site.trace("port-vm-h1", "203.0.113.11")
    assert far["hosts"] == ["h1", "g1", "n1"]
    assert far["verdict"] == "delivered to port-vm-n1 on host n1"


@pytest.mark.parametrize("name", ["nobody", "a/nobody", "port-nobody", "i-nobody"])
def test_nobody_goes_by_that_name(site: Site, name: str) -> None:
    with pytest.raises(Refused, match="404"):
        site.trace(name, "10.0.1.12")
