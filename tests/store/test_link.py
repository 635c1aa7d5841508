"""Connections come back: from another server, from silence, and not from an error of one's own."""

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from sdnctl.base.errors import Doubtful, StoreError
from sdnctl.store import Batch
from sdnctl.store.ovsdb import pace, presence
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.ovsdb.link import Lost
from sdnctl.store.ovsdb.tls import connect
from tests.store.model import STORED, StoreNet, put
from tests.store.service import Service, service
from tests.waiting import eventually

NET = StoreNet(id="net-1", account="a", key=1)


class Log:
    """A logger that keeps what it is told, whatever other tests have configured."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def warning(self, event: str, trouble: str, seconds: float) -> None:
        """See structlog."""
        self.said.append((event, trouble))

    def info(self, event: str, seconds: float) -> None:
        """See structlog."""
        self.said.append((event, ""))


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """What is said of the store's presence."""
    made = Log()
    monkeypatch.setattr(presence, "log", made)
    return made


@pytest.fixture
def running() -> Iterator[Service]:
    """A store server."""
    with service() as made:
        yield made


def test_the_first_server_that_answers_is_used(running: Service) -> None:
    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))
        store = running.open(remote=f"tcp:127.0.0.1:{refusing.getsockname()[1]},{running.server.remote}")
        store.transact(put(NET))
        running.kill()
        running.start()
        store.transact(put(StoreNet(id="net-2", account="a", key=2)))
        store.close()


def test_tcp_is_spoken_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wire = connect(f"tcp:127.0.0.1:{listener.getsockname()[1]}", 5.0)
        far, _ = listener.accept()
        with far:
            wire.send({"id": 1})
            assert json.loads(far.recv(100)) == {"id": 1}
            far.sendall(b'{"id":1,"result":[]}')
            assert wire.receive() == [{"id": 1, "result": []}]
        wire.close()


def test_a_silent_server_is_probed_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "SILENCE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        store = OvsdbStore(f"tcp:127.0.0.1:{listener.getsockname()[1]}", classes=STORED, timeout=1.0)
        first, _ = listener.accept()
        with first:
            said = b""
            while data := first.recv(4096):
                said += data
            assert b'"_Server"' in said
            assert b'"echo"' in said
        second, _ = listener.accept()
        second.close()
        store.close()


def test_a_probe_of_the_server_is_answered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        store = OvsdbStore(f"tcp:127.0.0.1:{listener.getsockname()[1]}", classes=STORED)
        far, _ = listener.accept()
        with far:
            assert b"_Server" in far.recv(4096)
            far.sendall(b'{"method":"echo","params":["x"],"id":"e7"}')
            assert json.loads(far.recv(4096)) == {"id": "e7", "result": ["x"], "error": None}
        store.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_of_a_follower_ends_the_store_loudly(running: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is nobody's to repair: what missed a batch must not go on as if it had not."""
    uncaught: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: uncaught.append(args.exc_type))
    store = running.open()

    def deliver(batch: Batch) -> None:
        if batch.sequence:
            raise OSError("an error of the follower's own")

    store.subscribe(deliver)
    with pytest.raises(StoreError, match="outcome of a commit is unknown"):
        store.transact(put(NET))
    eventually(lambda: uncaught == [OSError])
    with pytest.raises(StoreError, match="closed"):
        store.transact(put(NET))
    store.close()


def test_the_only_server_of_this_machine_that_hangs_is_told_of_and_waited_for(running: Service, log: Log) -> None:
    assert running.process is not None
    store = running.open(timeout=1.0)
    store.transact(put(NET))
    assert store.trouble == ""
    running.pause()
    began = time.monotonic()
    eventually(lambda: store.trouble != "", 6)
    assert time.monotonic() - began < 2 * pace.SILENCE_HERE_S + 1
    with store.read() as state:
        assert state.get(StoreNet, "net-1") is not None
    pid = running.process.pid
    assert running.server.remote in store.trouble and f"'kill -CONT {pid}'" in store.trouble
    with pytest.raises(StoreError, match="does not answer"):
        store.transact(put(StoreNet(id="net-2", account="a", key=2)))
    running.resume()
    eventually(lambda: store.trouble == "" and store.current)
    store.transact(put(StoreNet(id="net-3", account="a", key=3)))
    assert [event for event, _ in log.said] == ["the store is away", "the store is back"]
    assert f"'kill -CONT {pid}'" in log.said[0][1]
    store.close()


def test_a_commit_on_its_way_to_a_server_that_hangs_is_in_doubt_and_found_once_it_goes_on(running: Service) -> None:
    store = running.open(timeout=1.0)
    store.transact(put(NET))
    running.pause()
    with pytest.raises(Doubtful, match="outcome of a commit is unknown"):
        store.transact(put(StoreNet(id="net-2", account="a", key=2)))
    running.resume()
    eventually(lambda: store.state.get(StoreNet, "net-2") is not None)
    store.close()


def test_a_server_that_dies_is_told_of_with_its_log_and_one_that_is_back_at_once_is_not(
    running: Service, log: Log
) -> None:
    store = running.open(timeout=1.0)
    store.transact(put(NET))
    running.kill()
    running.start()
    store.transact(put(StoreNet(id="net-2", account="a", key=2)))
    assert not log.said
    running.kill()
    eventually(lambda: log.said != [], 5)
    assert "store.log" in store.trouble and "store.log" in log.said[0][1]
    store.close()


def test_a_change_waits_for_a_server_that_was_just_lost_and_not_for_one_that_is_long_away(running: Service) -> None:
    store = running.open(timeout=1.5)
    store.transact(put(NET))
    running.kill()
    took = []
    for number in range(2, 5):
        began = time.monotonic()
        with pytest.raises(StoreError, match="cannot be reached"):
            store.transact(put(StoreNet(id=f"net-{number}", account="a", key=number)))
        took.append(time.monotonic() - began)
    assert took[0] > 1.3 and max(took[1:]) < 1.3
    running.start()
    eventually(lambda: store.current)
    store.transact(put(StoreNet(id="net-9", account="a", key=9)))
    store.close()


def test_a_server_that_is_left_has_ended_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a leader dies its followers say that they are cut off: each is left, and no transaction is to blame."""
    with service() as made:
        store = made.open(timeout=3.0)
        store.transact(put(NET))
        made.pause()
        found: list[Lost] = []

        def ask() -> None:
            try:
                store._link.call("echo", [], time.monotonic() + 2)
            except Lost as lost:
                found.append(lost)

        asking = threading.Thread(target=ask)
        asking.start()
        eventually(lambda: store._link._calls)
        monkeypatch.setattr(store, "woken", lambda: store._link._drop("it is cut off") or [])
        store._link.wake()
        asking.join()
        made.resume()
        assert [(one.sent, one.closed) for one in found] == [(True, False)]
        monkeypatch.undo()
        store.close()
