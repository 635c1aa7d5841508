"""An elastic IP works on every host: one without uplink sends its packets on to a gateway, and gets them from there.

A packet on its way out travels in the tunnel of its VPC, to the router's MAC address; the gateway translates it.  On
its way in the gateway has already translated it, and it travels as any packet of the VPC.
"""

from collections.abc import Iterator
from dataclasses import replace

from apps.eni.tables import ORIGIN
from apps.gateway.facts import (
    cut_off,
    gateways,
    in_touch,
    preference,
)
from apps.gateway.model import CONTACT, GATEWAY, Contact
from apps.holder.facts import LOOK_SECONDS, holding
from apps.holder.model import Claim, Holder
from apps.overlay.facts import KEY_BITS, watched
from apps.overlay.tables import FROM_HOST
from apps.pipeline import ANOTHER_HOST, PORT, PUBLIC, VPC
from apps.vpc.model import ROUTER_MAC
from sdnctl.model.host import Host, HostStatus, LocalPeer, LocalTunnel, Peer
from sdnctl.of.actions import move, set_field
from sdnctl.of.fields import CONJ_ID, ETH_DST, IN_PORT, TUN_ID, VLAN_VID
from sdnctl.program.feature import Item, View, every, feature, says
from sdnctl.program.packets import Drop, PacketOut, Put, Report
from sdnctl.program.pipeline import Priority, enter
from sdnctl.program.step import Step

SILENT_LOOKS = 50
"""Looks after which an active gateway that was never reached counts as dead: longer than a heartbeat, which is 10 s."""


@feature(each=LocalTunnel)
def sent_on(tunnel: LocalTunnel, here: str, view: View) -> Iterator[Item]:
    """Send packets that another host sends to the router on towards the public network."""
    # In from another host, for the public network: to the translation, and nowhere else.
    yield ORIGIN.flow(
        Priority.EXACT,
        {CONJ_ID: FROM_HOST, IN_PORT: tunnel.ofport, VLAN_VID: 0, ETH_DST: ROUTER_MAC},
        [move(TUN_ID, VPC, nbits=KEY_BITS), set_field(PORT, ANOTHER_HOST), enter(PUBLIC)],
    )


@feature(each=Host, reports=(Holder, Claim, Peer))
def gateway(host: Host, here: str, view: View) -> Iterator[Item]:
    """One gateway is active; the others watch it, and one of them takes its place when nobody reaches it.

    A gateway that is back does not take back; of several, the preferred one comes first.
    """
    if not host.gateway or not view.derived(preference, here):
        return
    if host.id != here:
        if view.derived(preference, host.id):
            # Gateways watch each other.
            yield from watched(host.id, view)
        return
    active = view.get(Holder, GATEWAY)
    if view.derived(cut_off, None) and (active is None or active.host != here):
        return
    own = (view.derived(preference, here), here)
    better = sum((view.derived(preference, id), id) > own for id in view.derived(gateways, None))
    fit = active is not None and bool(view.derived(preference, active.host))
    yield from holding(GATEWAY, "", here, view, rank=better, strangers=SILENT_LOOKS, anew=True, fit=fit)


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
    """The way in from another host and out, in words."""
    return "in from another host, on its way to the public network"
