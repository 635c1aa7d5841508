"""Load balancers on the command line."""

import re

from tests.cli.conftest import User


def test_a_load_balancer_is_made_filled_and_deleted(user: User) -> None:
    user.ok("vpc", "create", "v", "--cidr", "10.0.0.0/16")
    user.ok("subnet", "create", "front", "--vpc", "v", "--cidr", "10.0.1.0/24")
    user.ok("lb", "create", "web", "--subnet", "front", "--address", "10.0.1.100")
    assert re.search(r"web .*nlb.*10\.0\.1\.100.*ACTIVE", user.ok("lb", "list"))
    user.ok("target-group", "create", "tg", "--lb", "web")
    user.ok("lb-backend", "create", "http", "--lb", "web", "--port", "8080", "--group", "tg")
    user.ok("listener", "create", "l80", "--lb", "web", "--port", "80", "--backend", "http")
    assert re.search(r"l80.*Tcp.*80.*On", user.ok("listener", "list", "--lb", "web"))
    user.ok("listener", "off", "l80")
    assert re.search(r"l80.*Off", user.ok("listener", "list"))
    user.ok("listener", "on", "l80")
    user.ok("lb", "stop", "web")
    assert "DOWN" in user.ok("lb", "list")
    user.ok("lb", "start", "web")
    assert "still used" in user.refused("lb-backend", "delete", "http")
    user.ok("listener", "delete", "l80")
    user.ok("lb-backend", "delete", "http")
    user.ok("target-group", "delete", "tg")
    user.ok("lb", "delete", "web")
    user.ok("subnet", "delete", "front")


def test_an_elastic_ip_is_bound_to_it(user: User) -> None:
    user.ok("vpc", "create", "p", "--cidr", "10.0.0.0/16")
    user.ok("subnet", "create", "front", "--vpc", "p", "--cidr", "10.0.1.0/24")
    user.ok("lb", "create", "shop", "--subnet", "p/front", "--address", "10.0.1.100")
    user.ok("eip", "create", "public", "--bandwidth", "5")
    user.ok("eip", "bind", "public", "lb:shop")
    address = user.json("eip", "get", "public")["elasticIp"]["elasticIpAddress"]
    assert address in user.ok("lb", "list")
    assert "no load balancer goes by" in user.refused("eip", "bind", "public", "lb:none")
    user.ok("eip", "unbind", "public")
    assert address not in user.ok("lb", "list")
    user.ok("eip", "delete", "public")
    user.ok("lb", "delete", "shop")


def test_instances_are_targets(user: User) -> None:
    user.ok("vpc", "create", "w", "--cidr", "10.0.0.0/16")
    user.ok("subnet", "create", "front", "--vpc", "w", "--cidr", "10.0.1.0/24")
    user.ok("instance", "create", "vm", "--subnet", "w/front", "--address", "10.0.1.10")
    user.ok("lb", "create", "web", "--subnet", "w/front", "--type", "dnlb")
    user.ok("target-group", "create", "tg", "--lb", "web")
    user.ok("target-group", "add", "tg", "--instance", "vm", "--weight", "30")
    assert "10.0.1.10 port of the backend weight 30" in user.ok("target-group", "targets", "tg")
    assert user.json("target-group", "targets", "tg")["totalCount"] == 1
    assert "is target" in user.refused("instance", "delete", "vm")
    user.ok("target-group", "remove", "tg", "--instance", "vm")
    assert user.json("target-group", "targets", "tg")["totalCount"] == 0
    user.ok("lb", "delete", "web")
