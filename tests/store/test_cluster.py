"""Members of a region's store as `sdnctl store` runs them: TLS, and rights by the name in a certificate."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from apps.gateway.model import GATEWAY
from apps.holder.model import Holder
from sdnctl.agent.reporter import Reporter
from sdnctl.api.arbiter import Arbiter
from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import Refused, StoreError
from sdnctl.model.account import Account, OperatorToken
from sdnctl.model.bid import Bid
from sdnctl.model.host import Host, HostStatus
from sdnctl.program.packets import Drop, Put
from sdnctl.region import pki
from sdnctl.store import Txn
from sdnctl.store.ovsdb import schema
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.server.keeper import ADOPT_S
from sdnctl.store.server.member import Member
from sdnctl.store.server.single import Server
from tests.product import CLASSES
from tests.store.cluster import free_port
from tests.waiting import eventually

REPO = Path(__file__).parent.parent.parent


class Running:
    """Members on loopback, each a process `sdnctl store`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.remotes: list[str] = []
        self._raft: list[str] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        pki.init(directory / "ca")
        for name, role in (("store", "store"), ("api", "api"), ("hv1", "agent")):
            pki.issue(directory / "ca", name, role, self.pki(name))
        self._stores: list[OvsdbStore] = []

    def pki(self, name: str) -> Path:
        return self.directory / f"{name}.pki"

    def member(self) -> Path:
        """One more member; its data directory."""
        listen, raft = (f"127.0.0.1:{free_port()}" for _ in range(2))
        data = self.directory / f"member{len(self.processes)}"
        argv = ["--data", str(data), "--listen", listen, "--raft", raft, "--pki", str(self.pki("store"))]
        self.start([*argv, *(["--join", ",".join(self._raft)] if self._raft else [])])
        self.remotes.append(f"ssl:{listen}")
        self._raft.append(raft)
        joined = OvsdbStore(self.remotes[-1], classes=CLASSES, pki=self.pki("api"), timeout=20)
        with joined.read():
            pass
        joined.close()
        return data

    def start(self, argv: list[str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "sdnctl", "store", *argv]
        with (self.directory / "log").open("ab") as log:
            made = subprocess.Popen(command, cwd=REPO, stdout=log, stderr=log)
        self.processes.append(made)
        return made

    def client(self, name: str) -> OvsdbStore:
        """A store with somebody's certificate."""
        made = OvsdbStore(",".join(self.remotes), classes=CLASSES, pki=self.pki(name), timeout=20)
        self._stores.append(made)
        return made

    def asked(self, name: str, operation: dict[str, object]) -> str:
        """The error that ovsdb-client is told for an operation with somebody's certificate; "" when there is none."""
        keys = {"-p": "key.pem", "-c": "cert.pem", "-C": "ca.pem"}
        options = [word for option, file in keys.items() for word in (option, str(self.pki(name) / file))]
        text = json.dumps([schema.DATABASE, operation])
        argv = ["ovsdb-client", "--timeout=10", *options, "transact", ",".join(self.remotes), text]
        done = subprocess.run(argv, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        answers = json.loads(done.stdout)
        return next((str(answer["error"]) for answer in answers if "error" in answer), "")

    def close(self) -> None:
        for store in self._stores:
            store.close()
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            assert process.wait(15) in (0, -signal.SIGTERM, 1)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with tempfile.TemporaryDirectory(prefix="sdnctl-c-") as directory:
        made = Running(Path(directory))
        made.member()
        made.member()
        yield made
        made.close()


def put(record: object) -> Callable[[Txn], None]:
    return lambda txn: txn.put(record)


def test_an_agent_writes_its_own_host_and_nothing_else(running: Running) -> None:
    api, agent = running.client("api"), running.client("hv1")
    api.transact(put(Account(id="acc-1")))
    api.report(put(Host(id="hv2")))
    agent.report(put(Host(id="hv1")))
    agent.report(put(HostStatus(id="hv1", host="hv1", applied=1)))
    agent.report(put(HostStatus(id="hv1", host="hv1", applied=2)))
    eventually(lambda: api.state.get(HostStatus, "hv1") == HostStatus(id="hv1", host="hv1", applied=2))
    eventually(lambda: agent.state.get(Host, "hv2") is not None)
    with api.read() as state:
        before = {cls: dict(state.all(cls)) for cls in (Account, Host, HostStatus)}, state.sequence
    refused: list[Callable[[], object]] = [
        lambda: agent.report(put(Host(id="hv2", gateway=9))),
        lambda: agent.report(put(Host(id="hv3"))),
        lambda: agent.report(lambda txn: txn.delete(Host, "hv2")),
        lambda: agent.transact(put(Account(id="acc-evil"))),
        lambda: agent.transact(lambda txn: txn.delete(Account, "acc-1")),
    ]
    for write in refused:
        with pytest.raises(StoreError, match="permission error"):
            write()
    with api.read() as state:
        assert ({cls: dict(state.all(cls)) for cls in (Account, Host, HostStatus)}, state.sequence) == before
    api.report(lambda txn: txn.delete(Host, "hv2"))


def test_no_command_of_an_agent_s_makes_its_row_another_host_s_or_touches_what_gives_rights(running: Running) -> None:
    """Asked with OVS's own client, since ours would not ask for such things."""
    api, agent = running.client("api"), running.client("hv1")
    agent.report(put(Host(id="hv1")))
    agent.report(put(HostStatus(id="hv1", host="hv1")))
    mine, everything = [["id", "==", "hv1"]], {"where": []}
    assert running.asked("hv1", {"op": "update", "table": "HostStatus", "where": mine, "row": {"flows": 5}}) == ""
    for operation in (
        {"op": "update", "table": "HostStatus", "where": mine, "row": {"host": "hv2"}},
        {"op": "update", "table": "Host", "where": mine, "row": {"id": "hv2"}},
        {"op": "update", "table": "Region", "row": {"sequence": 99}} | everything,
        {"op": "mutate", "table": "Region", "mutations": [["sequence", "+=", 1]]} | everything,
        {"op": "insert", "table": "Vpc", "row": {"id": "vpc-evil", "writer": "api"}},
        {"op": "update", "table": "Connection", "row": {"role": ""}} | everything,
        {"op": "update", "table": "RBAC_Permission", "row": {"authorization": ""}} | everything,
        {"op": "delete", "table": "RBAC_Role"} | everything,
        {"op": "delete", "table": "Commit"} | everything,
    ):
        assert running.asked("hv1", operation) == "permission error", operation
    eventually(lambda: api.state.get(HostStatus, "hv1") == HostStatus(id="hv1", host="hv1", flows=5))
    with api.read() as state:
        assert state.get(Host, "hv2") is None
    api.report(lambda txn: txn.delete(Host, "hv1"))


def test_the_operator_can_delete_whatever_a_host_inserts(running: Running) -> None:
    api = running.client("api")
    assert (
        running.asked("hv1", {"op": "insert", "table": "Host", "row": {"id": "hv1", "mtu": 1500, "writer": ""}}) == ""
    )
    eventually(lambda: api.state.get(Host, "hv1") is not None)
    time.sleep(ADOPT_S + 2)
    api.transact(lambda txn: txn.delete(Host, "hv1"))
    eventually(lambda: api.state.get(Host, "hv1") is None)


def test_an_agent_asks_for_what_another_host_had(running: Running) -> None:
    """A gateway that died can hand nothing over itself; no host writes that it has, or any other's place, by itself."""
    api, agent = running.client("api"), running.client("hv1")
    able = {"gateway": 1, "uplink": "eth1", "encap_ip": Ip4(1)}
    for host in ("hv1", "hv2"):
        api.report(put(Host(id=host, **able)))  # type: ignore[arg-type]
    api.report(put(Holder(id=GATEWAY, host="hv2")))
    eventually(lambda: agent.state.get(Holder, GATEWAY) is not None)
    with pytest.raises(Refused, match="permission error"):
        agent.report(put(Holder(id=GATEWAY, host="hv1")))
    for operation in (
        {"op": "update", "table": "Holder", "where": [["id", "==", GATEWAY]], "row": {"host": "hv1"}},
        {"op": "delete", "table": "Holder", "where": [["id", "==", GATEWAY]]},
        {"op": "insert", "table": "Holder", "row": {"id": "192.0.2.1", "host": "hv1"}},
        {"op": "insert", "table": "Binding", "row": {"id": "port-1", "port": "port-1", "vpc": "vpc-1", "host": "hv1"}},
        {"op": "insert", "table": "Bid", "row": {"id": "hv2/Holder/x", "host": "hv2", "kind": "Holder", "key": "x"}},
    ):
        assert running.asked("hv1", operation) == "permission error", operation
    arbiter, reporter = Arbiter(api), Reporter(agent, "hv1")
    arbiter.start()
    reporter.put(Put(Holder(id=GATEWAY, host="hv1"), Holder(id=GATEWAY, host="hv2")))
    eventually(lambda: api.state.get(Holder, GATEWAY) == Holder(id=GATEWAY, host="hv1"))
    eventually(lambda: agent.state.get(Holder, GATEWAY) == Holder(id=GATEWAY, host="hv1"))
    reporter.put(Drop(Holder, GATEWAY, Holder(id=GATEWAY, host="hv1")))
    eventually(lambda: api.state.get(Holder, GATEWAY) is None and not api.state.all(Bid))
    reporter.close()
    arbiter.close()
    for host in ("hv1", "hv2"):
        api.report(lambda txn, host=host: txn.delete(Host, host))  # type: ignore[misc]


def test_an_agent_sees_secrets_sealed_only(running: Running) -> None:
    """Reading cannot be forbidden in OVSDB; what is read is of no use."""
    api, other, agent = (running.client(name) for name in ("api", "api", "hv1"))
    api.transact(put(OperatorToken(id="operator", token="tok-1")))
    for reader in (other, agent):
        eventually(lambda reader=reader: reader.state.get(OperatorToken, "operator") is not None)  # type: ignore[misc]
    with other.read() as state:
        assert state.all(OperatorToken)["operator"].token == "tok-1"
    with agent.read() as state:
        seen = state.all(OperatorToken)["operator"].token
    assert seen.startswith("sealed:") and "tok-1" not in seen


def test_who_has_another_ca_s_certificate_gets_nothing(running: Running, tmp_path: Path) -> None:
    pki.init(tmp_path / "ca")
    pki.issue(tmp_path / "ca", "api", "api", tmp_path / "api")
    stranger = OvsdbStore(running.remotes[0], classes=CLASSES, pki=tmp_path / "api", timeout=2)
    with pytest.raises(StoreError), stranger.read():
        pass
    stranger.close()


def test_a_second_program_on_one_directory_is_refused(running: Running) -> None:
    data = running.directory / "member0"
    where = ["--listen", f"127.0.0.1:{free_port()}", "--raft", f"127.0.0.1:{free_port()}"]
    second = subprocess.run(
        [sys.executable, "-m", "sdnctl", "store", "--data", str(data), *where],
        cwd=REPO,
        capture_output=True,
        timeout=60,
    )
    assert second.returncode == 1 and b"another sdnctl store serves" in second.stderr


def test_a_killed_server_is_started_again_and_a_member_that_is_killed_leaves_no_server(running: Running) -> None:
    api = running.client("api")
    data = running.directory / "member1"

    def server() -> int:
        found = subprocess.run(["pgrep", "-f", f"^ovsdb-server {data}/store.db"], capture_output=True, text=True)
        return int(found.stdout.split()[0]) if found.stdout else 0

    first = server()
    os.kill(first, signal.SIGKILL)
    eventually(lambda: server() not in (0, first))
    api.transact(put(Account(id="acc-2")))


def control(data: Path, *command: str) -> str:
    argv = ["ovs-appctl", "--timeout=10", "-t", str(data / "store.ctl"), *command]
    return subprocess.run(argv, capture_output=True, text=True).stdout


def test_a_member_whose_disk_was_lost_is_replaced(running: Running) -> None:
    """It is not the old one that comes back: another one joins, and the old one is kicked."""
    api = running.client("api")
    lost = running.member()
    eventually(lambda: "Status: cluster member" in control(lost, "cluster/status", schema.DATABASE), 20)
    name = control(lost, "cluster/sid", schema.DATABASE).strip()
    process = running.processes[-1]
    process.terminate()
    process.wait(15)
    shutil.rmtree(lost)
    api.transact(put(Account(id="acc-3")))
    new = running.member()
    eventually(lambda: "Status: cluster member" in control(new, "cluster/status", schema.DATABASE), 20)
    first = running.directory / "member0"
    control(first, "cluster/kick", schema.DATABASE, name[:4])
    eventually(lambda: f"{name[:4]} at" not in control(first, "cluster/status", schema.DATABASE), 20)
    api.transact(put(Account(id="acc-4")))
    query = ["sdnctl", {"op": "select", "table": "Account", "where": [], "columns": ["id"]}]
    dump = ["ovsdb-client", "--timeout=10", "transact", f"unix:{new}/store.sock", json.dumps(query)]

    def there() -> set[str]:
        answer = json.loads(subprocess.run(dump, check=True, capture_output=True, text=True).stdout)
        return {row["id"] for row in answer[0]["rows"]}

    eventually(lambda: {"acc-3", "acc-4"} <= there())


def test_an_incomplete_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir()
    with pytest.raises(StoreError, match=r"lacks ca\.pem, cert\.pem, key\.pem"):
        Member(tmp_path / "data", "127.0.0.1:1", "127.0.0.1:2", (), tmp_path / "pki").prepare()


def test_a_store_of_the_first_release_keeps_its_elastic_ips() -> None:
    """The status that a host reports of itself is reported anew; that EIPs name their VPC is filled in."""
    with tempfile.TemporaryDirectory(prefix="sdnctl-u-") as directory:
        data = Path(directory)
        old = schema.schema(schema.tables(CLASSES), "1.0.0")
        for table in old["tables"].values():
            table["columns"].pop("writer", None)
        for name in ("Doors", "Connection", "RBAC_Role", "RBAC_Permission", "HostStatus"):
            del old["tables"][name]
        old["tables"]["Host"]["columns"] |= {"applied": {"type": "integer"}, "seen": {"type": "real"}}
        del old["tables"]["ElasticIp"]["columns"]["vpc"]
        (data / "old").write_text(json.dumps(old))
        tool = ["ovsdb-tool", "create", str(data / "store.db"), str(data / "old")]
        subprocess.run(tool, check=True)
        rows = [
            {"op": "insert", "table": "NetworkInterface", "row": {"id": "port-1", "vpc": "vpc-1", "key": 1}},
            {"op": "insert", "table": "ElasticIp", "row": {"id": "fip-1", "port": "port-1", "address": "192.0.2.1"}},
            {"op": "insert", "table": "Host", "row": {"id": "hv1", "applied": 7}},
        ]
        made = ["ovsdb-tool", "transact", str(data / "store.db"), json.dumps(["sdnctl", *rows])]
        subprocess.run(made, check=True, capture_output=True)
        Server(data, classes=CLASSES).prepare()
        query = {"op": "select", "table": "ElasticIp", "where": [], "columns": ["id", "vpc", "writer"]}
        asked = ["ovsdb-tool", "query", str(data / "store.db"), json.dumps(["sdnctl", query])]
        answer = json.loads(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)
        assert answer[0]["rows"] == [{"id": "fip-1", "vpc": "vpc-1", "writer": "api"}]
