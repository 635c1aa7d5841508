"""The services' process beside a real store: one lease at a time, a store that goes, a service that blocks the rest."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from sdnctl.model.host import Host
from sdnctl.model.service import Lease, ServiceHealth, ServiceRestart
from sdnctl.services import children, namespaces
from sdnctl.services.lease import FREE_S, STOP_S
from sdnctl.store import Region
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.server.single import Server
from tests.services.cloud.toy.model import ToyAnswer, ToyPage, ToyWish
from tests.waiting import eventually
from topologies.process import alive

R = TypeVar("R")
REPO = Path(__file__).parent.parent.parent
CLASSES = (Region, Host, Lease, ServiceHealth, ServiceRestart, ToyAnswer, ToyPage, ToyWish)


class Cloud:
    """A store server, a client of it, and processes of services that are killed at the end."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        # Whatever else is declared, the programs import the same.
        program = f"from sdnctl.model import records; records.load('{CLOUD}')"
        source = f"{program}; from sdnctl.store.server.single import Server; Server({str(directory)!r}).prepare()"
        subprocess.run([sys.executable, "-c", source], check=True, env=self.env)
        self.server = Server(directory, classes=CLASSES)
        self._processes: list[subprocess.Popen[bytes]] = []
        self.serving = self._serve()
        self.store = OvsdbStore(self.server.remote, classes=CLASSES, timeout=20)

    @property
    def env(self) -> dict[str, str]:
        """The environment of the programs."""
        return {**os.environ, "PYTHONPATH": str(REPO), "TOY_BOOK": str(self.directory / "book")}

    def _serve(self) -> "subprocess.Popen[bytes]":
        made = subprocess.Popen(self.server.argv(), stderr=subprocess.DEVNULL)
        self._processes.append(made)
        return made

    def restart(self) -> None:
        """Serve again after the server was killed."""
        self.serving = self._serve()

    def start(self, name: str, per: str) -> "subprocess.Popen[bytes]":
        """A process of services on the machine ``name``."""
        where = ["--store", self.server.remote, "--data", str(self.directory / name), "--name", name]
        command = [sys.executable, "-m", "sdnctl.services", *where, "--per", per, "--features", CLOUD]
        with open(self.directory / f"{name}.log", "ab") as log:
            made = subprocess.Popen(command, stderr=log, env=self.env)
        self._processes.append(made)
        return made

    def health(self, id: str) -> ServiceHealth:
        """A service's health, as the store has it."""
        with self.store.read() as state:
            return state.get(ServiceHealth, id) or ServiceHealth(id=id, service="", machine="", per="")

    def book(self) -> list[tuple[float, str]]:
        """The times at which the clerk acted, and the machines."""
        path = self.directory / "book"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(float(line.split()[0]), line.split()[1]) for line in lines if len(line.split()) == 2]

    def last(self) -> str:
        """The process that acted last."""
        return self.book()[-1][1] if self.book() else ""

    def close(self) -> None:
        """End everything."""
        for place in self.directory.glob("*/services/*"):
            if place.is_dir():
                children.end_all(place)
        namespaces.remove("toy.keeper")
        self.store.close()
        for process in self._processes:
            process.kill()
            process.wait()


CLOUD = "tests.services.cloud"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A store with nothing in it but two hosts."""
    made = Cloud(tmp_path)
    try:
        made.store.report(lambda txn: [txn.put(Host(id=name)) for name in ("hv1", "hv2")])
        yield made
    finally:
        made.close()


def test_one_machine_at_a_time_runs_what_the_region_has_once(cloud: Cloud) -> None:
    one = cloud.start("one", "region")
    eventually(lambda: cloud.last() == "one", 30)
    other = cloud.start("other", "region")
    eventually(lambda: cloud.health("clerk.clerk@other").state == "standby", 30)
    assert cloud.health("clerk.clerk@other").says == "one runs it"
    # Its machine dies: another takes over, not before the lease has run out.
    one.kill()
    died = time.monotonic()
    eventually(lambda: cloud.last() == "other", 30)
    took = time.monotonic() - died
    assert STOP_S < took < FREE_S + 5
    print(f"taken over {took:.1f} s after kill -9")
    # It ends in order: the lease is given back, and nobody waits.
    back = cloud.start("one", "region")
    eventually(lambda: cloud.health("clerk.clerk@one").state == "standby", 30)
    other.terminate()
    assert other.wait(10) == 0
    ended = time.monotonic()
    eventually(lambda: cloud.last() == "one", 5)
    print(f"taken over {time.monotonic() - ended:.1f} s after an orderly end")
    # Nobody ever acted while another did: the book, in order of time, changes hands three times only.
    hands = [name for _, name in sorted(cloud.book())]
    assert [name for at, name in enumerate(hands) if at == 0 or hands[at - 1] != name] == ["one", "other", "one"]
    assert back.poll() is None


def test_a_process_that_died_does_not_wait_for_its_own_lease(cloud: Cloud) -> None:
    one = cloud.start("one", "region")
    eventually(lambda: cloud.last() == "one", 30)
    one.kill()
    one.wait()
    died, acted = time.monotonic(), len(cloud.book())
    cloud.start("one", "region")
    eventually(lambda: len(cloud.book()) > acted, 30)
    print(f"acting again {time.monotonic() - died:.1f} s after kill -9 and a start on the same machine")
    with cloud.store.read() as state:
        lease = state.get(Lease, "clerk.clerk")
    assert lease is not None and lease.turn == 2


def test_without_the_store_the_region_s_service_stops_and_comes_back(cloud: Cloud) -> None:
    cloud.start("one", "region")
    eventually(lambda: cloud.last() == "one", 30)
    cloud.serving.kill()
    cloud.serving.wait()
    gone = time.monotonic()
    eventually(lambda: time.monotonic() - (cloud.book()[-1][0]) > 3, STOP_S + 15)
    assert cloud.book()[-1][0] - gone < STOP_S + 2
    acted = len(cloud.book())
    cloud.restart()
    eventually(lambda: len(cloud.book()) > acted, 30)


def test_a_holder_that_was_frozen_cannot_write_when_it_wakes(cloud: Cloud) -> None:
    one = cloud.start("one", "region")
    eventually(lambda: cloud.last() == "one", 30)
    one.send_signal(signal.SIGSTOP)
    cloud.start("other", "region")
    eventually(lambda: cloud.last() == "other", 30)
    with cloud.store.read() as state:
        turn = state.get(Lease, "clerk.clerk")
    assert turn is not None and (turn.machine, turn.turn) == ("other", 2)
    one.send_signal(signal.SIGCONT)
    woke = time.monotonic()
    time.sleep(3)
    with cloud.store.read() as state:
        page = state.get(ToyPage, "page")
    assert page is not None and page.clerk == "other"
    late = [at for at, name in cloud.book() if name == "one" and at > woke]
    assert not late or max(late) - woke < 0.5, "it may begin something, but not go on"


def test_a_host_s_services_report_and_their_processes_outlive_them(cloud: Cloud) -> None:
    first = cloud.start("hv1", "host,gateway")
    cloud.store.transact(lambda txn: txn.put(ToyWish(id="echo", text="hello")))

    def answer(id: str) -> str:
        with cloud.store.read() as state:
            found = state.get(ToyAnswer, id)
        return found.text if found is not None else ""

    eventually(lambda: answer("hv1-echo") == "hello" and answer("hv1-keeper").endswith("new"), 30)
    eventually(lambda: cloud.health("toy.echo@hv1").state == "running")
    assert cloud.health("toy.door@hv1").state == "waiting"
    pid = int(answer("hv1-keeper").split()[0])
    first.kill()
    first.wait()
    assert alive(pid)
    cloud.start("hv1", "host,gateway")
    eventually(lambda: answer("hv1-keeper") == f"{pid} found", 30)
    assert alive(pid)


def test_a_second_process_of_the_same_machine_is_refused(cloud: Cloud) -> None:
    cloud.start("hv1", "host")
    eventually(lambda: cloud.health("toy.echo@hv1").state == "running", 30)
    assert cloud.start("hv1", "host").wait(20) == 1
    assert "another process runs the services of" in (cloud.directory / "hv1.log").read_text()


def test_one_that_blocks_the_rest_is_ended_and_blamed(cloud: Cloud) -> None:
    first = cloud.start("hv1", "host")
    eventually(lambda: cloud.health("toy.echo@hv1").state == "running", 30)
    cloud.store.transact(lambda txn: txn.put(ToyWish(id="echo", text="block")))
    assert first.wait(40) == 3
    cloud.store.transact(lambda txn: txn.put(ToyWish(id="echo", text="well")))
    cloud.start("hv1", "host")
    eventually(lambda: cloud.health("toy.echo@hv1").restarts == 1, 30)
    error = cloud.health("toy.echo@hv1").error
    assert "it blocked every service of this machine" in error and "toy/service.py" in error
    eventually(lambda: cloud.health("toy.echo@hv1").state == "running", 30)


def test_one_that_does_not_end_is_ended_with_the_process_and_blamed(cloud: Cloud) -> None:
    cloud.store.transact(lambda txn: txn.put(ToyWish(id="echo", text="deaf")))
    first = cloud.start("hv1", "host")
    eventually(lambda: cloud.health("toy.echo@hv1").says == "seen deaf", 30)
    cloud.store.transact(lambda txn: txn.put(ServiceRestart(id="toy.echo@hv1", count=1)))
    assert first.wait(20) == 3
    cloud.start("hv1", "host")
    eventually(lambda: "it did not end within 2 s" in cloud.health("toy.echo@hv1").error, 30)
