"""Security groups on the command line and in an intent file."""

from typing import Any

import yaml

from tests.cli.conftest import User

NETWORK = """
prefix-lists:
  offices: {max-entries: 2, entries: [198.51.100.0/24]}
vpcs:
  shop:
    cidr: 10.0.0.0/16
    security-groups:
      web:
        rules:
          - {direction: in, protocol: tcp, ports: 80}
          - {direction: in, action: deny, protocol: all, remote: "prefix-list:offices", priority: 1}
      db:
        rules:
          - {direction: in, protocol: tcp, ports: 5432, remote: "sg:web"}
    subnets:
      front: {cidr: 10.0.0.0/24}
    interfaces:
      spare: {subnet: front, security-groups: [db]}
    instances:
      one: {subnet: front, security-groups: [web, db]}
      two: {subnet: front}
"""


def apply(user: User, text: str, *options: str) -> Any:
    return user.json("apply", "-f", "-", *(options or ("--yes",)), stdin=text)


def test_commands(user: User) -> None:
    user.ok("vpc", "create", "net", "--cidr", "10.0.0.0/16")
    user.ok("subnet", "create", "sub", "--vpc", "net", "--cidr", "10.0.0.0/24")
    for name in ("web", "db"):
        user.ok("sg", "create", name, "--vpc", "net")
    user.ok("sg", "add-rule", "web", "in", "allow", "--protocol", "tcp", "--ports", "80-90", "--priority", "5")
    user.ok("sg", "add-rule", "db", "in", "--protocol", "udp", "--ports", "53", "--remote", "sg:web")
    said = user.ok("sg", "get", "web")
    assert "5: in allow tcp 80-90 from 0.0.0.0/0" in said
    shown = user.json("sg", "get", "db")["networkSecurityGroup"]
    assert shown["securityGroupRules"][0]["addressPrefixType"] == "SECURITYGROUP"
    user.ok("instance", "create", "vm", "--subnet", "sub", "--security-group", "db")
    user.ok("eni", "create", "card", "--subnet", "sub", "--security-group", "web", "--security-group", "db")
    assert "network interface" in user.refused("sg", "delete", "db")
    user.ok("sg", "apply", "card", "--security-group", "web")
    groups = user.json("eni", "get", "card")["networkInterface"]["networkSecurityGroupIds"]
    assert len(groups) == 2, "the default group stands first"
    user.ok("sg", "apply", "card")
    user.ok("sg", "apply", "instance:vm")
    assert len(user.json("eni", "get", "card")["networkInterface"]["networkSecurityGroupIds"]) == 1
    user.ok("sg", "remove-rule", "db", shown["securityGroupRules"][0]["ruleId"])
    assert "has no rule" in user.refused("sg", "remove-rule", "db", "sgr-nothing")
    assert "N or N-N" in user.refused("sg", "add-rule", "db", "in", "--ports", "x", code=2)
    assert "sg:NAME" in user.refused("sg", "add-rule", "db", "in", "--remote", "eni:card", code=2)
    assert "default group" in user.refused("sg", "delete", "net/default")
    for kind, name in (("instance", "vm"), ("eni", "card"), ("sg", "web"), ("sg", "db"), ("subnet", "sub")):
        user.ok(kind, "delete", name)
    user.ok("vpc", "delete", "net")


def test_groups_as_a_file(user: User) -> None:
    """Made, the same again, exported, built anew from that, changed by as few calls as can be, and taken away."""
    apply(user, NETWORK)
    assert apply(user, NETWORK)["changes"] == []
    exported = user.ok("export")
    shown = yaml.safe_load(exported)["vpcs"]["shop"]["security-groups"]
    assert set(shown) == {"web", "db"}, "what is as it was born is not told"
    assert apply(user, exported, "--dry-run", "--prune")["changes"] == []
    apply(user, "{vpcs: {}, prefix-lists: {}}\n", "--yes", "--prune")
    apply(user, exported)
    assert user.ok("export") == exported
    wanted = yaml.safe_load(NETWORK)
    shop = wanted["vpcs"]["shop"]
    shop["security-groups"]["web"]["rules"][0]["ports"] = "80-90"
    shop["instances"]["one"]["security-groups"] = ["db"]
    calls = user.calls("apply", "-f", "-", "--yes", stdin=yaml.safe_dump(wanted))
    assert sorted(one.split("/")[0] for one in calls) == ["modifyNetworkSecurityGroupRules", "networkInterfaces"]
    shop["security-groups"]["default"] = {"rules": [{"direction": "in", "action": "deny", "protocol": "all"}]}
    shop["security-groups"]["default"]["rules"].append({"direction": "out", "protocol": "all"})
    assert user.calls("apply", "-f", "-", "--yes", stdin=yaml.safe_dump(wanted)) == ["modifyNetworkSecurityGroupRules"]
    exported = user.ok("export")
    assert "default" in yaml.safe_load(exported)["vpcs"]["shop"]["security-groups"]
    assert apply(user, exported, "--dry-run", "--prune")["changes"] == []
    apply(user, "{vpcs: {}, prefix-lists: {}}\n", "--yes", "--prune")
    apply(user, exported)
    assert user.ok("export") == exported
    apply(user, "{vpcs: {}, prefix-lists: {}}\n", "--yes", "--prune")
