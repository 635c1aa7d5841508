"""Connection tracking is set up whenever the switch has started, and zones keep the limits that are wanted."""

import queue
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from sdnctl.bridge import conntrack, control
from sdnctl.bridge.conntrack import Conntrack
from sdnctl.bridge.snapshot import Zone
from sdnctl.testing.ovs import DummySwitch

NETDEV = "netdev@ovs-netdev: hit:0 missed:0\n  br-other:\n  br-int:\n    br-int 65534/1: (tap)\n"
KERNEL = "netdev@ovs-netdev: hit:0 missed:0\n  br-other:\nsystem@ovs-system: hit:0 missed:0\n  br-int:\n"


class Said:
    """What Conntrack tells, until it is as a test wants it."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Mapping[int, Zone]] = queue.SimpleQueue()
        self.put = self._queue.put

    def until(self, wanted: Callable[[Mapping[int, Zone]], bool]) -> Mapping[int, Zone]:
        while not wanted(said := self._queue.get(timeout=10)):
            pass
        return said


class Answers:
    """A switch that answers commands; ``asked`` has those that change something."""

    def __init__(self, shown: str, faults: int = 0, limits: str = "") -> None:
        self.asked: list[tuple[str, ...]] = []
        self._shown, self._faults, self._limits = shown, faults, limits

    def call(self, rundir: str, method: str, *params: str) -> str:
        if method == "dpif/show":
            return self._shown
        if method == "dpctl/ct-get-limits":
            return self._limits
        if self._faults:
            self._faults -= 1
            raise conntrack.SwitchError("busy")
        self.asked.append((method, *params))
        return ""


@contextmanager
def restored(answers: Answers, monkeypatch: pytest.MonkeyPatch, limits: Mapping[int, int]) -> Iterator[None]:
    monkeypatch.setattr(control, "call", answers.call)
    monkeypatch.setattr(conntrack, "PAUSE_S", 0.0)
    tracking = Conntrack("/run/ovs", lambda zones: None, lambda *found: None)
    tracking._news.wait = lambda seconds: tracking._stopping.wait(seconds)  # type: ignore[method-assign]
    tracking.want(limits)
    tracking.restore()
    tracking.close()
    tracking._thread.join(5)
    yield


def test_settings_are_made_once_the_switch_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(NETDEV, faults=1)
    with restored(answers, monkeypatch, {5: 100}):
        assert answers.asked[:5] == [
            ("dpctl/ipf-set-min-frag", "netdev@ovs-netdev", "v4", "400"),
            ("dpctl/ipf-set-max-nfrags", "netdev@ovs-netdev", "5000"),
            ("dpctl/ct-set-maxconns", "netdev@ovs-netdev", "3000000"),
            ("dpctl/ct-disable-tcp-seq-chk", "netdev@ovs-netdev"),
            ("dpctl/ct-set-limits", "netdev@ovs-netdev", "zone=5,limit=100"),
        ]


def test_a_kernel_datapath_has_limits_and_needs_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(KERNEL, limits="zone=5,limit=100,count=3\n")
    with restored(answers, monkeypatch, {5: 100, 6: 7}):
        assert answers.asked[0] == ("dpctl/ct-set-limits", "system@ovs-system", "zone=6,limit=7")
        assert set(answers.asked) == {answers.asked[0]}, "what is in force is not set again"


def limits(switch: DummySwitch) -> str:
    return switch.appctl("dpctl/ct-get-limits", "dummy@ovs-dummy")


def test_a_real_switch_has_them_back_after_a_start(dummy_switch: DummySwitch) -> None:
    """Thousands at once, ours alone, and told with the connections in them."""
    said = Said()
    tracking = Conntrack(str(dummy_switch.rundir), said.put, lambda *found: None)
    try:
        dummy_switch.appctl("dpctl/ct-set-limits", "dummy@ovs-dummy", "zone=60000,limit=3")
        many = dict.fromkeys(range(1, 3001), 65535)
        tracking.want(many)
        tracking.restore()
        assert "zone=3000,limit=65535,count=0" in limits(dummy_switch)
        assert "TCP sequence checking: disabled" in dummy_switch.appctl("dpctl/ct-get-tcp-seq-chk", "dummy@ovs-dummy")
        tracking.want({1: 10, 2: 65_535})
        zones = said.until(lambda zones: len(zones) == 3)
        assert zones == {1: Zone(10, 0), 2: Zone(65_535, 0), 60_000: Zone(3, 0)}, "somebody else's is left alone"
        dummy_switch.kill_vswitchd()
        dummy_switch.start_vswitchd()
        dummy_switch._until(lambda: dummy_switch.answers())
        tracking.restore()
        assert "zone=1,limit=10" in limits(dummy_switch) and "zone=2,limit=65535" in limits(dummy_switch)
    finally:
        tracking.close()
