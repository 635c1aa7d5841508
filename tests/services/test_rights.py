"""With certificates the store itself holds services to what they declare."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sdnctl.base.errors import StoreError
from sdnctl.model.host import Host
from sdnctl.model.service import Lease, ServiceHealth
from sdnctl.region import pki
from sdnctl.store import Txn
from sdnctl.store.ovsdb.client import OvsdbStore
from tests.services.cloud.toy.model import ToyAnswer, ToyPage, ToyWish
from tests.services.test_process import CLASSES, CLOUD, REPO
from tests.store.cluster import free_port
from tests.waiting import eventually

SERVE = f"""
import sys
from pathlib import Path
from sdnctl.base import log
from sdnctl.program import service
from sdnctl.store.server.keeper import serve
from sdnctl.store.server.member import Member
log.to_stderr()
delegated = service.delegated(service.discover("{CLOUD}"))
serve(Member(Path(sys.argv[1]), sys.argv[2], sys.argv[3], (), Path(sys.argv[4]), delegated))
"""


class Certified:
    """A member of a store that asks for certificates, and clients with theirs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        pki.init(directory / "ca")
        for name, role in (("store", "store"), ("api", "api"), ("hv1", "services"), ("services", "services")):
            pki.issue(directory / "ca", name, role, directory / name)
        listen, raft = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.remote = f"ssl:{listen}"
        self.processes = [self.spawn("-c", SERVE, str(directory / "data"), listen, raft, str(directory / "store"))]
        self._stores: list[OvsdbStore] = []

    def spawn(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """A program of the region."""
        with (self.directory / "log").open("ab") as log:
            environment = {"PYTHONPATH": str(REPO), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
            environment["TOY_BOOK"] = str(self.directory / "book")
            return subprocess.Popen([sys.executable, *arguments], stdout=log, stderr=log, env=environment)

    def client(self, name: str) -> OvsdbStore:
        """A store with somebody's certificate."""
        made = OvsdbStore(self.remote, classes=CLASSES, pki=self.directory / name, timeout=20)
        self._stores.append(made)
        return made

    def close(self) -> None:
        """End everything."""
        for store in self._stores:
            store.close()
        for process in reversed(self.processes):
            process.terminate()
            process.wait(15)


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certified]:
    made = Certified(tmp_path_factory.mktemp("c"))
    try:
        yield made
    finally:
        made.close()


def put(record: object) -> Callable[[Txn], None]:
    return lambda txn: txn.put(record)


def test_the_region_s_services_write_what_they_declare_and_nothing_else(certified: Certified) -> None:
    api, services = certified.client("api"), certified.client("services")
    api.transact(put(ToyWish(id="echo")))
    api.transact(put(ToyPage(id="theirs")))
    api.report(put(Host(id="hv1")))
    services.transact(put(ToyPage(id="theirs", count=1)))
    services.transact(put(ToyPage(id="mine")))
    services.report(put(Lease(id="clerk.clerk", holder="x")))
    services.report(put(ServiceHealth(id="a@b", service="a", machine="b", per="region")))
    eventually(lambda: api.state.get(ToyPage, "theirs") == ToyPage(id="theirs", count=1))
    refused: tuple[Callable[[], object], ...] = (
        lambda: services.transact(put(ToyWish(id="echo", text="changed"))),
        lambda: services.transact(put(ToyWish(id="new"))),
        lambda: services.report(put(Host(id="hv1", gateway=9))),
        lambda: services.report(put(ToyAnswer(id="x", host="hv1"))),
    )
    for write in refused:
        with pytest.raises(StoreError, match="permission error"):
            write()
    api.report(lambda txn: txn.delete(Lease, "clerk.clerk"))


def test_a_host_s_services_report_for_their_host_and_nobody_else(certified: Certified) -> None:
    api, host = certified.client("api"), certified.client("hv1")
    for name in ("hv1", "hv2"):
        api.report(put(Host(id=name)))
    eventually(lambda: host.state.get(Host, "hv2") is not None)
    host.report(put(ToyAnswer(id="a", host="hv1")))
    host.report(put(ServiceHealth(id="toy.echo@hv1", service="toy.echo", host="hv1", machine="hv1", per="host")))
    refused: tuple[Callable[[], object], ...] = (
        lambda: host.report(put(ToyAnswer(id="b", host="hv2"))),
        lambda: host.report(put(Lease(id="clerk.clerk", holder="x"))),
        lambda: host.report(
            put(ServiceHealth(id="toy.echo@hv2", service="toy.echo", host="hv2", machine="hv2", per="host"))
        ),
        lambda: host.transact(put(ToyPage(id="evil"))),
    )
    for write in refused:
        with pytest.raises(StoreError, match="permission error"):
            write()


def test_the_programs_run_with_their_certificates(certified: Certified) -> None:
    api = certified.client("api")
    api.report(put(Host(id="hv1")))
    for name, per, own in (("one", "region", "services"), ("hv1", "host", "hv1")):
        where = ["--store", certified.remote, "--data", str(certified.directory / f"data-{name}"), "--name", name]
        more = ["--per", per, "--pki", str(certified.directory / own), "--features", CLOUD]
        certified.processes.append(certified.spawn("-m", "sdnctl.services", *where, *more))

    def state(id: str) -> str:
        found = api.state.get(ServiceHealth, id)
        return found.state if found is not None else ""

    eventually(lambda: state("clerk.clerk@one") == "running" and state("toy.echo@hv1") == "running", 40)
    eventually(lambda: (page := api.state.get(ToyPage, "page")) is not None and page.count > 3, 20)
