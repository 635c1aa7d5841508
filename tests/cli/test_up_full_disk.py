"""`sdnctl up` on a full disk: it says so and begins nothing; a region that runs serves reads, and says so too."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdnctl.base.problem import Usage
from sdnctl.region.up import Settings, up
from sdnctl.testing.ovs import DummySwitch
from tests.cli.conftest import REGION, User
from tests.store.test_room import fill
from tests.waiting import eventually
from topologies.service import Service, programs_of


@pytest.fixture(scope="module")
def switch() -> Iterator[DummySwitch]:
    """A switch of its own: the one that the other tests share is kept by their region."""
    with DummySwitch() as made:
        yield made


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk of its own, of a size or with so many files."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", request.param, "none", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def grow(disk: Path) -> None:
    """Room on a disk."""
    subprocess.run(["mount", "-o", "remount,size=20m,nr_inodes=10000", str(disk)], check=True)


def started(service: Service, database: Path) -> subprocess.CompletedProcess[str]:
    """A start that is expected to end by itself."""
    argv = [sys.executable, "-m", "sdnctl", "up", "--data", str(service.data), "--listen", "127.0.0.1:0"]
    argv += ["--ovs-db", f"unix:{database}", "--region", REGION]
    return subprocess.run(argv, env=programs_of(service.checkout), capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("disk", ["size=64k", "size=72k", "size=512k", "nr_inodes=3"], indirect=True)
def test_a_new_region_is_not_begun_on_a_full_disk(disk: Path, switch: DummySwitch) -> None:
    database = switch.rundir / "db.sock"
    service = Service(disk, database, region=REGION)
    done = started(service, database)
    if done.returncode == 0 or "Traceback" in done.stderr:
        pytest.fail(f"{done.returncode} {done.stdout} {done.stderr}")
    (said,) = done.stderr.strip().splitlines()
    assert done.returncode == 2 and f"{service.data} is full: make room" in said
    assert not service.data.exists() or {file.name for file in service.data.iterdir()} <= {"up.lock"}
    grow(disk)
    service.up()
    service.down()


@pytest.mark.parametrize("disk", ["nr_inodes=8"], indirect=True)
def test_a_disk_that_runs_full_while_the_programs_start_ends_it_in_words(disk: Path, switch: DummySwitch) -> None:
    database = switch.rundir / "db.sock"
    service = Service(disk, database, region=REGION)
    done = started(service, database)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"{service.data} is full: make room" in done.stderr.splitlines()[-1]
    grow(disk)
    service.up()
    service.down()


@pytest.mark.parametrize("disk", ["size=4m"], indirect=True)
def test_a_region_whose_disk_fills_says_so_and_starts_again_when_there_is_room(disk: Path, switch: DummySwitch) -> None:
    service = Service(disk, switch.rundir / "db.sock", region=REGION)
    service.up()
    try:
        user = User(service.data, service.endpoint, "reader")
        user.ok("vpc", "create", "before")
        filler = fill(disk)
        eventually(lambda: not service.serves())
        assert "disk is full" in user.json("status")["store"]
        assert [vpc["vpcName"] for vpc in user.json("vpc", "list")["vpcs"]] == ["before"]
        service.kill()
        fill(disk)
        done = started(service, switch.rundir / "db.sock")
        assert done.returncode == 2 and "is full: make room there" in done.stderr.splitlines()[-1], done.stderr
        filler.unlink()
        service.up()
        assert service.serves() and user.json("status")["store"] == "ok"
        user.ok("vpc", "create", "after")
        assert {vpc["vpcName"] for vpc in user.json("vpc", "list")["vpcs"]} == {"before", "after"}
    finally:
        service.down()


@pytest.mark.parametrize("disk", ["size=4m"], indirect=True)
def test_a_program_that_cannot_start_without_room_is_told_as_a_full_disk(
    disk: Path, switch: DummySwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there when it starts may be gone a moment later."""
    fill(disk)
    monkeypatch.setattr("sdnctl.region.up.NEW_BYTES", 0)
    said: list[str] = []
    settings = Settings(disk / "data", "127.0.0.1:0", f"unix:{switch.rundir}/db.sock", REGION)
    with pytest.raises(Usage, match="is full: make room there"):
        up(settings, said.append)
    assert not said and not (disk / "data" / "store.db").exists()
