"""A network in a real switch with a simulated datapath: send a frame, or ask what would become of it."""

import re
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from apps.eni.model import NetworkInterface
from apps.pipeline import PIPELINE
from sdnctl.engine.engine import Engine
from sdnctl.model.host import UPLINK, LocalPort, LocalUplink
from sdnctl.of.fields import REG, OxmField
from sdnctl.of.flow import flow_add, flow_delete_strict
from sdnctl.of.group import group_mod
from sdnctl.of.message import bundle
from sdnctl.of.meter import ADD, DELETE, MODIFY, meter_mod
from sdnctl.switch.plan import Installed, plan
from sdnctl.trace.ofproto import PAST_BARRIERS, read
from tests.build import Network
from tests.ovs import DummySwitch

COMMANDS = {"add": ADD, "modify": MODIFY}
_OUTPUT = re.compile(r"^ *output:(\d+)$|^ *(CONTROLLER):\d+$|^ *(IN_PORT)$|^ *>> (?:skipping|dropping)", re.MULTILINE)


@dataclass(frozen=True)
class Verdict:
    """What becomes of a packet, in tenant words: ``to`` names ports, ``asked`` the question, ``reason`` the drop."""

    to: tuple[str, ...]
    asked: str
    reason: str
    text: str

    def __str__(self) -> str:
        if self.to:
            return "to " + ", ".join(self.to)
        return f"asks {self.asked}" if self.asked else f"dropped: {self.reason}"


def registers_of(said: str) -> dict[OxmField, int]:
    """The registers that a traced packet ended with; behind a barrier they are not those of "Final flow"."""
    steps = read(said, {})
    return {field: value for field, value in steps[-1].after.items() if field in REG} if steps else {}


def reason_in(said: str) -> str:
    """The name of the reason for which a traced packet was dropped, "" when it was not."""
    reason = PIPELINE.reason_of(registers_of(said))
    return reason.name if reason is not None else ""


class Lab:
    """A context manager: the network's flows installed in a private dummy switch."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.switch = DummySwitch()
        self.engine: Engine = network.engine()
        self.installed = Installed()

    def __enter__(self) -> Self:
        self.switch.__enter__()
        for record in self.network.local.values():
            self.switch.add_port(f"p{record.ofport}", record.ofport)
        self.sync()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.switch.__exit__(kind, error, trace)

    def sync(self) -> None:
        """Bring the switch to what the engine wants now."""
        todo = plan(self.engine.desired, self.installed)
        changes = [group_mod(COMMANDS[command], group, 4) for command, group in todo.groups]
        changes += [flow_add(flow, 2) for flow in todo.adds]
        changes += [flow_delete_strict(key, cookie, 3) for cookie, key in todo.deletes]
        changes += [group_mod(DELETE, group, 4) for group in todo.drop_groups]
        with self.switch.connect() as wire:
            refused = wire.ask(
                *(meter_mod(COMMANDS[command], meter, 1) for command, meter in todo.meters),
                *bundle(changes, 1, 10),
                *(meter_mod(DELETE, meter, 1) for meter in todo.drop_meters),
            )
        assert not [r for r in refused if r[1] == 1], refused
        todo.apply(self.installed)

    def port(self, name: str) -> NetworkInterface:
        """The interface called ``port-NAME``."""
        found = self.network.store.state.get(NetworkInterface, f"port-{name}")
        assert found is not None
        return found

    def ofport(self, name: str) -> int:
        """The switch port of an interface, or of the uplink."""
        cls, id = (LocalUplink, UPLINK) if name == "internet" else (LocalPort, f"port-{name}")
        return int(self.network.local[cls, id].ofport)

    def trace(self, sender: str, packet: str) -> Verdict:
        """What would become of a packet (written as ovs-ofctl writes a match) from an interface or ``internet``."""
        said = self.switch.trace(f"in_port={self.ofport(sender)},{PAST_BARRIERS},{packet}")
        names = {record.ofport: id.removeprefix("port-") for (_, id), record in self.network.local.items()}
        to: list[str] = []
        asked = ""
        for match in _OUTPUT.finditer(said):
            number, controller, back = match.groups()
            if controller:
                question = PIPELINE.question_of(registers_of(said))
                asked = question.name if question is not None else ""
            elif back:
                to.append(sender)
            elif number:
                to.append(names.get(int(number), number))
        return Verdict(tuple(to), asked, reason_in(said), said)

    def ip(
        self, sender: str, destination: str, more: str = "icmp,icmp_type=8", source: str = "", mac: str = ""
    ) -> Verdict:
        """An honest packet from an interface, unless told otherwise: to the router's MAC address, with TTL 64."""
        port = self.port(sender)
        src, eth = source or str(port.addresses[0]), mac or str(port.mac)
        return self.trace(
            sender,
            f"dl_src={eth},dl_dst=0e:00:00:00:00:01,{more},nw_src={src},nw_dst={destination},nw_ttl=64",
        )
