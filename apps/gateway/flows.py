"""An elastic IP works on every host: one without uplink sends its packets on to a gateway, and gets them from there.

A packet on its way out travels in the tunnel of its VPC, to the router's MAC address; the gateway translates it.  On
its way in the gateway has already translated it, and it travels as any packet of the VPC.
"""

from collections.abc import Iterator
from dataclasses import replace

from apps.gateway.facts import (
    STRANGERS_PATIENCE,
    cut_off,
    gateways,
    in_touch,
    preference,
)
from apps.gateway.model import CONTACT, GATEWAY, ActiveGateway, Contact, EipClaim, EipWait, GatewayWatch
from apps.overlay.facts import KEY_BITS, watched
from apps.pipeline import ANOTHER_HOST, ORIGIN, PORT, SNAT, VPC
from apps.vpc.model import ROUTER_MAC
from sdnctl.model.host import Host, HostStatus, LocalPeer, LocalTunnel, Peer
from sdnctl.of.actions import move, set_field
from sdnctl.of.fields import ETH_DST, IN_PORT, TUN_ID, VLAN_VID
from sdnctl.program.feature import Item, Reported, View, every, feature, says
from sdnctl.program.packets import Drop, PacketOut, Put, Report
from sdnctl.program.pipeline import Priority, goto
from sdnctl.program.step import Step

LOOK_SECONDS = 0.25
DOWN_LOOKS = 3
"""For how many looks the active gateway is out of reach until another takes over.

BFD gives a way up within the same 0.3 s at both ends: by then this host knows that it is not itself the one cut off,
and one that is has let go.
"""
SILENT_LOOKS = 50
"""The same for one that was never reached: its controller must be silent for longer than a heartbeat, which is 10 s."""


@feature(each=LocalTunnel)
def sent_on(tunnel: LocalTunnel, here: str, view: View) -> Iterator[Item]:
    """What another host sends to the router is on its way to the public network."""
    # In from another host, for the public network: to the translation, and nowhere else.
    yield ORIGIN.flow(
        Priority.EXACT,
        {IN_PORT: tunnel.ofport, VLAN_VID: 0, ETH_DST: ROUTER_MAC},
        [move(TUN_ID, VPC, nbits=KEY_BITS), set_field(PORT, ANOTHER_HOST), goto(SNAT)],
    )


@feature(each=Host, reports=(ActiveGateway, Peer))
def gateway(host: Host, here: str, view: View) -> Iterator[Item]:
    """One gateway is active; the others watch it, and one of them takes its place when nobody reaches it."""
    if not host.gateway or not view.derived(preference, here):
        return
    if host.id != here:
        if view.derived(preference, host.id):
            # Gateways watch each other.
            yield from watched(host.id, here, view)
    elif view.derived(is_due, None):
        # The region learns who serves.
        yield Reported(ActiveGateway(id=GATEWAY, host=here))


def is_due(_: None, here: str, view: View) -> bool:
    """Whether this gateway serves, or is to take over; a gateway that is back does not take back."""
    active = view.get(ActiveGateway, GATEWAY)
    if active is not None and active.host == here:
        return True
    if view.derived(cut_off, None):
        return False
    watch = view.get(GatewayWatch, GATEWAY)
    if active is None or not view.derived(preference, active.host):
        # Nobody serves: the preferred one first, each that does not come costs the others a look.
        own = (view.derived(preference, here), here)
        better = sum((view.derived(preference, id), id) > own for id in view.derived(gateways, None))
        waited = watch.looks if watch is not None and not watch.up else 0
        return waited >= better
    if watch is None or watch.active != active.host:
        return False
    peer = view.get(LocalPeer, active.host)
    reached = peer is not None and peer.up
    return not reached and watch.looks >= (DOWN_LOOKS if watch.up else SILENT_LOOKS)


@every(LOOK_SECONDS)
def watch_active(here: str, view: View) -> Iterator[PacketOut | Report]:
    """Note what a standby must know of the active gateway to tell one that died from one that was never reached."""
    active, known = view.get(ActiveGateway, GATEWAY), view.get(GatewayWatch, GATEWAY)
    whom = active.host if active is not None else ""
    if whom == here or not view.derived(preference, here):
        if known is not None:
            yield Drop(GatewayWatch, GATEWAY)
        return
    peer, status = view.get(LocalPeer, whom), view.get(HostStatus, whom)
    up, seen = peer is not None and peer.up, status.seen if status is not None else 0.0
    if known is None or known.active != whom:
        found = GatewayWatch(id=GATEWAY, host=here, active=whom, up=up, seen=seen)
    elif up:
        found = replace(known, up=True, looks=0)
    elif seen != known.seen and not known.up:
        found = replace(known, looks=0, seen=seen)
    else:
        found = replace(known, looks=min(known.looks + 1, SILENT_LOOKS))
    if found != known:
        yield Put(found)


@every(LOOK_SECONDS)
def wait_for_holders(here: str, view: View) -> Iterator[PacketOut | Report]:
    """Count how long the holders of addresses that this host is to answer for have not let go."""
    for id in view.all(EipClaim):
        claim, known = view.get(EipClaim, id), view.get(EipWait, id)
        if claim is None:
            continue
        same = known is not None and (known.holder, known.turn) == (claim.holder, claim.turn)
        looks = known.looks + 1 if known is not None and same else 1
        if looks <= STRANGERS_PATIENCE:
            yield Put(EipWait(id=id, host=here, holder=claim.holder, turn=claim.turn, looks=looks))
    for id in view.all(EipWait):
        if view.get(EipClaim, id) is None:
            yield Drop(EipWait, id)


@every(LOOK_SECONDS)
def keep_contact(here: str, view: View) -> Iterator[PacketOut | Report]:
    """Note whether this host reaches others, and what it has told the region since it reached nobody."""
    known, touch = view.get(Contact, CONTACT), view.derived(in_touch, None)
    status = view.get(HostStatus, here)
    seen = status.seen if status is not None else 0.0
    if known is None:
        if touch:
            yield Put(Contact(id=CONTACT, host=here))
    elif not view.all(LocalPeer):
        # It talks to nobody: there is nothing to lose.
        yield Drop(Contact, CONTACT)
    elif not touch:
        if not known.lost or known.seen != seen:
            yield Put(replace(known, lost=True, seen=seen))
    elif known.lost and seen != known.seen:
        yield Put(replace(known, lost=False))


@says(sent_on)
def from_another_host(step: Step, view: View) -> str:
    """In from another host, on its way out."""
    return "in from another host, on its way to the public network"
