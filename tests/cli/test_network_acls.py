"""Network ACLs on the command line and in an intent file."""

from typing import Any

import pytest
import yaml

from apps.network_acl.cli import warnings
from tests.cli.conftest import User

NETWORK = """
prefix-lists:
  offices: {max-entries: 2, entries: [198.51.100.0/24]}
vpcs:
  shop:
    cidr: 10.0.0.0/16
    acls:
      border:
        rules:
          - {direction: in, action: allow, protocol: tcp, ports: 80, priority: 10}
          - {direction: in, action: deny, protocol: all, remote: "prefix-list:offices", priority: 1}
          - {direction: out, action: allow, protocol: all, priority: 32768}
      other: {}
    subnets:
      front: {cidr: 10.0.0.0/24, acl: border}
      back: {cidr: 10.0.1.0/24}
"""


def apply(user: User, text: str, *options: str) -> Any:
    return user.json("apply", "-f", "-", *(options or ("--yes",)), stdin=text)


def test_commands(user: User) -> None:
    user.ok("vpc", "create", "net", "--cidr", "10.0.0.0/16")
    user.ok("subnet", "create", "one", "--vpc", "net", "--cidr", "10.0.0.0/24")
    user.ok("acl", "create", "wall", "--vpc", "net")
    user.ok("acl", "add-rule", "wall", "in", "allow", "--protocol", "tcp", "--ports", "80-90", "--priority", "5")
    said = user.ok("acl", "get", "wall")
    assert "5: in allow tcp 80-90 from 0.0.0.0/0" in said and "rules let TCP in, but none lets all replies out" in said
    user.ok("acl", "add-rule", "wall", "out", "allow", "--protocol", "tcp", "--priority", "5")
    assert "lets all replies out" not in user.ok("acl", "get", "wall")
    user.ok("acl", "associate", "wall", "one")
    assert "is still the ACL of" in user.refused("acl", "delete", "wall")
    user.ok("acl", "disassociate", "wall", "one")
    shown = user.json("acl", "get", "wall")["networkAcl"]
    user.ok("acl", "remove-rule", "wall", shown["networkAclRules"][0]["ruleId"])
    assert "has no rule" in user.refused("acl", "remove-rule", "wall", "aclr-nothing")
    assert "N or N-N" in user.refused(
        "acl", "add-rule", "wall", "in", "allow", "--ports", "x", "--priority", "1", code=2
    )
    for kind, name in (("acl", "wall"), ("subnet", "one"), ("vpc", "net")):
        user.ok(kind, "delete", name)


def test_an_acl_as_a_file(user: User) -> None:
    """Made, the same again, changed by as few calls as can be, exported and taken away."""
    apply(user, NETWORK)
    assert apply(user, NETWORK)["changes"] == []
    exported = user.ok("export")
    assert apply(user, exported, "--dry-run", "--prune")["changes"] == []
    wanted = yaml.safe_load(NETWORK)
    shop = wanted["vpcs"]["shop"]
    shop["acls"]["border"]["rules"][0] |= {"ports": "80-90", "priority": 20}
    shop["subnets"]["front"]["acl"] = "other"
    shop["subnets"]["back"]["acl"] = "border"
    calls = user.calls("apply", "-f", "-", "--yes", stdin=yaml.safe_dump(wanted))
    assert sorted(calls) == ["associateNetworkAcl", "associateNetworkAcl", "modifyNetworkAclRules"]
    assert apply(user, yaml.safe_dump(wanted))["changes"] == []
    shop["subnets"]["front"]["acl"] = "none"
    assert user.calls("apply", "-f", "-", "--yes", stdin=yaml.safe_dump(wanted)) == ["disassociateNetworkAcl"]
    del shop["acls"]["border"]
    shop["subnets"]["back"]["acl"] = "none"
    apply(user, yaml.safe_dump(wanted), "--yes", "--prune")
    left = user.json("export")["vpcs"]["shop"]
    assert set(left["acls"]) == {"other"} and not any("acl" in subnet for subnet in left["subnets"].values())
    apply(user, "vpcs: {}\n", "--yes", "--prune")


def rule(direction: str, protocol: str, first: int = 0, last: int = 0, action: str = "allow") -> dict[str, Any]:
    return {"direction": direction, "protocol": protocol, "fromPort": first, "toPort": last, "ruleAction": action}


@pytest.mark.parametrize(
    ("rules", "count"),
    [
        ([], 0),
        ([rule("ingress", "TCP", 80, 80)], 1),
        ([rule("ingress", "All")], 2),
        ([rule("ingress", "TCP", 80, 80), rule("egress", "All")], 2),
        ([rule("ingress", "All"), rule("egress", "All")], 0),
        ([rule("ingress", "TCP", 80, 80), rule("egress", "TCP", 1024, 65535)], 0),
        ([rule("ingress", "TCP", 80, 80), rule("egress", "TCP", 49152, 65535)], 1),
        ([rule("egress", "UDP", 53, 53), rule("ingress", "UDP", 1024, 40000), rule("ingress", "UDP", 40000, 65535)], 1),
        ([rule("ingress", "ICMP")], 0),
        ([rule("ingress", "TCP", 80, 80, "deny")], 0),
    ],
)
def test_replies_that_nothing_lets_through_are_warned_of(rules: list[dict[str, Any]], count: int) -> None:
    assert len(warnings({"networkAclRules": rules})) == count, warnings({"networkAclRules": rules})
