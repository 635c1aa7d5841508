"""A VPC with a NAT gateway: machines in one subnet, the gateway in another, and what its tenant may do with it."""

import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Any, Self

from sdnctl.packet import checksum
from sdnctl.program.zones import POOL_LOW
from topologies.cloud import Cloud
from topologies.internet import SERVER
from topologies.process import within
from topologies.scenarios import Account, Instance, Scenario, Subnet, Vpc
from topologies.station import Station

PRIVATE = "10.0."
ROUTER = "203.0.113.1"


def behind_a_gateway(machines: tuple[Instance, ...], name: str = "natted") -> Scenario:
    """One account with these machines in subnet ``front``; subnet ``edge`` is for the gateway."""
    subnets = (Subnet("front", "10.0.0.0/24"), Subnet("edge", "10.0.9.0/24"))
    return Scenario(name, (Account(name, (Vpc(name, "10.0.0.0/16", subnets, machines),)),))


class Natted:
    """The NAT gateway of a cloud that was built of ``behind_a_gateway``, and its tenant."""

    def __init__(self, cloud: Cloud, name: str = "natted", eips: int = 1, mbps: int = 100) -> None:
        """Make the gateway with so many elastic IPs, and lead the machines' subnet to it."""
        self.cloud, self.owner = cloud, cloud.tenants[name]
        self.vpc, self.front, self.edge = (cloud.ids[(name, name, *more)] for more in ((), ("front",), ("edge",)))
        spec = {"elasticIpCount": eips, "elasticIpSpec": {"bandwidthMbps": mbps, "provider": "bgp"}}
        asked = {"natGatewayName": "nat", "vpcId": self.vpc, "subnetId": self.edge, **spec}
        self.id = str(self.owner.vpc("createNatGateway", **asked)["natGatewayId"])
        made = self.owner.vpc("createRouteTable", vpcId=self.vpc, routeTableName="nat", associateType="subnet")
        self.table = str(made["routeTableId"])
        self.lead("0.0.0.0/0")
        self.owner.vpc("associateRouteTable", routeTableId=self.table, subnetIds=[self.front])
        self.settle()

    def lead(self, prefix: str) -> None:
        """Lead a prefix of the machines' subnet to the gateway."""
        rule = {"addressPrefix": prefix, "nextHopType": "natgw", "nextHopId": self.id}
        self.owner.vpc("addRouteTableRules", routeTableId=self.table, routeTableRuleSpecs=[rule])

    def do(self, operation: str, **more: Any) -> dict[str, Any]:
        """An operation on the gateway, and what follows from it in force."""
        done = self.owner.vpc(operation, natGatewayId=self.id, **more)
        self.settle()
        return done

    def settle(self) -> None:
        """Wait until the switches have what was asked for."""
        self.cloud.cli("wait", "--timeout", "20")

    def shown(self) -> dict[str, Any]:
        """The gateway as its tenant sees it."""
        return dict(self.owner.vpc("describeNatGateway", natGatewayId=self.id)["natGateway"])

    def publics(self) -> dict[str, str]:
        """Address -> id of the gateway's elastic IPs."""
        return {one["elasticIpAddress"]: one["elasticIpId"] for one in self.shown()["elasticIps"]}

    def buy(self, mbps: int = 100) -> str:
        """The address of one more elastic IP of the gateway."""
        made = self.owner.new_elastic_ip(mbps)
        self.do("associateElasticIps", elasticIpIds=[made["elasticIpId"]])
        return str(made["elasticIpAddress"])

    def open(self, **spec: Any) -> str:
        """The id of a new DNAT rule."""
        return str(self.do("addDnatRules", dnatRuleSpecs=[spec])["dnatRuleIds"][0])


def packets(seen: Iterable[bytes], protocol: int = 0) -> Iterator[tuple[str, str, bytes]]:
    """Source, destination and what follows the header of each IPv4 packet, of one protocol or of any.

    Read by hand: there are tens of thousands.
    """
    for frame in seen:
        if frame[12:14] == b"\x08\x00" and protocol in (0, frame[23]):
            yield str(IPv4Address(frame[26:30])), str(IPv4Address(frame[30:34])), frame[34:]


def sources(seen: Iterable[bytes], to: str = SERVER) -> set[str]:
    """The IPv4 sources of frames that are for somebody."""
    return {source for source, target, _ in packets(seen) if target == to}


def private(frame: bytes) -> bool:
    """Is it from a private address?  Whatever it is, fragments and ARP too."""
    return (frame[12:14] == b"\x08\x00" and frame[26] == 10) or (frame[12:14] == b"\x08\x06" and frame[28] == 10)


def datagrams(mac: str, router: str, source: str, target: str, ports: Iterable[int], to: int = 9) -> list[bytes]:
    """A UDP datagram from each of these ports, without checksum (RFC 768), to port ``to``: made by hand, being many."""
    ether = bytes.fromhex((router + mac).replace(":", "")) + b"\x08\x00"
    bare = (
        struct.pack("!BBHHHBBH", 0x45, 0, 32, 0, 0, 64, 17, 0) + IPv4Address(source).packed + IPv4Address(target).packed
    )
    header = bare[:10] + struct.pack("!H", checksum(bare)) + bare[12:]
    return [ether + header + struct.pack("!HHHH", port, to, 12, 0) + b"nat!" for port in ports]


def zone(natted: Natted) -> tuple[int, int, int]:
    """Number, limit and connections of the gateway's zone: the only one of the region's pool that is limited."""
    said = natted.cloud.host.appctl("dpctl/ct-get-limits", "netdev@ovs-netdev")
    for line in said.splitlines():
        numbers = [int(part.partition("=")[2]) for part in line.split(",")] if line.startswith("zone=") else [0]
        if numbers[0] >= POOL_LOW:
            return numbers[0], numbers[1], numbers[2]
    raise AssertionError(said)


def held(natted: Natted) -> int:
    """The connections that the gateway has now."""
    return zone(natted)[2]


class Echo:
    """A UDP server that sends back what it gets, during a `with` block."""

    def __init__(self, station: Station, port: int) -> None:
        self._socket = within(station.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind(("0.0.0.0", port))
        self._socket.settimeout(0.1)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.peers: set[tuple[str, int]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                data, peer = self._socket.recvfrom(2048)
                self.peers.add(peer)
                self._socket.sendto(data, peer)
