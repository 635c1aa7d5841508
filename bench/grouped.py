"""Security groups of a VPC of the benches, as records: the default group, one that every interface is in, its rules."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from apps.security_group.model import NO_BIT, Direction, GroupProfile, GroupRule, SecurityGroup
from apps.vpc.model import Vpc
from sdnctl.base.addresses import Cidr

DIRECTIONS: tuple[Direction, ...] = ("in", "out")
Rule = Mapping[str, Any]
"""The fields of a rule that are not the default; ``peer`` is True where it names its own group."""

LIKE_OVN: Sequence[Rule] = (
    {"direction": "out"},
    {"direction": "in", "protocol": "tcp", "first": 22, "last": 22, "peer": True},
    {"direction": "in", "protocol": "icmp", "peer": True},
)
"""The ACLs of OVN's side (ovnbench.py, ``Topo.acls``) as rules; the fourth of them, to drop the rest, is implied."""

SERVER: Sequence[Rule] = (
    *({"direction": "in", "protocol": "tcp", "first": port, "last": port} for port in (22, 80, 443, 8080)),
    {"direction": "in", "protocol": "tcp", "first": 5000, "last": 5999, "cidr": Cidr.parse("203.0.113.0/24")},
    {"direction": "in", "protocol": "udp", "first": 53, "last": 53},
    {"direction": "in", "protocol": "icmp"},
    {"direction": "in", "peer": True},
    {"direction": "in", "action": "deny", "cidr": Cidr.parse("198.51.100.0/24"), "priority": 1},
    {"direction": "out"},
)
"""Ten rules, as a tenant's servers may have them."""


def group_id(vpc: str) -> str:
    """The group that every interface of a VPC is in."""
    return f"sg-{vpc.removeprefix('vpc-')}"


def records(vpc: Vpc, rules: Sequence[Rule]) -> Iterator[Any]:
    """The groups of a VPC with their rules, and the profiles of those that interfaces may have."""
    default, group, name = f"sg-{vpc.id}-d", group_id(vpc.id), vpc.id.removeprefix("vpc-")
    named = 0 if any(rule.get("peer") for rule in rules) else NO_BIT
    yield SecurityGroup(id=default, account=vpc.account, vpc=vpc.id, default=True, name="default")
    yield SecurityGroup(id=group, account=vpc.account, vpc=vpc.id, name="servers", bit=named)
    for direction in DIRECTIONS:
        made = {"account": vpc.account, "vpc": vpc.id, "group": default, "origin": "default"}
        yield GroupRule(id=f"sgr-{name}-{direction}", direction=direction, **made)
    for number, rule in enumerate(rules):
        fields = {**rule, "peer": group if rule.get("peer") else ""}
        yield GroupRule(id=f"sgr-{name}-{number}", account=vpc.account, vpc=vpc.id, group=group, **fields)
    for place, one in enumerate((default, group)):
        id, key = f"{vpc.id}/{one}", 2 * vpc.key + place
        yield GroupProfile(id=id, account=vpc.account, vpc=vpc.id, groups=(one,), name=one, key=key)
