"""A transaction changes all it wants or nothing, and leaves no reference to what is gone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from apps.eip.model import ElasticIp
from apps.eni.model import NetworkInterface
from apps.eni.writes import free
from apps.routing.model import Route, RouteTable
from apps.vpc.model import Subnet, Vpc
from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import IntentError
from sdnctl.model.host import Binding, Host, HostStatus, RetiredNumber
from sdnctl.model.resource import number, resource
from sdnctl.store import REGION, Change, Region, State, Txn
from sdnctl.store.memory import MemoryStore
from sdnctl.store.numbers import Hints
from tests.build import Network
from tests.toys import Toy, ToyGauge, ToyGroup, ToyMeter, ToyNote, ToyPart, came, toy

GROUP = ToyGroup(id="g")


def txn(*records: Any) -> Txn:
    """A transaction on a state that has the records and their group."""
    state = State()
    state.apply(came(GROUP, *records))
    return Txn(state, Hints(), 1.5)


def after(one: Txn) -> dict[str, Any]:
    """The record that each written id becomes."""
    return {change.id: change.new for change in one.changes()}


def test_own_writes_are_seen() -> None:
    """Through get, by and all; the state knows nothing of them."""
    one = txn(toy(1, colours=("red",)), toy(2, colours=("red",)))
    one.put(toy(3, colours=("red", "blue")))
    one.put(toy(1, group="g", colours=("blue",)))
    one.delete(Toy, "toy-2")
    assert one.get(Toy, "toy-3") == toy(3, colours=("red", "blue")) and one.get(Toy, "toy-2") is None
    assert one.by(Toy, ("colours",), "red") == {"toy-3"}
    assert one.by(Toy, ("group", "colours"), ("g", "blue")) == {"toy-1", "toy-3"}
    assert one.all(Toy).keys() == {"toy-1", "toy-3"} and one.by(ToyPart, ("toy",), "toy-1") == set()
    assert one._state.by(Toy, ("colours",), "red") == {"toy-1", "toy-2"}


def test_own_writes_are_found_however_often_they_change() -> None:
    """Under each index as often as one looks, before and after; also through a transaction on top, and in a copy."""
    one = txn(toy(1, colours=("red",)), toy(2, colours=("blue",)))

    def found(seen: Txn) -> list[set[str]]:
        return [set(seen.by(Toy, ("colours",), colour)) for colour in ("red", "blue", "green")]

    assert found(one) == [{"toy-1"}, {"toy-2"}, set()]
    one.put(toy(3, colours=("red", "red", "blue")))
    assert found(one) == [{"toy-1", "toy-3"}, {"toy-2", "toy-3"}, set()]
    one.put(toy(3, colours=("green",)))
    one.delete(Toy, "toy-1")
    assert found(one) == [set(), {"toy-2"}, {"toy-3"}]
    one.delete(Toy, "toy-3")
    one.put(toy(1, colours=("green",)))
    assert found(one) == [set(), {"toy-2"}, {"toy-1"}]
    above = Txn(one, Hints(), 1.5)
    above.put(toy(2, colours=("green",)))
    above.delete(Toy, "toy-1")
    assert found(above) == [set(), set(), {"toy-2"}] and found(one) == [set(), {"toy-2"}, {"toy-1"}]
    other = State()
    other.apply(came(GROUP, toy(5, colours=("red",))))
    copy = Txn(other, Hints(), 1.5)
    copy.absorb(one)
    one.absorb(above)
    assert found(one) == [set(), set(), {"toy-2"}] and found(copy) == [{"toy-5"}, set(), {"toy-1"}]
    copy.put(toy(1, colours=("red",)))
    assert found(copy) == [{"toy-1", "toy-5"}, set(), set()] and found(one) == [set(), set(), {"toy-2"}]


def test_unchanged_writes_are_left_out() -> None:
    """Written as it was, made and deleted again, changed and changed back: nothing to commit."""
    one = txn(toy(1))
    one.put(toy(1))
    one.put(toy(2))
    one.delete(Toy, "toy-2")
    one.delete(Toy, "toy-9")
    assert one.changes() == []
    one.put(toy(1, size=3))
    assert one.changes() == [Change(Toy, "toy-1", toy(1), toy(1, size=3))]
    one.put(toy(1))
    assert one.changes() == []


@pytest.mark.parametrize("given", [{"group": "h"}, {"friend": "toy-9"}, {"friends": ("toy-1", "toy-9")}, {"group": ""}])
def test_a_reference_to_nothing_is_refused(given: dict[str, Any]) -> None:
    """The error names the field."""
    one = txn(toy(1))
    with pytest.raises(IntentError, match="does not exist") as refused:
        one.put(toy(2, **given))
    assert refused.value.field == f"Toy.{next(iter(given))}" and refused.value.code == 404
    assert one.changes() == []


def test_a_reference_to_something_written_or_deleted_here() -> None:
    """The first is fine, the second is not."""
    one = txn(toy(1))
    one.put(toy(2, friend="toy-1", friends=()))
    one.put(toy(3, friend="toy-2"))
    one.delete(Toy, "toy-1")
    with pytest.raises(IntentError):
        one.put(toy(4, friend="toy-1"))


def test_restrict() -> None:
    """A record in use stays, and the error says by whom; unused in the same transaction it goes."""
    one = txn(toy(1))
    with pytest.raises(IntentError, match="ToyGroup g is still used by Toy toy-1") as refused:
        one.delete(ToyGroup, "g")
    assert (refused.value.code, refused.value.status) == (400, "FAILED_PRECONDITION")
    one.delete(Toy, "toy-1")
    one.delete(ToyGroup, "g")
    assert after(one) == {"toy-1": None, "g": None}


def test_restrict_sees_own_writes() -> None:
    """A user that came in this transaction holds it too."""
    one = txn()
    one.put(toy(1))
    with pytest.raises(IntentError, match="still used"):
        one.delete(ToyGroup, "g")


def test_cascade_and_clear() -> None:
    """Parts go with their toy; friends lose it, whether it was their only one or one of several."""
    parts = [ToyPart(id=f"part-{n}", toy=f"toy-{n}") for n in (1, 2)]
    one = txn(toy(1), toy(2, friend="toy-1"), toy(3, friends=("toy-2", "toy-1"), size=7), toy(4), *parts)
    one.delete(Toy, "toy-1")
    assert after(one) == {
        "toy-1": None,
        "part-1": None,
        "toy-2": toy(2),
        "toy-3": toy(3, friends=("toy-2",), size=7),
    }


def test_toys_that_are_friends_of_each_other_and_of_themselves() -> None:
    """A circle is no trap."""
    one = txn(toy(1, friend="toy-1"), toy(2, friend="toy-3"), toy(3, friend="toy-2"))
    for key in (1, 2, 3):
        one.delete(Toy, f"toy-{key}")
    assert after(one) == {f"toy-{key}": None for key in (1, 2, 3)}


def test_numbers_are_dense_and_reused() -> None:
    """From the lowest on; a number given up is the next."""
    one = txn()
    for key in (1, 2, 3):
        assert one.allocate(Toy, "key") == key
        one.put(toy(key))
    one.delete(Toy, "toy-2")
    state = State()
    state.apply(came(GROUP, toy(1), toy(2), toy(3)))
    hints = Hints()
    assert Txn(state, hints, 0).allocate(Toy, "key") == 4
    two = Txn(state, hints, 0)
    two.delete(Toy, "toy-2")
    assert two.allocate(Toy, "key") == 2


def test_a_number_given_up_by_a_failed_transaction_is_not_given_twice() -> None:
    """The hint says it is free, the state says it is not, and the state is right."""
    state, hints = State(), Hints()
    state.apply(came(GROUP, toy(1), toy(2)))
    Txn(state, hints, 0).delete(Toy, "toy-1")
    assert Txn(state, hints, 0).allocate(Toy, "key") == 3


def test_an_exhausted_pool() -> None:
    """Four toys, and no fifth; one goes, and its number is free in the same transaction."""
    one = txn(*map(toy, (1, 2, 3, 4)))
    with pytest.raises(IntentError, match="no free toy key is left") as refused:
        one.allocate(Toy, "key")
    assert (refused.value.code, refused.value.status) == (429, "QUOTA_EXCEEDED")
    one.delete(Toy, "toy-3")
    assert one.allocate(Toy, "key") == 3


def hosts(**applied: int) -> list[Any]:
    """Hosts by name, whose switches have confirmed so much."""
    status = [HostStatus(id=name, host=name, applied=sequence) for name, sequence in applied.items()]
    return [*(Host(id=name) for name in applied), *status]


def committed(state: State, hints: Hints, work: Callable[[Txn], object]) -> None:
    """Run a transaction and apply it, as the next sequence number."""
    one = Txn(state, hints, 0)
    work(one)
    state.apply([*one.changes(), Change(Region, REGION, None, Region(id=REGION, sequence=one.sequence))])


def test_a_number_is_given_again_only_when_every_host_has_let_go() -> None:
    """A host that was cut off may have flows with it still; one that is removed has not."""
    state, hints = State(), Hints()
    state.apply(came(GROUP, toy(1), toy(2), *hosts(near=0, far=0)))
    committed(state, hints, lambda one: one.delete(Toy, "toy-1"))
    assert Txn(state, hints, 0).allocate(Toy, "key") == 3, "nobody has confirmed that it is gone"
    state.apply(came(*hosts(near=1)))
    hints.freed("toy key", 1)
    assert Txn(state, hints, 0).allocate(Toy, "key") == 3, "the other host has not"
    state.apply(came(*hosts(far=1)))
    hints.freed("toy key", 1)
    last = Txn(state, hints, 0)
    assert last.allocate(Toy, "key") == 1
    assert [(change.cls, change.new) for change in last.changes()] == [(RetiredNumber, None)], "it is forgotten"


def test_a_host_without_a_report_has_let_go_of_nothing() -> None:
    state, hints = State(), Hints()
    state.apply(came(GROUP, toy(1), Host(id="new")))
    committed(state, hints, lambda one: one.delete(Toy, "toy-1"))
    assert Txn(state, hints, 0).allocate(Toy, "key") == 2


def test_a_pool_is_shared_by_classes_and_fields() -> None:
    """No number twice, whoever has it."""
    one = txn()
    first = one.allocate(ToyMeter, "out")
    one.put(ToyMeter(id="m-1", out=first, back=one.allocate(ToyMeter, "back")))
    assert {first, one.allocate(ToyGauge, "key")} == {1, 3}
    state = State()
    state.apply(came(ToyMeter(id="m-1", out=1, back=2)))
    assert Txn(state, Hints(), 0).allocate(ToyGauge, "key") == 3


def test_the_last_number_is_not_given_to_two_fields_of_a_record() -> None:
    """A record takes all its numbers before it is written."""
    one = txn(ToyMeter(id="m-1", out=1, back=2), ToyMeter(id="m-2", out=3, back=4))
    assert one.allocate(ToyMeter, "out") == 5
    with pytest.raises(IntentError, match="no free toy meter is left"):
        one.allocate(ToyMeter, "back")


def test_a_pool_has_one_range() -> None:
    with pytest.raises(TypeError, match="pool 'toy meter' has other bounds in Toy"):

        @resource()
        class ToyOdd:
            id: str
            key: int = number("toy meter", 1, 9)


def test_pick_goes_round() -> None:
    """The next after the last one, so that an address given up is not somebody else's a moment later."""
    hints, used = Hints(), {2}
    assert [hints.take("pool", 1, 4, used.__contains__) for _ in range(5)] == [1, 3, 4, 1, 3]
    assert hints.take("pool", 1, 4, lambda _: True) is None
    assert hints.take("pool", 10, 12, used.__contains__) == 10


def test_new_ids() -> None:
    """The class's prefix and ten of [a-z0-9], never the same."""
    one = txn()
    ids = {one.new_id(Toy) for _ in range(100)}
    assert len(ids) == 100 and all(len(id) == 14 and id.startswith("toy-") and id[4:].isalnum() for id in ids)


def test_time_and_sequence_stand_still() -> None:
    """Everything in one transaction agrees on both."""
    one = txn()
    assert (one.now, one.sequence) == (1.5, 1)


def test_a_refused_transaction_changes_nothing() -> None:
    """Neither record nor sequence; the next one takes the number."""
    store = MemoryStore()
    store.transact(lambda t: (t.put(GROUP), t.put(toy(1))))

    def wrong(one: Txn) -> None:
        one.put(toy(2))
        one.delete(ToyGroup, "g")

    with pytest.raises(IntentError):
        store.transact(wrong)
    assert store.state.sequence == 1 and store.state.get(Toy, "toy-2") is None
    store.transact(lambda t: t.put(toy(1)))
    assert store.state.sequence == 1
    store.transact(lambda t: t.put(toy(1, size=1)))
    assert store.state.get(Region, "region").sequence == 2  # type: ignore[union-attr]


def test_a_report_writes_reports_only() -> None:
    """Hosts do not change intent."""
    store = MemoryStore()
    with pytest.raises(ValueError, match="ToyNote is intent"):
        store.report(lambda t: t.put(ToyNote(id="x")))
    with pytest.raises(ValueError, match="ToyGroup is intent"):
        store.report(lambda t: t.put(GROUP))
    assert store.state.sequence == 0


def network() -> MemoryStore:
    """A VPC with a subnet, an interface that is bound to a host, and an elastic IP."""
    net = Network()
    net.uplink()
    net.eip("e", "203.0.113.9", net.port(net.subnet(net.vpc("a"), "a", "10.0.1.0/29"), "p", "10.0.1.3"))
    return net.store


@pytest.mark.parametrize(
    ("cls", "id"), [(Vpc, "vpc-a"), (Subnet, "subnet-a"), (RouteTable, "rtb-a")], ids=lambda v: str(v)
)
def test_what_is_in_use_cannot_be_deleted(cls: type, id: str) -> None:
    """A VPC with subnets, a subnet with interfaces, a route table with subnets."""
    store = network()
    with pytest.raises(IntentError, match="still used"):
        store.transact(lambda t: t.delete(cls, id))


def test_a_deleted_interface_frees_its_elastic_ip_and_its_binding() -> None:
    """The elastic IP is the tenant's still; the host's report goes."""
    store = network()
    store.transact(lambda t: t.delete(NetworkInterface, "port-p"))
    eip = store.state.get(ElasticIp, "fip-e")
    assert eip is not None and eip.port == "" and store.state.all(Binding) == {}


def test_a_vpc_takes_its_route_tables_with_it() -> None:
    """And their routes, once nothing else is in it."""
    store = network()

    def empty(one: Txn) -> None:
        one.delete(NetworkInterface, "port-p")
        one.delete(Subnet, "subnet-a")
        one.delete(Vpc, "vpc-a")

    store.transact(empty)
    assert not any(store.state.all(cls) for cls in (Vpc, Subnet, RouteTable, Route, NetworkInterface))


def test_a_subnet_runs_out_of_addresses() -> None:
    """A /29 has four beside network, router, DHCP server and broadcast; taken ones are passed over."""
    store = network()

    def take(one: Txn) -> list[str]:
        subnet = one.get(Subnet, "subnet-a")
        assert subnet is not None
        taken: list[Ip4] = []
        for _ in range(3):
            taken.append(free(one, subnet, taken))
        with pytest.raises(IntentError, match="has no free address"):
            free(one, subnet, taken)
        return [str(address) for address in taken]

    assert store.transact(take) == ["10.0.1.4", "10.0.1.5", "10.0.1.6"]


def test_followers_hear_each_commit_once_in_order() -> None:
    """First everything that is there, then each commit with its sequence number; nothing for nothing."""
    store, heard = MemoryStore(), []
    work: list[Callable[[Txn], None]] = [lambda t: t.put(GROUP), lambda t: t.put(GROUP), lambda t: t.put(toy(1))]
    store.transact(work[0])
    store.subscribe(heard.append)
    for step in work:
        store.transact(step)
    store.transact(lambda t: t.put(replace(toy(1), name="x")))
    found = [(batch.sequence, {c.id for c in batch.changes} - {"region"}) for batch in heard]
    assert found == [(1, {"g"}), (2, {"toy-1"}), (3, {"toy-1"})]
