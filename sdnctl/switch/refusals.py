"""Refusals: what a switch refused is left out until it changes, so that one bad rule cannot hold up all others.

A flow is named by its cookie, which is its content; a meter or group by id and value.  Whatever uses a refused meter or
group is left out with it: it could only fail in turn, and a limit that cannot be kept must not become no limit.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sdnctl.engine.desired import Desired
from sdnctl.of.flow import Flow
from sdnctl.of.group import Group
from sdnctl.of.meter import Meter

Refusable = Flow | Meter | Group


@dataclass(slots=True)
class Refusals:
    """The flows, meters and groups that this switch refused and that are still wanted as they were."""

    flows: set[int] = field(default_factory=set)
    meters: dict[int, Meter] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.flows or self.meters or self.groups)

    def add(self, thing: Refusable) -> None:
        """Leave this out from now on."""
        if isinstance(thing, Flow):
            self.flows.add(thing.cookie)
        elif isinstance(thing, Meter):
            self.meters[thing.id] = thing
        else:
            self.groups[thing.id] = thing

    @property
    def shared(self) -> bool:
        """True when something is left out on which flows may depend."""
        return bool(self.meters or self.groups)

    def forget(self, desired: Desired) -> None:
        """Drop what is not wanted any more, or is wanted otherwise: it gets another chance."""
        self.flows = {cookie for cookie in self.flows if cookie in desired.flows}
        self.meters = {id: meter for id, meter in self.meters.items() if desired.meters.get(id) == meter}
        self.groups = {id: group for id, group in self.groups.items() if desired.groups.get(id) == group}

    def without(self, desired: Desired) -> Desired:
        """The desired state less the refused meters and groups and every flow that uses them.

        Refused flows stay in it: ``plan`` leaves them out by cookie.  Returns ``desired`` itself when there is
        nothing to leave out.
        """
        if not self.shared:
            return desired
        return Desired(
            flows={cookie: flow for cookie, flow in desired.flows.items() if not self._used_by(flow)},
            meters={id: meter for id, meter in desired.meters.items() if id not in self.meters},
            groups={id: group for id, group in desired.groups.items() if id not in self.groups},
        )

    def _used_by(self, flow: Flow) -> bool:
        """True when a flow uses a meter or group that is left out."""
        return flow.meter in self.meters or not self.groups.keys().isdisjoint(flow.groups if self.groups else ())

    def beyond(self, meters: Iterable[Meter], max_meter: int) -> list[Meter]:
        """Refuse the meters whose id is greater than the switch can have; returns those not refused before."""
        new = [meter for meter in meters if meter.id > max_meter and self.meters.get(meter.id) != meter]
        for meter in new:
            self.add(meter)
        return new
