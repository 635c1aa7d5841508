"""What a tenant's resources are called and how they are shown: one declaration for each, and no other place to touch.

A ``Kind`` says where the public API keeps a resource, which of its answers is the name, and which columns its table
has.  Listing, getting, deleting, names, completion and the intent file all work from it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
ENI_HOP = "elastic_network_interface"
TAGS = {ENI_HOP: "eni"}  # what people write for the API's next hop types, where that is not the same
DEFAULT_PRIORITY = 100


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading and what it shows; the ids in it become names if ``named``."""

    heading: str
    of: Callable[[Json], Any]
    named: bool = True


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource, as the public API has it."""

    command: str
    noun: str
    service: str
    path: str
    plural: str
    singular: str
    prefix: str
    name_filter: str
    columns: tuple[Column, ...]
    help: str
    in_vpc: bool = True

    @property
    def id_key(self) -> str:
        """The key of its id in an answer."""
        return f"{self.singular}Id"

    @property
    def name_key(self) -> str:
        """The key of its name in an answer."""
        return f"{self.singular}Name"

    def item(self, id: str, action: str = "") -> str:
        """The path of one of them, or of an action on it."""
        return f"{self.path.rstrip('/')}/{id}" + (f":{action}" if action else "")

    def is_id(self, text: str) -> bool:
        """Whether a text looks like an id of this kind."""
        return re.fullmatch(rf"{self.prefix}-[a-z0-9]{{10}}", text) is not None


def key(name: str) -> Callable[[Json], Any]:
    """What an answer has under a key."""
    return lambda shown: shown.get(name)


def addresses(shown: Json) -> list[str]:
    """The private addresses of a network interface, each with its public one."""
    return [_address(one) for one in (shown["primaryIp"], *shown["secondaryIps"])]


def _address(one: Json) -> str:
    public = one.get("elasticIpAddress")
    return f"{one['privateIpAddress']} ({public})" if public else str(one["privateIpAddress"])


def _instance_addresses(shown: Json) -> list[str]:
    attached = (shown["primaryNetworkInterface"], *shown["secondaryNetworkInterfaces"])
    return [address for one in attached for address in addresses(one["networkInterface"])]


def hop_text(rule: Json) -> str:
    """The next hop of a rule, as ``--via`` takes it."""
    kind, id = rule["nextHopType"], rule["nextHopId"]
    return kind if id in (kind, "") else f"{TAGS.get(kind, kind)}:{id}"


def rule_text(rule: Json) -> str:
    """A rule of a route table in a line."""
    priority = f" (priority {rule['priority']})" if rule["priority"] != DEFAULT_PRIORITY else ""
    return f"{rule['addressPrefix']} → {hop_text(rule)}{priority}"


VPC = Kind(
    "vpc", "vpc", "vpc", "vpcs/", "vpcs", "vpc", "vpc", "vpcNames",
    (
        Column("cidr", key("addressPrefix")),
        Column("subnets", lambda shown: len(shown["subnets"])),
        Column("route tables", lambda shown: len(shown["routeTableIds"])),
        Column("created", key("createdTime")),
    ),
    "Private networks.",
    in_vpc=False,
)  # fmt: skip
SUBNET = Kind(
    "subnet", "subnet", "vpc", "subnets/", "subnets", "subnet", "subnet", "subnetNames",
    (
        Column("vpc", key("vpcId")),
        Column("cidr", key("addressPrefix")),
        Column("free", key("availableIpCount")),
        Column("route table", key("routeTableId")),
    ),
    "Address blocks of a VPC.",
)  # fmt: skip
ENI = Kind(
    "eni", "network interface", "vpc", "networkInterfaces/", "networkInterfaces", "networkInterface", "port",
    "networkInterfaceNames",
    (
        Column("subnet", key("subnetId")),
        Column("addresses", addresses),
        Column("mac", key("macAddress")),
        Column("instance", key("instanceId")),
        Column("role", key("role")),
    ),
    "Network interfaces.",
)  # fmt: skip
EIP = Kind(
    "eip", "elastic IP", "vpc", "elasticIps/", "elasticIps", "elasticIp", "fip", "elasticIpNames",
    (
        Column("address", key("elasticIpAddress")),
        Column("Mbps", key("bandwidthMbps")),
        Column("bound to", lambda shown: shown["instanceId"] or shown["networkInterfaceId"]),
        Column("private", key("privateIpAddress")),
        Column("state", key("state")),
    ),
    "Elastic IPs: public addresses.",
    in_vpc=False,
)  # fmt: skip
ROUTE_TABLE = Kind(
    "route-table", "route table", "vpc", "routeTables/", "routeTables", "routeTable", "rtb", "routeTableNames",
    (
        Column("vpc", key("vpcId")),
        Column("type", key("routeTableType")),
        Column("rules", lambda shown: [rule_text(rule) for rule in shown["routeTableRules"]]),
        Column("subnets", key("subnetIds")),
    ),
    "Where a subnet's packets go.",
)  # fmt: skip
INSTANCE = Kind(
    "instance", "instance", "vm", "instances", "instances", "instance", "i", "name",
    (
        Column("type", key("instanceType")),
        Column("status", key("status")),
        Column("subnet", key("subnetId")),
        Column("addresses", _instance_addresses),
    ),
    "Virtual machines, as far as the network knows them.",
)  # fmt: skip
ID = re.compile(r"\b(?:vpc|subnet|port|fip|rtb|i)-[a-z0-9]{10}\b", re.ASCII)
KINDS: dict[str, Kind] = {kind.command: kind for kind in (VPC, SUBNET, ENI, EIP, ROUTE_TABLE, INSTANCE)}


def columns_of(kind: Kind) -> Sequence[Column]:
    """All columns of a kind's table: id and name go first."""
    return (Column("id", key(kind.id_key), False), Column("name", key(kind.name_key), False), *kind.columns)
