"""Tenants ask what would become of a packet, and are told in words, step by step; no packet is sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from apps.eip.model import ElasticIp
from apps.eni.model import NetworkInterface
from apps.gateway.facts import server_in
from apps.instance.model import Instance
from apps.uplink.model import GatewayNeighbour
from apps.vpc.model import ROUTER_MAC, Subnet
from sdnctl.api.access import Reader, Records
from sdnctl.api.operations import Later, operation, operator
from sdnctl.api.schema import Address, Id, Json, Request, Whole
from sdnctl.base.addresses import Cidr, Ip4, Mac
from sdnctl.base.errors import IntentError
from sdnctl.model.host import Binding, Host
from sdnctl.model.resource import meta
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
    ICMP_CODE,
    ICMP_TYPE,
    IP_DST,
    IP_PROTO,
    IP_PROTO_ICMP,
    IP_PROTO_TCP,
    IP_PROTO_UDP,
    IP_SRC,
    IP_TTL,
    TCP_DST,
    TCP_SRC,
    UDP_DST,
    UDP_SRC,
    OxmField,
)
from sdnctl.trace.words import Question, Story, for_account

INTERNET = "internet"
PRIMARY = 1
ECHO_REQUEST = 8
ARP_REQUEST = 1
BROADCAST_MAC, GROUP_MAC = Mac(0xFFFFFFFFFFFF), Mac(0x01005E000000)
BROADCAST, GROUPS = Ip4(0xFFFFFFFF), Cidr(Ip4(0xE0000000), 4)
SOMEBODY = Ip4.parse("198.51.100.7")
"""Somebody on the internet: a block for documentation (RFC 5737)."""
SOMEONES_MAC = Mac(0x020000000001)
EPHEMERAL, DHCP_CLIENT, DHCP_SERVER = 40000, 68, 67
DEFAULT_PORT = {"tcp": 80, "udp": 33434}
PORTS = {"tcp": (IP_PROTO_TCP, TCP_SRC, TCP_DST), "udp": (IP_PROTO_UDP, UDP_SRC, UDP_DST)}
Port = Annotated[Whole, Field(ge=0, le=65535)]


class TraceFlow(Request):
    """A packet: from a network interface, an instance (its primary interface) or ``internet``, to an address."""

    sender: Annotated[Id, Field(alias="from")]
    to: Address
    protocol: Literal["icmp", "tcp", "udp", "arp"] = "icmp"
    destinationPort: Port | None = None
    ttl: Annotated[Whole, Field(ge=0, le=255)] = 64
    sourceAddress: Address | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose packet it is: its host and interface ("" for the uplink), its addresses, and the next hop's MAC address."""

    host: str
    port: str
    mac: Mac
    address: Ip4
    next_hop: Mac


@operation("vpc", "createFlowTrace", "POST", "/regions/{regionId}/flowTraces", TraceFlow, reads=True)
def create_flow_trace(request: TraceFlow, view: Reader) -> Later:
    """Say what would become of a packet of the caller's; what concerns others is said without naming it."""
    account = view.caller.account
    if request.sender == INTERNET and not view.of(ElasticIp, ("address",), request.to):
        raise IntentError.missing("to", f"elastic IP {request.to}")
    sender = _sender(request, view.region, lambda cls, id: view.own(cls, id, "from"))

    def told(story: Story) -> Json:
        return {"flowTrace": show(request, sender, for_account(story, account))}

    return Later(_question(request, sender), told)


@operator("traceFlow", "POST", "/flowTraces", TraceFlow, reads=True)
def trace_flow(request: TraceFlow, view: Reader) -> Later:
    """Say what would become of a packet of anybody's."""

    def known(cls: type, id: str) -> object:
        record = view.region.get(cls, id)
        if record is None:
            raise IntentError.missing("from", f"{cls.__name__} {id[:64]!r}")
        return record

    sender = _sender(request, view.region, known)
    return Later(_question(request, sender), lambda story: show(request, sender, story))


def _sender(request: TraceFlow, region: Records, known: Callable[[type, str], object]) -> Sender:
    """Who sends; ``known`` gives the records that the caller may use."""
    if request.sender == INTERNET:
        return _outside(request, region)
    port = known(NetworkInterface, _interface(request.sender, region, known))
    assert isinstance(port, NetworkInterface)
    binding = region.get(Binding, port.id)
    if binding is None:
        raise IntentError.precondition("from", f"{port.id} is plugged into no host")
    return Sender(binding.host, port.id, port.mac, port.addresses[0], _next_hop(port, request.to, region))


def _interface(id: str, region: Records, known: Callable[[type, str], object]) -> str:
    """The id of the interface meant: itself, or an instance's primary one."""
    if not id.startswith(f"{meta(Instance).prefix}-"):
        return id
    known(Instance, id)
    for port in region.by(NetworkInterface, ("instance", "device_index"), (id, PRIMARY)):
        return port
    raise IntentError.precondition("from", f"{id} has no network interface")


def _next_hop(port: NetworkInterface, to: Ip4, region: Records) -> Mac:
    """What the sender's own ARP would have found: a neighbour, else the router."""
    if to == BROADCAST:
        return BROADCAST_MAC
    if GROUPS.contains(to):
        return Mac(GROUP_MAC | to & 0x7FFFFF)  # RFC 1112, 6.4
    subnet = region.get(Subnet, port.subnet)
    if subnet is not None and subnet.cidr.contains(to):
        for id in region.by(NetworkInterface, ("subnet", "addresses"), (subnet.id, to)):
            neighbour = region.get(NetworkInterface, id)
            return neighbour.mac if neighbour is not None else ROUTER_MAC
    return ROUTER_MAC


def _outside(request: TraceFlow, region: Records) -> Sender:
    """Somebody on the public network, at the host that presents the elastic IP, or at any that has a way out."""
    hosts: Mapping[str, Host] = {id: host for id, host in region.all(Host).items() if host.uplink}
    for id in region.by(ElasticIp, ("address",), request.to):
        eip = region.get(ElasticIp, id)
        server = server_in(region, eip.port) if eip is not None else ""
        if server and server not in hosts:
            raise IntentError.precondition("from", f"the host of {id} has no way to the public network")
        hosts = {server: hosts[server]} if server else hosts
    if not hosts:
        raise IntentError.precondition("from", "no host has a way to the public network")
    host = hosts[min(hosts)]
    macs = [n.mac for n in region.all(GatewayNeighbour).values() if n.host == host.id]
    return Sender(host.id, "", macs[0] if macs else SOMEONES_MAC, SOMEBODY, host.uplink_mac)


def _question(request: TraceFlow, sender: Sender) -> Question:
    """The packet as the sender would send it."""
    source = sender.address if request.sourceAddress is None else request.sourceAddress
    packet: dict[OxmField, int] = {ETH_SRC: sender.mac, ETH_DST: sender.next_hop}
    if request.protocol in ("icmp", "arp") and request.destinationPort is not None:
        raise IntentError("destinationPort", f"{request.protocol} has no ports")
    if request.protocol == "arp":
        packet |= {ETH_DST: BROADCAST_MAC, ETH_TYPE: ETH_TYPE_ARP, ARP_OP: ARP_REQUEST}
        packet |= {ARP_SPA: source, ARP_TPA: request.to, ARP_SHA: sender.mac}
        return Question(sender.host, sender.port, packet)
    packet |= {ETH_TYPE: ETH_TYPE_IP, IP_SRC: source, IP_DST: request.to, IP_TTL: request.ttl}
    if request.protocol == "icmp":
        packet |= {IP_PROTO: IP_PROTO_ICMP, ICMP_TYPE: ECHO_REQUEST, ICMP_CODE: 0}
        return Question(sender.host, sender.port, packet)
    number, from_port, to_port = PORTS[request.protocol]
    aim = _aim(request)
    own = DHCP_CLIENT if (request.protocol, aim) == ("udp", DHCP_SERVER) else EPHEMERAL
    return Question(sender.host, sender.port, {**packet, IP_PROTO: number, from_port: own, to_port: aim})


def _aim(request: TraceFlow) -> int:
    return DEFAULT_PORT[request.protocol] if request.destinationPort is None else request.destinationPort


def show(request: TraceFlow, sender: Sender, story: Story) -> Json:
    """A story as the API tells it; ``host`` is "" for tenants."""
    source = sender.address if request.sourceAddress is None else request.sourceAddress
    port = f" port {_aim(request)}" if request.protocol in PORTS else ""
    limit = "" if request.protocol == "arp" else f", hop limit {request.ttl}"
    return {
        "from": request.sender,
        "to": str(request.to),
        "packet": f"{request.protocol} {source} → {request.to}{port}{limit}",
        "host": story.host,
        "outcome": story.outcome,
        "reason": story.reason,
        "verdict": story.verdict,
        "steps": [
            {"table": line.table, "feature": line.feature, "resource": line.resource, "says": line.says}
            for line in story.lines
        ],
    }
