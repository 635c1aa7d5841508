"""A VPC with a NAT gateway: machines in one subnet, the gateway in another, and what its tenant may do with it."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from topologies import frames
from topologies.cloud import Cloud
from topologies.internet import SERVER
from topologies.scenarios import Account, Instance, Scenario, Subnet, Vpc

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


def sources(seen: Iterable[bytes], to: str = SERVER) -> set[str]:
    """The IPv4 sources of frames that are for somebody."""
    found = (frames.ip(frame) for frame in seen)
    return {str(one.src) for one in found if one is not None and one.dst == to}


def private(frame: bytes) -> bool:
    """Is it a packet from a private address?  Fragments too."""
    found = frames.ip(frame)
    return found is not None and str(found.src).startswith(PRIVATE)


def drops(cloud: Cloud, reason: str) -> int:
    """The packets that the host has dropped for a reason."""
    for host in cloud.cli("status")["hosts"]:
        with suppress(KeyError):
            return int(host["drops"][reason])
    return 0


Like = Callable[[bytes], object]
