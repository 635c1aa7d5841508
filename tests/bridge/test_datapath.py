"""When the data path is said to obey, it has no flow from before the change."""

import re

import pytest

from sdnctl.base.errors import SwitchError
from sdnctl.bridge import control, datapath
from sdnctl.of.actions import output
from sdnctl.of.flow import flow, flow_add
from sdnctl.testing.ovs import DummySwitch

SENDERS = 400
ROUNDS = 12


def frame(sender: int) -> str:
    """An IPv4 packet of UDP, by which of many it comes."""
    head = bytes.fromhex("0200000000010200000000020800")
    source = bytes((10, 0, sender >> 8, sender & 255))
    return (head + bytes.fromhex("4500001c0000000040110000") + source + bytes((10, 9, 9, 9)) + bytes(8)).hex()


def test_nothing_of_before_is_left_when_it_obeys(dummy_switch: DummySwitch) -> None:
    """With hundreds of flows in the data path, and packets that come meanwhile."""
    for number in (1, 2, 3):
        dummy_switch.add_port(f"p{number}", number)
    rundir = str(dummy_switch.rundir)
    many = (f"priority=5,ip,nw_src=10.0.{n >> 8}.{n & 255},actions=goto_table:1\n" for n in range(SENDERS))
    dummy_switch.ofctl("add-flows", "-", text="".join(many))
    ports = {number: int(name) for name, number in re.findall(r"p(\d) \d+/(\d+):", dummy_switch.appctl("dpif/show"))}
    stale = 0
    with dummy_switch.connect() as wire:
        wire.ask(flow_add(flow(1, 5, {}, [output(2)]), 1))
        for turn in range(ROUNDS):
            for sender in range(SENDERS):
                control.call(rundir, "netdev-dummy/receive", "p1", frame(sender))
            out = 3 if turn % 2 == 0 else 2
            assert wire.ask(flow_add(flow(1, 5, {}, [output(out)]), 1)) == []
            stale += left(rundir, ports, out)
            datapath.obeyed(rundir)
            assert left(rundir, ports, out) == 0, turn
    assert datapath.MAC not in dummy_switch.appctl("fdb/show", "br-int"), "what hurries it leaves nothing behind"
    print(f"{stale} flows of before were met after {ROUNDS} barriers with {SENDERS} flows each, 0 after the waiting")


def left(rundir: str, ports: dict[str, int], out: int) -> int:
    """The flows of the data path that send to another port."""
    said = control.call(rundir, "dpctl/dump-flows", "dummy@ovs-dummy")
    return sum(ports[number] != out for number in re.findall(r"actions:(\d+)", said))


def test_one_waiting_takes_two_rounds(monkeypatch: pytest.MonkeyPatch, dummy_switch: DummySwitch) -> None:
    """The first that ends may have begun before the change."""
    asked: list[str] = []
    real = control._connected
    monkeypatch.setattr(control, "_connected", lambda rundir: asked.append(rundir) or real(rundir))
    datapath.obeyed(str(dummy_switch.rundir))
    assert len(asked) == 2 * len(datapath.ROUNDS) + 1  # and the purge


def test_the_data_path_forgets_all_and_not_more_often_than_it_can_bear(
    monkeypatch: pytest.MonkeyPatch, dummy_switch: DummySwitch
) -> None:
    rundir = str(dummy_switch.rundir)
    dummy_switch.add_port("q1", 7)
    with dummy_switch.connect() as wire:
        wire.ask(flow_add(flow(1, 5, {}, []), 1))
    control.call(rundir, "netdev-dummy/receive", "q1", frame(1))
    datapath.obeyed(rundir)
    assert control.call(rundir, "dpctl/dump-flows", "dummy@ovs-dummy").strip() == ""
    slept: list[float] = []
    monkeypatch.setattr(datapath, "_sleep", slept.append)
    datapath._purge(rundir)
    datapath._purge(rundir)
    assert 0 < slept[1] <= datapath.PURGES_S


def test_a_switch_that_does_not_answer_does_not_obey(
    dummy_switch: DummySwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    dummy_switch.kill_vswitchd()
    with pytest.raises(SwitchError, match="no ovs-vswitchd answers"):
        datapath.obeyed(str(dummy_switch.rundir))
    dummy_switch.start_vswitchd()


def test_with_two_kinds_of_datapath_it_is_given_the_time_that_it_takes(
    dummy_switch: DummySwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Open vSwitch cannot wait for two at once, and says so."""
    dummy_switch.vsctl("add-br", "br-other", "--", "set", "bridge", "br-other", "datapath_type=netdev")
    slept: list[float] = []
    monkeypatch.setattr(datapath, "_sleep", slept.append)
    datapath.obeyed(str(dummy_switch.rundir))
    assert slept[0] == datapath.OBEYS_S
