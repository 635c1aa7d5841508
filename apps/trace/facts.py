"""The sender of a packet to be traced: an interface or an instance, by id or name, or somebody on the internet."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from apps.eip.model import ElasticIp
from apps.eni.model import NetworkInterface
from apps.gateway.facts import server_in
from apps.instance.model import Instance
from apps.martian.facts import martians
from apps.uplink.facts import neighbour_id
from apps.uplink.model import GatewayNeighbour, Pool
from apps.vpc.model import ROUTER_MAC, Subnet, Vpc
from sdnctl.base.addresses import Cidr, Ip4, Mac
from sdnctl.base.errors import IntentError
from sdnctl.model.host import UPLINK, Binding, Host
from sdnctl.model.resource import meta

INTERNET = "internet"
PRIMARY = 1
MENTIONED = 10
BROADCAST_MAC, GROUP_MAC = Mac(0xFFFFFFFFFFFF), Mac(0x01005E000000)
BROADCAST, GROUPS = Ip4(0xFFFFFFFF), Cidr(Ip4(0xE0000000), 4)
SOMEBODY, SOMEBODY_ELSE = Ip4.parse("198.51.100.7"), Ip4.parse("9.9.9.9")
"""Somebody on the internet: of a block for documentation (RFC 5737), or where nobody has that, a public resolver."""
SOMEONES_MAC = Mac(0x020000000001)
Known = Callable[[type, str], Any]
Visible = Callable[[type], Iterable[Any]]


class Region(Protocol):
    """The records of the whole region."""

    def get(self, cls: type[Any], id: str) -> Any:
        """The record, or None."""

    def by(self, cls: type, index: tuple[str, ...], value: Any) -> Iterable[str]:
        """The ids under an index value."""

    def all(self, cls: type[Any]) -> Mapping[str, Any]:
        """Every record of a class by id."""


@dataclass(frozen=True, slots=True)
class Sender:
    """The host and port where a packet comes in, the sender's addresses, and the next hop's MAC address."""

    host: str
    entry: str
    mac: Mac
    address: Ip4
    next_hop: Mac


def inside(text: str, to: Ip4, region: Region, known: Known, visible: Visible) -> Sender:
    """The interface or instance that goes by ``text``, as the sender of a packet to an address.

    ``known`` gives a record that the caller may use, or raises IntentError; ``visible`` gives all of a class.
    """
    port = region.get(NetworkInterface, _interface(text, region, known, visible))
    binding = region.get(Binding, port.id)
    if binding is None:
        raise IntentError.precondition("from", f"{port.id} is plugged into no host")
    return Sender(binding.host, port.id, port.mac, port.addresses[0], next_hop(port, to, region))


def _interface(text: str, region: Region, known: Known, visible: Visible) -> str:
    """The id of the interface meant: by its id or name, or an instance's primary one by the instance's."""
    found = _named(text, region, visible)
    for cls in (Instance, NetworkInterface):
        # An id beats a name.
        if text.startswith(f"{meta(cls).prefix}-") and (not found or region.get(cls, text) is not None):
            found = [known(cls, text).id]
    if not found:
        raise IntentError.missing("from", f"an instance or a network interface named {text[:64]!r}")
    if len(found) > 1:
        ids = ", ".join(found[:MENTIONED]) + (f" and {len(found) - MENTIONED} more" if len(found) > MENTIONED else "")
        raise IntentError("from", f"{len(found)} go by {text[:64]!r}: name one by its id ({ids}), or as VPC/NAME")
    return _primary(found[0], region) if region.get(Instance, found[0]) is not None else found[0]


def _named(text: str, region: Region, visible: Visible) -> list[str]:
    """The ids of the instances and interfaces that go by a name or ``VPC/NAME``; an instance stands for its primary
    interface.
    """
    vpc, slash, name = text.rpartition("/")
    vpcs = {one.id for one in visible(Vpc) if vpc in (one.id, one.name)} if slash else set()
    found: dict[str, str] = {}
    for cls in (Instance, NetworkInterface):
        for one in visible(cls):
            if one.name == name and name and (not slash or one.vpc in vpcs):
                port = _first(one.id, region) if cls is Instance else one.id
                found.setdefault(port or one.id, one.id)
    return sorted(found.values())


def _first(instance: str, region: Region) -> str:
    """The id of an instance's primary interface, "" when it has none."""
    return next(iter(region.by(NetworkInterface, ("instance", "device_index"), (instance, PRIMARY))), "")


def _primary(instance: str, region: Region) -> str:
    port = _first(instance, region)
    if not port:
        raise IntentError.precondition("from", f"{instance} has no network interface")
    return port


def next_hop(port: NetworkInterface, to: Ip4, region: Region) -> Mac:
    """The MAC address that the sender's own ARP would have found: a neighbour's, else the router's."""
    if to == BROADCAST:
        return BROADCAST_MAC
    if GROUPS.contains(to):
        return Mac(GROUP_MAC | to & 0x7FFFFF)  # RFC 1112, 6.4
    subnet = region.get(Subnet, port.subnet)
    if subnet is not None and subnet.cidr.contains(to):
        for id in region.by(NetworkInterface, ("subnet", "addresses"), (subnet.id, to)):
            neighbour: NetworkInterface | None = region.get(NetworkInterface, id)
            return neighbour.mac if neighbour is not None else ROUTER_MAC
    return ROUTER_MAC


def outside(to: Ip4, region: Region) -> Sender:
    """A sender on the public network, at the host that presents an elastic IP, or at any that has a way out."""
    hosts: Mapping[str, Host] = {id: host for id, host in region.all(Host).items() if host.uplink}
    for id in region.by(ElasticIp, ("address",), to):
        server = presents(to, region)
        if server and server not in hosts:
            raise IntentError.precondition("from", f"the host of {id} has no way to the public network")
        hosts = {server: hosts[server]} if server else hosts
    if not hosts:
        raise IntentError.precondition("from", "no host has a way to the public network")
    martian = any(block.contains(SOMEBODY) for block in martians(region.all(Pool).values()))
    source = SOMEBODY_ELSE if martian else SOMEBODY
    return Sender(min(hosts), UPLINK, router_mac(min(hosts), to, region), source, hosts[min(hosts)].uplink_mac)


def replier(asker: Sender, to: Ip4, region: Region) -> tuple[Sender, Ip4]:
    """The sender of the reply to a packet that went to an address, and where the reply goes.

    IntentError when nobody has the address, or a reply from outside would not find back.
    """
    port, back = region.get(NetworkInterface, asker.entry), asker.address
    if port is not None:
        for id in region.by(NetworkInterface, ("vpc", "addresses"), (port.vpc, to)):
            return _answering(id, to, back, region), back
        subnets = (region.get(Subnet, id) for id in region.by(Subnet, ("vpc",), port.vpc))
        if any(subnet.cidr.contains(to) for subnet in subnets):
            raise IntentError.precondition("to", f"{to} is no network interface's: nobody replies")
        known = [region.get(ElasticIp, id) for id in region.by(ElasticIp, ("port", "private"), (port.id, back))]
        if not known:
            raise IntentError.precondition("reply", f"{back} of {port.id} has no elastic IP: no reply finds back to it")
        back = known[0].address
    for id in region.by(ElasticIp, ("address",), to):
        public = region.get(ElasticIp, id)
        if not public.port:
            raise IntentError.precondition("to", f"{id} is bound to nothing: nobody replies")
        return _answering(public.port, public.private, back, region), back
    return replace(outside(back, region), address=to), back


def _answering(id: str, source: Ip4, to: Ip4, region: Region) -> Sender:
    """An interface as the sender of a reply from one of its addresses."""
    port, binding = region.get(NetworkInterface, id), region.get(Binding, id)
    if binding is None:
        raise IntentError.precondition("to", f"{id} is plugged into no host: nobody replies")
    return Sender(binding.host, id, port.mac, source, next_hop(port, to, region))


def presents(address: Ip4, region: Region) -> str:
    """The host that is to present an elastic IP, "" when it is nobody's or its interface is on no host."""
    for id in region.by(ElasticIp, ("address",), address):
        return server_in(region, region.get(ElasticIp, id).port)
    return ""


def router_mac(host: str, address: Ip4, region: Region) -> Mac:
    """The MAC address of the gateway of an elastic IP, as a host knows it, else of any; some address without one."""
    pools = [region.get(ElasticIp, id).pool for id in region.by(ElasticIp, ("address",), address)]
    for pool in (*pools, *sorted(region.all(Pool).keys() - set(pools))):
        known, learned = region.get(Pool, pool), region.get(GatewayNeighbour, neighbour_id(host, pool))
        if mac := (known.gateway_mac if known is not None else 0) or (learned.mac if learned is not None else 0):
            return Mac(mac)
    return SOMEONES_MAC
