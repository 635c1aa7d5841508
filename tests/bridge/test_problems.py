"""What is wrong with a host is said in words, with what to do about it."""

import pytest

from sdnctl.base.addresses import Ip4, Mac
from sdnctl.bridge import problems
from sdnctl.bridge.ports import Bridge, Interface, Port
from sdnctl.bridge.snapshot import Row, Settings, wrong
from sdnctl.testing.ovs import DummySwitch
from tests.bridge.test_vswitch import plug, watching

ADDRESS = Ip4.parse("172.31.0.1")
TUNNELS = Settings(encap_ip=ADDRESS)


def port(name: str, ofport: int) -> Port:
    row = Row(name, ofport, "", Mac(1)) if ofport else None
    return Port(name, [Interface("", {}, {}, {}, {}, row)])


def bridge(*ports: Port) -> Bridge:
    return Bridge(ports, ["secure"], [])


def test_an_uplink_is_a_working_port_of_the_bridge() -> None:
    assert list(problems.uplink("", bridge())) == []
    assert list(problems.uplink("eth1", bridge(port("eth1", 1)))) == []
    assert "ovs-vsctl add-port br-int eth1" in next(problems.uplink("eth1", bridge()))
    assert "cannot open" in next(problems.unopened("eth1", bridge(port("eth1", 0))))


@pytest.mark.parametrize(("kind", "where"), [("netdev", "userspace"), ("", "kernel")])
def test_a_bridge_that_is_only_in_the_database_is_told(kind: str, where: str) -> None:
    assert where in next(problems.bridge(bridge(port("br-int", 0)), kind))
    assert list(problems.bridge(bridge(port("br-int", 65534)), kind)) == []


@pytest.mark.parametrize(
    ("kind", "here", "says"),
    [
        ("netdev", {ADDRESS: "br-phy"}, ""),
        ("system", {ADDRESS: "eth0"}, ""),
        ("dummy", {}, ""),
        ("netdev", {ADDRESS: "eth0"}, "put eth0 on a bridge that has the address"),
        ("netdev", {}, "no address of this machine"),
        ("", {}, "no address of this machine"),
    ],
)
def test_tunnels_leave_from_an_address_of_this_machine_and_in_userspace_of_a_bridge(
    kind: str, here: dict[Ip4, str], says: str
) -> None:
    found = " ".join(problems.tunnels(TUNNELS, kind, ["br-int", "br-phy"], here))
    assert bool(found) == bool(says) and says in found
    assert not list(problems.tunnels(Settings(), kind, [], {}))


def test_a_setting_that_makes_no_sense_is_told() -> None:
    (said,) = problems.settings(wrong({"sdnctl-gateway": "-1"}))
    assert said.startswith("sdnctl-gateway is no number from 0 to 65535")


def test_this_machine_has_a_loopback_address() -> None:
    assert (problems.addresses() or {}).get(Ip4.parse("127.0.0.1")) == "lo"


def test_problems_come_and_go_with_what_the_database_says(dummy_switch: DummySwitch) -> None:
    with watching(dummy_switch) as watcher:
        assert watcher.until(lambda seen: True).problems == ()
        dummy_switch.vsctl("set", "open_vswitch", ".", "external_ids:sdnctl-uplink=eth1")
        assert "eth1" in watcher.until(lambda seen: bool(seen.problems)).problems[0]
        dummy_switch.vsctl("add-port", "br-int", "eth1")
        assert watcher.until(lambda seen: seen.uplink is not None).problems == ()
        plug(dummy_switch, "br-int", "tap1", "port-1")
        plug(dummy_switch, "br-int", "tap2", "port-1")
        assert "tap2 is ignored" in watcher.until(lambda seen: bool(seen.problems)).problems[0]
