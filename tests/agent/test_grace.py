"""When ovs-vswitchd has started anew, connections get some time to become known again; nothing else begins it."""

from collections.abc import Iterator

import pytest

from sdnctl.bridge import starts
from sdnctl.model.host import Binding, Grace, LocalPort
from sdnctl.of.actions import output
from sdnctl.of.flow import Flow
from sdnctl.program.feature import View, assemble, feature
from sdnctl.program.pipeline import Priority
from sdnctl.store.memory import MemoryStore
from sdnctl.testing.ovs import DummySwitch
from tests.agent import test_app
from tests.agent.test_app import PIPELINE, THIRD, WAY, Running, asking, cookies, plug, vpcs
from tests.build import ELSEWHERE, Network
from tests.waiting import eventually

store, switch = test_app.store, test_app.switch
MARK = "actions=output:99"


@feature(each=Grace)
def helps(grace: Grace, here: str, view: View) -> Iterator[Flow]:
    """One flow that connections need while they are not known."""
    yield THIRD.flow(Priority.EXACT, {WAY: 99}, [output(99)])


PROGRAM = assemble([asking, vpcs, helps], PIPELINE)


def helped(switch: DummySwitch) -> bool:
    return MARK in switch.ofctl("dump-flows")


def test_it_begins_with_a_restart_of_the_switch_and_ends(
    switch: DummySwitch, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starts, "GRACE_S", 4.0)
    with Running(switch, store, program=PROGRAM) as running:
        running.in_step()
        assert not helped(switch), "a switch that nobody knew: before it there were no connections"
        switch.kill_vswitchd()
        switch.start_vswitchd()
        eventually(lambda: running.agent.status()["counters"].get("connections", 0) == 2, 10)
        first = running.in_step()["counters"]
        assert helped(switch)
        assert first["plans"] == 2, "in the first bundle"
        eventually(lambda: not helped(switch), 8)
        assert running.in_step()["counters"]["flow_mods"] == first["flow_mods"] + 1, "and goes alone"


def test_a_controller_that_starts_meanwhile_goes_on_with_it_and_later_begins_none(
    switch: DummySwitch, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starts, "GRACE_S", 60.0)
    with Running(switch, store, program=PROGRAM) as running:
        running.in_step()
    with Running(switch, store, program=PROGRAM) as running:
        assert running.in_step()["counters"]["flow_mods"] == 0
        assert not helped(switch), "only the controller has started anew"
        switch.kill_vswitchd()
        switch.start_vswitchd()
        eventually(lambda: running.agent.status()["counters"].get("connections", 0) == 2, 10)
        running.in_step()
    before = cookies(switch)
    with Running(switch, store, program=PROGRAM) as running:
        assert running.in_step()["counters"]["flow_mods"] == 0
        assert helped(switch) and cookies(switch) == before, "what is left of it"
    monkeypatch.setattr(starts, "GRACE_S", 0.1)
    with Running(switch, store, program=PROGRAM) as running:
        assert running.in_step()["counters"]["flow_mods"] == 1
        assert not helped(switch), "it ended while nobody was there"


def test_without_an_answer_of_the_database_there_may_have_been_connections(switch: DummySwitch) -> None:
    assert 20 < starts.grace("unix:/nowhere/db.sock", switch.vswitchd) <= 30
    assert starts.grace("unix:/nowhere/db.sock", 0) == 0, "on another machine: not known"


@pytest.fixture
def elsewhere() -> Network:
    """A network of two interfaces; port-9 is on another host."""
    made = Network()
    vpc = made.vpc("a", "10.0.0.0/16")
    subnet = made.subnet(vpc, "a", "10.0.1.0/24")
    for name in ("8", "9"):
        made.port(subnet, name, f"10.0.1.{name}", host="")
    bound(made, "port-9")
    return made


def bound(network: Network, port: str, *displaced: str) -> None:
    """The store says that the port is on another host."""
    binding = Binding(id=port, port=port, vpc="vpc-a", host=ELSEWHERE, row="row", displaced=displaced)
    network.store.report(lambda txn: txn.put(binding))


def test_a_port_that_moves_here_has_its_own_and_one_that_was_nowhere_else_has_none(
    switch: DummySwitch, elsewhere: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starts, "GRACE_S", 2.0)
    with Running(switch, elsewhere.store, program=PROGRAM) as running:
        running.in_step()
        plug(switch, "p8", "port-8")
        eventually(lambda: running.agent.engine.state.get(LocalPort, "port-8") is not None)
        running.in_step()
        assert not helped(switch), "it was nowhere else"
        plug(switch, "p9", "port-9")
        eventually(lambda: helped(switch), 5)
        assert running.agent.engine.state.all(Grace).keys() == {"port-9"}
        eventually(lambda: not helped(switch), 5)


def test_a_port_that_came_while_no_controller_ran_has_its_time_too(
    switch: DummySwitch, elsewhere: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starts, "GRACE_S", 3.0)
    plug(switch, "p9", "port-9")
    with Running(switch, elsewhere.store, program=PROGRAM) as running:
        running.in_step()
        eventually(lambda: helped(switch), 5)
        eventually(lambda: not helped(switch), 6)


def test_a_port_that_has_lost_to_another_host_has_none(switch: DummySwitch, elsewhere: Network) -> None:
    with Running(switch, elsewhere.store, program=PROGRAM) as running:
        running.in_step()
        plug(switch, "p8", "port-8")
        eventually(lambda: running.agent.engine.state.get(LocalPort, "port-8") is not None)
        mine = running.agent.engine.state.get(LocalPort, "port-8")
        assert mine is not None
        bound(elsewhere, "port-8", mine.row)
        eventually(lambda: running.agent.engine.state.get(Binding, "port-8") is not None)
        running.in_step()
        assert not helped(switch)
