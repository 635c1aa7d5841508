"""One host at a time answers for a public address, and the API calls it UP when that is the right one."""

import random
from collections.abc import Callable

import pytest

from apps.eip.api import confirmed
from apps.eip.model import ElasticIp
from apps.holder.model import Holder
from apps.routing.model import Route
from sdnctl.api.access import Caller, Reader
from sdnctl.model.host import Host, HostStatus
from tests.apps.machines import ADDRESS, Machines, gatewayed, hosted

OTHER = "203.0.113.20"


# One at a time.


def moves(region: Machines, *steps: Callable[[], object], rng: random.Random) -> list[str]:
    """Changes at random moments while the hosts hear, confirm and tell in any order; who presented it, in order.

    Never may two hosts; no time passes.
    """
    order: list[str] = []
    waiting = list(steps)
    for _ in range(3000):
        machine = rng.choice(region.running())
        rng.choice([machine.hear, machine.hear, machine.confirm, machine.tell])()
        if waiting and rng.random() < 0.2:
            waiting.pop(0)()
        found = region.answering(ADDRESS)
        assert len(found) <= 1, (found, order)
        order += [host for host in found if order[-1:] != [host]]
        if not waiting and rng.random() < 0.02:
            break
    region.settle()
    return [*order, *(host for host in region.answering(ADDRESS) if order[-1:] != [host])]


@pytest.mark.parametrize("at_once", [False, True], ids=["unbound between", "in one call"])
@pytest.mark.parametrize("seed", range(40))
def test_never_two_while_it_moves(seed: int, at_once: bool) -> None:
    """To another host, and back or on before everybody has heard of it."""
    rng = random.Random(seed)
    region = hosted()
    vm, spare = (region.network.port_of(f"port-{name}") for name in ("vm", "spare"))
    third = region.port("third", "h3", "10.0.1.12")
    region.settle()
    goals = {"h1": vm, "h2": spare, "h3": third}
    for _ in range(4):
        first, last = rng.sample(sorted(goals), 2)
        steps: list[Callable[[], object]] = []
        for goal in (first, last):
            if at_once:
                steps.append(lambda goal=goal: region.move("fip-one", goals[goal]))
                continue
            steps += [lambda: region.unbind("fip-one"), lambda goal=goal: region.bind("fip-one", goals[goal])]
        seen = moves(region, *steps, rng=rng)
        assert seen[-1] == last and region.holder(ADDRESS) == last
        assert region.answering(ADDRESS) == [last]


@pytest.mark.parametrize("seed", range(20))
def test_never_two_while_the_instance_migrates(seed: int) -> None:
    """The same interface appears on a second host, also on one without uplink, before it leaves the first."""
    rng = random.Random(seed)
    region = gatewayed()
    port = region.network.port_of("port-vm")
    place = "n1"
    for goal in ("h1", "n1", "g2", "h1"):
        steps = (lambda goal=goal: region.plug(port, goal), lambda place=place: region.unplug(port, place))
        seen = moves(region, *steps, rng=rng)
        place = goal
        assert seen[-1] == {"n1": "g1"}.get(goal, goal), seen


@pytest.mark.parametrize("at_once", [False, True], ids=["unbound between", "in one call"])
@pytest.mark.parametrize("seed", range(10))
def test_never_two_across_vpcs(seed: int, at_once: bool) -> None:
    """A host that does not have the old VPC hears of the holder all the same."""
    rng = random.Random(seed)
    region = hosted()
    subnet = region.network.subnet(region.network.vpc("b", "10.0.0.0/16"), "b", "10.0.1.0/24")
    other = region.port("b", "h3", "10.0.1.10", subnet)
    region.settle()
    apart = (lambda: region.unbind("fip-one"), lambda: region.bind("fip-one", other))
    steps = (lambda: region.move("fip-one", other),) if at_once else apart
    assert moves(region, *steps, rng=rng) == ["h1", "h3"]
    assert region.store.state.get(Holder, ADDRESS) == Holder(id=ADDRESS, vpc="vpc-b", host="h3")


def test_never_two_when_the_address_is_given_to_somebody_else() -> None:
    """Given back and bought by another account before its old host has let go."""
    region = hosted()
    spare = region.network.port_of("port-spare")
    region.unbind("fip-one")
    region.store.transact(lambda txn: txn.delete(ElasticIp, "fip-one"))
    region.bind(region.eip("two", ADDRESS), spare)
    while region["h2"].hear():
        pass
    assert region.answering(ADDRESS) == ["h1"]
    region.settle()
    assert region.answering(ADDRESS) == ["h2"]


def test_one_host_serves_at_once() -> None:
    """Nothing has to be told before: the API notes who will answer, with the binding itself."""
    region = hosted()
    region.bind(region.eip("two", OTHER), region.network.port_of("port-spare"))
    assert region.holder(OTHER) == "h2"
    while region["h2"].hear():
        pass
    assert region["h2"].answers(OTHER) and not region["h2"].outbox


def test_all_are_told_when_it_comes() -> None:
    """Gratuitous ARP, once, after the old host has let go."""
    region = hosted()
    assert len(region["h1"].said) == 2, "the pool's gateway asked for, the address announced"
    region.unbind("fip-one")
    region.bind("fip-one", region.network.port_of("port-spare"))
    assert len(region["h2"].said) == 1
    region.settle()
    assert len(region["h2"].said) == 2 and len(region["h1"].said) == 2


# The record.


def test_unbound_the_record_goes_when_the_switch_has_let_go() -> None:
    region = hosted()
    host = region["h1"]
    region.unbind("fip-one")
    while host.hear():
        pass
    assert not host.tell() and region.holder(ADDRESS) == "h1", "the switch may have the flows still"
    host.confirm()
    host.tell()
    assert region.holder(ADDRESS) == ""


def test_the_record_goes_though_the_controller_was_away() -> None:
    """Also when the host has nothing of the VPC any more."""
    region = hosted()
    host = region["h1"]
    host.alive = False
    region.unbind("fip-one")
    region.unplug(region.network.port_of("port-vm"), "h1")
    host.alive = True
    host.start()
    region.settle()
    assert region.holder(ADDRESS) == "" and not region.answering(ADDRESS)


def test_the_record_goes_with_the_vpcs_last_port() -> None:
    region = hosted()
    region.unplug(region.network.port_of("port-vm"), "h1")
    region.settle()
    assert region.holder(ADDRESS) == "" and not region.answering(ADDRESS)


def test_a_restart_changes_nothing() -> None:
    region = gatewayed()
    for name in ("g1", "n1"):
        before = region[name].in_force
        region[name].start()
        assert region[name].engine.desired.flows == before
        assert not region[name].confirm() and not region[name].tell()


# The holder dies.


def test_a_dead_holder_delays_by_less_than_a_second() -> None:
    region = hosted()
    region.kill("h1")
    region.unbind("fip-one")
    region.bind("fip-one", region.network.port_of("port-spare"))
    region.settle()
    assert region.answering(ADDRESS) == []
    region.wait(2)
    assert region.answering(ADDRESS) == [], "half a second is not enough"
    region.wait(1)
    assert region.answering(ADDRESS) == ["h2"] and region.holder(ADDRESS) == "h2"
    region.wait(4)
    assert region.answering(ADDRESS) == ["h2"]


def test_a_store_that_takes_no_reports_does_not_stop_it() -> None:
    """The successor of a dead holder keeps the address, though it cannot say so yet."""
    region = hosted()
    region.kill("h1")
    region.unbind("fip-one")
    region.bind("fip-one", region.network.port_of("port-spare"))
    region.connect()
    host = region["h2"]
    for _ in range(12):
        while host.hear():
            pass
        host.confirm()
        host.tick()
    assert host.answers(ADDRESS) and region.holder(ADDRESS) == "h1"
    region.settle()
    assert region.holder(ADDRESS) == "h2"


def test_a_holder_that_is_reached_is_waited_for() -> None:
    """Cut from the store it does not hear that it is to let go, but its switch answers still: so nobody else does."""
    region = hosted()
    region.wait(1)
    region["h1"].online = False
    region.unbind("fip-one")
    region.bind("fip-one", region.network.port_of("port-spare"))
    region.wait(60)
    assert region.answering(ADDRESS) == ["h1"], "the tunnel to it works"
    region.mend("h1")
    region.wait(2)
    assert region.answering(ADDRESS) == ["h2"]


def test_a_removed_host_holds_nothing() -> None:
    region = hosted()
    region.kill("h1")
    region.unbind("fip-one")
    region.bind("fip-one", region.network.port_of("port-spare"))
    region.store.report(lambda txn: txn.delete(Host, "h1"))
    region.settle()
    assert region.answering(ADDRESS) == ["h2"]


# What the API says.


def is_up(region: Machines, *applied: str) -> bool:
    """True when the API calls the elastic IP UP once these hosts' switches have confirmed everything, no other's."""
    for machine in region.all.values():
        sequence = region.store.state.sequence if machine.id in applied else 0
        status = HostStatus(id=machine.id, host=machine.id, applied=sequence)
        region.store.report(lambda txn, status=status: txn.put(status))
    view = Reader(region.store.state, Caller("acc", "cn-north-1", "request"), 0.0)
    return confirmed(view, view.own(ElasticIp, "fip-one", "elasticIpId"))


def test_bound_it_is_up_when_its_host_has_confirmed() -> None:
    region = hosted()
    assert not is_up(region, "h2", "h3")
    assert is_up(region, "h1")


@pytest.mark.parametrize("at_once", [False, True])
def test_moved_it_is_up_when_the_new_host_has_it_and_the_old_one_let_go(at_once: bool) -> None:
    region = hosted()
    spare = region.network.port_of("port-spare")
    if at_once:
        region.move("fip-one", spare)
    else:
        region.unbind("fip-one")
        region.bind("fip-one", spare)
    assert not is_up(region, "h1", "h2", "h3")
    while region["h2"].hear():
        pass
    region["h2"].confirm()
    assert not is_up(region, "h1", "h2", "h3"), "the old host answers still"
    region.settle()
    assert is_up(region, "h2") and not is_up(region, "h1", "h3")


def test_unbound_it_is_up_when_nobody_answers() -> None:
    region = hosted()
    region.unbind("fip-one")
    assert not is_up(region, "h1", "h2", "h3")
    region.settle()
    assert is_up(region, "h1", "h2", "h3")


def test_behind_a_gateway_both_hosts_must_have_confirmed() -> None:
    region = gatewayed()
    assert is_up(region, "n1", "g1")
    assert not is_up(region, "n1", "g2", "h1") and not is_up(region, "g1", "g2", "h1")


def test_where_the_route_table_leads_nowhere_nobody_has_to_answer() -> None:
    region = hosted()
    routes = [id for id in region.store.state.all(Route) if id.endswith("internet")]
    region.store.transact(lambda txn: [txn.delete(Route, id) for id in routes])
    assert not is_up(region, "h1"), "its host answers still"
    region.settle()
    assert is_up(region, "h1")
