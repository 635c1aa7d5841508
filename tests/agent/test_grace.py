"""When ovs-vswitchd has started anew, connections get some time to become known again; nothing else begins it."""

from collections.abc import Iterator

import pytest

from sdnctl.bridge import starts
from sdnctl.model.host import Grace
from sdnctl.of.actions import output
from sdnctl.of.flow import Flow
from sdnctl.program.feature import View, assemble, feature
from sdnctl.program.pipeline import Priority
from sdnctl.store.memory import MemoryStore
from sdnctl.testing.ovs import DummySwitch
from tests.agent import test_app
from tests.agent.test_app import PIPELINE, THIRD, WAY, Running, asking, cookies, vpcs
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
