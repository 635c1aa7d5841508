"""Each port's zone has the host's limit, others that of features; a port that has no connection left is told of."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial

from bench.fake import FakeKeeper
from sdnctl.agent.zones import PortZones
from sdnctl.base.addresses import Mac
from sdnctl.base.errors import SwitchError
from sdnctl.bridge.local import local_changes
from sdnctl.bridge.snapshot import Row, Settings, Snapshot, Zone
from sdnctl.engine.desired import Desired
from sdnctl.program.zones import Times
from sdnctl.store import State
from sdnctl.store.memory import MemoryStore
from sdnctl.testing.ovs import DummySwitch
from tests.agent import test_app, test_zones
from tests.agent.test_app import Running, plug
from tests.waiting import eventually

store, switch = test_app.store, test_app.switch


class Kept(FakeKeeper):
    """A keeper that notes what it is to do."""

    def __init__(self) -> None:
        super().__init__(lambda event: None)
        self.limits: list[dict[int, int]] = []
        self.gone: list[tuple[int, set[int]]] = []

    def pace(self, zones: Mapping[int, Times]) -> None:
        pass

    def limit(self, zones: Mapping[int, int]) -> None:
        self.limits.append(dict(zones))

    def let_go(self, turn: int, zones: Collection[int]) -> None:
        self.gone.append((turn, set(zones)))


def row(number: int, id: str) -> Row:
    return Row(f"tap{number}", number, id, Mac(number), f"uuid-{number}", zone=number)


def seen(turn: int, *rows: Row, connections: int = 100) -> Snapshot:
    ports = {one.iface_id: one for one in rows}
    return Snapshot("here", ports, settings=Settings(connections=connections), turn=turn)


def logs_all(switch: DummySwitch) -> bool:
    """Have a switch that is about to start log all that it is told; False while it does not answer."""
    try:
        switch.appctl("vlog/set", "vconn:file:dbg", "unixctl:file:dbg")
    except SwitchError:
        return False
    return True


class Host:
    def __init__(self) -> None:
        self.keeper, self.desired, self.state = Kept(), Desired(), State()
        self.zones = PortZones(self.desired, self.keeper, seen(0))

    def look(self, now: Snapshot) -> None:
        changes = local_changes(self.state, now)
        self.zones.looked(now, changes)
        self.state.apply(changes)


def test_limits_follow_ports_features_and_the_operator() -> None:
    host = Host()
    host.desired.limits[16_384] = 7
    host.look(seen(1, row(1, "a"), row(2, "b")))
    host.look(seen(2, row(1, "a")))
    host.look(seen(3, row(1, "a"), connections=5))
    host.look(replace(seen(4, row(1, "a"), connections=5), problems=("something else",)))
    assert host.keeper.limits == [{1: 100, 2: 100, 16_384: 7}, {1: 100, 16_384: 7}, {1: 5, 16_384: 7}]


def test_zones_are_let_go_once_the_switch_is_settled_and_once_only() -> None:
    host = Host()
    host.look(seen(1, row(1, "a"), row(2, "b")))
    host.zones.settled()
    host.look(seen(2, row(2, "b")))
    host.look(seen(3))
    host.zones.settled()
    host.zones.settled()
    assert host.keeper.gone == [(1, set()), (3, {1, 2})]


def test_a_port_without_a_connection_left_is_told_of() -> None:
    host = Host()
    host.look(seen(1, row(1, "a"), row(2, "b")))
    assert not host.zones.counted({1: Zone(100, 99), 2: Zone(100, 0), 9: Zone(1, 1)})
    assert host.zones.connections == {"a": Zone(100, 99), "b": Zone(100, 0)}
    assert host.zones.counted({1: Zone(100, 100), 2: Zone(100, 0)})
    assert host.zones.full == ("a has all the 100 connections that it may have: new ones drop",)
    assert host.zones.counted({1: Zone(100, 3)}) and host.zones.full == ()


def test_limits_are_back_before_the_first_flow_after_a_start_of_the_switch(
    switch: DummySwitch, store: MemoryStore
) -> None:
    """The order of what the switch is told, by its own log."""
    switch.vsctl("set", "open_vswitch", ".", "external_ids:sdnctl-connections=77")
    with Running(switch, store, program=test_zones.PROGRAM) as running:
        plug(switch, "tap1", "port-1")
        eventually(lambda: running.agent.zones.connections == {"port-1": Zone(77, 0)})
        running.in_step()
        switch.kill_vswitchd()
        log = switch.rundir / "ovs-vswitchd.log"
        before = len(log.read_text())
        switch.start_vswitchd()
        eventually(partial(logs_all, switch))
        eventually(lambda: running.agent.status()["counters"].get("connections", 0) == 2)
        running.in_step()
        said = log.read_text()[before:]
        first = [said.find(word) for word in ("dpctl/ct-set-limits", "OFPT_FLOW_MOD")]
        assert -1 < first[0] < first[1], first
        assert "zone=1,limit=77" in switch.appctl("dpctl/ct-get-limits", "dummy@ovs-dummy")
