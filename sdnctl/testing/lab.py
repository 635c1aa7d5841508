"""A lab: a scenario as a private region that carries packets, asked by the names that the scenario gives."""

import re
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from sdnctl.engine.engine import Engine
from sdnctl.of.message import cookies_of, flow_stats_request
from sdnctl.of.text import text
from sdnctl.program.feature import discover
from sdnctl.testing.golden import table_text
from sdnctl.testing.ovs import Connection
from sdnctl.trace.explain import engine, load, look
from topologies.cloud import Cloud
from topologies.guest import Guest
from topologies.scenarios import Scenario

_ID = re.compile(r"\b([a-z]+)-[0-9a-z]{10}\b")


class Lab:
    """A context manager: Open vSwitch, control plane and a namespace for each machine, all of it private and removed.

    ``cloud`` has the rest: accounts, the public network, the host.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.cloud = Cloud()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.enter_context(self.cloud)
            self.cloud.build(self.scenario)
            self._cleanup = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def __getitem__(self, machine: str) -> Guest:
        """A machine by its name: it pings, runs programs, and sends and receives frames."""
        return self.cloud.guests[machine]

    def tables(self) -> str:
        """The content of the host's switch: every flow and meter with names, and the resource it comes from.

        What is wanted and not there yet is marked MISSING, what nobody wants UNKNOWN.
        """
        wants = self._engine()
        with Connection(self.cloud.host.directory / "br-int.mgmt") as wire:
            there = {cookie for reply in wire.ask(flow_stats_request(1)) for cookie, _ in cookies_of(reply)}
        wanted = wants.desired.flows.keys()
        missing = [f"MISSING {text(wants.desired.flows[cookie])}\n" for cookie in sorted(wanted - there)]
        unknown = [f"UNKNOWN cookie={cookie:#x}\n" for cookie in sorted(there - wanted)]
        return self.named(table_text(wants) + "".join([*missing, *unknown]))

    def _engine(self) -> Engine:
        """The engine that the host's controller has, computed again from the store and the switch's database."""
        whole, seen = load(f"unix:{self.cloud.service.data}/store.sock"), look(f"unix:{self.cloud.host.database}")
        return engine(discover(), self.cloud.host.name, whole, seen)

    def trace(self, sender: str, to: str, **packet: Any) -> dict[str, Any]:
        """The trace of a packet from a machine, or from ``internet``; names instead of ids.

        ``packet`` says more of it, as the API's ``flowTraces`` has it.
        """
        origin = self.cloud.interfaces[sender, 0]["networkInterfaceId"] if sender in self.cloud.guests else sender
        options = {"protocol": "--proto", "destinationPort": "--dport", "ttl": "--ttl", "sourceAddress": "--source"}
        more = [word for key, value in packet.items() for word in (options[key], str(value))]
        told = self.cloud.cli("trace", "--from", origin, "--to", to, *more)
        steps = [{**step, "says": self.named(step["says"])} for step in told["steps"]]
        return {**told, "verdict": self.named(told["verdict"]), "steps": steps}

    def named(self, said: str) -> str:
        """A text with the scenario's names instead of ids, and words for the addresses of this machine's wires.

        Resources that the scenario does not name, such as route tables, are numbered as they come.
        """
        cloud = self.cloud
        names = [("/".join(path), id) for path, id in cloud.ids.items()]
        names += cloud.instances.items()
        for (machine, index), interface in cloud.interfaces.items():
            names.append((f"{machine}/{index}" if index else machine, interface["networkInterfaceId"]))
        names += [(f"EIP:{machine}", eip["elasticIpId"]) for (machine, _), eip in cloud.elastic.items()]
        names += [("UPLINK", cloud.host.mac("uplink")), ("GATEWAY", cloud.internet.gateway.mac("public"))]
        for name, id in names:
            said = re.sub(rf"\b{re.escape(id)}\b", name, said)
        others: dict[str, str] = {}
        return _ID.sub(lambda id: others.setdefault(id[0], f"{id[1]}#{len(others) + 1}"), said)
