"""What hosts ask for about contested records: granted when the region backs it, and never in another host's name."""

import json
from dataclasses import replace
from typing import Any

import pytest

from apps.eip.model import ElasticIp
from apps.eni.model import NetworkInterface
from apps.gateway.model import GATEWAY
from apps.holder.model import Holder
from sdnctl.api.arbiter import STALE_S, Arbiter, settle
from sdnctl.base.addresses import Ip4, Mac
from sdnctl.base.errors import Refused
from sdnctl.model.account import Account
from sdnctl.model.bid import Bid
from sdnctl.model.host import Binding, Host
from sdnctl.model.resource import meta
from sdnctl.store.bids import text, wish
from sdnctl.store.memory import MemoryStore

PORT = NetworkInterface(
    id="port-1", account="a", vpc="vpc-1", subnet="s", mac=Mac(1), addresses=(Ip4(1),), key=1, instance=""
)
ADDRESS = "192.0.2.9"


class Region:
    """Two hosts with uplinks, and one that is a gateway; port-1 may be plugged in anywhere."""

    def __init__(self, make: type[MemoryStore] = MemoryStore) -> None:
        self.now = 1000.0
        self.store = make(clock=lambda: self.now)
        hosts = [Host(id="a", uplink="u"), Host(id="b", uplink="u"), Host(id="c", encap_ip=Ip4(7))]
        gateway = Host(id="g", uplink="u", encap_ip=Ip4(8), gateway=1)
        eip: dict[str, Any] = {name: 1 for name, item in meta(ElasticIp).fields.items() if item.kind == "number"}
        bound = ElasticIp(id="fip-1", account="a", pool="p", address=Ip4.parse(ADDRESS), port="port-1", **eip)
        for record in (*hosts, gateway, PORT, bound):
            self.place(record)

    def place(self, record: Any) -> None:
        """Put a record there as it is."""
        from sdnctl.store import Change

        known = self.store.state.get(type(record), record.id)
        self.store.state.apply([Change(type(record), record.id, known, record)])

    def bid(self, host: str, record: Any, cls: type = Binding, key: str = "port-1", known: Any = ...) -> bool:
        """Ask in a host's name; True when it was granted or is void, False while it waits."""
        known = self.store.state.get(cls, key) if known is ... else known
        made = wish(host, cls, key, record, known, self.now)
        self.place(made)
        return self.settle(made.id)

    def settle(self, id: str) -> bool:
        """Have a bid looked at."""
        self.store.report(lambda txn: settle(txn, id))
        return self.store.state.get(Bid, id) is None

    @property
    def place_of_port(self) -> Binding | None:
        """Where port-1 is."""
        return self.store.state.get(Binding, "port-1")

    @property
    def answers(self) -> str:
        """The host that presents the public address, "" for none."""
        found = self.store.state.get(Holder, ADDRESS)
        return found.host if found is not None else ""


def plugged(host: str, row: str, **more: Any) -> Binding:
    """A port's place as its host claims it."""
    return Binding(id="port-1", port="port-1", vpc="vpc-1", host=host, row=row, **more)


@pytest.fixture
def region() -> Region:
    return Region()


def test_a_port_goes_where_it_is_plugged_in_last_and_back_when_that_goes(region: Region) -> None:
    assert region.bid("a", plugged("a", "r1")) and region.place_of_port == plugged("a", "r1")
    assert region.bid("b", plugged("b", "r2")) and region.place_of_port == plugged("b", "r2", displaced=("r1",))
    # What was displaced does not come back, whatever it says was displaced.
    assert not region.bid("a", plugged("a", "r1", displaced=("r2",)))
    assert region.place_of_port == plugged("b", "r2", displaced=("r1",))
    assert region.bid("b", None) and region.place_of_port is None
    assert region.settle("a/Binding/port-1") and region.place_of_port is None, "it was based on what is no more"
    assert region.bid("a", plugged("a", "r1")) and region.place_of_port == plugged("a", "r1")


def test_what_was_based_on_something_else_is_void(region: Region) -> None:
    region.bid("a", plugged("a", "r1"))
    assert region.bid("b", plugged("b", "r2"), known=None)
    assert region.place_of_port == plugged("a", "r1")


@pytest.mark.parametrize(
    "record",
    [
        plugged("a", "r9"),
        plugged(
            "b",
            "r9",
        ),
        replace(plugged("b", "r9"), port="port-none"),
        replace(plugged("b", "r9"), id="port-2"),
        plugged("b", ""),
        Holder(id="port-1", host="b"),
    ],
)
def test_nobody_speaks_for_another_host_or_of_nonsense(region: Region, record: Any) -> None:
    region.bid("a", plugged("a", "r1"))
    region.bid("c", record)
    assert region.place_of_port == plugged("a", "r1")


def test_a_host_that_knows_fewer_columns_bids_all_the_same(region: Region) -> None:
    """As one of an older release, after a column has come."""
    region.bid("a", plugged("a", "r1"))
    known = json.loads(text(region.place_of_port))
    made = wish("b", Binding, "port-1", plugged("b", "r2"), region.place_of_port, region.now)
    for said in ({**known, "row": "r0"}, {}, ["row"]):
        region.place(replace(made, based=json.dumps(said)))
        assert region.settle(made.id) and region.place_of_port == plugged("a", "r1")
    del known["displaced"]
    region.place(replace(made, based=json.dumps(known)))
    assert region.settle(made.id) and region.place_of_port == plugged("b", "r2", displaced=("r1",))


def test_a_host_cannot_drop_what_another_has(region: Region) -> None:
    region.bid("a", plugged("a", "r1"))
    assert region.bid("b", None)
    assert region.place_of_port == plugged("a", "r1")


UNSTORABLE = r'{"host": "c", "id": "port-1", "port": "port-1", "vpc": "vpc-1", "row": "\ud800"}'


@pytest.mark.parametrize(
    "said", ["nonsense", "[]", "{}", '{"id": 5}', '{"host": "c", "id": "port-1", "row": 1}', UNSTORABLE]
)
def test_what_is_no_record_is_void(region: Region, said: str) -> None:
    bid = Bid(id="c/Binding/port-1", host="c", kind="Binding", key="port-1", record=said, asked=region.now)
    region.place(bid)
    assert region.settle(bid.id) and region.place_of_port is None


@pytest.mark.parametrize("turn", [2**63, "soon", None])
def test_a_number_that_no_store_holds_is_void(region: Region, turn: Any) -> None:
    region.bid("a", plugged("a", "r1"))
    region.bid("a", Holder(id=ADDRESS, vpc="vpc-1", host="a"), Holder, ADDRESS)
    said = json.dumps({"id": ADDRESS, "vpc": "vpc-1", "host": "a", "turn": turn})
    based = text(region.store.state.get(Holder, ADDRESS))
    region.place(Bid(id=f"a/Holder/{ADDRESS}", host="a", kind="Holder", key=ADDRESS, record=said, based=based))
    assert region.settle(f"a/Holder/{ADDRESS}")
    assert region.store.state.get(Holder, ADDRESS) == Holder(id=ADDRESS, vpc="vpc-1", host="a")


def test_a_rule_that_fails_ends_its_bid_and_nothing_else(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: Any) -> None:
        raise IndexError("a feature's mistake")

    monkeypatch.setattr("sdnctl.api.arbiter.arbitrated", wrong)
    assert region.bid("a", plugged("a", "r1")) and region.place_of_port is None


class Picky(MemoryStore):
    """A store that never takes what host "b" asks for."""

    def report(self, work: Any) -> Any:
        """See Store.report."""

        def checked(txn: Any) -> Any:
            result = work(txn)
            if any(isinstance(one.new, Binding) and one.new.host == "b" for one in txn.changes()):
                raise Refused("never")
            return result

        return super().report(checked)


def test_a_bid_that_the_store_refuses_is_void_and_holds_up_no_other() -> None:
    region = Region(Picky)
    for number, host in enumerate("abc"):
        region.place(replace(PORT, id=f"port-{number}", key=number))
        claim = Binding(id=f"port-{number}", port=f"port-{number}", vpc="vpc-1", host=host, row="r")
        region.place(wish(host, Binding, claim.id, claim, None, region.now))
    Arbiter(region.store)._settle()
    assert {one.host for one in region.store.state.all(Binding).values()} == {"a", "c"}
    assert not region.store.state.all(Bid)


@pytest.mark.parametrize("kind", ["Account", "HostStatus", "NoSuch", "Bid"])
def test_only_contested_records_can_be_asked_for(region: Region, kind: str) -> None:
    record = text(Account(id="x"))
    region.place(Bid(id=f"a/{kind}/x", host="a", kind=kind, key="x", record=record, asked=region.now))
    assert region.settle(f"a/{kind}/x") and not region.store.state.all(Account)


def test_a_public_address_is_presented_by_the_host_of_its_port_and_nobody_else(region: Region) -> None:
    hold = {host: Holder(id=ADDRESS, vpc="vpc-1", host=host) for host in "abcg"}
    assert not region.bid("a", hold["a"], Holder, ADDRESS) and region.answers == ""
    region.bid("a", plugged("a", "r1"))
    # What waited is backed now.
    assert region.settle(f"a/Holder/{ADDRESS}") and region.answers == "a"
    for host in "bcg":
        assert not region.bid(host, hold[host], Holder, ADDRESS) and region.answers == "a"
    region.now += STALE_S + 1
    assert region.settle(f"b/Holder/{ADDRESS}") and region.answers == "a", "what nothing backs is forgotten"
    # The machine moves: its new host may take over, the old one may not take it back.
    region.bid("b", plugged("b", "r2"))
    assert region.bid("b", hold["b"], Holder, ADDRESS) and region.answers == "b"
    assert not region.bid("a", hold["a"], Holder, ADDRESS) and region.answers == "b"
    assert region.bid("b", None, Holder, ADDRESS) and region.answers == ""


def test_a_gateway_answers_for_hosts_without_uplink_and_must_be_one(region: Region) -> None:
    region.bid("c", plugged("c", "r1"))
    for host in "abc":
        assert not region.bid(host, Holder(id=GATEWAY, host=host), Holder, GATEWAY)
    assert not region.bid("g", Holder(id=ADDRESS, vpc="vpc-1", host="g"), Holder, ADDRESS)
    assert region.bid("g", Holder(id=GATEWAY, host="g"), Holder, GATEWAY)
    assert region.settle(f"g/Holder/{ADDRESS}") and region.answers == "g"


def test_a_key_that_no_feature_knows_is_given_to_nobody(region: Region) -> None:
    for key in ("lb-1", "203.0.113.300", "gateway-2", ""):
        wanted = Holder(id=key, vpc="vpc-1", host="a")
        assert not region.bid("a", wanted, Holder, key) and region.store.state.get(Holder, key) is None


def test_a_managed_interface_is_where_its_owner_is_held(region: Region) -> None:
    region.place(replace(PORT, managed="lb", owner="lb-1"))
    assert not region.bid("a", plugged("a", "")) and region.place_of_port is None
    region.place(Holder(id="lb-1", vpc="vpc-1", host="a"))
    assert region.settle("a/Binding/port-1") and region.place_of_port == plugged("a", "")
    assert not region.bid("b", plugged("b", "")) and not region.bid("b", plugged("b", "r1"))
