"""Nobody follows a store, or poses as one, without a certificate of the region's CA."""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdnctl.base.errors import StoreError
from sdnctl.store.ovsdb.client import OvsdbStore
from tests.store.cluster import Member, free_port
from tests.store.mirror import Mirror
from tests.store.model import STORED, StoreNet, StorePort, port, put
from tests.waiting import eventually

NET = StoreNet(id="net-1", account="a", key=1)


class Authority:
    """A CA in a directory, made with openssl(1)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        subject = f"/CN=ca {directory.parent.name}"
        self._run("req", "-x509", *self._new(directory), "-subj", subject, "-out", "ca.pem", "-days", "2")

    def _run(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.directory)

    def _new(self, at: Path) -> list[str]:
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(at / "key.pem")]

    def issue(self, name: str, days: str = "2") -> Path:
        """The directory of a new certificate, as ``--pki`` names it."""
        made = self.directory / f"for-{name}"
        made.mkdir()
        self._run("req", *self._new(made), "-subj", f"/CN={name}", "-out", f"{made}/request.pem")
        request = ["x509", "-req", "-in", f"{made}/request.pem", "-CA", "ca.pem", "-CAkey", "key.pem"]
        self._run(*request, "-CAcreateserial", "-days", days, "-out", f"{made}/cert.pem")
        (made / "ca.pem").write_bytes((self.directory / "ca.pem").read_bytes())
        return made


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The region's CA."""
    return Authority(tmp_path_factory.mktemp("pki") / "ca")


@pytest.fixture(scope="module")
def client(ca: Authority) -> Path:
    """The certificate of a process that may follow."""
    return ca.issue("host-1")


@pytest.fixture(scope="module")
def server(ca: Authority) -> Path:
    """The certificate of a server."""
    return ca.issue("store")


class Encrypted:
    """A server that listens with TLS, and on its Unix socket."""

    def __init__(self, directory: Path, pki: Path) -> None:
        self.port = free_port()
        files = ["--private-key", "key.pem", "--certificate", "cert.pem", "--ca-cert", "ca.pem"]
        given = [str(pki / one) if one.endswith(".pem") else one for one in files]
        raft = f"unix:{directory}/raft"
        self.member = Member(directory, 0, [raft], [f"--remote=pssl:{self.port}:127.0.0.1", *given])
        self.remote = f"ssl:127.0.0.1:{self.port}"
        self.member.start()
        eventually(lambda: self.member.leads)


@pytest.fixture
def running(tmp_path: Path, server: Path) -> Iterator[Encrypted]:
    """A store that is served with TLS."""
    made = Encrypted(tmp_path, server)
    yield made
    made.member.kill()


def open_tls(remote: str, pki: Path, timeout: float = 10.0) -> OvsdbStore:
    """A store that follows with TLS."""
    return OvsdbStore(remote, classes=STORED, pki=pki, timeout=timeout)


def test_a_store_is_followed_and_written_with_tls(running: Encrypted, client: Path) -> None:
    stores = [open_tls(running.remote, client) for _ in range(2)]
    mirror = Mirror()
    stores[1].subscribe(mirror)
    stores[0].transact(put(NET))
    for start in range(0, 4000, 1000):
        stores[0].transact(put(*map(port, range(start, start + 1000))))  # 400 KiB a message, each way
    eventually(lambda: len(mirror.state.all(StorePort)) == 4000)
    fresh = open_tls(running.remote, client)
    with fresh.read() as state:
        assert dict(state.all(StorePort)) == dict(mirror.state.all(StorePort))
    assert not mirror.misfits
    for store in (*stores, fresh):
        store.close()


def test_many_threads_share_a_connection(running: Encrypted, client: Path) -> None:
    """Sending and receiving go on at the same time, over one TLS state."""
    store = open_tls(running.remote, client)
    other = open_tls(running.remote, client)
    store.transact(put(NET))
    eventually(lambda: other.state.sequence == 1)
    ends: list[int] = []

    def write(opened: OvsdbStore, which: int) -> None:
        for n in range(30):
            opened.transact(put(*(port(which * 50 + i, name=f"{n}" * 200) for i in range(50))))
        ends.append(which)

    threads = [threading.Thread(target=write, args=((store, other)[n % 2], n)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == [0, 1, 2, 3]
    eventually(lambda: store.state.sequence == other.state.sequence == 121)
    store.close()
    other.close()


def test_a_lost_tls_session_comes_back(running: Encrypted, client: Path) -> None:
    store = open_tls(running.remote, client)
    store.transact(put(NET))
    running.member.kill()
    eventually(lambda: not store.current)
    running.member.start()
    store.transact(put(StoreNet(id="net-2", account="a", key=2)))
    store.close()


def refusal(remote: str, pki: Path) -> str:
    """The refusal that a process is told when it cannot follow."""
    store = open_tls(remote, pki, timeout=0.5)
    with pytest.raises(StoreError) as refused, store.read():
        raise AssertionError("there is nothing to read")
    store.close()
    return str(refused.value)


def test_a_store_of_another_ca_is_not_believed(running: Encrypted, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other").issue("host-1")
    text = refusal(running.remote, other)
    assert running.remote in text and "no TLS session" in text and "certificate" in text


def test_a_process_of_another_ca_is_not_served(running: Encrypted, client: Path, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other").issue("host-1")
    (other / "ca.pem").write_bytes((client / "ca.pem").read_bytes())
    assert "unknown ca" in refusal(running.remote, other)


def test_an_expired_certificate_is_not_served(running: Encrypted, ca: Authority) -> None:
    assert "certificate expired" in refusal(running.remote, ca.issue("host-2", days="-1"))


def test_a_host_does_not_pose_as_the_store(tmp_path: Path, client: Path) -> None:
    """It has a certificate of the CA too, but not the store's."""
    posing = Encrypted(tmp_path, client)
    assert "host-1" in refusal(posing.remote, client)
    posing.member.kill()


def test_a_store_without_tls_is_not_spoken_to(tmp_path: Path, client: Path) -> None:
    plain = free_port()
    member = Member(tmp_path, 0, [f"unix:{tmp_path}/raft"], [f"--remote=ptcp:{plain}:127.0.0.1"])
    member.start()
    eventually(lambda: member.leads)
    assert "TLS" in refusal(f"ssl:127.0.0.1:{plain}", client)
    member.kill()


def test_what_is_lacking_is_said_at_once(client: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="--pki"):
        OvsdbStore("unix:/x,ssl:127.0.0.1:1", classes=STORED)
    with pytest.raises(StoreError, match=r"lacks ca\.pem, cert\.pem, key\.pem"):
        OvsdbStore("ssl:127.0.0.1:1", classes=STORED, pki=tmp_path)
    with pytest.raises(ValueError, match="ssl:HOST:PORT"):
        OvsdbStore("ssl:nowhere", classes=STORED, pki=client)
