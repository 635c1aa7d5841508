"""The controller makes the tunnel port and a watched port for each host that is talked to, and removes those again."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sdnctl.base.addresses import Ip4
from sdnctl.bridge.setup import TUNNEL_PORT, peer_port, ports_wanted
from sdnctl.bridge.snapshot import Settings, Snapshot, wrong
from sdnctl.bridge.vswitch import Vswitch
from sdnctl.testing.ovs import DummySwitch
from tests.waiting import eventually

HERE, THERE = "192.0.2.1", Ip4.parse("192.0.2.2")


class Followed:
    """A switch's database as the controller follows it; ``last`` is the latest picture."""

    def __init__(self, switch: DummySwitch) -> None:
        self.switch = switch
        self.last = Snapshot("", {})
        self.vswitch = Vswitch(switch.db, self._see)
        self.vswitch.start()

    def _see(self, seen: Snapshot) -> None:
        self.last = seen

    def tell(self, **settings: str) -> None:
        """Set external_ids of the Open_vSwitch row."""
        pairs = [f"external_ids:sdnctl-{name.replace('_', '-')}={value}" for name, value in settings.items()]
        self.switch.vsctl("set", "open_vswitch", ".", *pairs)

    def ports(self) -> set[str]:
        """The names of the ports of br-int."""
        return set(self.switch.vsctl("list-ports", "br-int").split())

    def column(self, port: str, column: str) -> str:
        """A column of an Interface row."""
        return self.switch.vsctl("get", "interface", port, column).strip()


@contextmanager
def followed(switch: DummySwitch) -> Iterator[Followed]:
    made = Followed(switch)
    yield made
    made.vswitch.close()


def test_without_an_address_there_is_no_tunnel(dummy_switch: DummySwitch) -> None:
    with followed(dummy_switch) as seen:
        seen.vswitch.watch({"hv2": THERE})
        eventually(lambda: bool(seen.last.host))
        time.sleep(0.2)
        assert TUNNEL_PORT not in seen.ports() and seen.last.tunnel == 0


@pytest.mark.parametrize("kind", ["geneve", "vxlan"])
def test_tunnels_come_with_the_address_and_follow_the_type(dummy_switch: DummySwitch, kind: str) -> None:
    with followed(dummy_switch) as seen:
        seen.tell(encap_ip=HERE, encap_type=kind, underlay_mtu="9000", gateway="7")
        eventually(lambda: TUNNEL_PORT in seen.ports())
        eventually(lambda: seen.last.settings == Settings(Ip4.parse(HERE), kind, 9000, 7))
        assert seen.column(TUNNEL_PORT, "type") == kind
        assert seen.column(TUNNEL_PORT, "options") == f'{{key=flow, local_ip="{HERE}", remote_ip=flow}}'
        other = "vxlan" if kind == "geneve" else "geneve"
        seen.tell(encap_type=other)
        eventually(lambda: seen.column(TUNNEL_PORT, "type") == other)


def test_who_is_talked_to_is_watched_and_nobody_else(dummy_switch: DummySwitch) -> None:
    with followed(dummy_switch) as seen:
        seen.tell(encap_ip=HERE)
        seen.vswitch.watch({"hv2": THERE})
        eventually(lambda: peer_port("hv2") in seen.ports())
        assert "enable" in seen.column(peer_port("hv2"), "bfd")
        eventually(lambda: dict(seen.last.peers) == {"hv2": False})
        seen.vswitch.watch({})
        eventually(lambda: peer_port("hv2") not in seen.ports())
        assert TUNNEL_PORT in seen.ports()


def test_before_anybody_says_who_is_watched_nothing_is_taken_away(dummy_switch: DummySwitch) -> None:
    """A controller that starts again does not make the tunnels flap."""
    with followed(dummy_switch) as seen:
        seen.tell(encap_ip=HERE)
        seen.vswitch.watch({"hv2": THERE})
        eventually(lambda: peer_port("hv2") in seen.ports())
    with followed(dummy_switch) as seen:
        eventually(lambda: bool(seen.last.host))
        time.sleep(0.2)
        assert peer_port("hv2") in seen.ports()


def test_a_foreign_port_is_left_alone(dummy_switch: DummySwitch) -> None:
    dummy_switch.vsctl("add-port", "br-int", "foreign0")
    with followed(dummy_switch) as seen:
        seen.tell(encap_ip=HERE)
        seen.vswitch.watch({})
        eventually(lambda: TUNNEL_PORT in seen.ports())
        assert "foreign0" in seen.ports()


def test_settings_that_make_no_sense_are_named_and_ignored() -> None:
    ids = {
        "sdnctl-encap-ip": "10.0.0",
        "sdnctl-encap-type": "gre",
        "sdnctl-underlay-mtu": "64",
        "sdnctl-gateway": "-1",
    }
    assert Settings.read(ids) == Settings()
    assert set(wrong(ids)) == set(ids)
    assert not wrong({"sdnctl-encap-ip": "10.0.0.1", "sdnctl-encap-type": "vxlan", "sdnctl-gateway": "0"})


def test_a_port_s_name_fits_an_interface_and_is_its_peer_s_own() -> None:
    names = {peer_port(f"hypervisor-{n}.rack{n % 7}.example.net") for n in range(5000)}
    assert len(names) == 5000 and max(map(len, names)) <= 15
    assert set(ports_wanted(Settings(Ip4.parse(HERE)), {"hv2": THERE})) == {TUNNEL_PORT, peer_port("hv2")}
