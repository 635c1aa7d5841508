"""Values derived from pools: what can be given out, the way in from outside, and where a gateway is.

Anybody on the uplink may send ARP in a gateway's name.  So an answer counts while a question is out (RFC 826 has no
other proof), from one machine that says the same of itself in the frame and inside.  Where it tells another MAC address
than is known, the machine there is asked by unicast first: only if that one is silent the gateway was replaced.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import Enum

from apps.pipeline import ask
from apps.uplink.model import ElasticIpPool, GatewayNeighbour, GatewayWatch, Pool
from apps.uplink.tables import ARRIVAL, ASK_EXPIRED_OUTSIDE
from apps.vpc.model import ROUTER_MAC
from sdnctl.base.addresses import Cidr, Ip4, Mac
from sdnctl.model.host import LocalUplink
from sdnctl.of.actions import Action, Instruction, dec_ttl, set_field
from sdnctl.of.fields import ETH_DST, ETH_SRC, ETH_TYPE, ETH_TYPE_IP, IP_TTL, Field, Value
from sdnctl.of.flow import Flow
from sdnctl.packet import Packet
from sdnctl.program.feature import View
from sdnctl.program.pipeline import onward
from sdnctl.program.step import Step
from sdnctl.store import Txn

LAST_HOPS = (0, 1)
ANSWER_LOOKS = 3
"""Looks, one a second, in which an answer to a question counts."""
PROBE_LOOKS = 3
"""Looks that the gateway known so far has to answer, before another is believed."""
REST_LOOKS = 5
"""Looks between two changes, and between two questions that somebody caused by what nobody asked for."""
TOLD_LOOKS = 30
"""Looks for which a change, or a second gateway, is told to the operator."""
REPLY = 2
NOBODY = Mac(0)


def usable(cidr: Cidr) -> tuple[Ip4, Ip4]:
    """The first and last address of a block that can be given out: all of a /31 or /32, else without its ends."""
    margin = 1 if cidr.length <= 30 else 0
    return Ip4(cidr.network + margin), Ip4(cidr.broadcast - margin)


def reserved(txn: Txn, pool: Pool) -> list[ElasticIpPool]:
    """The blocks of an operator's pool that tenants keep for themselves."""
    found = (txn.get(ElasticIpPool, id) for id in txn.by(ElasticIpPool, ("pool",), pool.id))
    return [block for block in found if block is not None]


def neighbour_id(host: str, pool: str) -> str:
    """The id of the record that says where a host has found a pool's gateway."""
    return f"{host}/{pool}"


def gateway_mac(pool: Pool, here: str, view: View) -> Mac:
    """The MAC address of a pool's gateway: what the operator said, else what ARP told; 0 while nobody knows it.

    What an earlier version learned may be the address of a group: nobody is there.
    """
    found = view.get(GatewayNeighbour, neighbour_id(here, pool.id))
    told = found.mac if found is not None and unicast(found.mac) else Mac(0)
    return pool.gateway_mac or told


def entering(uplink: LocalUplink, match: Mapping[Field, Value], last: int, usual: int) -> Iterator[Flow]:
    """The way in for packets from outside that match: asked about at their ``last`` hop, else on as ``usual``."""
    for hops in LAST_HOPS:
        # No hop left.
        yield ARRIVAL.flow(last, {**match, ETH_DST: uplink.mac, IP_TTL: hops}, ask(ASK_EXPIRED_OUTSIDE))
    # On to the elastic IPs, as the VPC's router.
    inside: list[Action | Instruction] = [dec_ttl(), set_field(ETH_SRC, ROUTER_MAC), onward(ARRIVAL)]
    yield ARRIVAL.flow(usual, {**match, ETH_DST: uplink.mac, ETH_TYPE: ETH_TYPE_IP}, inside)


def hop_left(step: Step) -> str:
    """The rest of the hop limit of a packet from outside, in words."""
    left = step.after.get(IP_TTL, 0)
    return f"one router further: hop limit {left}" if left != step.value(IP_TTL) else f"hop limit {left}: none is left"


class Act(Enum):
    """The deed that follows from what was heard."""

    ASK = "ask everybody who the gateway is"
    PROBE = "ask the gateway that is known whether it is still there"
    LEARN = "believe what was said"


def unicast(mac: int) -> bool:
    """True for the MAC address of one machine."""
    return mac != 0 and not mac >> 40 & 1


def claimed(packet: Packet, own: Mac) -> Mac | None:
    """The MAC address of which a machine says, by ARP, that it is the sender's; None for what nobody may say."""
    arp = packet.arp
    if arp is None or arp.sha != packet.eth_src or not unicast(arp.sha) or arp.sha == own:
        return None
    return arp.sha


def answers(packet: Packet, own: Mac) -> bool:
    """True for an answer to this host's question, and to nobody else's."""
    arp = packet.arp
    return arp is not None and arp.op == REPLY and packet.eth_dst == own and arp.tha == own


def hears(watch: GatewayWatch, known: Mac, mac: Mac, answer: bool) -> tuple[GatewayWatch, Act | None]:
    """The state after somebody has said, asked (``answer``) or not, that the gateway is at ``mac``; what to do."""
    if not known:
        return watch, Act.LEARN if answer else None
    if mac == known:
        if not answer or not watch.rival:
            return watch, None
        # It is there: the other one is told of, and not believed, nor heard again before the next question.
        settled = replace(watch, asked=0, hushed=REST_LOOKS, rival=NOBODY, silent=0)
        return replace(settled, other=watch.rival, told=TOLD_LOOKS), None
    if watch.rest:
        return replace(watch, again=True), None
    if watch.rival:
        return watch, None
    if answer and watch.asked:
        return replace(watch, rival=mac, silent=PROBE_LOOKS), Act.PROBE
    if watch.asked or watch.hushed:
        return watch, None
    return replace(watch, asked=ANSWER_LOOKS, hushed=REST_LOOKS), Act.ASK


def looks(watch: GatewayWatch, known: Mac) -> tuple[GatewayWatch, Mac]:
    """The state a look later, and the MAC address that is believed from now on; 0 while nothing changes.

    ``asked`` has become more when everybody is to be asked.
    """
    if watch.rival and watch.silent == 1:
        moved = GatewayWatch(id=watch.id, host=watch.host, rest=REST_LOOKS, was=known, told=TOLD_LOOKS)
        return moved, watch.rival
    left = {name: max(getattr(watch, name) - 1, 0) for name in ("asked", "hushed", "silent", "rest", "told")}
    later = replace(watch, **left)
    if watch.again and not later.rest:
        later = replace(later, again=False, asked=ANSWER_LOOKS)
    return (later if later.told else replace(later, was=NOBODY, other=NOBODY)), NOBODY


def told(watch: GatewayWatch, gateway: str) -> str:
    """The sentence for the operator about what happened to a gateway; "" where nothing did."""
    if watch.other:
        return (
            f"{watch.other} answers for the gateway {gateway} too and is not believed: "
            "'sdnctl pool modify --gateway-mac' says which one it is"
        )
    return f"the gateway {gateway} was at {watch.was}, which is silent: another one has answered" if watch.was else ""
