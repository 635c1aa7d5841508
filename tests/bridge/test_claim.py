"""One program keeps a switch at a time: a second one is refused, in words, or takes it over when told to."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdnctl.bridge.claim import OWNER, SwitchClaim, Taken
from sdnctl.testing.ovs import DummySwitch
from tests.waiting import eventually

REPO = Path(__file__).parent.parent.parent


@pytest.fixture
def switch() -> Iterator[DummySwitch]:
    with DummySwitch() as made:
        yield made


def owner(switch: DummySwitch) -> str:
    return switch.vsctl("get", "Open_vSwitch", ".", f"external_ids:{OWNER}").strip().strip('"')


def test_the_second_is_refused_with_who_has_it(switch: DummySwitch) -> None:
    first, second = SwitchClaim(switch.db, "the first (pid 1)"), SwitchClaim(switch.db, "the second")
    first.check()
    first.hold()
    assert owner(switch) == "the first (pid 1)"
    for attempt in (second.check, second.hold):
        with pytest.raises(Taken, match=r"kept by the first \(pid 1\): .* --take-over"):
            attempt()
    assert owner(switch) == "the first (pid 1)"
    first.close()
    second.check()
    second.hold()
    assert owner(switch) == "the second"
    second.close()


def test_one_that_ends_gives_way_at_once(switch: DummySwitch) -> None:
    first, second = SwitchClaim(switch.db, "the first"), SwitchClaim(switch.db, "the second")
    first.hold()
    waits = threading.Timer(0.5, first.close)
    waits.start()
    second.hold()
    assert owner(switch) == "the second"
    second.close()


def test_who_is_taken_over_from_ends(switch: DummySwitch, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda fault: said.append(str(fault.exc_value)))
    first, second = SwitchClaim(switch.db, "the first"), SwitchClaim(switch.db, "the second", take_over=True)
    first.hold()
    second.check()
    second.hold()
    eventually(lambda: said)
    assert "kept by the second" in said[0] or "kept by the first" in said[0]
    assert owner(switch) == "the second"
    first.close()
    with pytest.raises(Taken, match="kept by the second"):
        SwitchClaim(switch.db, "the third").check()
    second.close()


def test_two_that_take_over_do_not_fight(switch: DummySwitch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was taken over is started again as it was, by its supervisor; a new one may take it again."""
    said: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda fault: said.append(str(fault.exc_value)))
    first, second = (SwitchClaim(switch.db, name, take_over=True) for name in ("the first", "the second"))
    first.hold()
    second.hold()
    eventually(lambda: said)
    first.close()
    lost = second._wire
    assert lost is not None
    lost.abort()  # as when the database starts anew
    eventually(lambda: second._wire is not lost)
    with pytest.raises(Taken, match="kept by the second"):
        SwitchClaim(switch.db, "the first", take_over=True).hold()
    third = SwitchClaim(switch.db, "the first, begun anew", take_over=True)
    third.hold()
    assert owner(switch) == "the first, begun anew"
    third.close()
    second.close()


def test_sdnctl_up_and_sdnctl_agent_are_refused(switch: DummySwitch, tmp_path: Path) -> None:
    first = SwitchClaim(switch.db, "sdnctl up --data /elsewhere (pid 7)")
    first.hold()
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    for argv in (
        ["up", "--data", str(tmp_path / "d"), "--listen", "127.0.0.1:0", "--ovs-db", switch.db],
        ["agent", "--store", f"unix:{tmp_path}/none", "--ovs-db", switch.db],
    ):
        command = [sys.executable, "-m", "sdnctl", *argv]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
        assert done.returncode == 2, done.stderr
        assert "kept by sdnctl up --data /elsewhere (pid 7)" in done.stderr and "--take-over" in done.stderr
    assert owner(switch).startswith("sdnctl up")
    first.close()


def test_a_database_that_starts_anew_is_claimed_again(switch: DummySwitch) -> None:
    first = SwitchClaim(switch.db, "the first")
    first.hold()
    wire = first._wire
    assert wire is not None
    wire.abort()
    eventually(lambda: first._wire is not wire)
    time.sleep(0.1)
    with pytest.raises(Taken):
        SwitchClaim(switch.db, "the second").check()
    first.close()
