"""Consequences of making, changing and deleting a record are declared by the feature that knows of them."""

from dataclasses import replace

import pytest

from apps.eni.model import NetworkInterface
from apps.eni.writes import new_interface
from apps.routing.model import INTERFACE, INTERNET, LOCAL, Route, RouteTable
from apps.routing.writes import new_route
from apps.vpc.model import ANYTHING, Subnet, Vpc
from sdnctl.base.addresses import Cidr
from sdnctl.base.errors import IntentError
from sdnctl.model.account import Account
from sdnctl.program.lifecycle import change, create, remove
from sdnctl.store import Txn
from sdnctl.store.memory import MemoryStore

BLOCK = Cidr.parse("10.0.0.0/16")


@pytest.fixture
def store() -> MemoryStore:
    """A region with an account and a VPC."""
    made = MemoryStore()

    def work(txn: Txn) -> None:
        txn.put(Account(id="acct-a"))
        create(
            txn,
            Vpc(
                id="vpc-a", account="acct-a", cidr=BLOCK, key=txn.allocate(Vpc, "key"), meter=txn.allocate(Vpc, "meter")
            ),
        )

    made.transact(work)
    return made


def test_a_vpc_is_born_with_a_route_table(store: MemoryStore) -> None:
    (table,) = store.state.all(RouteTable).values()
    routes = {(route.prefix, route.next_hop_type) for route in store.state.all(Route).values()}
    assert table.default and table.vpc == "vpc-a"
    assert routes == {(BLOCK, LOCAL), (ANYTHING, INTERNET)}


def test_what_is_local_follows_the_block(store: MemoryStore) -> None:
    def work(txn: Txn) -> None:
        vpc = txn.get(Vpc, "vpc-a")
        assert vpc is not None
        change(txn, vpc, replace(vpc, cidr=ANYTHING))

    store.transact(work)
    local = [route.prefix for route in store.state.all(Route).values() if route.next_hop_type == LOCAL]
    assert local == [ANYTHING]


def test_what_is_needed_stays_and_nothing_changes(store: MemoryStore) -> None:
    def inhabit(txn: Txn) -> tuple[Subnet, NetworkInterface]:
        (table,) = txn.all(RouteTable)
        subnet = Subnet(
            id="subnet-a",
            account="acct-a",
            vpc="vpc-a",
            route_table=table,
            cidr=Cidr.parse("10.0.1.0/24"),
            key=txn.allocate(Subnet, "key"),
        )
        return create(txn, subnet), new_interface(txn, subnet)

    subnet, port = store.transact(inhabit)
    with pytest.raises(IntentError, match=f"subnetId.*subnet-a is still used by network interface {port.id}"):
        store.transact(lambda txn: remove(txn, subnet, "subnetId"))

    def route(txn: Txn) -> None:
        (table,) = txn.all(RouteTable).values()
        rule = replace(new_route(txn, table, Cidr.parse("10.9.0.0/16"), INTERFACE), next_hop=port.id)
        txn.put(rule)

    store.transact(route)
    with pytest.raises(IntentError, match=f"networkInterfaceId.*{port.id} is the next hop of"):
        store.transact(lambda txn: remove(txn, port, "networkInterfaceId"))
    assert port.id in store.state.all(NetworkInterface) and "subnet-a" in store.state.all(Subnet)
