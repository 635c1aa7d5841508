"""A plan is the shortest way from what a switch has to what it should have.

It is a pure function of the two, and the same one serves a single change, a reconnect and a restart.  Flows are
compared by cookie, which is their content; groups and meters by value.  Order: meters, then one atomic bundle (groups,
adds, deletes, group deletes), because METER_MOD cannot be bundled; meters that go are deleted later, by the session.
"""

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Literal

from sdnctl.engine.desired import Desired, Touched
from sdnctl.of.flow import Flow
from sdnctl.of.group import Group
from sdnctl.of.meter import Meter

Command = Literal["add", "modify"]


@dataclass(slots=True)
class Installed:
    """The flows, meters and groups that the switch is known to have; ``foreign``: (cookie, key) of flows not ours.

    ``draining`` are meters that no flow uses any more: what the data path still counts is waited for and read.
    """

    flows: dict[int, bytes] = field(default_factory=dict)
    meters: dict[int, Meter] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)
    foreign: list[tuple[int, bytes]] = field(default_factory=list)
    draining: dict[int, Meter] = field(default_factory=dict)


@dataclass(slots=True)
class Plan:
    """The messages to send, in order of the fields."""

    meters: list[tuple[Command, Meter]] = field(default_factory=list)
    groups: list[tuple[Command, Group]] = field(default_factory=list)
    adds: list[Flow] = field(default_factory=list)
    deletes: list[tuple[int, bytes]] = field(default_factory=list)
    drop_groups: list[Group] = field(default_factory=list)
    drop_meters: list[Meter] = field(default_factory=list)
    replaced: list[int] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """True when there is nothing to send."""
        return not (self.meters or self.groups or self.adds or self.deletes or self.drop_groups or self.drop_meters)

    def apply(self, installed: Installed) -> list[Flow]:
        """Note in ``installed`` that the switch has confirmed this plan.

        Returns the flows of whose keys it had none before: their counters begin at zero.
        """
        there = {installed.flows[cookie] for cookie in self.replaced} | {key for _, key in installed.foreign}
        made = [flow for flow in self.adds if flow.key not in there] if there else self.adds
        for cookie, _ in self.deletes:
            installed.flows.pop(cookie, None)
        for cookie in self.replaced:
            installed.flows.pop(cookie, None)
        for flow in self.adds:
            installed.flows[flow.cookie] = flow.key
        if installed.foreign:
            gone = {key for _, key in self.deletes} | {flow.key for flow in self.adds}
            installed.foreign = [entry for entry in installed.foreign if entry[1] not in gone]
        for _, meter in self.meters:
            installed.meters[meter.id] = meter
            installed.draining.pop(meter.id, None)
        installed.groups.update((group.id, group) for _, group in self.groups)
        for group in self.drop_groups:
            installed.groups.pop(group.id, None)
        for meter in self.drop_meters:
            installed.meters.pop(meter.id, None)
        return made


def plan(
    desired: Desired, installed: Installed, touched: Touched | None = None, excluded: Set[int] = frozenset()
) -> Plan:
    """The plan by which ``installed`` becomes ``desired``; with ``touched``, looking at nothing else.

    ``excluded`` are cookies that the switch refused: they are neither added nor is anything deleted for them.
    """
    made = Plan()
    _flows(made, desired, installed, touched, excluded)
    meters = touched.meters if touched is not None else desired.meters.keys() | installed.meters.keys()
    for id in sorted(meters):
        wanted, known = desired.meters.get(id), installed.meters.get(id)
        if wanted is not None and wanted != known:
            there = known is not None or id in installed.draining
            made.meters.append(("modify" if there else "add", wanted))
        elif wanted is None and known is not None:
            made.drop_meters.append(known)
    groups = touched.groups if touched is not None else desired.groups.keys() | installed.groups.keys()
    for id in sorted(groups):
        want, have = desired.groups.get(id), installed.groups.get(id)
        if want is not None and want != have:
            made.groups.append(("modify" if have is not None else "add", want))
        elif want is None and have is not None:
            made.drop_groups.append(have)
    return made


def _flows(made: Plan, desired: Desired, installed: Installed, touched: Touched | None, excluded: Set[int]) -> None:
    """Adds, and the deletes that no add replaces: adding a key with a new body keeps its counters."""
    have, want = installed.flows, desired.flows
    if touched is None:
        new = want.keys() - have.keys()
        old = have.keys() - want.keys()
    else:
        new = {cookie for cookie in touched.cookies if cookie in want and cookie not in have}
        old = {cookie for cookie in touched.cookies if cookie in have and cookie not in want}
    made.adds = [want[cookie] for cookie in new if cookie not in excluded]
    keys = {flow.key for flow in made.adds}
    for cookie in old:
        if have[cookie] in keys:
            made.replaced.append(cookie)
        else:
            made.deletes.append((cookie, have[cookie]))
    made.deletes += [entry for entry in installed.foreign if entry[1] not in keys]
