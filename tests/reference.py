"""What the network means, told from the resources alone: may this packet arrive, where, looking how, or why not.

Nothing here knows of flows, tables or registers; a switch that does something else is wrong, or this is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from apps.eip.model import ElasticIp
from apps.eni.model import NetworkInterface
from apps.routing.model import INTERNET, LOCAL, Route
from apps.uplink.model import GatewayNeighbour, Pool
from apps.vpc.model import ANYTHING, ROUTER_MAC, Subnet, Vpc
from sdnctl.model.host import UPLINK, LocalPort, LocalUplink
from tests.build import HERE, Network

R = TypeVar("R")
LIMITED_BROADCAST = 0xFFFFFFFF


@dataclass(frozen=True)
class Frame:
    """A frame: ``kind`` is ping, reply, error, udp, tcp, dhcp, arp, ipv6 or other; the addresses are ARP's for ARP."""

    kind: str
    eth_src: int
    eth_dst: int
    src: int = 0
    dst: int = 0
    ttl: int = 64
    op: int = 0
    sha: int = 0
    tha: int = 0
    tagged: bool = False

    @property
    def ip(self) -> bool:
        """Whether it is IPv4."""
        return self.kind not in ("arp", "ipv6", "other")

    @property
    def group(self) -> bool:
        """Whether it is for a group of receivers."""
        return bool(self.eth_dst >> 40 & 1)


@dataclass(frozen=True)
class Fate:
    """What becomes of a frame: it is ``to`` somebody, looking like ``frame``; or asks the controller; or is dropped.

    Where equal routes share the traffic it is any one of ``among``.
    """

    to: str = ""
    frame: Frame | None = None
    asks: str = ""
    dropped: str = ""
    among: tuple["Fate", ...] = ()

    @property
    def options(self) -> tuple["Fate", ...]:
        """What it may be: nearly always itself."""
        return self.among or (self,)

    def __str__(self) -> str:
        if self.to:
            return f"to {self.to}"
        return f"asks ask_{self.asks}" if self.asks else f"dropped: {self.dropped}"


class World:
    """The resources, as one host sees them."""

    def __init__(self, network: Network) -> None:
        self._state = network.store.state
        self._local = network.local

    def _all(self, cls: type[R]) -> list[R]:
        return list(self._state.all(cls).values())

    def _get(self, cls: type[R], id: str) -> R:
        found = self._state.get(cls, id)
        assert found is not None
        return found

    def _plugged(self, port: str) -> bool:
        return (LocalPort, port) in self._local

    @property
    def _uplink(self) -> LocalUplink | None:
        return self._local.get((LocalUplink, UPLINK))

    def _subnets(self, vpc: str) -> Iterator[Subnet]:
        return (subnet for subnet in self._all(Subnet) if subnet.vpc == vpc)

    def _router_addresses(self, vpc: str) -> set[int]:
        return {address for s in self._subnets(vpc) for address in (s.router, s.dhcp_server)}

    def _owner(self, vpc: str, address: int) -> NetworkInterface | None:
        found = (p for p in self._all(NetworkInterface) if p.vpc == vpc and address in p.addresses)
        return next(found, None)

    def fate(self, sender: str, frame: Frame) -> Fate:
        """What becomes of a frame that ``sender`` (an interface's id, or UPLINK) sends."""
        if frame.tagged or (sender == UPLINK and self._uplink is None):
            return Fate(dropped="unknown-port")
        if sender == UPLINK:
            return self._from_outside(frame)
        port = self._get(NetworkInterface, sender)
        if port.sanity_check and not _honest(port, frame):
            return Fate(dropped="unsupported" if frame.kind == "ipv6" else "spoofed")
        if frame.kind == "arp" and frame.op == 1:
            return self._question(port, frame)
        dhcp = {LIMITED_BROADCAST} | {subnet.dhcp_server for subnet in self._subnets(port.vpc)}
        if frame.kind == "dhcp" and frame.dst in dhcp:
            return Fate(asks="dhcp")
        if frame.group or (frame.ip and (frame.dst >> 28 == 0xE or frame.dst == LIMITED_BROADCAST)):
            return Fate(dropped="broadcast")
        return self._inside(port, frame) if frame.ip else Fate(dropped="unsupported")

    def _question(self, port: NetworkInterface, frame: Frame) -> Fate:
        if frame.dst in port.addresses:
            return Fate(dropped="own-address")
        owner = self._owner(port.vpc, frame.dst)
        if owner is None and frame.dst not in self._router_addresses(port.vpc):
            return Fate(dropped="no-such-address")
        return _answered(port.id, frame, owner.mac if owner is not None else ROUTER_MAC, frame.sha)

    def _inside(self, port: NetworkInterface, frame: Frame) -> Fate:
        """From an interface, into its VPC's router or past it."""
        if frame.dst in self._router_addresses(port.vpc):
            if frame.kind == "ping":
                back = Frame("reply", ROUTER_MAC, frame.eth_src, frame.dst, frame.src)
                return Fate(to=port.id, frame=back)
            return Fate(asks="unreachable") if frame.kind in ("udp", "dhcp") else Fate(dropped="router-itself")
        if self._get(Subnet, port.subnet).cidr.contains(frame.dst):
            return self._delivered(port.vpc, frame)
        if frame.ttl <= 1:
            return Fate(asks="expired")
        routed = replace(frame, ttl=frame.ttl - 1, eth_src=ROUTER_MAC)
        if any(subnet.cidr.contains(frame.dst) for subnet in self._subnets(port.vpc)):
            return self._delivered(port.vpc, routed)
        block = self._get(Vpc, port.vpc).cidr
        if block != ANYTHING and block.contains(frame.dst):
            return Fate(dropped="no-subnet")
        return self._leaving(port, routed)

    def _delivered(self, vpc: str, frame: Frame) -> Fate:
        owner = self._owner(vpc, frame.dst)
        return self._handed(owner, frame) if owner is not None else Fate(dropped="no-such-address")

    def _handed(self, port: NetworkInterface, frame: Frame) -> Fate:
        """To an interface, whatever the frame's destination is."""
        if not self._plugged(port.id):
            return Fate(dropped="not-here")
        return Fate(to=port.id, frame=replace(frame, eth_dst=port.mac))

    def _leaving(self, port: NetworkInterface, frame: Frame) -> Fate:
        """By the subnet's route table: the longest prefix, then the lowest priority, then any of those left."""
        table = self._get(Subnet, port.subnet).route_table
        routes = [r for r in self._all(Route) if r.table == table and r.next_hop_type != LOCAL]
        routes = [route for route in routes if route.prefix.contains(frame.dst)]
        if not routes:
            return Fate(dropped="no-route")
        best = min((-route.prefix.length, route.priority) for route in routes)
        equal = [route for route in routes if (-route.prefix.length, route.priority) == best]
        fates = [self._routed(route, port, frame) for route in equal]
        return fates[0] if len(fates) == 1 else Fate(among=tuple(fates))

    def _routed(self, route: Route, port: NetworkInterface, frame: Frame) -> Fate:
        if route.next_hop_type != INTERNET:
            hop = self._state.get(NetworkInterface, route.next_hop)
            return self._handed(hop, frame) if hop is not None and hop.vpc == port.vpc else Fate(dropped="no-next-hop")
        for eip in self._bound_here():
            if eip.private == frame.src and self._get(NetworkInterface, eip.port).vpc == port.vpc:
                break
        else:
            return Fate(dropped="no-elastic-ip")
        if frame.kind == "error":
            return Fate(asks="quoted_out")
        public = replace(frame, src=eip.address)
        receiver = self._arriving(public)
        return receiver if receiver is not None else self._outward(eip.pool, public)

    def _outward(self, pool: str, frame: Frame) -> Fate:
        gateway = self._state.get(GatewayNeighbour, f"{HERE}/{pool}")
        if gateway is None or self._uplink is None:
            return Fate(dropped="no-gateway")
        return Fate(to=UPLINK, frame=replace(frame, eth_src=self._uplink.mac, eth_dst=gateway.mac))

    def _bound_here(self) -> Iterator[ElasticIp]:
        """The elastic IPs that work on this host: plugged in, where the route table leads to the internet."""
        public = {route.table for route in self._all(Route) if route.next_hop_type == INTERNET}
        for eip in self._all(ElasticIp):
            if self._plugged(eip.port):
                subnet = self._get(Subnet, self._get(NetworkInterface, eip.port).subnet)
                if subnet.route_table in public:
                    yield eip

    def _arriving(self, frame: Frame) -> Fate | None:
        """To the elastic IP that it is for, if that is bound here."""
        for eip in self._bound_here():
            if eip.address == frame.dst:
                if frame.kind == "error":
                    return Fate(asks="quoted_in")
                return self._delivered(self._get(NetworkInterface, eip.port).vpc, replace(frame, dst=eip.private))
        return None

    def _from_outside(self, frame: Frame) -> Fate:
        assert self._uplink is not None
        gateways = {pool.gateway for pool in self._all(Pool)}
        if frame.kind == "arp":
            if frame.op == 1 and frame.dst in {eip.address for eip in self._bound_here()}:
                return _answered(UPLINK, frame, self._uplink.mac, frame.eth_src)
            told = frame.op == 2 or (frame.op == 1 and frame.src == frame.dst)
            return Fate(asks="gateway") if told and frame.src in gateways else Fate(dropped="not-ours")
        if not frame.ip or frame.eth_dst != self._uplink.mac:
            return Fate(dropped="not-ours")
        if frame.ttl <= 1:
            return Fate(asks="expired_outside")
        fate = self._arriving(replace(frame, ttl=frame.ttl - 1, eth_src=ROUTER_MAC))
        return fate if fate is not None else Fate(dropped="not-ours")


def _honest(port: NetworkInterface, frame: Frame) -> bool:
    """Whether the interface owns the source addresses of the frame."""
    if frame.eth_src != port.mac:
        return False
    if frame.kind == "arp":
        return frame.sha == port.mac and (frame.src == 0 or frame.src in port.addresses)
    if frame.kind == "dhcp" and (frame.src, frame.dst) == (0, LIMITED_BROADCAST):
        return True
    return frame.ip and frame.src in port.addresses


def _answered(asker: str, frame: Frame, mac: int, back: int) -> Fate:
    """ARP turned round: ``mac`` has it, which is told to the address that the question itself names (RFC 826)."""
    hardware = {"eth_src": mac, "eth_dst": back, "sha": mac, "tha": frame.sha}
    return Fate(to=asker, frame=replace(frame, op=2, src=frame.dst, dst=frame.src, **hardware))
