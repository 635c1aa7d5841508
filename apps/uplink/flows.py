"""The way to the public network: in at the uplink, out by the gateway of each pool, whose MAC address ARP tells."""

from collections.abc import Iterator

from apps.eni.tables import ORIGIN
from apps.pipeline import ask, ask_alone
from apps.uplink.model import GatewayNeighbour, Pool
from apps.uplink.tables import (
    ARP_BARRIER,
    ARRIVAL,
    ASK_EXPIRED_OUTSIDE,
    ASK_GATEWAY,
    GATEWAY_ASKS,
    GATEWAY_TELLS,
    NO_GATEWAY,
    POOL,
    UPLINK,
    UPLINK_ASKS,
)
from apps.vpc.model import ROUTER_MAC
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import UPLINK as UPLINK_ID
from sdnctl.model.host import LocalUplink
from sdnctl.of.actions import dec_ttl, output, set_field
from sdnctl.of.fields import (
    ARP_OP,
    ARP_SHA,
    ARP_SPA,
    ARP_TPA,
    ETH_DST,
    ETH_SRC,
    ETH_TYPE,
    ETH_TYPE_ARP,
    ETH_TYPE_IP,
    IN_PORT,
    IP_TTL,
    VLAN_VID,
    Field,
    Value,
)
from sdnctl.packet import arp_request, parse
from sdnctl.program.feature import Announce, Item, View, every, feature, packet_in, says
from sdnctl.program.packets import PacketIn, PacketOut, Put, Report
from sdnctl.program.pipeline import Priority, goto, onward
from sdnctl.program.step import Step

REQUEST, REPLY = 1, 2


GATEWAY_REFRESH_SECONDS = 20.0


GATEWAY_RETRY_SECONDS = 1.0


@feature(each=LocalUplink)
def uplink(uplink: LocalUplink, here: str, view: View) -> Iterator[Item]:
    """In from the public network: for this host's MAC address, one hop further, to an elastic IP."""
    # In at the uplink: PORT stays OUTSIDE.
    yield ORIGIN.flow(Priority.NORMAL, {IN_PORT: uplink.ofport, VLAN_VID: 0}, [goto(ARRIVAL)])
    for last in (0, 1):
        # No hop left.
        yield ARRIVAL.flow(Priority.NORMAL, {ETH_DST: uplink.mac, IP_TTL: last}, ask(ASK_EXPIRED_OUTSIDE))
    # Somebody asks by ARP: answered with what was asked, so within a limit of its own and behind the barrier.
    yield ARRIVAL.flow(Priority.BROAD, {ETH_TYPE: ETH_TYPE_ARP}, [UPLINK_ASKS.within(), ARP_BARRIER.through()])
    # On to the elastic IPs, as the VPC's router.
    yield ARRIVAL.flow(
        Priority.BROAD,
        {ETH_DST: uplink.mac, ETH_TYPE: ETH_TYPE_IP},
        [dec_ttl(), set_field(ETH_SRC, ROUTER_MAC), onward(ARRIVAL)],
    )


@feature(each=Pool)
def gateway(pool: Pool, here: str, view: View) -> Iterator[Item]:
    """Out to the public network: by the pool's gateway, once its MAC address is known."""
    uplink = view.get(LocalUplink, UPLINK_ID)
    if uplink is None:
        return
    # What the gateway says of itself is worth noting, asked for or not.
    told = (GATEWAY_TELLS.within(), *ask_alone(ASK_GATEWAY))
    heard = ARRIVAL.flow(Priority.NORMAL, {ARP_OP: REPLY, ARP_SPA: pool.gateway}, told)
    yield heard
    # It is asked as soon as its answer would be heard.
    yield Announce(heard, _question(pool, uplink))
    gratuitous: dict[Field, Value] = {ARP_OP: REQUEST, ARP_SPA: pool.gateway, ARP_TPA: pool.gateway}
    yield ARRIVAL.flow(Priority.EXACT, gratuitous, told)
    # What it asks for does not stand behind what everybody else on the uplink asks for.
    asking: dict[Field, Value] = {ARP_OP: REQUEST, ARP_SPA: pool.gateway}
    yield ARRIVAL.flow(Priority.NORMAL, asking, [GATEWAY_ASKS.within(), ARP_BARRIER.through()])
    neighbour = view.get(GatewayNeighbour, _neighbour_id(here, pool.id))
    if neighbour is not None:
        # Out at the uplink, to the gateway.
        yield UPLINK.flow(
            Priority.NORMAL,
            {POOL: pool.key},
            [set_field(ETH_SRC, uplink.mac), set_field(ETH_DST, neighbour.mac), output(uplink.ofport)],
        )


def _neighbour_id(here: str, pool: str) -> str:
    return f"{here}/{pool}"


def _question(pool: Pool, uplink: LocalUplink) -> PacketOut:
    # An ARP probe: the host has no address of its own in the pool (RFC 5227, 2.1.1).
    return PacketOut(arp_request(uplink.mac, Ip4(0), pool.gateway), (output(uplink.ofport),))


@every(GATEWAY_REFRESH_SECONDS)
def ask_gateways(here: str, view: View) -> Iterator[PacketOut | Report]:
    """Ask each pool's gateway for its MAC address, so that a replaced router is noticed."""
    for pool, uplink in _gateways(view):
        yield _question(pool, uplink)


@every(GATEWAY_RETRY_SECONDS)
def ask_silent_gateways(here: str, view: View) -> Iterator[PacketOut | Report]:
    """Ask a gateway that has not answered yet again and again: until it does, nothing goes out."""
    for pool, uplink in _gateways(view):
        if view.get(GatewayNeighbour, _neighbour_id(here, pool.id)) is None:
            yield _question(pool, uplink)


def _gateways(view: View) -> Iterator[tuple[Pool, LocalUplink]]:
    """Each pool with this host's way to its gateway; nothing on a host without uplink."""
    uplink = view.get(LocalUplink, UPLINK_ID)
    for id in view.all(Pool) if uplink is not None else ():
        pool = view.get(Pool, id)
        if pool is not None and uplink is not None:
            yield pool, uplink


@packet_in(ASK_GATEWAY)
def gateway_told(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut | Report]:
    """The gateway's MAC address, noted in the store when it is new, so that a restart finds it."""
    arp = parse(packet.data).arp
    for id in view.by(Pool, ("gateway",), arp.spa) if arp is not None else ():
        known = view.get(GatewayNeighbour, _neighbour_id(here, id))
        if arp is not None and (known is None or known.mac != arp.sha):
            yield Put(GatewayNeighbour(id=_neighbour_id(here, id), host=here, pool=id, mac=arp.sha))


@says(uplink)
def from_outside(step: Step, view: View) -> str:
    """The way in from the public network, in words."""
    if step.table == ORIGIN.id:
        return "in from the public network"
    if step.value(ETH_TYPE) == ETH_TYPE_ARP:
        return "ARP is answered within the limit of the uplink"
    left = step.after.get(IP_TTL, 0)
    return f"one router further: hop limit {left}" if left != step.value(IP_TTL) else f"hop limit {left}: none is left"


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
    return f"the controller answers: nothing, but notes that the gateway {step.ip(ARP_SPA)} is at {step.mac(ARP_SHA)}"
