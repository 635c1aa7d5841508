"""``sdnctl verify`` on a running region: it is proved; a hole is told as one packet, with exit code 1."""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from sdnctl.testing.ovs import DummySwitch
from sdnctl.verify import network
from tests.cli.conftest import User, run
from tests.verify.regions import with_hole


@pytest.fixture(scope="module", autouse=True)
def ports(user: User, switch: DummySwitch) -> Iterator[list[str]]:
    """One interface in each of two VPCs that have the same addresses, both plugged in."""
    made = []
    for vpc in ("red", "blue"):
        user.ok("vpc", "create", vpc, "--cidr", "10.0.0.0/16")
        user.ok("subnet", "create", f"{vpc}-front", "--vpc", vpc, "--cidr", "10.0.0.0/24")
        made.append(user.json("eni", "create", f"{vpc}-1", "--subnet", f"{vpc}-front")["networkInterfaceId"])
    taps = [f"tap-{name}" for name in ("red", "blue")]
    for tap, port in zip(taps, made, strict=True):
        plugged = ("--", "set", "Interface", tap, f"external_ids:iface-id={port}", "type=dummy")
        switch.vsctl("add-port", switch.bridge, tap, *plugged)
    user.ok("wait")
    yield made
    for tap in taps:
        switch.vsctl("del-port", tap)


def test_a_region_is_proved(user: User) -> None:
    assert user.ok("verify").startswith("proved: no packet gets into another network")
    told = user.json("verify")
    assert told["proved"] and told["holes"] == told["undecided"] == []
    assert told["ports"] >= 2 and told["hosts"] == 1 and told["flows"] > 100


def test_only_what_is_installed_is_asked_of_the_store(user: User) -> None:
    import_module("tests.store.model")  # resources that the region does not know
    assert user.ok("verify").startswith("proved")


def test_a_hole_is_told_as_one_packet_with_its_way(
    user: User, ports: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, red = network.computed, user.json("vpc", "get", "red")["vpc"]["vpcId"]
    blue = ports[1]
    monkeypatch.setattr(network, "computed", lambda *given: with_hole(whole(*given), blue, red))
    said = user("verify")
    assert said.code == 1 and said.out.startswith(f"HOLE: {blue} of vpc-")
    answer = user("verify", "--json")
    told: dict[str, Any] = json.loads(answer.out)
    assert answer.code == 1 and not told["proved"]
    first = next(one for one in told["holes"] if one["to"] == ports[0])
    assert first["packet"] in said.out and first["steps"][0]["says"] in said.out
    assert first.keys() == {"from", "network", "host", "packet", "to", "says", "steps", "verdict"}
    assert first["from"] == blue and first["verdict"].startswith(f"delivered to {ports[0]}")


def test_without_a_region_there_is_nothing_to_prove(tmp_path: Path) -> None:
    said = run("verify", SDNCTL_DATA=str(tmp_path))
    assert said.code == 1 and "is 'sdnctl up' running?" in said.err
