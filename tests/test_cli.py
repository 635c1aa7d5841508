"""The operator's command: against a running region, and when there is none."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdnctl.cli.client import Client
from sdnctl.cli.exchange import NotRunning
from sdnctl.testing.ovs import DummySwitch
from topologies.service import Service

REPO = Path(__file__).parent.parent


def sdnctl(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    env = {**os.environ, "PYTHONPATH": str(REPO), "COLUMNS": "200", **environment}
    return subprocess.run(
        [sys.executable, "-m", "sdnctl", *args], env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def switch() -> Iterator[DummySwitch]:
    with DummySwitch() as made:
        yield made


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory, switch: DummySwitch) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("region"), switch.rundir / "db.sock", region="cn-test-1")
    service.up()
    yield service
    service.down()


def test_the_first_line_says_where_and_for_whom(region: Service) -> None:
    assert region.account.keys() >= {"endpoint", "region", "accessKey", "secretKey"}
    assert region.account["region"] == "cn-test-1"
    assert re.fullmatch(r"127\.0\.0\.1:\d+", region.endpoint)
    assert (region.data.stat().st_mode & 0o777) == 0o700
    for secret in ("account.json", "endpoint.json"):
        assert ((region.data / secret).stat().st_mode & 0o777) == 0o600


def test_an_account_is_made_and_listed_without_its_secret(region: Service) -> None:
    made = region.cli("account", "create", "alice")
    assert made.keys() == {"account", "accessKey", "secretKey"}
    listed = region.cli("account", "list")
    assert made["account"] in {account["account"] for account in listed["accounts"]}
    assert made["secretKey"] not in json.dumps(listed)


def test_a_second_account_of_the_same_name_is_refused_in_words(region: Service) -> None:
    region.cli("account", "create", "bob")
    again = sdnctl("account", "create", "bob", "--data", str(region.data))
    assert again.returncode == 1
    assert again.stderr.startswith("error: ")
    assert "'bob' exists" in again.stderr
    assert again.stdout == ""


def test_an_account_s_quotas_are_set_and_shown(region: Service) -> None:
    region.cli("account", "create", "dave")
    found = {one["quota"]: one["limit"] for one in region.cli("account", "quotas", "dave")["quotas"]}
    assert found["flow"] == 50_000 and found["requestRate"] == 200
    set_ = region.cli("account", "quotas", "dave", "flow=100000", "requestRate=400")["quotas"]
    assert {one["quota"]: one["limit"] for one in set_} == found | {"flow": 100_000, "requestRate": 400}
    for wrong, word in (("flow", "QUOTA=N"), ("flow=-1", "QUOTA=N"), ("colour=1", "colour")):
        refused = sdnctl("account", "quotas", "dave", wrong, "--data", str(region.data))
        assert refused.returncode != 0 and word in refused.stderr


def test_a_pool_is_added_listed_and_checked(region: Service) -> None:
    added = region.cli("pool", "add", "--cidr", "203.0.113.0/24", "--gateway", "203.0.113.1")
    assert (added["cidr"], added["gateway"]) == ("203.0.113.0/24", "203.0.113.1")
    assert added["pool"] in {pool["pool"] for pool in region.cli("pool", "list")["pools"]}
    wrong = sdnctl("pool", "add", "--cidr", "203.0.113.0", "--gateway", "203.0.113.1", "--data", str(region.data))
    assert wrong.returncode == 1
    assert "cidr" in wrong.stderr


def test_tables_are_for_people(region: Service) -> None:
    shown = sdnctl("account", "list", SDNCTL_DATA=str(region.data))
    assert shown.returncode == 0
    heading, *rows = shown.stdout.splitlines()
    assert heading.split() == ["account", "name", "access", "keys"]
    assert rows


def test_the_host_reports_itself_and_catches_up(region: Service) -> None:
    made = region.cli("account", "create", "carol")
    assert made["account"]

    def applied() -> bool:
        status = region.cli("status")
        return bool(status["hosts"]) and all(host["lag"] == 0 for host in status["hosts"])

    from tests.waiting import eventually

    eventually(applied, 20)
    (host,) = region.cli("host", "list")["hosts"]
    assert host["flows"] > 0
    assert host["errors"] == []
    assert host["host"] in sdnctl("status", "--data", str(region.data)).stdout


def test_explain_says_whose_flow_it_is(region: Service, switch: DummySwitch) -> None:
    from tests.waiting import eventually

    eventually(lambda: "cookie=0x5d" in switch.ofctl("dump-flows"), 20)
    line = next(line for line in switch.ofctl("dump-flows").splitlines() if "cookie=0x5d" in line)
    cookie = re.search(r"0x5d[0-9a-f]{14}", line)
    assert cookie is not None
    by_cookie, by_line = region.cli("explain", cookie[0]), region.cli("explain", line)
    assert by_cookie == by_line
    (origin, *_) = by_cookie["origins"]
    assert origin.keys() == {"host", "feature", "resource", "flow"}
    assert origin["host"] == region.cli("host", "list")["hosts"][0]["host"]
    assert origin["flow"].startswith("table=")


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("0x1234", "not one of sdnctl's"),
        ("table=0 actions=drop", "no cookie"),
        ("0x5d00000000000001", "nobody wants flow 0x5d00000000000001"),
    ],
)
def test_explain_says_why_it_cannot(region: Service, what: str, says: str) -> None:
    asked = sdnctl("explain", what, "--data", str(region.data))
    assert asked.returncode == 1
    assert says in asked.stderr


def test_a_second_up_on_the_same_data_is_refused(region: Service, switch: DummySwitch) -> None:
    second = sdnctl("up", "--data", str(region.data), "--listen", "127.0.0.1:0", "--ovs-db", switch.db)
    assert second.returncode == 2
    assert "another sdnctl up" in second.stderr
    assert str(json.loads((region.data / "pids.json").read_text())["up"]) in second.stderr


def test_a_taken_port_is_refused_at_once(region: Service, switch: DummySwitch, tmp_path: Path) -> None:
    other = sdnctl("up", "--data", str(tmp_path / "d"), "--listen", region.endpoint, "--ovs-db", switch.db)
    assert other.returncode == 2
    assert f"cannot listen on {region.endpoint}" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--ovs-db", "unix:/nowhere/db.sock"], "no Open vSwitch answers at /nowhere/db.sock"),
        (["--ovs-db", "tcp:127.0.0.1:6640"], "must be unix:PATH"),
        (["--listen", "7480"], "must be HOST:PORT"),
        (["--listen", "127.0.0.1:99999"], "must be HOST:PORT"),
        (["--listen", "192.0.2.1:0"], "cannot listen on"),
        (["--data", "/tmp/" + "x" * 120], "too long"),
        (["--data", "/dev/null/data"], "cannot use /dev/null/data"),
    ],
)
def test_up_says_what_is_wrong_before_it_starts_anything(
    switch: DummySwitch, tmp_path: Path, arguments: list[str], says: str
) -> None:
    given = sdnctl("up", "--data", str(tmp_path), "--listen", "127.0.0.1:0", "--ovs-db", switch.db, *arguments)
    assert given.returncode == 2
    assert says in given.stderr
    assert given.stdout == ""


def test_the_switch_is_found_by_ovs_rundir(tmp_path: Path) -> None:
    given = sdnctl("up", "--data", str(tmp_path), OVS_RUNDIR="/nowhere/ovs")
    assert given.returncode == 2
    assert "no Open vSwitch answers at /nowhere/ovs/db.sock" in given.stderr


@pytest.mark.parametrize("command", [["status"], ["host", "list"], ["account", "list"], ["pool", "list"]])
def test_without_a_region_every_command_says_how_to_start_one(tmp_path: Path, command: list[str]) -> None:
    asked = sdnctl(*command, "--data", str(tmp_path))
    assert asked.returncode == 2
    assert f"sdnctl up --data {tmp_path}" in asked.stderr
    assert asked.stdout == ""


def test_a_region_that_is_gone_is_told_from_one_that_never_was(tmp_path: Path) -> None:
    (tmp_path / "endpoint.json").write_text('{"endpoint":"127.0.0.1:1","region":"r","operator":"t"}')
    asked = sdnctl("status", "--data", str(tmp_path), HTTP_PROXY="http://127.0.0.1:2")
    assert asked.returncode == 2
    assert "127.0.0.1:1 does not answer" in asked.stderr


def test_a_damaged_endpoint_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "endpoint.json").write_text("{")
    with pytest.raises(NotRunning, match="damaged"):
        Client.at(tmp_path)


@pytest.mark.parametrize("command", [["nonsense"], ["pool", "add"], ["account", "create"], ["explain"]])
def test_wrong_usage_is_code_two(command: list[str]) -> None:
    assert sdnctl(*command).returncode == 2
