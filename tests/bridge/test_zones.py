"""Each port has a zone of connection tracking of its own: it stays, and nobody gets it while it may be in use."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from sdnctl.base.addresses import Mac
from sdnctl.bridge.ports import Bridge, Interface, Port, noted
from sdnctl.bridge.snapshot import Row
from sdnctl.bridge.vswitch import Vswitch
from sdnctl.bridge.zones import EXHAUSTED, Zones
from sdnctl.program import zones as shares
from sdnctl.testing.ovs import DummySwitch
from sdnctl.trace.explain import look
from tests.bridge.test_vswitch import Watcher, plug


def bridge(notes: Mapping[str, str]) -> Bridge:
    """A bridge whose ports, by name, have an iface-id of that name and this note."""
    made = []
    for name, text in notes.items():
        ids = {"iface-id": name, "sdnctl-zone": text}
        row = Row(name, 1, name, Mac(1), f"uuid-{name}", zone=noted(ids))
        made.append(Port(name, [Interface("", {}, ids, {}, {}, row)]))
    return Bridge(made, [], [])


def give(numbers: Zones, seen: Bridge, forgets: bool = True) -> tuple[list[int], list[int]]:
    """The zones for the ports of a bridge that have none, and those that were to be forgotten for it."""
    asked: list[int] = []

    def forget(zone: int) -> bool:
        asked.append(zone)
        return forgets

    given = numbers.give([row for row in seen.rows() if not numbers.holds(row)], forget)
    return list(given.values()), asked


def test_what_is_noted_for_another_port_counts_for_nothing() -> None:
    assert noted({"iface-id": "port-a", "sdnctl-zone": "7/port-a"}) == 7
    for wrong in ("7/port-b", "7", "/port-a", "x/port-a", "0/port-a", "16384/port-a", "-1/port-a"):
        assert noted({"iface-id": "port-a", "sdnctl-zone": wrong}) == 0, wrong
    assert noted({"sdnctl-zone": "7/"}) == 0


def test_zones_that_were_never_given_need_no_forgetting() -> None:
    numbers, seen = Zones(), bridge({"a": "", "b": "", "c": ""})
    numbers.look(seen, {}, 1)
    assert give(numbers, seen) == ([1, 2, 3], [])


def test_a_zone_that_was_somebodys_waits_for_the_switch_and_is_forgotten_before_it_is_given_again() -> None:
    numbers = Zones()
    numbers.look(bridge({"a": "1/a", "b": "2/b"}), {"sdnctl-zones": "2"}, 1)
    seen = bridge({"b": "2/b", "c": ""})
    numbers.look(seen, {"sdnctl-zones": "2"}, 2)
    assert give(numbers, seen) == ([3], []), "the switch may still have flows with zone 1"
    numbers.settled(1)
    numbers.look(seen, {"sdnctl-zones": "2"}, 2)
    assert give(numbers, seen) == ([3], []), "what is settled is the snapshot in which it was there"
    numbers.settled(2)
    numbers.look(seen, {"sdnctl-zones": "2"}, 3)
    assert give(numbers, seen) == ([1], [1])


def test_where_the_switch_cannot_forget_a_new_zone_is_given() -> None:
    numbers, seen = Zones(), bridge({"c": ""})
    numbers.settled(1)
    numbers.look(seen, {"sdnctl-zones": "9"}, 1)
    numbers.look(seen, {"sdnctl-zones": "9"}, 2)
    assert give(numbers, seen, forgets=False) == ([10], [1])


def test_what_happened_before_the_start_is_unknown() -> None:
    """Zones up to the highest may have been those of ports that went meanwhile: their flows may be there yet."""
    numbers, seen = Zones(), bridge({"a": "5/a", "c": ""})
    numbers.look(seen, {"sdnctl-zones": "8"}, 1)
    assert give(numbers, seen) == ([9], [])


def test_two_ports_with_one_note_share_nothing() -> None:
    numbers = Zones()
    numbers.look(bridge({"b": "1/b"}), {"sdnctl-zones": "1"}, 1)
    ids = {"iface-id": "a", "sdnctl-zone": "1/a"}  # copied by somebody
    copied = Port("a", [Interface("", {}, ids, {}, {}, Row("a", 2, "a", Mac(2), "uuid-a", zone=1))])
    seen = Bridge([copied, *bridge({"b": "1/b"}).ports], [], [])
    numbers.look(seen, {"sdnctl-zones": "1"}, 2)
    assert [row.name for row in seen.rows() if numbers.holds(row)] == ["b"], "who had it before keeps it"
    assert give(numbers, seen) == ([2], [])


def test_when_all_are_taken_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdnctl.bridge.zones.PORTS_HIGH", 2)
    numbers, seen = Zones(), bridge({"a": "", "b": "", "c": ""})
    numbers.look(seen, {}, 1)
    assert give(numbers, seen) == ([1, 2], [])


def test_the_shares_do_not_overlap() -> None:
    assert shares.PORTS_HIGH < shares.POOL_LOW <= shares.POOL_HIGH < shares.SCRATCH < 2**16


@contextmanager
def following(switch: DummySwitch) -> Iterator[tuple[Vswitch, Watcher]]:
    watcher = Watcher()
    vswitch = Vswitch(switch.db, watcher.put)
    vswitch.start()
    yield vswitch, watcher
    vswitch.close()


def zones_of(watcher: Watcher, wanted: Callable[[dict[str, int]], bool]) -> dict[str, int]:
    """The zones by port, once they are as wanted."""
    seen = watcher.until(lambda seen: wanted({id: row.zone for id, row in seen.ports.items()}))
    return {id: row.zone for id, row in seen.ports.items()}


def test_a_real_switch_keeps_them(dummy_switch: DummySwitch) -> None:
    """Through restarts of both programs; nobody else's are touched, and who reads only writes none."""
    with following(dummy_switch) as (_, watcher):
        for name in ("a", "b", "c"):
            plug(dummy_switch, "br-int", f"tap-{name}", name)
        first = zones_of(watcher, lambda zones: len(zones) == 3)
        assert sorted(first.values()) == [1, 2, 3]
    dummy_switch.kill_vswitchd()
    dummy_switch.start_vswitchd()
    dummy_switch.vsctl("del-port", "tap-b")
    plug(dummy_switch, "br-int", "tap-d", "d")
    seen = look(dummy_switch.db)
    assert seen is not None and {id: row.zone for id, row in seen.ports.items()} == {"a": first["a"], "c": first["c"]}
    with following(dummy_switch) as (vswitch, watcher):
        zones = zones_of(watcher, lambda zones: len(zones) == 3)
        assert zones == {"a": first["a"], "c": first["c"], "d": 4}
        assert watcher.last is not None
        vswitch.zones.settled(watcher.last.turn)
        plug(dummy_switch, "br-int", "tap-e", "e")
        assert zones_of(watcher, lambda zones: len(zones) == 4)["e"] == first["b"]
        dummy_switch.vsctl("set", "interface", "tap-e", "external_ids:iface-id=f")
        assert zones_of(watcher, lambda zones: "f" in zones)["f"] == 5, "another port in the same place"


def test_a_host_without_zones_says_so(dummy_switch: DummySwitch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdnctl.bridge.zones.PORTS_HIGH", 1)
    with following(dummy_switch) as (_, watcher):
        plug(dummy_switch, "br-int", "tap-a", "a")
        plug(dummy_switch, "br-int", "tap-b", "b")
        seen = watcher.until(lambda seen: EXHAUSTED in seen.problems)
        assert len(seen.ports) == 1


def test_the_switch_forgets_before_a_zone_is_given_again(dummy_switch: DummySwitch) -> None:
    """With several datapaths too, for which ``dpctl/flush-conntrack`` has no name."""
    dummy_switch.vsctl("add-br", "br-other", "--", "set", "bridge", "br-other", "datapath_type=netdev")
    with following(dummy_switch) as (vswitch, watcher):
        plug(dummy_switch, "br-int", "tap-a", "a")
        zones_of(watcher, lambda zones: zones == {"a": 1})
        dummy_switch.vsctl("del-port", "tap-a")
        gone = watcher.until(lambda seen: not seen.ports)
        vswitch.zones.settled(gone.turn)
        dummy_switch.appctl("vlog/set", "vconn:file:dbg")
        before = flushes(dummy_switch)
        plug(dummy_switch, "br-int", "tap-b", "b")
        assert zones_of(watcher, bool) == {"b": 1}
        assert flushes(dummy_switch) == before + 1


def flushes(switch: DummySwitch) -> int:
    """The zones that were forgotten since the switch has started."""
    return (switch.rundir / "ovs-vswitchd.log").read_text().count("NXT_CT_FLUSH_ZONE")
