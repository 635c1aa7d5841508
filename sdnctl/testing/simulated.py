"""An engine's flows in a real switch with a simulated datapath, which says what would become of a packet."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sdnctl.engine.engine import Engine
from sdnctl.of.fields import REG, OxmField
from sdnctl.of.flow import flow_add, flow_delete_strict
from sdnctl.of.group import group_mod
from sdnctl.of.message import bundle
from sdnctl.of.meter import ADD, DELETE, MODIFY, meter_mod
from sdnctl.program.pipeline import Pipeline
from sdnctl.switch.plan import Installed, plan
from sdnctl.testing.ovs import DummySwitch
from sdnctl.trace.ofproto import HASH, hashed, read

COMMANDS = {"add": ADD, "modify": MODIFY}
_ERROR = 1  # OFPT_ERROR
_OUTPUT = re.compile(r"^ *output:(\d+)$|^ *(CONTROLLER):\d+$|^ *(IN_PORT)$|^ *>> (?:skipping|dropping)", re.MULTILINE)


@dataclass(frozen=True)
class Verdict:
    """The fate of a packet: ``to`` names ports, ``asked`` the question, ``reason`` the drop."""

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


def reason_in(said: str, pipeline: Pipeline) -> str:
    """The name of the reason for which a traced packet was dropped, "" when it was not."""
    reason = pipeline.reason_of(registers_of(said))
    return reason.name if reason is not None else ""


class Simulated:
    """A context manager: what an engine wants, installed in a private switch; ``ports`` has their numbers by name."""

    def __init__(self, engine: Engine, ports: Mapping[str, int]) -> None:
        self.engine = engine
        self.ports = ports
        self.switch = DummySwitch()
        self.installed = Installed()

    def __enter__(self) -> Self:
        self.switch.__enter__()
        for number in self.ports.values():
            self.switch.add_port(f"p{number}", number)
        self.sync()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.switch.__exit__(kind, error, trace)

    def sync(self) -> None:
        """Bring the switch to what the engine wants now; AssertionError when it refuses something."""
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
        assert not [answer for answer in refused if answer[1] == _ERROR], refused
        todo.apply(self.installed)

    def ofport(self, name: str) -> int:
        """The number of a port."""
        return self.ports[name]

    def told(self, packet: str) -> str:
        """The switch's own trace of a packet with the number of its port, as if it had its hash: past all barriers."""
        known = hashed(self.switch.appctl("ofproto/trace-packet-out", self.switch.bridge, packet, HASH))
        return self.switch.trace(f"{known},{packet}")

    def trace(self, sender: str, packet: str) -> Verdict:
        """Trace a packet (written as ovs-ofctl writes a match) that comes in at a port."""
        said = self.told(f"in_port={self.ofport(sender)},{packet}")
        names = {number: name for name, number in self.ports.items()}
        pipeline = self.engine.program.pipeline
        to: list[str] = []
        asked = ""
        for match in _OUTPUT.finditer(said):
            number, controller, back = match.groups()
            if controller:
                question = pipeline.question_of(registers_of(said))
                asked = question.name if question is not None else ""
            elif back:
                to.append(sender)
            elif number:
                to.append(names.get(int(number), number))
        return Verdict(tuple(to), asked, reason_in(said, pipeline), said)
