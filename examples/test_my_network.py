"""A network of one's own, tested: a web server and a database that only its subnet's neighbours reach.

pytest examples                    as root: the lab makes namespaces and switches, and takes them away again
pytest examples --update-golden    writes golden/shop.txt: read the difference before you commit it
"""

from collections.abc import Callable
from typing import Any

import pytest

from sdnctl.testing.lab import Lab
from topologies.scenarios import Account, Scenario, Subnet, Vpc, machine

SHOP = Vpc(
    "shop",
    "10.0.0.0/16",
    (Subnet("front", "10.0.0.0/24"), Subnet("back", "10.0.1.0/24")),
    (machine("web", "front", "10.0.0.10", mbps=10), machine("db", "back", "10.0.1.10")),
)
SCENARIO = Scenario("shop", (Account("acme", (SHOP,)),))


@pytest.fixture(scope="module")
def network(lab: Callable[[Scenario], Lab]) -> Lab:
    """The region with this network in it."""
    return lab(SCENARIO)


def test_the_web_server_reaches_the_database(network: Lab) -> None:
    assert network["web"].ping("10.0.1.10", count=3) == 3


def test_what_becomes_of_a_packet(network: Lab, assert_trace: Callable[..., dict[str, Any]]) -> None:
    query = {"protocol": "tcp", "destinationPort": 5432}
    assert_trace(network, "web", "10.0.1.10", "delivered to db (instance db) on host hv1", **query)
    nothing = "dropped: the route leads to the internet, but 10.0.1.10 of db (instance db) has no elastic IP"
    assert_trace(network, "db", "198.51.100.10", f"{nothing} (no-elastic-ip)")


def test_the_flow_tables(network: Lab, assert_flows: Callable[[Lab, str], None]) -> None:
    assert_flows(network, "shop")
