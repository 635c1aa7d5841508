"""Members of a store let in those alone who have a certificate of their own CA; older stores are brought there."""

import json
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdnctl.base.addresses import HostPort
from sdnctl.base.errors import StoreError
from sdnctl.model.account import AccessKey, Account
from sdnctl.model.unreadable import Unreadable
from sdnctl.region import pki
from sdnctl.store.ovsdb import schema
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.server import raftlink, raftlog
from sdnctl.store.server.leave import leave
from sdnctl.store.server.member import Member
from tests.product import CLASSES
from tests.store.cluster import free_port
from tests.store.model import put
from tests.waiting import eventually

REPO = Path(__file__).parent.parent.parent


class Place:
    """A directory with the certificates of a region, and the members that run in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        pki.init(directory / "ca")
        for name, role in (("store", "store"), ("api", "api"), ("hv1", "agent")):
            pki.issue(directory / "ca", name, role, directory / name)
        self.where = [(f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}") for _ in range(3)]
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    def data(self, number: int) -> Path:
        """The directory of a member."""
        return self.directory / f"member{number}"

    def start(self, number: int, *join: str) -> None:
        """Start a member, and wait until it is one."""
        listen, raft = self.where[number]
        argv = [sys.executable, "-m", "sdnctl", "store", "--data", str(self.data(number)), "--listen", listen]
        argv += ["--raft", raft, "--pki", str(self.directory / "store")]
        argv += ["--join", ",".join(join)] if join else []
        with (self.directory / "log").open("ab") as log:
            self.processes[number] = subprocess.Popen(argv, cwd=REPO, stdout=log, stderr=log)
        eventually(lambda: "Status: cluster member" in self.status(number), 30)

    def stop(self, number: int) -> None:
        """End a member."""
        process = self.processes.pop(number)
        process.terminate()
        process.wait(15)

    def status(self, number: int) -> str:
        """What its server says of the cluster."""
        argv = ["ovs-appctl", "--timeout=5", "-t", str(self.data(number) / "store.ctl"), "cluster/status"]
        return subprocess.run([*argv, schema.DATABASE], capture_output=True, text=True).stdout

    def joins(self, certificates: str, to: str) -> bool:
        """True when somebody with these certificates becomes a member, by ovsdb's own tools."""
        data = self.directory / "evil"
        data.mkdir(exist_ok=True)
        (data / "db").unlink(missing_ok=True)
        own = f"ssl:127.0.0.1:{free_port()}"
        subprocess.run(["ovsdb-tool", "join-cluster", str(data / "db"), schema.DATABASE, own, to], check=True)
        keys = {"private-key": "key.pem", "certificate": "cert.pem", "ca-cert": "ca.pem"}
        argv = [
            "ovsdb-server",
            str(data / "db"),
            f"--unixctl={data}/ctl",
            "--no-chdir",
            "-vconsole:off",
            "-vsyslog:off",
        ]
        argv += [f"--{option}={self.directory / certificates / file}" for option, file in keys.items()]
        server = subprocess.Popen(argv)
        told = ["ovs-appctl", "--timeout=5", "-t", f"{data}/ctl", "cluster/status", schema.DATABASE]
        try:
            for _ in range(12):
                time.sleep(0.25)
                if "Status: cluster member" in subprocess.run(told, capture_output=True, text=True).stdout:
                    return True
            return False
        finally:
            server.send_signal(signal.SIGKILL)
            server.wait()

    def store(self, number: int) -> OvsdbStore:
        """A store that follows a member, as an API server."""
        return OvsdbStore(f"ssl:{self.where[number][0]}", classes=CLASSES, pki=self.directory / "api", timeout=20)


@pytest.fixture
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="sdnctl-rc-") as directory:
        made = Place(Path(directory))
        yield made
        for number in list(made.processes):
            made.stop(number)


def greeted(where: str, certificates: Path, *files: str) -> bool:
    """True when a member takes a link with these certificates."""
    to = HostPort.parse(where)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # a refusal is part of the handshake
    context.load_cert_chain(*(certificates / file for file in files))
    try:
        with socket.create_connection((to.host, to.port), 5) as sock, context.wrap_socket(sock):
            return True
    except OSError:
        return False


def test_no_host_joins_the_members(place: Place) -> None:
    place.start(0)
    place.start(1, place.where[0][1])
    assert place.status(0).count("unix:raft/127.0.0.1:") >= 2
    raft = place.where[0][1]
    assert greeted(raft, place.directory / "store", raftlink.CERTIFICATE, raftlink.KEY)
    for name in ("hv1", "api", "store"):
        assert not greeted(raft, place.directory / name, "cert.pem", "key.pem")
    assert not place.joins("hv1", f"ssl:{raft}")
    listen, _ = place.where[0]
    moved = Member(place.data(0), listen, f"127.0.0.1:{free_port()}", (), place.directory / "store")
    with pytest.raises(StoreError, match=f"know this one as {raft}"):
        moved.links()
    # A link that ends is made anew: the other member is gone for a while.
    store = place.store(0)
    place.stop(1)
    place.start(1)
    store.transact(put(Account(id="acc-1")))
    store.close()
    other = place.store(1)
    eventually(lambda: other.state.get(Account, "acc-1") is not None)
    other.close()


def test_members_of_an_older_region_are_moved_one_by_one(place: Place) -> None:
    """Each leaves and joins again, and knows all that was stored; then no other certificate lets anybody in."""
    for number, (_, raft) in enumerate(place.where):
        data = place.data(number)
        data.mkdir()
        own, first = f"ssl:{raft}", f"ssl:{place.where[0][1]}"
        if number:
            argv = ["join-cluster", str(data / "store.db"), schema.DATABASE, own, first]
        else:
            (data / "schema").write_text(schema.schema_text(schema.tables(CLASSES)))
            argv = ["create-cluster", str(data / "store.db"), str(data / "schema"), own]
        subprocess.run(["ovsdb-tool", *argv], check=True)
        place.start(number)
    assert b"A CA for RAFT" in (place.directory / "log").read_bytes()
    store = place.store(0)
    store.transact(put(Account(id="acc-1")))
    store.close()
    for number in range(3):
        leave(place.data(number))
        place.stop(number)
        assert raftlog.has_left(place.data(number) / "store.db")
        with pytest.raises(StoreError, match="--join"):
            Member(place.data(number), *place.where[number], (), place.directory / "store").prepare()
        moved, old = place.where[:number], place.where[number + 1 :]
        place.start(number, *(raft for _, raft in moved), *(f"ssl:{raft}" for _, raft in old))
        store = place.store(number)
        eventually(lambda store=store: store.state.get(Account, "acc-1") is not None)  # type: ignore[misc]
        store.close()
    assert "ssl:" not in place.status(0)
    for _, raft in place.where:
        assert not place.joins("hv1", f"ssl:{raft}")


def test_what_should_be_sealed_and_is_not_is_put_aside(place: Place) -> None:
    place.start(0)
    store = place.store(0)
    store.transact(put(Account(id="acc-1")))
    row = {"id": "JDC_EVIL", "account": "acc-1", "secret": "plain", "writer": "api"}
    text = json.dumps([schema.DATABASE, {"op": "insert", "table": "AccessKey", "row": row}])
    subprocess.run(["ovsdb-client", "transact", f"unix:{place.data(0)}/store.sock", text], check=True)
    eventually(lambda: store.state.all(Unreadable))
    (one,) = store.state.all(Unreadable).values()
    assert (one.table, one.record) == ("AccessKey", "JDC_EVIL") and "not sealed" in one.error
    assert store.state.get(AccessKey, "JDC_EVIL") is None
    store.transact(lambda txn: txn.delete(Unreadable, one.id))
    eventually(lambda: not store.state.all(Unreadable))
    store.close()
    again = place.store(0)
    with again.read() as state:
        assert not state.all(AccessKey)
    again.close()
