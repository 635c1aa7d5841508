"""A VPC peering is one side's consent that packets pass between two VPCs; they do while both sides have one."""

from sdnctl.model.resource import field, label, ref, resource

PAIR = ("vpc", "remote_vpc")


@resource(prefix="vpcpr", reach="vpc", leads=PAIR, indexes=(PAIR,))
class VpcPeering:
    """The consent of the VPC ``vpc`` to ``remote_vpc``, which may be another account's and may be gone.

    ``met`` says that both sides have been there together once.
    """

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc")
    remote_vpc: str = field()
    met: bool = label(default=False)
    name: str = label(default="")
    description: str = label(default="")
    tags: dict[str, str] = label(default={})
    created: float = label(default=0.0)
