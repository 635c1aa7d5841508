"""The zone of a port keeps idle UDP for three minutes, from its first packet on and through a restart of the switch."""

import re
from collections.abc import Iterator

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from sdnctl.bridge import timeouts
from sdnctl.bridge.vswitch import Vswitch
from sdnctl.testing.ovs import DummySwitch
from tests.bridge.test_vswitch import Watcher, plug
from tests.bridge.test_zones import following
from tests.waiting import eventually

OURS, OTHERS = 1, 500
POLICY = "udp_multiple=180"


def policies(switch: DummySwitch) -> dict[int, str]:
    """The policies of zones, as ovs-vsctl tells them."""
    if "dummy" not in switch.vsctl("get", "open_vswitch", ".", "datapaths"):
        return {}
    said = switch.vsctl("list-zone-tp", "dummy")
    return {int(zone): text.strip() for zone, text in re.findall(r"Zone:(\d+), Timeout Policies: (.*)", said)}


@pytest.fixture
def switch(dummy_switch: DummySwitch) -> DummySwitch:
    for number in (1, 2):
        dummy_switch.add_port(f"p{number}", number)
    return dummy_switch


@pytest.fixture
def followed(switch: DummySwitch) -> Iterator[tuple[Vswitch, Watcher]]:
    with following(switch) as made:
        yield made


def idle(switch: DummySwitch, zone: int) -> int:
    """The seconds for which a UDP connection in a zone is known, once both sides were heard."""
    switch.appctl("dpctl/flush-conntrack")
    switch.ofctl("del-flows")
    switch.ofctl("add-flow", f"in_port=1,udp,actions=ct(commit,zone={zone}),output:2")
    switch.ofctl("add-flow", f"in_port=2,udp,actions=ct(commit,zone={zone}),output:1")
    forth = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="10.0.0.1", dst="10.0.0.2")
    back = Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01") / IP(src="10.0.0.2", dst="10.0.0.1")
    for _ in range(3):
        switch.receive("p1", bytes(forth / UDP(sport=40000, dport=53) / b"q"))
        switch.receive("p2", bytes(back / UDP(sport=53, dport=40000) / b"a"))
    found = re.findall(rf"zone={zone}.*?timeout=(\d+)", switch.appctl("dpctl/dump-conntrack", "-s"))
    assert len(found) == 1, found
    return int(found[0])


def test_a_port_s_zone_has_it_while_the_port_is_there(switch: DummySwitch, followed: tuple[Vswitch, Watcher]) -> None:
    _, watcher = followed
    plug(switch, "br-int", "tap-a", "a")
    seen = watcher.until(lambda seen: "a" in seen.ports)
    assert seen.ports["a"].zone == OURS
    assert policies(switch) == {OURS: POLICY}, "with the zone, before anybody is told of the port"
    plug(switch, "br-int", "tap-b", "b")
    watcher.until(lambda seen: "b" in seen.ports)
    assert policies(switch) == {1: POLICY, 2: POLICY}
    assert switch.vsctl("--columns=timeouts", "list", "CT_Timeout_Policy").count("timeouts") == 1, "one for all"
    switch.vsctl("del-port", "tap-a")
    eventually(lambda: policies(switch) == {2: POLICY})


def test_connections_are_known_that_long_and_after_a_restart_too(
    switch: DummySwitch, followed: tuple[Vswitch, Watcher]
) -> None:
    _, watcher = followed
    plug(switch, "br-int", "tap-a", "a")
    watcher.until(lambda seen: "a" in seen.ports)
    assert 170 < idle(switch, OURS) <= 180
    assert 20 < idle(switch, OTHERS) <= 30, "a zone of nobody's"
    switch.kill_vswitchd()
    switch.start_vswitchd()
    eventually(switch.answers)
    assert 170 < idle(switch, OURS) <= 180, "it has it at once"


def test_somebody_else_s_stay_and_ours_are_mended(switch: DummySwitch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "TIMEOUTS", {"udp_multiple": 100})
    with following(switch) as (_, watcher):
        plug(switch, "br-int", "tap-a", "a")
        watcher.until(lambda seen: "a" in seen.ports)
    switch.vsctl("add-zone-tp", "dummy", f"zone={OTHERS}", "udp_first=5")
    assert policies(switch) == {OURS: "udp_multiple=100", OTHERS: "udp_first=5"}
    monkeypatch.undo()
    with following(switch) as (_, watcher):
        watcher.until(lambda seen: "a" in seen.ports)
        eventually(lambda: policies(switch) == {OURS: POLICY, OTHERS: "udp_first=5"})
        switch.vsctl("del-zone-tp", "dummy", f"zone={OURS}")
        eventually(lambda: policies(switch) == {OURS: POLICY, OTHERS: "udp_first=5"})
        switch.vsctl("del-port", "tap-a")
        eventually(lambda: policies(switch) == {OTHERS: "udp_first=5"})
    assert switch.vsctl("--columns=timeouts", "list", "CT_Timeout_Policy").count("timeouts") == 1


def test_who_only_reads_writes_none(switch: DummySwitch) -> None:
    watcher = Watcher()
    reader = Vswitch(switch.db, watcher.put, number=False)
    reader.start()
    plug(switch, "br-int", "tap-a", "a")
    watcher.until(lambda seen: True)
    reader.close()
    assert policies(switch) == {}
