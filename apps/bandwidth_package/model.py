"""A bandwidth package is one limit that several elastic IPs share, in place of their own ones."""

from sdnctl.model.checks import named, within
from sdnctl.model.resource import field, label, ref, resource

MOST_MBPS = 5000
UNLIMITED, BLOCKED = -1, 0
MOST_KBPS = MOST_MBPS * 1000


@resource(prefix="bwp")
class BandwidthPackage:
    """A limit of ``bandwidth`` Mbit/s, outbound and inbound, for all its members together."""

    id: str
    account: str = ref("Account")
    bandwidth: int = field()
    provider: str = label(default="bgp")
    charge_mode: str = label(default="postpaid_by_duration")
    charge_type: int = label(default=0)
    charge_start: float = label(default=0.0)
    charge_expiry: float = label(default=0.0)
    name: str = label(default="")
    description: str = label(default="")
    tags: dict[str, str] = label(default={})
    created: float = label(default=0.0)


@resource(prefix="bwpm", reach="vpc")
class PackageMember:
    """An elastic IP in a package, whose ``vpc`` it repeats for the hosts that follow that.

    ``limit`` is its own limit within the package in Mbit/s: 0 lets nothing pass, -1 is none.  ``out`` and ``into`` are
    its shares of the package in kbit/s as of the transaction ``round``, until a division of that round says otherwise.
    """

    id: str
    account: str = ref("Account")
    package: str = ref("BandwidthPackage")
    eip: str = ref("ElasticIp")
    vpc: str = field(default="")
    limit: int = field(default=UNLIMITED)
    out: int = field(default=0)
    into: int = field(default=0)
    round: int = field(default=0)
    created: float = label(default=0.0)


@resource(report=True, reach="host")
class MemberUse:
    """The use that one host sees a member make: kbit/s ``out`` and ``into``, -1 for more than its share."""

    id: str
    host: str = ref("Host", on_delete="cascade")
    member: str = ref("PackageMember", on_delete="cascade")
    out: int = label(default=0)
    into: int = label(default=0)

    def check(self) -> None:
        """ValueError when the id is another one, or a use is none."""
        named(self.id, f"{self.host}/{self.member}")
        within("out", self.out, -1, 10 * MOST_KBPS)
        within("into", self.into, -1, 10 * MOST_KBPS)


@resource(report=True, reach="vpc")
class MemberShare:
    """The member's share (``id`` is the member's) of the last division, in kbit/s; of use in its ``round`` only."""

    id: str
    member: str = ref("PackageMember", on_delete="cascade")
    vpc: str = field(default="")
    out: int = field(default=0)
    into: int = field(default=0)
    round: int = field(default=0)
