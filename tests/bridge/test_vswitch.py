"""The switch's database: what the controller mends in it, and what it reads from it."""

import queue
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sdnctl.base.addresses import Mac
from sdnctl.base.paths import rundir_of
from sdnctl.bridge.snapshot import Row, Snapshot, chosen
from sdnctl.bridge.vswitch import Vswitch, kernel_datapath
from sdnctl.testing.ovs import DummySwitch

A = Row("tap-a", 1, "port-a", Mac(1))
B = Row("tap-b", 2, "port-a", Mac(2))
UP = Row("eth1", 9, "", Mac(9))


class Watcher:
    """Collects snapshots and waits for the one that a test is after."""

    def __init__(self) -> None:
        self.last: Snapshot | None = None
        self._queue: queue.SimpleQueue[Snapshot] = queue.SimpleQueue()
        self.put = self._queue.put

    def until(self, wanted: Callable[[Snapshot], bool]) -> Snapshot:
        while True:
            self.last = self._queue.get(timeout=10)
            if wanted(self.last):
                return self.last

    @property
    def quiet(self) -> bool:
        return self._queue.empty()


@contextmanager
def watching(switch: DummySwitch) -> Iterator[Watcher]:
    watcher = Watcher()
    vswitch = Vswitch(switch.db, watcher.put)
    vswitch.start()
    yield watcher
    vswitch.close()


def plug(switch: DummySwitch, bridge: str, name: str, id: str) -> None:
    switch.vsctl("add-port", bridge, name, "--", "set", "interface", name, f"external_ids:iface-id={id}")


def test_a_port_is_a_row_with_an_iface_id() -> None:
    assert chosen([UP, A, Row("patch", 3, "", Mac(3))], {}) == ({"port-a": A}, [])


def test_the_first_of_two_rows_with_one_iface_id_wins_and_keeps_winning() -> None:
    assert chosen([B, A], {}) == ({"port-a": A}, [B])
    assert chosen([A, B], {"port-a": B}) == ({"port-a": B}, [A])


def test_the_management_socket_lies_beside_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OVS_RUNDIR", raising=False)
    assert rundir_of("unix:/run/ovs/db.sock") == "/run/ovs"
    monkeypatch.setenv("OVS_RUNDIR", "/elsewhere")
    assert rundir_of("unix:/run/ovs/db.sock") == "/elsewhere"


def test_the_bridge_is_made_when_it_is_missing(dummy_switch: DummySwitch) -> None:
    dummy_switch.vsctl("del-br", "br-int")
    with watching(dummy_switch) as watcher:
        watcher.until(lambda seen: True)
        assert dummy_switch.vsctl("get", "bridge", "br-int", "fail_mode").strip() == "secure"
        kind = dummy_switch.vsctl("get", "bridge", "br-int", "datapath_type").strip()
        assert kind == ("system" if kernel_datapath() else "netdev")
        dummy_switch.vsctl("del-br", "br-int")
        while "br-int" not in dummy_switch.vsctl("list-br"):
            pass


def test_a_bridge_that_is_there_is_mended_and_keeps_its_datapath(dummy_switch: DummySwitch) -> None:
    dummy_switch.vsctl("set", "bridge", "br-int", "fail_mode=standalone", "protocols=OpenFlow10,OpenFlow15")
    with watching(dummy_switch) as watcher:
        watcher.until(lambda seen: True)
        assert dummy_switch.vsctl("get", "bridge", "br-int", "fail_mode").strip() == "secure"
        protocols = dummy_switch.vsctl("get", "bridge", "br-int", "protocols").strip()
        assert protocols == "[OpenFlow10, OpenFlow14, OpenFlow15]"
        assert dummy_switch.vsctl("get", "bridge", "br-int", "datapath_type").strip() == "dummy"


def test_ports_come_change_and_go(dummy_switch: DummySwitch) -> None:
    with watching(dummy_switch) as watcher:
        assert watcher.until(lambda seen: True) == Snapshot(socket.gethostname(), {})
        plug(dummy_switch, "br-int", "tap1", "port-1")
        seen = watcher.until(lambda seen: "port-1" in seen.ports)
        assert seen.ports["port-1"].name == "tap1" and seen.ports["port-1"].ofport > 0
        dummy_switch.vsctl("set", "interface", "tap1", "external_ids:iface-id=port-2")
        assert list(watcher.until(lambda seen: "port-2" in seen.ports).ports) == ["port-2"]
        dummy_switch.vsctl("del-port", "tap1")
        assert watcher.until(lambda seen: not seen.ports).uplink is None


def test_a_port_that_is_not_ready_is_not_there(dummy_switch: DummySwitch) -> None:
    with watching(dummy_switch) as watcher:
        watcher.until(lambda seen: True)
        bad = ("add-port", "br-int", "bad", "--", "set", "interface", "bad", "type=nonsense")
        dummy_switch.vsctl("--no-wait", *bad, "external_ids:iface-id=port-bad")
        good = ("add-port", "br-int", "good", "--", "set", "interface", "good")
        dummy_switch.vsctl(*good, "external_ids:iface-id=port-good")
        assert list(watcher.until(lambda seen: "port-good" in seen.ports).ports) == ["port-good"]


def test_uplink_and_name_come_from_the_switch(dummy_switch: DummySwitch) -> None:
    dummy_switch.vsctl("add-port", "br-int", "eth1", "--", "set", "interface", "eth1", "ofport_request=77")
    with watching(dummy_switch) as watcher:
        watcher.until(lambda seen: True)
        ids = ("external_ids:sdnctl-uplink=eth1", "external_ids:sdnctl-host=rack-7")
        dummy_switch.vsctl("set", "open_vswitch", ".", *ids)
        seen = watcher.until(lambda seen: seen.uplink is not None)
        assert seen.host == "rack-7"
        assert seen.uplink is not None and seen.uplink.ofport == 77
        assert str(seen.uplink.mac) == dummy_switch.vsctl("get", "interface", "eth1", "mac_in_use").strip().strip('"')


def test_what_does_not_concern_the_host_is_not_news(dummy_switch: DummySwitch) -> None:
    with watching(dummy_switch) as watcher:
        watcher.until(lambda seen: True)
        dummy_switch.vsctl("set", "bridge", "br-int", "external_ids:note=hello")
        dummy_switch.vsctl("add-br", "br-other")
        plug(dummy_switch, "br-other", "tap9", "port-9")
        dummy_switch.vsctl("set", "open_vswitch", ".", "external_ids:sdnctl-host=marker")
        assert watcher.until(lambda seen: True) == Snapshot("marker", {})
        assert watcher.quiet


def test_the_database_may_come_later(tmp_path: Path) -> None:
    vswitch = Vswitch(f"unix:{tmp_path}/db.sock", lambda seen: None)
    vswitch.start()
    vswitch.close()
