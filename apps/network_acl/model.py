"""A network ACL is a list of stateless rules for what crosses the border of the subnets that have it."""

from typing import Literal

from sdnctl.base.addresses import Cidr, Ip4
from sdnctl.model.resource import field, label, number, ref, resource

Direction = Literal["in", "out"]
Protocol = Literal["all", "tcp", "udp", "icmp"]
Action = Literal["allow", "deny"]

EVERYBODY = Cidr(Ip4(0), 0)


@resource(prefix="acl", reach="vpc")
class NetworkAcl:
    """An ACL of a VPC; its flows carry ``key``."""

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc", on_delete="cascade")
    key: int = number("ACL key", 1, 2**16 - 1)
    name: str = label(default="")
    description: str = label(default="")
    tags: dict[str, str] = label(default={})
    created: float = label(default=0.0)


@resource(prefix="aclr", reach="vpc", indexes=(("acl", "direction"), ("vpc", "prefix_list")))
class AclRule:
    """One rule of an ACL: what goes into the subnet or out of it, from or to the remote side that is named.

    The remote side is a block (``cidr``) or a prefix list.  ``first`` and ``last`` are destination ports of TCP and
    UDP, 0 and 0 for the other protocols.  The smallest ``priority`` (1 to 32768) decides, of equal ones the denial.
    """

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc", on_delete="cascade")
    acl: str = ref("NetworkAcl", on_delete="cascade")
    direction: Direction = field()
    action: Action = field(default="allow")
    protocol: Protocol = field(default="all")
    first: int = field(default=0)
    last: int = field(default=0)
    cidr: Cidr = field(default=EVERYBODY)
    prefix_list: str = ref("PrefixList", default="")
    priority: int = field()
    origin: str = label(default="custom")
    description: str = label(default="")
    created: float = label(default=0.0)


@resource(prefix="acls", reach="vpc")
class AclSubnet:
    """A subnet's having an ACL: one at most for each subnet, whose id it has."""

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc", on_delete="cascade")
    subnet: str = ref("Subnet", on_delete="cascade")
    acl: str = ref("NetworkAcl")


@resource(local=True, indexes=(("acl",),))
class Guarded:
    """A subnet with ports of this host's switch, by the ACL that it has; the id is the subnet's."""

    id: str
    acl: str = field()
