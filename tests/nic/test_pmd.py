"""Receive queues of a datapath with PMD threads, in a real ovs-vswitchd with simulated devices (type dummy-pmd)."""

import re
from pathlib import Path

import pytest

from apps.multi_queue.host.journal import Journal
from apps.multi_queue.host.pmd import UNPINNED, NotApplicable, Switch
from apps.multi_queue.model import Wish
from sdnctl.base.problem import Problem
from sdnctl.testing.ovs import DummySwitch
from tests.cli.conftest import run

SHARED = ("other_config:pmd-rxq-assign=group", "other_config:pmd-rxq-isolate=false")


@pytest.fixture
def switch(dummy_switch: DummySwitch) -> Switch:
    dummy_switch.vsctl("add-port", "br-int", "p0", "--", "set", "Interface", "p0", "type=dummy-pmd")
    dummy_switch.vsctl("add-port", "br-int", "p1", "--", "set", "Interface", "p1", "type=dummy-pmd")
    dummy_switch.vsctl("set", "Open_vSwitch", ".", "other_config:pmd-cpu-mask=3")
    return Switch(dummy_switch.db, str(dummy_switch.rundir / "vswitchd.ctl"))


def polled(switch: DummySwitch, name: str) -> dict[int, list[int]]:
    """Core -> the queues of an interface that its thread polls."""
    shown = switch.appctl("dpif-netdev/pmd-rxq-show")
    threads = re.split(r"^pmd thread numa_id \d+ core_id ", shown, flags=re.MULTILINE)[1:]
    return {
        int(text.partition(":")[0]): [int(q) for q in re.findall(rf"port: {name} +queue-id: +(\d+)", text)]
        for text in threads
    }


def test_queues_are_spread_over_the_threads_and_rolled_back(
    switch: Switch, dummy_switch: DummySwitch, tmp_path: Path
) -> None:
    dummy_switch.vsctl("set", "Open_vSwitch", ".", *SHARED)
    journal = Journal(tmp_path)
    made = switch.polling("p0", Wish(4))
    assert made.changes["options:n_rxq"] == ("", "4") and made.notes == ()
    switch.apply(made, journal)
    assert {core: len(queues) for core, queues in polled(dummy_switch, "p0").items()} == {0: 2, 1: 2}
    assert sum(map(len, polled(dummy_switch, "p1").values())) == 1, "the other interface is still polled"
    again = switch.polling("p0", Wish(4))
    assert again.changes == {}
    switch.apply(switch.polling("p0", Wish(2)), journal)
    assert journal.load("e0") == {0: 1.0, 1: 1.0}
    switch.rollback("p0", journal)
    assert switch.interface("p0") == {"type": "dummy-pmd", "n_rxq": "", "affinity": ""}
    with pytest.raises(Problem, match="nothing to roll back"):
        switch.rollback("p0", journal)


def test_a_thread_is_not_taken_away_from_the_other_interfaces(
    switch: Switch, dummy_switch: DummySwitch, tmp_path: Path
) -> None:
    made = switch.polling("p0", Wish())
    assert made.changes == {"options:n_rxq": ("", "2")} and made.notes == (UNPINNED,)
    switch.apply(made, Journal(tmp_path))
    assert sum(map(len, polled(dummy_switch, "p0").values())) == 2
    assert sum(map(len, polled(dummy_switch, "p1").values())) == 1


def test_a_thread_that_goes_takes_only_its_own_queues(
    switch: Switch, dummy_switch: DummySwitch, tmp_path: Path
) -> None:
    dummy_switch.vsctl("set", "Open_vSwitch", ".", *SHARED)
    switch.apply(switch.polling("p0", Wish(2)), Journal(tmp_path))
    dummy_switch.vsctl("set", "Open_vSwitch", ".", "other_config:pmd-cpu-mask=2")
    assert switch.polling("p0", Wish(2)).affinity[1] == "0:1,1:1"


def test_not_applicable_is_said_with_its_reason(dummy_switch: DummySwitch, tmp_path: Path) -> None:
    dummy_switch.add_port("d0", 1)
    switch = Switch(dummy_switch.db, str(dummy_switch.rundir / "vswitchd.ctl"))
    with pytest.raises(NotApplicable, match="not applicable: d0 is of type dummy, which no PMD thread polls"):
        switch.polling("d0", Wish())
    with pytest.raises(NotApplicable, match="no interface of this Open vSwitch"):
        switch.polling("eth9", Wish())
    said = run("nic", "pmd", "d0", "--apply", "--ovs-db", dummy_switch.db, "--data", str(tmp_path))
    assert said.code == 1 and "not applicable: d0 is of type dummy" in said.err and not (tmp_path / "nic").exists()
