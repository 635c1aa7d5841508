"""HaVips on the command line and in an intent file."""

import re

from tests.cli.conftest import User
from tests.cli.test_intent import apply, changes

FILE = """
vpcs:
  pair:
    cidr: 10.8.0.0/16
    subnets: {net: {cidr: 10.8.1.0/24}}
    interfaces:
      one: {subnet: net}
      two: {subnet: net}
    havips:
      shared: {subnet: net, address: 10.8.1.100, members: ["eni:one", "eni:two"], description: ours}
    route-tables: {default: {rules: [{to: 192.0.2.0/24, via: "havip:shared"}]}}
elastic-ips:
  front: {bandwidth: 5, bound-to: "havip:pair/shared"}
"""


def test_a_havip_is_made_and_gets_members(user: User) -> None:
    user.ok("vpc", "create", "v", "--cidr", "10.9.0.0/16")
    user.ok("subnet", "create", "s", "--vpc", "v", "--cidr", "10.9.1.0/24")
    for name in ("a", "b"):
        user.ok("eni", "create", name, "--subnet", "s")
    user.ok("havip", "create", "shared", "--subnet", "s", "--address", "10.9.1.77")
    user.ok("havip", "associate", "shared", "eni:a")
    user.ok("havip", "associate", "shared", "b")
    assert re.search(r"shared .*\bv\b.*\bs\b.*10\.9\.1\.77.*nobody +a\s+b\s", user.ok("havip", "list"))
    assert "is on no host" in user.refused("havip", "move", "shared", "a")
    assert "associated with" in user.refused("havip", "delete", "shared")
    for name in ("a", "b"):
        user.ok("havip", "disassociate", "shared", name)
    user.ok("havip", "delete", "shared")
    assert "no instance or network interface" in user.refused("havip", "associate", "x", "nothing")


def test_members_are_checked_and_moves_are_shown(user: User) -> None:
    user.ok("vpc", "create", "w", "--cidr", "10.9.0.0/16")
    user.ok("subnet", "create", "t", "--vpc", "w", "--cidr", "10.9.1.0/24")
    user.ok("havip", "create", "asked", "--subnet", "t")
    user.ok("havip", "check", "asked", "tcp:443", "--interval", "2")
    check = user.json("havip", "get", "asked")["haVip"]["healthCheck"]
    assert (check["protocol"], check["port"], check["intervalSeconds"]) == ("Tcp", 443, 2)
    user.ok("havip", "check", "asked", "icmp")
    assert user.json("havip", "get", "asked")["haVip"]["healthCheck"]["protocol"] == "Icmp"
    for wrong in ("http:80", "tcp", "tcp:x", "icmp:7"):
        assert "icmp, tcp:PORT or off" in user.refused("havip", "check", "asked", wrong, code=2)
    user.ok("havip", "check", "asked", "off")
    assert user.json("havip", "get", "asked")["haVip"]["healthCheck"] is None
    assert "no moves yet" in user.ok("events") and user.json("events", "--havip", "asked")["haVipEvents"] == []


def test_a_file_s_havips_are_made_changed_and_exported(user: User) -> None:
    assert ("create", "havip", "pair/shared") in changes(apply(user, FILE))
    assert apply(user, FILE)["changes"] == []
    shown = user.json("havip", "get", "shared")["haVip"]
    assert len(shown["associatedResources"]) == 2 and shown["elasticIp"]
    exported = user.ok("export")
    assert "havip:shared" in exported and "eni:one" in exported
    assert apply(user, exported, "--dry-run", "--prune")["changes"] == []
    apply(user, FILE.replace(', "eni:two"', ""))
    assert len(user.json("havip", "get", "shared")["haVip"]["associatedResources"]) == 1
    apply(user, "vpcs: {}\nelastic-ips: {}\n", "--prune", "--yes")
    assert user.json("havip", "list")["haVips"] == []
