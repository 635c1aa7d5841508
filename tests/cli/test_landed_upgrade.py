"""A region of the landed release is opened by this one: all is there; where it cannot be, words say why, and it stays.

`tests/packet/test_upgrade.py` shows that no packet is lost on the way.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdnctl.testing.ovs import DummySwitch
from tests.cli.conftest import REGION, User
from tests.cli.test_up_full_disk import started
from topologies.service import ROOT, Service

LANDED = "6628c15"
"""The last commit that was landed before security groups: schema 1.2.0."""


@pytest.fixture(scope="module")
def switch() -> Iterator[DummySwitch]:
    """A switch of its own: the one that the other tests share is kept by their region."""
    with DummySwitch() as made:
        yield made


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The landed release's files."""
    made = tmp_path_factory.mktemp("landed")
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", LANDED], capture_output=True)
    if archive.returncode:
        pytest.fail(f"commit {LANDED} is not in this clone: fetch the whole history (git fetch --unshallow)")
    subprocess.run(["tar", "-x", "-C", str(made)], input=archive.stdout, check=True)
    return made


@pytest.fixture
def landed(checkout: Path, tmp_path: Path, switch: DummySwitch) -> Iterator[tuple[Service, User, dict[str, Any]]]:
    """A region that the landed release made, and that is down now; a customer's keys, and what that one had."""
    service = Service(tmp_path, switch.rundir / "db.sock", region=REGION, checkout=checkout)
    service.up()
    service.cli("pool", "add", "--cidr", "203.0.113.0/24", "--gateway", "203.0.113.1")
    user = User(service.data, service.endpoint, "customer")
    user.ok("vpc", "create", "shop", "--cidr", "10.0.0.0/16")
    user.ok("subnet", "create", "front", "--vpc", "shop", "--cidr", "10.0.0.0/24")
    user.ok("eni", "create", "web", "--subnet", "front")
    had = known(user)
    service.down()
    service.checkout = ROOT
    yield service, user, had
    service.down()


def known(user: User) -> dict[str, Any]:
    """What a customer has, less what only this release tells."""
    vpcs = [
        {key: vpc[key] for key in ("vpcId", "vpcName", "addressPrefix")} for vpc in user.json("vpc", "list")["vpcs"]
    ]
    ports = user.json("eni", "list")["networkInterfaces"]
    return {"vpcs": vpcs, "ports": [(one["networkInterfaceId"], one["macAddress"], one["primaryIp"]) for one in ports]}


def backups(service: Service) -> list[str]:
    """The copies of the store that lie beside it."""
    return [file.name for file in service.data.iterdir() if file.name.startswith("store.db.")]


def test_all_is_there_and_the_keys_open_it(landed: tuple[Service, User, dict[str, Any]]) -> None:
    service, user, had = landed
    service.up()
    assert known(user) == had and had["ports"]
    assert len(backups(service)) == 1 and backups(service)[0].startswith("store.db.1.2.0.")
    assert user.json("status")["store"] == "ok"
    user.ok("vpc", "create", "more", "--cidr", "10.1.0.0/16")


def test_what_cannot_be_converted_stays_as_it_is_and_words_say_why(
    landed: tuple[Service, User, dict[str, Any]], checkout: Path, switch: DummySwitch
) -> None:
    service, user, had = landed
    database = service.data / "store.db"
    spoilt = {"op": "update", "table": "NetworkInterface", "where": [], "row": {"security_groups": '["sg-'}}
    subprocess.run(["ovsdb-tool", "transact", str(database), json.dumps(["sdnctl", spoilt])], check=True)
    before = database.read_bytes()
    for _ in range(2):
        done = started(service, switch.rundir / "db.sock")
        (said,) = done.stderr.strip().splitlines()
        assert done.returncode == 1 and said.startswith("error: the upgrade to 1.3.0 (apps.security_group.upgrades.")
        assert "nothing was changed" in said and "the program that kept it still opens it" in said
        assert database.read_bytes() == before and not backups(service)
    mended = {**spoilt, "row": {"security_groups": ""}}
    subprocess.run(["ovsdb-tool", "transact", str(database), json.dumps(["sdnctl", mended])], check=True)
    service.checkout = checkout
    service.up()  # the release that kept it
    service.down()
    service.checkout = ROOT
    service.up()
    assert known(user) == had


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"version":"1.2.0"', b'"version":"9.2.0"', "the store has the schema 9.2.0, this program only"),
        (b"OVSDB JSON", b"SQLite 3.0", "is not a store"),
    ],
)
def test_a_store_that_is_newer_or_none_is_refused_in_words(
    landed: tuple[Service, User, dict[str, Any]], switch: DummySwitch, old: bytes, new: bytes, said: str
) -> None:
    service, _, _ = landed
    database = service.data / "store.db"
    whole = database.read_bytes()
    assert old in whole
    database.write_bytes(whole.replace(old, new, 1))
    done = started(service, switch.rundir / "db.sock")
    (line,) = done.stderr.strip().splitlines()
    assert done.returncode == 1 and said in line
    database.write_bytes(whole)
