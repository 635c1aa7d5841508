"""A security group is a set of stateful rules for the interfaces that are in it."""

from typing import Literal

from sdnctl.base.addresses import Cidr, Ip4
from sdnctl.model.resource import field, label, number, ref, resource

Direction = Literal["in", "out"]
Protocol = Literal["all", "tcp", "udp", "icmp"]
Action = Literal["allow", "deny"]
NO_BIT = -1
BITS = 64
"""The groups of a VPC that rules may name as the remote side: each has a bit of its own in a packet's fields."""


@resource(prefix="sg", reach="vpc", indexes=(("vpc", "default"), ("vpc", "bit")))
class SecurityGroup:
    """A group of a VPC; ``default`` marks the one that comes with the VPC.

    ``bit`` is its place in the peer bits of its VPC (0 to 63), ``NO_BIT`` while no rule names it.
    """

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc", on_delete="cascade")
    default: bool = field(default=False)
    bit: int = field(default=NO_BIT)
    name: str = label(default="")
    description: str = label(default="")
    tags: dict[str, str] = label(default={})
    created: float = label(default=0.0)


EVERYWHERE = "region"


@resource(reach="region")
class GroupDefaults:
    """The operator's word on all groups, whose id is ``EVERYWHERE``; without it all is as documented.

    ``closed`` says that an interface whose groups have no rule outward sends nothing, instead of everything.
    """

    id: str
    closed: bool = field(default=False)


@resource(prefix="sgr", reach="vpc", indexes=(("group", "direction"), ("vpc", "prefix_list"), ("vpc", "peer")))
class GroupRule:
    """One rule of a group: what goes ``direction``, from or to the remote side that is named.

    The remote side is a block (``cidr``), a prefix list, or a group of the same VPC (``peer``); the latter two are
    empty where they are not meant.  ``first`` and ``last`` are destination ports of TCP and UDP, 1 and 65535 for all,
    0 and 0 for the other protocols.  The smallest ``priority`` (1 to 100) decides, and of equal ones the rule that
    denies.  ``written`` has the API's fields that read as its account wrote them, where that has several spellings.
    """

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc", on_delete="cascade")
    group: str = ref("SecurityGroup", on_delete="cascade")
    direction: Direction = field()
    action: Action = field(default="allow")
    protocol: Protocol = field(default="all")
    first: int = field(default=0)
    last: int = field(default=0)
    cidr: Cidr = field(default=Cidr(Ip4(0), 0))
    prefix_list: str = ref("PrefixList", default="")
    peer: str = ref("SecurityGroup", default="", on_delete="cascade")
    priority: int = field(default=100)
    origin: str = label(default="custom")
    written: dict[str, str] = label(default={})
    description: str = label(default="")
    created: float = label(default=0.0)


@resource(prefix="sgp", reach="vpc", indexes=(("id",), ("vpc", "name"), ("groups",)))
class GroupProfile:
    """A set of groups that at least one interface has; flows carry its number, whatever the number of interfaces.

    ``groups`` are the ids of the groups in force, sorted, and ``name`` the same joined by commas.
    """

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc", on_delete="cascade")
    groups: tuple[str, ...] = field()
    name: str = field()
    key: int = number("group profile", 1, 2**16 - 1)


@resource(local=True, indexes=(("profile",),))
class Filtered:
    """A port of this host's switch whose packets the groups of a profile concern; the id is the port's."""

    id: str
    profile: str = field()
