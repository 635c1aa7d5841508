"""A prefix list is a named set of address blocks that rules may name instead of a block of their own."""

from sdnctl.base.addresses import Cidr
from sdnctl.model.resource import field, label, ref, resource


@resource(prefix="pl")
class PrefixList:
    """A list of an account, of at most ``most`` entries; a rule that names it counts as so many rules.

    No host follows it: the VPCs whose rules name it have its blocks (``VpcPrefixes``).
    """

    id: str
    account: str = ref("Account")
    most: int = field(default=1)
    ip_version: str = label(default="IPv4")
    name: str = label(default="")
    description: str = label(default="")
    tags: dict[str, str] = label(default={})
    created: float = label(default=0.0)


@resource(prefix="ple")
class PrefixEntry:
    """An entry of a list: one block of addresses, and what its account says of it."""

    id: str
    account: str = ref("Account")
    prefix_list: str = ref("PrefixList", on_delete="cascade")
    block: Cidr = field()
    description: str = label(default="")
    created: float = label(default=0.0)


@resource(prefix="plv", reach="vpc", indexes=(("vpc", "prefix_list"),))
class VpcPrefixes:
    """The blocks of a prefix list, sorted, as the hosts of a VPC have them while a rule of the VPC names the list."""

    id: str
    vpc: str = ref("Vpc", on_delete="cascade")
    prefix_list: str = ref("PrefixList")
    blocks: tuple[Cidr, ...] = field(default=())
