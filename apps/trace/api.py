"""Tenants ask what would become of a packet, and are told in words, step by step; no packet is sent."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from apps.eip.model import ElasticIp
from apps.trace.facts import (
    BROADCAST_MAC,
    INTERNET,
    Region,
    Sender,
    Visible,
    inside,
    outside,
    presents,
    replier,
    router_mac,
)
from sdnctl.api.access import Reader
from sdnctl.api.operations import Later, operation, operator
from sdnctl.api.schema import Address, Json, Request, Whole
from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import IntentError
from sdnctl.model.host import UPLINK, Host
from sdnctl.of import fields as f
from sdnctl.store import State
from sdnctl.trace.account import for_account, names_in, owner_in
from sdnctl.trace.model import Exit, Question, Trace

ECHO_REQUEST, ECHO_REPLY = 8, 0
REPLY = f.CT_TRACKED | f.CT_ESTABLISHED | f.CT_REPLY
"""The state of a connection as a reply finds it."""
ARP_REQUEST, SYN, ACK = 1, 1 << 1, 1 << 4
EPHEMERAL, DHCP_CLIENT, DHCP_SERVER = 40000, 68, 67
DEFAULT_PORT = {"tcp": 80, "udp": 33434}
PORTS = {"tcp": (f.IP_PROTO_TCP, f.TCP_SRC, f.TCP_DST), "udp": (f.IP_PROTO_UDP, f.UDP_SRC, f.UDP_DST)}
LONGEST_NAME = 200
Port = Annotated[Whole, Field(ge=0, le=65535)]


class TraceFlow(Request):
    """A packet from a network interface, an instance (its primary interface) or ``internet``, to an address.

    The sender goes by its id or name, or by ``VPC/NAME``.  With ``reply`` the trace is that of the reply to the packet,
    as if the packet had arrived: by the connection that it began.
    """

    sender: Annotated[str, Field(alias="from", min_length=1, max_length=LONGEST_NAME)]
    to: Address
    protocol: Literal["icmp", "tcp", "udp", "arp"] = "icmp"
    destinationPort: Port | None = None
    ttl: Annotated[Whole, Field(ge=0, le=255)] = 64
    sourceAddress: Address | None = None
    reply: bool = False


@operation("vpc", "createFlowTrace", "POST", "/regions/{regionId}/flowTraces", TraceFlow, reads=True)
def create_flow_trace(request: TraceFlow, view: Reader) -> Later:
    """Say what would become of a packet of the caller's; what concerns others is said without naming it."""
    account = view.caller.account
    if request.sender == INTERNET and not view.of(ElasticIp, ("address",), request.to):
        raise IntentError.missing("to", f"elastic IP {request.to}")
    sender = _sender(request, view, lambda cls, id: view.own(cls, id, "from"), view.mine)

    def told(trace: Trace, state: State) -> Json:
        heard = for_account(trace, account, lambda id: owner_in(state, id), state.all(Host))
        return {"flowTrace": show(request, sender, heard)}

    return Later(_question(request, sender, view.region), account, told, _onward)


@operator("traceFlow", "POST", "/flowTraces", TraceFlow, reads=True)
def trace_flow(request: TraceFlow, view: Reader) -> Later:
    """Say what would become of a packet of anybody's."""

    def known(cls: type, id: str) -> object:
        record = view.region.get(cls, id)
        if record is None:
            raise IntentError.missing("from", f"{cls.__name__} {id[:64]!r}")
        return record

    sender = _sender(request, view, known, lambda cls: view.region.all(cls).values())

    def told(trace: Trace, state: State) -> Json:
        shown = show(request, sender, trace)
        return {**shown, "names": names_in(state, [shown["verdict"], *(step["says"] for step in shown["steps"])])}

    return Later(_question(request, sender, view.region), "", told, _onward)


def _sender(request: TraceFlow, view: Reader, known: Callable[[type, str], Any], visible: Visible) -> Sender:
    if request.sender == INTERNET:
        return outside(request.to, view.region)
    return inside(request.sender, request.to, view.region, known, visible)


def _onward(way: Exit, state: State) -> Question | None:
    """The question to follow a packet that left for the public network: at the host that presents the elastic IP."""
    address = Ip4(way.packet.get(f.IP_DST, 0))
    host = state.get(Host, presents(address, state))
    if way.by != UPLINK or host is None or not host.uplink:
        return None
    ttl = max(way.packet.get(f.IP_TTL, 0) - 1, 0)
    frame = {
        f.ETH_SRC: router_mac(host.id, Ip4(way.packet.get(f.IP_SRC, 0)), state),
        f.ETH_DST: host.uplink_mac,
        f.IP_TTL: ttl,
    }
    return Question(host.id, UPLINK, {**way.packet, **frame})


def _question(request: TraceFlow, sender: Sender, region: Region) -> Question:
    """The packet as the sender would send it, or the reply to it as its receiver would."""
    sent = _packet(request, sender)
    if not request.reply:
        return Question(sender.host, sender.entry, sent)
    if request.protocol == "arp":
        raise IntentError("reply", "the reply to arp is the switch's own")
    asker = replace(sender, address=Ip4(sent[f.IP_SRC]))
    other, back = replier(asker, request.to, region)
    packet = {**sent, f.ETH_SRC: other.mac, f.ETH_DST: other.next_hop, f.IP_SRC: other.address, f.IP_DST: back}
    if request.protocol == "icmp":
        packet[f.ICMP_TYPE] = ECHO_REPLY
    else:
        _, from_port, to_port = PORTS[request.protocol]
        packet |= {from_port: sent[to_port], to_port: sent[from_port]}
    if request.protocol == "tcp":
        packet[f.TCP_FLAGS] = SYN | ACK
    return Question(other.host, other.entry, {**packet, f.CT_STATE: REPLY})


def _packet(request: TraceFlow, sender: Sender) -> dict[f.OxmField, int]:
    """The fields of the packet."""
    source = sender.address if request.sourceAddress is None else request.sourceAddress
    packet: dict[f.OxmField, int] = {f.ETH_SRC: sender.mac, f.ETH_DST: sender.next_hop}
    if request.protocol in ("icmp", "arp") and request.destinationPort is not None:
        raise IntentError("destinationPort", f"{request.protocol} has no ports")
    if request.protocol == "arp":
        packet |= {f.ETH_DST: BROADCAST_MAC, f.ETH_TYPE: f.ETH_TYPE_ARP, f.ARP_OP: ARP_REQUEST}
        packet |= {f.ARP_SPA: source, f.ARP_TPA: request.to, f.ARP_SHA: sender.mac}
        return packet
    packet |= {f.ETH_TYPE: f.ETH_TYPE_IP, f.IP_SRC: source, f.IP_DST: request.to, f.IP_TTL: request.ttl}
    if request.protocol == "icmp":
        packet |= {f.IP_PROTO: f.IP_PROTO_ICMP, f.ICMP_TYPE: ECHO_REQUEST, f.ICMP_CODE: 0}
        return packet
    number, from_port, to_port = PORTS[request.protocol]
    aim = _aim(request)
    own = DHCP_CLIENT if (request.protocol, aim) == ("udp", DHCP_SERVER) else EPHEMERAL
    packet |= {f.IP_PROTO: number, from_port: own, to_port: aim}
    return packet | ({f.TCP_FLAGS: SYN} if request.protocol == "tcp" else {})


def _aim(request: TraceFlow) -> int:
    return DEFAULT_PORT[request.protocol] if request.destinationPort is None else request.destinationPort


def show(request: TraceFlow, sender: Sender, trace: Trace) -> Json:
    """A trace as the API tells it; hosts have no names for tenants.  IntentError when the first host did not answer.

    ``host`` is where the packet starts; each step says on which host of its way it is, counted from 1.
    """
    if trace.legs[0].outcome == "unknown":
        raise IntentError(None, trace.verdict, 503, "UNAVAILABLE")
    source = sender.address if request.sourceAddress is None else request.sourceAddress
    port = f" port {_aim(request)}" if request.protocol in PORTS else ""
    limit = "" if request.protocol == "arp" else f", hop limit {request.ttl}"
    return {
        "from": request.sender,
        "to": str(request.to),
        "packet": f"{'reply to ' if request.reply else ''}{request.protocol} {source} → {request.to}{port}{limit}",
        "host": trace.legs[0].host,
        "outcome": trace.outcome,
        "reason": trace.reason,
        "verdict": trace.verdict,
        "hosts": [leg.host for leg in trace.legs if leg.host],
        "steps": [
            {"table": one.table, "feature": one.feature, "resource": one.resource, "says": one.says, "hop": hop}
            for hop, leg in enumerate(trace.legs, 1)
            for one in leg.statements
        ],
    }
