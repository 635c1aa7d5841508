"""`sdnctl doctor`: what it finds on a machine without a switch, with one, and with a region on it."""

import json
from pathlib import Path
from typing import Any

import pytest

from sdnctl.region import pki
from sdnctl.testing.ovs import DummySwitch
from tests.cli.conftest import User, run


def found(*words: str, data: Path, code: int) -> dict[str, list[dict[str, str]]]:
    """What is found, by what was looked at."""
    said = run("doctor", "--json", *words, SDNCTL_DATA=str(data))
    assert said.code == code, said.out + said.err
    document: dict[str, Any] = json.loads(said.out)
    assert document["ok"] == (code == 0)
    checks: dict[str, list[dict[str, str]]] = {}
    for one in document["checks"]:
        assert one.keys() == {"check", "state", "says", "todo"}
        assert one["state"] == "ok" or one["todo"]
        checks.setdefault(one["check"], []).append(one)
    return checks


def test_a_machine_without_a_switch_is_told_how_to_start_one(tmp_path: Path) -> None:
    checks = found("--ovs-db", f"unix:{tmp_path}/db.sock", "--listen", "127.0.0.1:0", data=tmp_path, code=1)
    assert checks.keys() >= {"python", "ovs-vswitchd", "root", "kernel datapath", "clock", "disk", "api address"}
    assert "systemctl start" in checks["switch database"][0]["todo"]
    shown = run("doctor", "--ovs-db", f"unix:{tmp_path}/db.sock", SDNCTL_DATA=str(tmp_path))
    assert shown.code == 1 and "failed" in shown.out


def test_a_machine_with_a_region_is_looked_at_as_a_whole(user: User, switch: DummySwitch) -> None:
    user.ok("wait")
    checks = found(data=user.data, code=0)
    for check in ("switch database", "switch", "bridge", "store", "region"):
        assert checks[check][0]["state"] == "ok", checks[check]
    assert "uplink" in checks and any(check.startswith("host ") for check in checks)
    switch.vsctl("set", "open_vswitch", ".", "external_ids:sdnctl-uplink=eth9")
    try:
        (uplink,) = found("--ovs-db", f"unix:{switch.rundir}/db.sock", data=user.data, code=1)["uplink"]
        assert uplink["state"] == "fail" and "ovs-vsctl add-port br-int eth9" in uplink["todo"]
    finally:
        switch.vsctl("remove", "open_vswitch", ".", "external_ids", "sdnctl-uplink")


def test_a_switch_that_is_dead_is_told(tmp_path: Path, dummy_switch: DummySwitch) -> None:
    where = ("--ovs-db", dummy_switch.db, "--listen", "127.0.0.1:0")
    assert found(*where, data=tmp_path, code=0)["switch"][0]["state"] == "ok"
    dummy_switch.kill_vswitchd()
    assert "restart openvswitch" in found(*where, data=tmp_path, code=1)["switch"][0]["todo"]


@pytest.mark.parametrize(("days", "state"), [(400, "ok"), (10, "warn"), (-1, "fail")])
def test_the_end_of_a_certificate_is_told(
    tmp_path: Path, dummy_switch: DummySwitch, monkeypatch: pytest.MonkeyPatch, days: int, state: str
) -> None:
    pki.init(tmp_path / "ca")
    monkeypatch.setattr(pki, "DAYS", days)
    monkeypatch.setattr(pki, "timedelta", lambda **given: pki_delta(given))
    pki.issue(tmp_path / "ca", "hv7", "agent", tmp_path / "hv7")
    where = ("--ovs-db", dummy_switch.db, "--pki", str(tmp_path / "hv7"))
    checks = found(*where, data=tmp_path, code=int(state == "fail"))
    assert [one["state"] for one in checks["certificate"] if "cert.pem" in one["says"]] == [state]
    assert checks["key"][0]["state"] == "ok"


def pki_delta(given: dict[str, float]) -> Any:
    """A certificate that has ended began before that."""
    from datetime import timedelta

    return timedelta(days=30) if "hours" in given else timedelta(**given)


def test_a_store_that_does_not_answer_is_told(tmp_path: Path, dummy_switch: DummySwitch) -> None:
    checks = found("--ovs-db", dummy_switch.db, "--store", "tcp:127.0.0.1:1,nonsense", data=tmp_path, code=1)
    assert [one["state"] for one in checks["store"]] == ["fail", "fail"]
