"""One plan on its way to a switch: the messages in order, and which of them an answer or an error is about.

The order is meters, then one atomic ordered bundle [groups, flow adds, flow deletes, group deletes], then a barrier,
all in one write (OpenFlow 1.4, 6.4 and 6.9; METER_MOD cannot be bundled in Open vSwitch).  To change a meter is to make
its counters begin again at zero, so it is read in the message just before; meters that go are left to the session.

A message that fails when it is carried out rolls the whole bundle back; one that does not even decode is left out while
Open vSwitch 3.1 commits the rest.  So after any error nothing is assumed: the switch is read again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sdnctl.of import message
from sdnctl.of.flow import Flow, flow_add, flow_delete_strict
from sdnctl.of.group import Group, group_mod
from sdnctl.of.meter import ADD, DELETE, MODIFY, Meter, meter_mod
from sdnctl.program.packets import Forget, PacketOut
from sdnctl.switch.plan import Plan

CHUNK = 256 * 1024
COMMANDS = {"add": ADD, "modify": MODIFY}  # the same numbers for meters and groups (OpenFlow 1.4, 7.3.4.3 and 7.3.4.4)


def joined(messages: Sequence[bytes]) -> list[bytes]:
    """The messages as few buffers, each of at least 256 KiB but the last."""
    buffers: list[bytes] = []
    start = size = 0
    for place, one in enumerate(messages):
        size += len(one)
        if size >= CHUNK:
            buffers.append(b"".join(messages[start : place + 1]))
            start, size = place + 1, 0
    if size:
        buffers.append(b"".join(messages[start:]))
    return buffers


@dataclass(frozen=True, slots=True)
class Failure:
    """One error of the switch: what it is about (None: no single message), and the type and code of OpenFlow."""

    thing: Flow | Meter | Group | None
    type: int
    code: int

    def __str__(self) -> str:
        return f"{ERRORS.get(self.type, f'error type {self.type}')}, code {self.code}"


@dataclass(slots=True)
class Transfer:
    """A plan being sent; ``sequence`` is what its success confirms, ``announce`` what may be said then.

    ``counting`` are the transaction ids of the questions for what a meter has counted until it is changed.
    """

    plan: Plan
    sequence: int
    xid: int
    announce: list[tuple[int, PacketOut | Forget]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    committed: bool = False
    barrier: int = 0
    counting: set[int] = field(default_factory=set)
    _things: list[Flow | Meter | Group | None] = field(default_factory=list)

    @property
    def bundled(self) -> bool:
        """True when there is a bundle to commit."""
        plan = self.plan
        return bool(plan.groups or plan.adds or plan.deletes or plan.drop_groups)

    @property
    def after(self) -> int:
        """The first transaction id that this transfer does not use."""
        return self.xid + len(self._things)

    def messages(self) -> list[bytes]:
        """Everything up to the first barrier."""
        plan, number = self.plan, self._number
        out: list[bytes] = []
        for command, meter in plan.meters:
            if command == "modify":
                xid = number((None,))
                self.counting.add(xid)
                out.append(message.meter_stats_request(xid, meter.id))
            out.append(meter_mod(COMMANDS[command], meter, number((meter,))))
        if self.bundled:
            first = number((None, None))  # the bundle's opening and its commit
            xid = number([group for _, group in plan.groups])
            inner = [group_mod(COMMANDS[command], group, xid + i) for i, (command, group) in enumerate(plan.groups)]
            xid = number(plan.adds)
            inner += [flow_add(flow, xid + i) for i, flow in enumerate(plan.adds)]
            xid = number([None] * len(plan.deletes))
            inner += [flow_delete_strict(key, cookie, xid + i) for i, (cookie, key) in enumerate(plan.deletes)]
            xid = number([None] * len(plan.drop_groups))
            gone = [Group(group.id, "all", ()) for group in plan.drop_groups]
            inner += [group_mod(DELETE, group, xid + i) for i, group in enumerate(gone)]
            out += message.bundle(inner, first, first)
        else:
            self.committed = True
        out.append(self._barrier())
        return out

    def fail(self, xid: int, type: int, code: int) -> bool:
        """Note an error; False when it is about no message of this transfer."""
        if not self.xid <= xid < self.after:
            return False
        self.failures.append(Failure(self._things[xid - self.xid], type, code))
        return True

    def _number(self, things: Sequence[Flow | Meter | Group | None]) -> int:
        """Take a transaction id for each; the first of them."""
        first = self.after
        self._things.extend(things)
        return first

    def _barrier(self) -> bytes:
        self.barrier = self._number((None,))
        return message.barrier(self.barrier)


ERRORS = {
    1: "bad request",
    2: "bad action",
    3: "bad instruction",
    4: "bad match",
    5: "flow-mod failed",
    6: "group-mod failed",
    12: "meter-mod failed",
    17: "bundle failed",
}
"""The error types of OpenFlow 1.4, 7.5.4, that our messages can cause."""
