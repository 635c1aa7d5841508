"""Drops of an interface that is watched are counted once more, for the interface.

Its flows stand above those that count every drop by its reason, in the same table, so those count what is watched too:
a reason's total is the sum of all flows that match it.  A packet between two interfaces that are both watched is
counted for both, in one table behind the other.
"""

from collections.abc import Iterator

from apps.drops.facts import ASKING, BANDWIDTH, FRAGMENTS, LARGE
from apps.drops.model import DropCount, DropWatch
from apps.drops.tables import DROP_IN, DROP_OUT
from apps.eip.model import ElasticIp
from apps.eni.facts import plugged_in
from apps.eni.model import NetworkInterface
from apps.pipeline import DROP, OUT_PORT, PIPELINE, PORT, REASON
from apps.vpc.facts import vpc_here
from sdnctl.of.fields import value_in
from sdnctl.of.flow import Flow
from sdnctl.program.feature import Item, Reading, View, feature, placed, says, tells
from sdnctl.program.meters import of_fragments, of_oversized, of_port
from sdnctl.program.pipeline import Priority, goto
from sdnctl.program.step import Step


@feature(each=DropWatch, within=placed("vpc", test=vpc_here))
def watched(watch: DropWatch, here: str, view: View) -> Iterator[Item]:
    """An interface whose drops somebody watches: those of what it sends, and of what is for it."""
    port = view.get(NetworkInterface, watch.port)
    count = view.get(DropCount, f"{here}/{watch.id}")
    if port is None or (count is not None and count.over >= watch.until):
        return
    for reason in PIPELINE.reasons:
        # For the interface: counted by its reason, then for the interface, then for its sender.
        yield DROP.flow(Priority.EXCEPTION, {REASON: reason.number, OUT_PORT: port.key}, [goto(DROP_IN)])
        yield DROP_IN.flow(Priority.NORMAL, {REASON: reason.number, OUT_PORT: port.key}, [goto(DROP_OUT)])
        # Sent by the interface: counted by its reason, then for the interface.
        yield DROP.flow(Priority.EXACT, {REASON: reason.number, PORT: port.key}, [goto(DROP_OUT)])
        yield DROP_OUT.flow(Priority.NORMAL, {REASON: reason.number, PORT: port.key}, [])


@tells(watched, DROP_IN, DROP_OUT)
def counted(watch: DropWatch, reading: Reading, here: str, view: View) -> DropCount:
    """The packets that this host has dropped since the watch began, by direction and reason."""
    id = f"{here}/{watch.id}"
    known = view.get(DropCount, id)
    base = dict(known.base) if known is not None else {}
    packets = {_told(flow): count for flow, count in reading.flows if count}
    for name, meter in _limits(watch.port, here, view):
        now = reading.dropped.get(meter)
        if now is not None:
            before = base[str(meter)] = str(min(int(base.get(str(meter), now)), now))
            if now > int(before):
                packets[name] = packets.get(name, 0) + now - int(before)
    over = watch.until if reading.now >= watch.until else 0.0
    told = {name: str(count) for name, count in sorted(packets.items())}
    return DropCount(id=id, host=here, watch=watch.id, packets=told, base=base, over=over)


def _told(flow: Flow) -> str:
    """The direction and reason that a flow counts."""
    reason = PIPELINE.reasons[value_in(flow.matched, REASON) - 1]
    return f"{'in' if flow.table == DROP_IN.id else 'out'} {reason.name}"


def _limits(port: str, here: str, view: View) -> Iterator[tuple[str, int]]:
    """The meters that only packets of the interface pass, by the direction and reason that each stands for."""
    local = plugged_in(port, view)
    if local is not None:
        yield f"out {ASKING}", of_port(local.ofport)
        yield f"out {LARGE}", of_oversized(local.zone)
        yield f"out {FRAGMENTS}", of_fragments(local.zone)
    for id in sorted(view.by(ElasticIp, ("port",), port)):
        eip = view.get(ElasticIp, id)
        if eip is not None:
            yield f"out {BANDWIDTH}", eip.out_meter
            yield f"in {BANDWIDTH}", eip.in_meter


@says(watched)
def watched_said(step: Step, view: View) -> str:
    """Nothing: to be counted changes nothing for a packet."""
    return ""
