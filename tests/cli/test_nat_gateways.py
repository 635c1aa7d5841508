"""NAT gateways on the command line and in an intent file."""

import re

from tests.cli.conftest import User
from tests.cli.test_intent import apply, changes

FILE = """
vpcs:
  nats:
    cidr: 10.0.0.0/16
    subnets:
      front: {cidr: 10.0.1.0/24, route-table: users}
      edge: {cidr: 10.0.9.0/24}
    route-tables:
      users: {rules: [{to: 0.0.0.0/0, via: "nat-gateway:out"}]}
    nat-gateways:
      out: {subnet: edge, size: medium, description: ours}
elastic-ips:
  first: {bandwidth: 5, bound-to: "nat-gateway:nats/out"}
  second: {bandwidth: 5, bound-to: "nat-gateway:nats/out"}
"""


def test_a_gateway_is_made_ruled_and_deleted(user: User) -> None:
    user.ok("vpc", "create", "v", "--cidr", "10.0.0.0/16")
    for name, cidr in (("front", "10.0.1.0/24"), ("edge", "10.0.9.0/24")):
        user.ok("subnet", "create", name, "--vpc", "v", "--cidr", cidr)
    user.ok("nat-gateway", "create", "nat", "--subnet", "edge", "--buy", "2", "--bandwidth", "5")
    assert re.search(r"nat .*\bv\b.*edge.*10\.0\.9\.\d+.*small.*RUNNING", user.ok("nat-gateway", "list"))
    found = user.json("nat-gateway", "get", "nat")["natGateway"]
    first, second = (eip["elasticIpAddress"] for eip in found["elasticIps"])
    user.ok("nat-gateway", "set-status", "nat", "offline", first)
    assert f"{first} (offline)" in user.ok("nat-gateway", "list")
    user.ok("nat-gateway", "add-snat", "nat", "10.0.1.7/32", "--by", second, "--affinity")
    user.ok("eni", "create", "--subnet", "front", "--address", "10.0.1.5")
    user.ok("nat-gateway", "add-dnat", "nat", f"{second}:8080-8081", "10.0.1.5:80")
    said = user.ok("nat-gateway", "rules", "nat")
    assert f"out: 10.0.1.7/32 by {second}, each source always by the same" in said
    assert f"in: TCP to {second}:8080-8081 goes to 10.0.1.5:80" in said
    rules = user.json("nat-gateway", "rules", "nat")
    user.ok("nat-gateway", "remove-dnat", "nat", rules["dnatRules"][0]["dnatRuleId"])
    own = [rule["snatRuleId"] for rule in rules["snatRules"] if rule["snatRuleType"] == "USER"]
    user.ok("nat-gateway", "remove-snat", "nat", *own)
    assert "running" in user.refused("nat-gateway", "resize", "nat", "large")
    user.ok("nat-gateway", "stop", "nat")
    user.ok("nat-gateway", "resize", "nat", "large")
    user.ok("nat-gateway", "start", "nat")
    user.ok("nat-gateway", "unbind", "nat", first, "--delete")
    user.ok("nat-gateway", "bind", "nat", second)
    user.ok("nat-gateway", "stop", "nat")
    user.ok("nat-gateway", "delete", "nat")


def test_a_file_s_gateways_are_made_changed_and_exported(user: User) -> None:
    made = changes(apply(user, FILE))
    assert ("create", "nat-gateway", "nats/out") in made
    assert apply(user, FILE)["changes"] == []
    found = user.json("nat-gateway", "get", "nats/out")["natGateway"]
    assert (found["natGatewaySpec"], len(found["elasticIps"]), len(found["routeTableIds"])) == ("medium", 2, 1)
    exported = user.ok("export")
    assert "nat-gateway:nats/out" in exported and "size: medium" in exported
    assert apply(user, exported, "--dry-run", "--prune")["changes"] == []
    apply(user, FILE.replace("size: medium", "size: large, state: stopped"))
    found = user.json("nat-gateway", "get", "nats/out")["natGateway"]
    assert (found["natGatewaySpec"], found["state"]["status"]) == ("large", "STOPPED")
    apply(user, "vpcs: {}\nelastic-ips: {}\n", "--prune", "--yes")
    assert user.json("nat-gateway", "list")["natGateways"] == []
