"""A HaVip's packets go to its interface, as those of any address; at the master's host they become the master's.

The HaVip has a MAC address of its own, which every ARP question is answered with, whoever is the master: nothing that a
neighbour remembers is wrong after a move, so none has to be told.  Elastic IPs and routes lead to the same interface.
One record says where that is, and who stands for it.
"""

from collections.abc import Iterator, Mapping, Sequence

from apps.eni.facts import called, known_by_key, plugged_in, port_here
from apps.eni.model import NetworkInterface
from apps.eni.tables import RECEIVER, RECEIVER_SUBNET, SOURCE
from apps.havip.facts import NOBODY, Master, master_of, member, turn_of
from apps.havip.model import (
    BY_HAND,
    CLAIMED,
    EVENTS_KEPT,
    KIND,
    Claimed,
    HaVip,
    HaVipEvent,
    HaVipMember,
    Moves,
    Takeover,
)
from apps.havip.tables import ASK_HAVIP, ASK_MOVED, CLAIMS, NO_MASTER
from apps.pipeline import ANSWER, OUT_PORT, PORT, QUESTION, VPC, ask, drop
from apps.vpc.facts import vpc_here
from apps.vpc.model import Subnet, Vpc
from sdnctl.model.host import TUNNEL, Binding, Complaint, LocalTunnel
from sdnctl.of.actions import Action, Instruction, resubmit, set_field
from sdnctl.of.fields import ARP_SHA, ARP_SPA, ARP_TPA, ETH_DST, IN_PORT, IP_SRC, Field, Value
from sdnctl.packet import gratuitous_arp, parse
from sdnctl.program.feature import Announce, Item, Reported, View, always, every, feature, packet_in, placed, says
from sdnctl.program.packets import Drop, PacketIn, PacketOut, Put, Report
from sdnctl.program.pipeline import Priority, goto, onward
from sdnctl.program.step import Step

MOVES_MOST = 5
LOOK_SECONDS, FORGET_SECONDS = 0.25, 2.0
"""Five claims in ten seconds: each two seconds one is forgotten."""


@always
def no_claim() -> Iterator[Item]:
    """A member that asks its neighbours something from the HaVip's address claims nothing."""
    # On, as any question.
    yield CLAIMS.flow(Priority.MISS, {}, [onward(CLAIMS)])


@feature(each=HaVipMember, within=placed("port", test=port_here))
def standby(one: HaVipMember, here: str, view: View) -> Iterator[Item]:
    """A member on this host may send from the HaVip's address, and claim it.

    Whether it is the master does not matter: one that is no more may answer for a while what it got before.
    """
    havip, port = view.get(HaVip, one.havip), view.get(NetworkInterface, one.port)
    shared = view.get(NetworkInterface, havip.port) if havip is not None else None
    if port is None or shared is None:
        return
    address = shared.addresses[0]
    if port.sanity_check:
        # IPv4 from the HaVip's address; who need not send from its own may do so anyway.
        yield SOURCE.flow(Priority.NORMAL, {PORT: port.key, IP_SRC: address}, [onward(SOURCE)])
    # ARP from the HaVip's address: a claim?
    arp: dict[Field, Value] = {PORT: port.key, ARP_SHA: port.mac, ARP_SPA: address}
    yield SOURCE.flow(Priority.EXCEPTION, arp, [goto(CLAIMS)])
    # About itself: a question or an answer that nobody has asked for, so it is one.
    yield CLAIMS.flow(Priority.NORMAL, {PORT: port.key, ARP_SPA: address, ARP_TPA: address}, ask(ASK_HAVIP))


@feature(each=HaVip, within=placed("vpc", test=vpc_here), reports=(Binding, Complaint))
def shared(havip: HaVip, here: str, view: View) -> Iterator[Item]:
    """The interface of a HaVip: at the host of its master its packets are the master's."""
    vpc, subnet = view.get(Vpc, havip.vpc), view.get(Subnet, havip.subnet)
    own, known = view.get(NetworkInterface, havip.port), view.get(Binding, havip.port)
    master = view.derived(master_of, havip.id)
    if vpc is None or subnet is None or own is None:
        return
    port = view.get(NetworkInterface, master.port) if plugged_in(master.port, view) is not None else None
    mine: dict[Field, Value] = {VPC: vpc.key, OUT_PORT: own.key}
    if port is not None:
        # For the HaVip: on as for the master, with its MAC address, into its security groups.
        to_master = RECEIVER.flow(Priority.NORMAL, mine, _as(port, subnet))
        yield to_master
        # When the switch has it the controller hears so, and tells of the move.
        yield Announce(to_master, _news(own))
    elif master == NOBODY:
        # For a HaVip that nobody has claimed.
        yield RECEIVER.flow(Priority.NORMAL, mine, drop(NO_MASTER))
    else:
        yield from _on_its_way(havip, mine, subnet, view)
    yield from _reported(havip, master, known, here, view)


def _as(port: NetworkInterface, subnet: Subnet) -> Sequence[Action | Instruction]:
    become = [set_field(OUT_PORT, port.key), set_field(ETH_DST, port.mac)]
    return [*become, set_field(RECEIVER_SUBNET, subnet.key), onward(RECEIVER)]


def _news(own: NetworkInterface) -> PacketOut:
    """A frame that asks what became of a HaVip, straight to the controller and never out of a port."""
    asks = (set_field(QUESTION, ASK_MOVED.number), set_field(OUT_PORT, own.key), resubmit(ANSWER.id))
    return PacketOut(gratuitous_arp(own.mac, own.addresses[0]), asks)


def _on_its_way(havip: HaVip, mine: Mapping[Field, Value], subnet: Subnet, view: View) -> Iterator[Item]:
    """Packets that another host sends here, since one of the two has not heard yet where the master is.

    A member here gets them: it was the master just now, or is to be.
    """
    tunnel = view.get(LocalTunnel, TUNNEL)
    known = (view.get(HaVipMember, id) for id in sorted(view.by(HaVipMember, ("havip",), havip.id)))
    ports = [one.port for one in known if one is not None and plugged_in(one.port, view) is not None]
    first = view.get(NetworkInterface, ports[0]) if ports else None
    if tunnel is not None and first is not None:
        # In from another host, for the HaVip.
        yield RECEIVER.flow(Priority.NORMAL, {**mine, IN_PORT: tunnel.ofport}, _as(first, subnet))


def _reported(havip: HaVip, master: Master, known: Binding | None, here: str, view: View) -> Iterator[Item]:
    """The binding of a HaVip's interface, while its master is here, or is on its way to another host."""
    if plugged_in(master.port, view) is not None:
        # The region learns who is the master, and where.
        made = Binding(id=havip.port, port=havip.port, vpc=havip.vpc, host=here, behind=master.port, turn=master.turn)
        yield Reported(made)
    elif known is not None and known.host == here and master.port == known.behind:
        front = view.get(Binding, master.port)
        if front is not None and front.host != here:
            # The master has gone to another host, which takes this over.
            yield Reported(known)


@packet_in(ASK_HAVIP)
def claim(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut | Report]:
    """A member claims a HaVip: from now on it is the master, unless it has done so too often."""
    arp, port = parse(packet.data).arp, known_by_key(packet.value(PORT), view)
    if arp is None or port is None:
        return
    for id in view.by(NetworkInterface, ("vpc", "addresses"), (port.vpc, arp.spa)):
        own = view.get(NetworkInterface, id)
        if own is not None and own.managed == KIND and member(own.owner, port.id, view):
            yield from _claimed(own, port, packet.at, here, view)


def _claimed(own: NetworkInterface, port: NetworkInterface, now: float, here: str, view: View) -> Iterator[Report]:
    master = view.derived(master_of, own.owner)
    if master.port == port.id:
        return
    moves = view.get(Moves, port.id)
    count = moves.count if moves is not None else 0
    if count < MOVES_MOST:
        turn = turn_of(own.id, view)
        yield Put(Takeover(id=own.owner, host=here, turn=turn + 1, cause=CLAIMED, before=master.port, began=now))
        yield Put(Claimed(id=own.owner, host=here, port=port.id, turn=turn))
        yield Put(Moves(id=port.id, host=here, count=count + 1))
    elif moves is not None and not moves.contest:
        # It is not the master, as it says each time: another one says so too.
        yield Put(Moves(id=port.id, host=here, count=count, contest=own.owner))


@packet_in(ASK_MOVED)
def confirmed(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut | Report]:
    """A HaVip is a member's on this host from now on: what has happened is kept."""
    own = known_by_key(packet.value(OUT_PORT), view)
    havip = view.get(HaVip, own.owner) if own is not None and own.managed == KIND else None
    if havip is None:
        return
    master, found = view.derived(master_of, havip.id), view.get(Takeover, havip.id)
    if found is None and havip.moved_turn == master.turn:
        found = Takeover(
            id=havip.id, host=here, turn=master.turn, cause=BY_HAND, before=havip.before, began=havip.moved
        )
    if found is None or found.turn != master.turn:
        return  # nobody has moved it: the switch has started anew, or the master has come from another host
    number = master.turn % EVENTS_KEPT
    made = HaVipEvent(
        id=f"{here}/{havip.id}/{number}",
        host=here,
        vpc=havip.vpc,
        havip=havip.id,
        number=number,
        turn=master.turn,
        cause=found.cause,
        before=found.before,
        after=master.port,
        began=found.began,
        at=packet.at,
        detected_ms=found.detected_ms,
    )
    known = view.get(HaVipEvent, made.id)
    if known is None or (known.turn, known.began) != (made.turn, made.began):
        yield Put(made)
    yield Drop(Takeover, havip.id)


@every(LOOK_SECONDS)
def taken_note(here: str, view: View) -> Iterator[PacketOut | Report]:
    """Drop claims that the region has taken note of, or that others have overtaken."""
    for id in view.all(Claimed):
        claimed, havip = view.get(Claimed, id), view.get(HaVip, id)
        turn = turn_of(havip.port, view) if havip is not None else -1
        if claimed is not None and turn != claimed.turn:
            yield Drop(Claimed, id)


@every(FORGET_SECONDS)
def forgive(here: str, view: View) -> Iterator[PacketOut | Report]:
    """Forget a claim of each port that made any."""
    for id in view.all(Moves):
        moves = view.get(Moves, id)
        if moves is not None and moves.count > 1:
            yield Put(Moves(id=id, host=here, count=moves.count - 1, contest=moves.contest))
        elif moves is not None:
            yield Drop(Moves, id)


@feature(each=Moves, reports=(Complaint,))
def split(moves: Moves, here: str, view: View) -> Iterator[Item]:
    """The operator learns of members that each say to be the master."""
    if moves.contest:
        text = (
            f"split brain: {moves.id} and another member of {moves.contest} claim it in turn; {moves.id} is held back"
        )
        # Until it has been quiet for a while.
        yield Reported(Complaint(id=f"havip/{moves.contest}/{moves.id}", text=text))


@says(no_claim)
def asks_only(step: Step, view: View) -> str:
    """A question from the HaVip's address."""
    return "asks from the HaVip's address, and claims nothing"


@says(standby)
def may_claim(step: Step, view: View) -> str:
    """The member's right, in words."""
    if step.table == CLAIMS.id:
        return f"claims HaVip {step.record.havip}, as its member"
    return f"spoof check passed: {step.record.port} is a member of HaVip {step.record.havip}"


@says(shared)
def for_master(step: Step, view: View) -> str:
    """The master that gets a packet, in words."""
    master = view.derived(master_of, step.record.id).port
    port = view.get(NetworkInterface, master)
    if port is None or plugged_in(master, view) is None:
        return f"HaVip {step.record.id} is elsewhere by now: a member here gets what was on its way"
    return f"HaVip {step.record.id}: its master is {called(port)}"


@says(NO_MASTER)
def no_master(step: Step, view: View) -> str:
    """The HaVip that nobody has claimed, in words."""
    own = known_by_key(step.value(OUT_PORT), view)
    return f"HaVip {own.owner} has no master" if own is not None and own.managed == KIND else NO_MASTER.text


@says(ASK_HAVIP)
def claim_said(step: Step, view: View) -> str:
    """A claim, in words."""
    return f"the controller is told: {step.ip(ARP_SPA)} is claimed"


@says(ASK_MOVED)
def moved_said(step: Step, view: View) -> str:
    """The news of a move, in words."""
    return "the controller hears that the switch has confirmed the HaVip's master"
