"""The display of `sdnctl watch` for a running region, and the rates that it makes of totals."""

import pytest

from sdnctl.cli.watch import Rates, metered, samples
from sdnctl.testing.ovs import DummySwitch
from tests.cli.conftest import User
from tests.waiting import eventually


def test_one_look_for_programs(user: User) -> None:
    user.ok("vpc", "create", "net")
    user.ok("subnet", "create", "a", "--vpc", "net", "--cidr", "10.0.0.0/24")
    user.ok("instance", "create", "web", "--subnet", "a")
    user.ok("eip", "create", "public", "--bandwidth", "20")
    user.ok("eip", "bind", "public", "web", "--wait")
    seen = user.json("watch", "--once")
    (host,) = seen["hosts"]
    assert host.keys() >= {"host", "applied", "flows", "errors"}
    (eip,) = seen["elasticIps"]
    assert (eip["name"], eip["boundTo"], eip["bandwidthMbps"], eip["state"]) == ("public", "web", 20, "UP")
    assert eip.keys() >= {"outBits", "outBps", "outDropped", "inBits", "inBps", "inDropped"}
    assert seen["sequence"] == host["applied"]


def test_one_look_for_people(user: User) -> None:
    shown = user.ok("watch", "--once")
    for word in ("region cn-test-1", "applied", "public", "web", "dropped out"):
        assert word in shown


def test_what_the_controller_counts_is_shown(user: User, switch: DummySwitch) -> None:
    port = user.json("eip", "get", "public")["elasticIp"]["networkInterfaceId"]
    plugged = ("--", "set", "interface", "tap0", "type=dummy", f"external_ids:iface-id={port}")
    switch.vsctl("add-port", switch.bridge, "tap0", *plugged)

    def counted() -> bool:
        (eip,) = user.json("watch", "--once")["elasticIps"]
        return [eip[key] for key in ("outBits", "outDropped", "inBits", "inDropped")] == [0] * 4

    eventually(counted, 20)
    seen = user.json("watch", "--once")
    assert seen["metrics"] is True
    assert "no-route" in seen["drops"]


def test_a_tenant_elsewhere_sees_its_own_only(user: User) -> None:
    seen = user.json("watch", "--once", "--endpoint", user.endpoint, "--region", "cn-test-1")
    assert (seen["hosts"], seen["metrics"], seen["sequence"]) == ([], False, None)
    assert len(seen["elasticIps"]) == 1


def test_a_rate_is_made_of_the_moments_when_a_total_moves() -> None:
    rates, total = Rates(), 0.0
    found = []
    for second in range(40):
        if second % 5 == 0:  # the controller reads the switch every five seconds
            total = second * 1e6
        found.append(rates.rate("fip-1", "out", total, float(second)))
    assert found[:5] == [None] * 5
    assert all(rate == pytest.approx(1e6) for rate in found[5:])
    assert rates.rate("fip-1", "out", total, 60.0) == 0.0, "nothing goes through any more"
    assert rates.rate("fip-1", "out", 5.0, 61.0) is None, "counted anew"
    assert rates.rate("fip-1", "out", 1005.0, 66.0) == 200.0


def test_prometheus_text_is_read() -> None:
    text = """# HELP sdnctl_eip_bits bits by meter.
sdnctl_eip_bits_total{direction="out",eip="fip-1"} 8000.0
sdnctl_eip_dropped_packets_total{direction="out",eip="fip-1"} 3.0
sdnctl_eip_dropped_bits_total{direction="out",eip="fip-1"} 96.0
sdnctl_drops_total{reason="no-route"} 2.0
sdnctl_flows 58.0
"""
    found = samples(text)
    assert found["sdnctl_flows", ()] == 58.0
    assert found["sdnctl_drops_total", (("reason", "no-route"),)] == 2.0
    assert metered(found) == {("bits", "fip-1", "out"): 8000.0, ("dropped_packets", "fip-1", "out"): 3.0}
