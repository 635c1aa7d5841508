"""VPC peerings on the command line and in an intent file."""

import re

from tests.cli.conftest import User
from tests.cli.test_intent import apply, changes
from topologies.service import Service

FILE = """
vpcs:
  left: {cidr: 10.0.0.0/16, route-tables: {default: {rules: [{to: 10.1.0.0/16, via: "peering:there"}]}}}
  right: {cidr: 10.1.0.0/16, route-tables: {default: {rules: [{to: 10.0.0.0/16, via: "peering:back"}]}}}
peerings:
  there: {vpc: left, with: right, description: ours}
  back: {vpc: right, with: left}
"""


def test_a_peering_is_made_routed_and_cut(user: User) -> None:
    for name, cidr in (("a", "10.4.0.0/16"), ("b", "10.5.0.0/16")):
        user.ok("vpc", "create", name, "--cidr", cidr)
    user.ok("peering", "create", "a-b", "--vpc", "a", "--with", "b", "--description", "d")
    assert re.search(r"a-b .*\ba\b.*\bb\b.*10\.5\.0\.0/16.*Initiated.*none", user.ok("peering", "list"))
    user.ok("peering", "create", "b-a", "--vpc", "b", "--with", "a")
    table = user.json("vpc", "get", "a")["vpc"]["routeTableIds"][0]
    user.ok("route-table", "add-rule", table, "10.5.0.0/16", "--via", "peering:a-b")
    assert "peering:a-b" in user.ok("route-table", "list")
    found = user.json("peering", "get", "a-b")["vpcPeering"]
    assert (found["vpcPeeringState"], found["routesPresent"]) == ("Connected", "one")
    user.ok("peering", "delete", "b-a")
    assert user.json("peering", "get", "a-b")["vpcPeering"]["vpcPeeringState"] == "Disconnected"
    assert "no vpc" in user.refused("peering", "create", "x", "--vpc", "a", "--with", "nowhere")


def test_with_another_account_by_the_id_of_its_vpc(user: User, service: Service) -> None:
    other = User(service.data, service.endpoint, "peers-other")
    user.ok("vpc", "create", "mine", "--cidr", "10.6.0.0/16")
    other.ok("vpc", "create", "theirs", "--cidr", "10.7.0.0/16")
    ids = {"mine": user.json("vpc", "get", "mine")["vpc"]["vpcId"]}
    ids["theirs"] = other.json("vpc", "get", "theirs")["vpc"]["vpcId"]
    user.ok("peering", "create", "out", "--vpc", "mine", "--with", ids["theirs"])
    other.ok("peering", "create", "in", "--vpc", "theirs", "--with", ids["mine"])
    assert user.json("peering", "get", "out")["vpcPeering"]["vpcPeeringState"] == "Connected"


def test_a_file_s_peerings_are_made_and_exported(user: User) -> None:
    wanted = FILE
    made = changes(apply(user, wanted))
    assert [one for one in made if one[1] == "peering"] == [
        ("create", "peering", "there"),
        ("create", "peering", "back"),
    ]
    assert apply(user, wanted)["changes"] == []
    exported = user.ok("export")
    assert "peering:there" in exported and "with: right" in exported
    assert apply(user, exported, "--dry-run", "--prune")["changes"] == []
