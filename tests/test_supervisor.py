"""A region keeps running: whatever dies comes back, whoever stops it stops all of it, and nothing is left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sdnctl.testing.ovs import DummySwitch
from tests.waiting import eventually
from topologies.process import alive
from topologies.service import PARTS, Service
from topologies.station import CommandError

REPO = Path(__file__).parent.parent
SLEEPER = "import time; time.sleep(600)"
SPEAKER = "import time; print('first', flush=True); print('second', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('ready', 'w').close(); time.sleep(600)"
)


def pids(directory: Path) -> dict[str, int]:
    """The process ids by name, as the supervisor wrote them down; empty when it has not."""
    try:
        found: dict[str, int] = json.loads((directory / "pids.json").read_text())
        return found
    except FileNotFoundError:
        return {}


@contextmanager
def supervising(directory: Path, **programs: str) -> Iterator[subprocess.Popen[str]]:
    """A supervisor of stand-in programs (name -> Python source); whoever is called ``speaker`` announces."""
    source = f"""
        import sys
        from pathlib import Path
        from sdnctl.base import log
        from sdnctl.region.supervisor import Hopeless, Spec, Supervisor
        log.to_stderr()
        here = Path({str(directory)!r})
        say = lambda line: print(line, flush=True)
        specs = [
            Spec(
                name,
                lambda code=code: [sys.executable, "-c", code],
                here / f"{{name}}.log",
                say if name == "speaker" else None,
            )
            for name, code in {programs!r}.items()
        ]
        try:
            Supervisor(specs, here / "pids.json").run()
        except Hopeless as error:
            sys.exit(str(error))
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source)],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


LOUD = "import os, time; [os.write(2, b'x' * 65535 + b'\\n') for _ in range(640)]; os.write(2, b'end'); time.sleep(600)"


def test_logs_stay_small_while_they_are_written(tmp_path: Path) -> None:
    log = tmp_path / "loud.log"
    with supervising(tmp_path, loud=LOUD):
        eventually(lambda: log.exists() and log.read_bytes().endswith(b"end"), 30)
        sizes = [file.stat().st_size for file in (log, tmp_path / "loud.log.1")]
        assert 0 < sizes[0] < sizes[1] <= 16 << 20  # 40 MiB were written


def test_last_words_are_heard_and_a_child_may_close_its_mouth(tmp_path: Path) -> None:
    silent = "import os, sys, time; os.write(2, b'bye'); os.close(1); os.close(2); time.sleep(600)"
    words = "import os; os.write(2, b'y' * 500_000 + b'last')"
    with supervising(tmp_path, silent=silent, words=words) as supervisor:
        eventually(lambda: (tmp_path / "silent.log").exists() and (tmp_path / "silent.log").read_bytes() == b"bye")
        eventually(lambda: (tmp_path / "words.log").read_bytes().count(b"ylast") > 1)
        supervisor.terminate()
        assert supervisor.wait(10) == 0


def test_who_is_killed_comes_back(tmp_path: Path) -> None:
    with supervising(tmp_path, one=SLEEPER, two=SLEEPER):
        eventually(lambda: {"one", "two"} <= pids(tmp_path).keys())
        before = pids(tmp_path)
        for round_trip in range(3):
            victim = pids(tmp_path)["one"]
            os.kill(victim, signal.SIGKILL)
            eventually(lambda victim=victim: pids(tmp_path).get("one", victim) != victim, 1.0 + round_trip)  # type: ignore[misc]
        assert pids(tmp_path)["two"] == before["two"]


def test_what_a_child_says_first_is_passed_on_at_each_start_and_the_rest_is_logged(tmp_path: Path) -> None:
    with supervising(tmp_path, speaker=SPEAKER) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == "first\n"
        eventually(lambda: (tmp_path / "speaker.log").read_text() == "second\n")
        os.kill(pids(tmp_path)["speaker"], signal.SIGKILL)
        assert supervisor.stdout.readline() == "first\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_signal_ends_all(tmp_path: Path, number: signal.Signals) -> None:
    with supervising(tmp_path, one=SLEEPER, two=SLEEPER) as supervisor:
        eventually(lambda: {"one", "two"} <= pids(tmp_path).keys())
        family = pids(tmp_path)
        supervisor.send_signal(number)
        assert supervisor.wait(10) == 0
        assert not any(alive(pid) for pid in family.values())
        assert not (tmp_path / "pids.json").exists()


def test_who_does_not_listen_is_killed(tmp_path: Path) -> None:
    with supervising(tmp_path, deaf=STUBBORN) as supervisor:
        eventually((tmp_path / "ready").exists)
        family = pids(tmp_path)
        supervisor.terminate()
        assert supervisor.wait(15) == 0
        assert not alive(family["deaf"])


def test_children_never_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    with supervising(tmp_path, one=SLEEPER, two=STUBBORN) as supervisor:
        eventually((tmp_path / "ready").exists)
        family = pids(tmp_path)
        supervisor.kill()
        eventually(lambda: not any(alive(pid) for pid in family.values()), 2.0)


def test_a_child_that_never_starts_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with supervising(tmp_path, speaker="raise SystemExit('no such switch')", other=SLEEPER) as supervisor:
        eventually(lambda: "other" in pids(tmp_path))
        other = pids(tmp_path)["other"]
        assert supervisor.wait(30) == 1
        assert supervisor.stderr is not None
        assert "the speaker does not start (exit code 1)" in (said := supervisor.stderr.read())
        assert said.rstrip().endswith("no such switch")
        assert not alive(other)


def test_starting_again_takes_longer_each_time_and_never_long(tmp_path: Path) -> None:
    from sdnctl.region.supervisor import BACKOFF_MAX_S, Child, Spec

    child = Child(Spec("x", list, tmp_path / "x.log"))
    waits = []
    for deaths in range(1, 12):
        child.deaths = deaths
        waits.append(child.backoff_s)
    assert waits[:4] == [0.05, 0.1, 0.2, 0.4]
    assert waits[-1] == BACKOFF_MAX_S


# The real thing: a store, an API and a controller beside a switch in memory.


@pytest.fixture(scope="module")
def switch() -> Iterator[DummySwitch]:
    with DummySwitch() as made:
        yield made


@pytest.fixture
def region(tmp_path: Path, switch: DummySwitch) -> Iterator[Service]:
    service = Service(tmp_path, switch.rundir / "db.sock")
    service.up()
    yield service
    service.down()


def answers(region: Service) -> bool:
    """True when the operator's API serves, at the address that was first given out."""
    try:
        with socket.create_connection(tuple(region.endpoint.split(":")), 1):  # type: ignore[arg-type]
            pass
        return bool(region.cli("account", "list")["accounts"])
    except (OSError, CommandError):
        return False


@pytest.mark.parametrize("part", PARTS)
def test_each_part_comes_back_in_well_under_a_second(region: Service, part: str) -> None:
    others = {name: pid for name, pid in region.pids().items() if name != part}
    assert region.kill_part(part) < 0.7
    eventually(lambda: answers(region), 20)
    assert {name: pid for name, pid in region.pids().items() if name != part} == others


def test_what_was_acknowledged_is_there_after_everything_was_killed(region: Service) -> None:
    account = dict(region.account)
    made = region.cli("account", "create", "kept")
    region.kill()
    region.up()
    assert region.account == account
    assert made["account"] in {known["account"] for known in region.cli("account", "list")["accounts"]}


def test_an_orderly_end_leaves_the_traffic_alone(region: Service, switch: DummySwitch) -> None:
    eventually(lambda: "cookie=0x5d" in switch.ofctl("dump-flows", "--no-stats"), 20)
    flows = switch.ofctl("dump-flows", "--no-stats")
    family = region.pids()
    assert family.keys() == set(PARTS)
    up = json.loads((region.data / "pids.json").read_text())["up"]
    os.kill(up, signal.SIGTERM)
    eventually(lambda: not any(alive(pid) for pid in (up, *family.values())), 15)
    assert switch.ofctl("dump-flows", "--no-stats") == flows
    assert not (region.data / "endpoint.json").exists()
    assert not (region.data / "pids.json").exists()
