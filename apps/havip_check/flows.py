"""Each host asks its members of HaVips whether they are well; the first that is becomes the master when that is not.

A question goes out of the member's own port and is never a packet of the path; its answer is one for the controller.
"""

from collections.abc import Iterator
from dataclasses import replace

from apps.eni.facts import called, known_by_key, plugged_in, port_here
from apps.eni.model import NetworkInterface
from apps.havip.facts import master_of, turn_of
from apps.havip.model import Claimed, HaVip, HaVipMember, MemberHealth, Takeover
from apps.havip_check.facts import (
    LOOK_MS,
    NUMBERS,
    PROBER,
    answers,
    first_well,
    goodbye,
    host_of,
    question,
    successor,
    waits,
)
from apps.havip_check.model import Probe, Watched
from apps.havip_check.tables import ASK_PROBE
from apps.holder.facts import LOOK_SECONDS, STRANGER_DEAD_AFTER
from apps.holder.model import Claim
from apps.neighbour.tables import RESOLVE, SERVICE
from apps.overlay.facts import watched
from apps.pipeline import ASKS, NEXT_HOP, PORT, VPC, ask, checked
from apps.vpc.facts import vpc_here
from apps.vpc.model import ROUTER_MAC, Vpc
from sdnctl.model.host import LocalPort, Peer
from sdnctl.of.actions import output, set_field
from sdnctl.of.fields import ETH_DST, ETH_TYPE, ETH_TYPE_ARP, IP_DST
from sdnctl.program.feature import Item, Reported, View, every, feature, packet_in, placed, says
from sdnctl.program.packets import Drop, PacketIn, PacketOut, Put, Report
from sdnctl.program.pipeline import Priority, onward
from sdnctl.program.step import Step

LOOKS_A_SECOND = round(1 / LOOK_SECONDS)


@feature(each=HaVipMember, within=placed("port", test=port_here), reports=(Watched,))
def asked(one: HaVipMember, here: str, view: View) -> Iterator[Item]:
    """A member on this host of a HaVip with checks."""
    havip, port, vpc = view.get(HaVip, one.havip), view.get(NetworkInterface, one.port), view.get(Vpc, one.vpc)
    if havip is None or not havip.check or port is None or vpc is None:
        return
    # The clock asks it.
    yield Reported(
        Watched(
            id=one.id,
            host=here,
            havip=havip.id,
            vpc=one.vpc,
            port=port.id,
            mac=port.mac,
            address=port.addresses[0],
            kind=havip.check,
            number=havip.check_port,
            interval=havip.interval_s * LOOKS_A_SECOND,
            timeout=havip.timeout_s * LOOKS_A_SECOND,
            rise=havip.rise,
            fall=havip.fall,
        )
    )
    # To whoever asks: nothing of it is looked at before its sender is within its limit.
    yield ASKS.flow(Priority.NORMAL, {VPC: vpc.key, IP_DST: PROBER}, checked())
    # An answer, before the sender's security groups.
    yield SERVICE.flow(Priority.EXACT, {VPC: vpc.key, IP_DST: PROBER}, ask(ASK_PROBE))
    # A machine that takes such addresses for neighbours asks for it by ARP: it is at the router.
    yield RESOLVE.flow(
        Priority.NORMAL, {VPC: vpc.key, NEXT_HOP: PROBER}, [set_field(ETH_DST, ROUTER_MAC), onward(RESOLVE)]
    )


@feature(each=HaVip, within=placed("vpc", test=vpc_here), reports=(Claim, Peer))
def suspected(havip: HaVip, here: str, view: View) -> Iterator[Item]:
    """The host of a HaVip's master, where a member on this one would follow it: is it alive?"""
    master = view.derived(master_of, havip.id)
    there = host_of(master, view)
    if not havip.check or there in ("", here):
        return
    if plugged_in(first_well(havip.id, master.port, here, view), view) is None:
        return
    # For how long it is not reached is counted; one that was just cut off itself does not judge by what it knew before.
    yield Reported(
        Claim(
            id=waits(havip.id),
            host=here,
            holder=there,
            turn=master.turn,
            strangers=STRANGER_DEAD_AFTER,
            anew=True,
        )
    )
    yield from watched(there, view)


@packet_in(ASK_PROBE)
def answered(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut | Report]:
    """A member has answered, or refused."""
    port = known_by_key(packet.value(PORT), view)
    for id in view.by(HaVipMember, ("port",), port.id) if port is not None else ():
        member, probe = view.get(Watched, id), view.get(Probe, id)
        said = answers(member, probe.number, packet.data) if member and probe is not None and probe.open else None
        if member is None or probe is None or said is None:
            continue
        end = goodbye(member, probe.number) if said else None
        if end is not None:
            yield PacketOut(end, (output(packet.in_port),))
        yield from _judged(member, _got(probe, packet.at) if said else _missed(probe), view)


@every(LOOK_SECONDS)
def look(here: str, view: View) -> Iterator[PacketOut | Report]:
    """Ask the members whose time has come, note who has not answered, and take over HaVips whose master is lost."""
    havips = set()
    for id in view.all(Watched):
        member = view.get(Watched, id)
        if member is not None:
            havips.add(member.havip)
            yield from _looked(member, view)
    for id in view.all(Probe):
        if view.get(Watched, id) is None:
            yield Drop(Probe, id)
            yield Drop(MemberHealth, id)
    for id in sorted(havips):
        havip = view.get(HaVip, id)
        if havip is not None:
            yield from _taken_over(havip, here, view)


def _looked(member: Watched, view: View) -> Iterator[PacketOut | Report]:
    """One more look at a member: a question that has waited too long, and the next one when it is time."""
    local = view.get(LocalPort, member.port)
    probe = view.get(Probe, member.id) or Probe(id=member.id, host=member.host, age=member.interval)
    probe = replace(probe, age=probe.age + 1, silent=probe.silent + 1)
    if probe.open and probe.age >= member.timeout:
        yield from _judged(member, _missed(probe), view)
        probe = _missed(probe)
    if probe.age >= member.interval and local is not None:
        number = (probe.number + 1) % NUMBERS
        probe = replace(probe, number=number, age=0, open=True)
        yield PacketOut(question(member, number), (output(local.ofport),))
    yield Put(probe)


def _got(probe: Probe, now: float) -> Probe:
    return replace(probe, open=False, good=probe.good + 1, bad=0, silent=0, seen=now)


def _missed(probe: Probe) -> Probe:
    return replace(probe, open=False, good=0, bad=probe.bad + 1)


def _judged(member: Watched, probe: Probe, view: View) -> Iterator[Report]:
    """The reports after an answer, or a question without one; the region hears of a change of health only."""
    yield Put(probe)
    known = view.get(MemberHealth, member.id)
    well, ill = probe.good >= member.rise, probe.bad >= member.fall
    if not (well or ill) or (known is not None and (known.host, known.healthy) == (member.host, well)):
        return
    silent = 0 if well else probe.silent * LOOK_MS
    yield Put(
        MemberHealth(
            id=member.id,
            host=member.host,
            vpc=member.vpc,
            member=member.id,
            havip=member.havip,
            healthy=well,
            seen=probe.seen,
            silent_ms=silent,
        )
    )


def _taken_over(havip: HaVip, here: str, view: View) -> Iterator[Report]:
    """The claim of a member here that follows a master which is lost, as if it had made it itself."""
    found, claimed = successor(havip, here, view), view.get(Claimed, havip.id)
    turn = turn_of(havip.port, view)
    if found is None or (claimed is not None and claimed.turn == turn):
        return
    yield Put(
        Takeover(
            id=havip.id,
            host=here,
            turn=turn + 1,
            cause=found.cause,
            before=found.before,
            began=found.began,
            detected_ms=found.detected_ms,
        )
    )
    yield Put(Claimed(id=havip.id, host=here, port=found.port, turn=turn))


@says(asked)
def asked_said(step: Step, view: View) -> str:
    """The answer to a check, or ARP for the address that it comes from, in words."""
    if step.value(ETH_TYPE) == ETH_TYPE_ARP:
        return f"{PROBER}, which asks members of HaVips whether they are well, is at {ROUTER_MAC}"
    return "the answer to a check is within the sender's limit" if step.table == ASKS.id else "answers a check"


@says(suspected)
def suspected_said(step: Step, view: View) -> str:
    """Nothing: it has no flows."""
    return ""


@says(ASK_PROBE)
def probe_said(step: Step, view: View) -> str:
    """The member that answers, in words."""
    port = known_by_key(step.value(PORT), view)
    return f"the controller hears that {called(port)} is well" if port is not None else ASK_PROBE.purpose
