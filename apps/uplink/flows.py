"""The way to the public network: in at the uplink, out by the gateway of each pool, whose MAC address ARP tells."""

from collections.abc import Iterator
from dataclasses import replace

from apps.eni.tables import ORIGIN
from apps.oversize.facts import cut_again, measured, too_big
from apps.oversize.tables import ROOM, TOO_BIG
from apps.pipeline import ask_alone
from apps.uplink.facts import (
    ANSWER_LOOKS,
    Act,
    answers,
    claimed,
    entering,
    gateway_mac,
    hears,
    hop_left,
    looks,
    neighbour_id,
    told,
)
from apps.uplink.model import GatewayNeighbour, GatewayWatch, Pool
from apps.uplink.tables import (
    ARP_BARRIER,
    ARRIVAL,
    ASK_GATEWAY,
    ASK_TOO_BIG_OUT,
    FITS,
    GATEWAY_ANSWERS,
    GATEWAY_ASKS,
    GATEWAY_TELLS,
    NO_GATEWAY,
    POOL,
    UPLINK,
    UPLINK_ASKS,
)
from sdnctl.base.addresses import Ip4, Mac
from sdnctl.model.host import UPLINK as UPLINK_ID
from sdnctl.model.host import Complaint, LocalUplink
from sdnctl.of.actions import output, set_field
from sdnctl.of.fields import (
    ARP_OP,
    ARP_SHA,
    ARP_SPA,
    ARP_THA,
    ARP_TPA,
    ETH_DST,
    ETH_SRC,
    ETH_TYPE,
    ETH_TYPE_ARP,
    IN_PORT,
    VLAN_VID,
    Field,
    Value,
)
from sdnctl.packet import BROADCAST, arp_request, parse
from sdnctl.program.feature import Announce, Item, Reported, View, always, every, feature, packet_in, says
from sdnctl.program.packets import PacketIn, PacketOut, Put, Report
from sdnctl.program.pipeline import Priority, goto, onward
from sdnctl.program.step import Step

REQUEST, REPLY = 1, 2


GATEWAY_REFRESH_SECONDS = 10.0
GATEWAY_LOOK_SECONDS = 1.0


@feature(each=LocalUplink)
def uplink(uplink: LocalUplink, here: str, view: View) -> Iterator[Item]:
    """In from the public network: for this host's MAC address, one hop further, to an elastic IP."""
    # In at the uplink: PORT stays OUTSIDE.
    yield ORIGIN.flow(Priority.NORMAL, {IN_PORT: uplink.ofport, VLAN_VID: 0}, [goto(ARRIVAL)])
    # Out: is it too big?
    yield FITS.flow(Priority.NORMAL, {}, [*measured(uplink.mtu), onward(FITS)])
    # Too big for the uplink: cut, or its sender is told how much fits (RFC 1812, 5.2.6).
    yield UPLINK.flow(Priority.EXACT, {TOO_BIG: 1}, too_big(ASK_TOO_BIG_OUT))
    yield cut_again(ASK_TOO_BIG_OUT, UPLINK)
    # Somebody asks by ARP: answered with what was asked, so within a limit of its own and behind the barrier.
    yield ARRIVAL.flow(Priority.BROAD, {ETH_TYPE: ETH_TYPE_ARP}, [UPLINK_ASKS.within(), ARP_BARRIER.through()])
    # Anything of IPv4 for this host's MAC address.
    yield from entering(uplink, {}, Priority.NORMAL, Priority.BROAD)


@always
def unmeasured() -> Iterator[Item]:
    """Without an uplink there is nothing to fit into."""
    # On, to be dropped.
    yield FITS.flow(Priority.MISS, {}, [onward(FITS)])


@feature(each=Pool, reports=(Complaint,))
def gateway(pool: Pool, here: str, view: View) -> Iterator[Item]:
    """Out to the public network: by the pool's gateway, once its MAC address is known."""
    uplink = view.get(LocalUplink, UPLINK_ID)
    if uplink is None:
        return
    mac = gateway_mac(pool, here, view)
    if not pool.gateway_mac:
        yield from _heard(pool, mac, uplink, view)
    # What it asks for does not stand behind what everybody else on the uplink asks for.
    asking: dict[Field, Value] = {ARP_OP: REQUEST, ARP_SPA: pool.gateway}
    own: dict[Field, Value] = {ETH_SRC: mac} if mac else {}
    yield ARRIVAL.flow(Priority.NORMAL, {**asking, **own}, [GATEWAY_ASKS.within(), ARP_BARRIER.through()])
    if mac:
        # Out at the uplink, to the gateway.
        yield UPLINK.flow(
            Priority.NORMAL,
            {POOL: pool.key},
            [set_field(ETH_SRC, uplink.mac), set_field(ETH_DST, mac), output(uplink.ofport)],
        )


def _heard(pool: Pool, known: Mac, uplink: LocalUplink, view: View) -> Iterator[Item]:
    """The way of what is said of a gateway that is to be learned."""
    heard = ARRIVAL.flow(
        Priority.NORMAL, {ARP_OP: REPLY, ARP_SPA: pool.gateway}, [GATEWAY_TELLS.within(), *ask_alone(ASK_GATEWAY)]
    )
    # Somebody says where the gateway is.
    yield heard
    # It is asked as soon as its answer would be heard.
    yield Announce(heard, _question(pool, uplink))
    gratuitous: dict[Field, Value] = {ARP_OP: REQUEST, ARP_SPA: pool.gateway, ARP_TPA: pool.gateway}
    # The same, unasked: worth a question.
    yield ARRIVAL.flow(Priority.EXACT, gratuitous, [GATEWAY_TELLS.within(), *ask_alone(ASK_GATEWAY)])
    if known:
        match: dict[Field, Value] = {ETH_SRC: known, ETH_DST: uplink.mac, ARP_OP: REPLY, ARP_SPA: pool.gateway}
        match |= {ARP_SHA: known, ARP_THA: uplink.mac}
        # The gateway that is known answers: others that say so do not keep it from being heard.
        yield ARRIVAL.flow(Priority.EXACT, match, [GATEWAY_ANSWERS.within(), *ask_alone(ASK_GATEWAY)])
    said = view.derived(trouble, pool.id)
    if said:
        # The operator learns of a gateway that moved, or of two.
        yield Reported(Complaint(id=f"gateway/{pool.id}", text=said))


def trouble(pool: str, here: str, view: View) -> str:
    """The sentence for the operator about a pool's gateway, "" for none."""
    found, watch = view.get(Pool, pool), view.get(GatewayWatch, pool)
    return told(watch, str(found.gateway)) if found is not None and watch is not None else ""


def _question(pool: Pool, uplink: LocalUplink, to: int = BROADCAST) -> PacketOut:
    # An ARP probe: the host has no address of its own in the pool (RFC 5227, 2.1.1).
    return PacketOut(arp_request(uplink.mac, Ip4(0), pool.gateway, to), (output(uplink.ofport),))


@every(GATEWAY_REFRESH_SECONDS)
def ask_gateways(here: str, view: View) -> Iterator[PacketOut | Report]:
    """Ask each pool's gateway for its MAC address, so that a replaced router is noticed."""
    for pool, uplink in _gateways(view):
        yield _question(pool, uplink)
        yield Put(replace(_watch(pool.id, here, view), asked=ANSWER_LOOKS))


@every(GATEWAY_LOOK_SECONDS)
def ask_silent_gateways(here: str, view: View) -> Iterator[PacketOut | Report]:
    """Ask a gateway that has not answered yet again and again: until it does, nothing goes out.

    One that is silent while another answers for it has been replaced.
    """
    for pool, uplink in _gateways(view):
        known, watch = gateway_mac(pool, here, view), view.get(GatewayWatch, pool.id)
        if not known:
            yield _question(pool, uplink)
        elif watch is not None:
            later, mac = looks(watch, known)
            if later != watch:
                yield Put(later)
            if mac:
                yield Put(_found(pool, here, mac))
            elif later.rival:
                # Once more: one answer may be lost.
                yield _question(pool, uplink, known)
            elif later.asked > watch.asked:
                # What was said while a change was too recent to believe another.
                yield _question(pool, uplink)


def _watch(pool: str, here: str, view: View) -> GatewayWatch:
    return view.get(GatewayWatch, pool) or GatewayWatch(id=pool, host=here)


def _found(pool: Pool, here: str, mac: Mac) -> GatewayNeighbour:
    return GatewayNeighbour(id=neighbour_id(here, pool.id), host=here, pool=pool.id, mac=mac)


def _gateways(view: View) -> Iterator[tuple[Pool, LocalUplink]]:
    """Each pool whose gateway is to be learned, with this host's way there; nothing on a host without uplink."""
    uplink = view.get(LocalUplink, UPLINK_ID)
    for id in view.all(Pool) if uplink is not None else ():
        pool = view.get(Pool, id)
        if pool is not None and uplink is not None and not pool.gateway_mac:
            yield pool, uplink


@packet_in(ASK_GATEWAY)
def gateway_told(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut | Report]:
    """The gateway's MAC address, noted in the store when it is new and believed, so that a restart finds it."""
    frame = parse(packet.data)
    for pool, uplink in _gateways(view):
        mac = claimed(frame, uplink.mac)
        if mac is None or frame.arp is None or frame.arp.spa != pool.gateway:
            continue
        before = _watch(pool.id, here, view)
        after, act = hears(before, gateway_mac(pool, here, view), mac, answers(frame, uplink.mac))
        if after != before:
            yield Put(after)
        if act is Act.LEARN:
            yield Put(_found(pool, here, mac))
        elif act is not None:
            yield _question(pool, uplink, gateway_mac(pool, here, view) if act is Act.PROBE else BROADCAST)


@says(uplink)
def from_outside(step: Step, view: View) -> str:
    """The way in from the public network, in words."""
    if step.table == ORIGIN.id:
        return "in from the public network"
    if step.table == FITS.id:
        return ""
    if step.table == UPLINK.id:
        return f"larger than what the uplink takes, {step.record.mtu} bytes"
    if step.value(ETH_TYPE) == ETH_TYPE_ARP:
        return "ARP is answered within the limit of the uplink"
    return hop_left(step)


@says(unmeasured)
def not_measured(step: Step, view: View) -> str:
    """Nothing: the next table says why it does not leave."""
    return ""


@says(gateway)
def to_gateway(step: Step, view: View) -> str:
    """The way out by the gateway, or the news heard from it, in words."""
    if step.table == UPLINK.id:
        return f"out to the public network by the gateway {step.record.gateway}"
    return f"ARP from the gateway {step.record.gateway}"


@says(NO_GATEWAY)
def no_gateway(step: Step, view: View) -> str:
    """The thing that the way out lacks, in words."""
    for id in view.by(Pool, ("key",), step.value(POOL)):
        pool = view.get(Pool, id)
        if pool is not None and view.get(LocalUplink, UPLINK_ID) is not None:
            return f"the gateway {pool.gateway} of the public network does not answer ARP"
    return "this host has no way to the public network"


@says(ASK_GATEWAY)
def gateway_said(step: Step, view: View) -> str:
    """The gateway's MAC address that is learned, in words."""
    said = f"the gateway {step.ip(ARP_SPA)} is said to be at {step.mac(ARP_SHA)}"
    return f"the controller answers: nothing, but {said}: believed if it was asked, and no other gateway answers"


@says(ASK_TOO_BIG_OUT)
def too_big_said(step: Step, view: View) -> str:
    """The size in bytes that fits, in words."""
    return f"the controller answers: ICMP fragmentation needed, {step.value(ROOM)} bytes fit"
