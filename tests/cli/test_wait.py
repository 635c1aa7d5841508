"""`sdnctl wait` and `sdnctl host`: scripts wait for the hosts, and the operator has those forgotten that are gone."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sdnctl.cli.hosts import age, ways
from sdnctl.model.host import Host, HostStatus
from sdnctl.store import Txn
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.testing.ovs import DummySwitch
from tests.cli.conftest import User
from tests.product import CLASSES
from tests.waiting import eventually
from topologies.service import Service

DEAD = "dead-host"


@pytest.fixture
def dead(service: Service, user: User) -> Iterator[str]:
    """A host that told of itself an hour ago."""
    store = OvsdbStore(f"unix:{service.data}/store.sock", classes=CLASSES)

    def tell(txn: Txn) -> None:
        txn.put(Host(id=DEAD))
        txn.put(HostStatus(id=DEAD, host=DEAD, applied=1, seen=time.time() - 3600, peers={"x": "down", "y": "up"}))

    def forget(txn: Txn) -> None:
        txn.delete(Host, DEAD)

    try:
        store.report(tell)
        yield DEAD
        store.report(forget)
    finally:
        store.close()


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process does nothing for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def here(user: User) -> dict[str, Any]:
    """The one host that is alive."""
    (host,) = (host for host in user.json("host", "list")["hosts"] if host["alive"])
    return dict(host)


def test_wait_ends_when_every_host_has_the_latest_change(user: User) -> None:
    user.ok("vpc", "create", "net")
    found = user.json("wait")
    assert found["sequence"] == user.json("status")["sequence"]
    assert (found["applied"], found["confirmed"], found["behind"]) == (True, [here(user)["host"]], [])
    assert here(user)["applied"] >= found["sequence"]
    shown = user.ok("wait", "--sequence", "1", "--timeout", "0")
    assert "sequence 1: in force" in shown and "confirmed" in shown


def test_wait_says_who_is_behind_and_fails(user: User, service: Service) -> None:
    name = here(user)["host"]
    with stopped(service.pids()["controller"]):
        user.ok("vpc", "create", "late")
        done = user("wait", "--timeout", "0.5", "--json")
        assert done.code == 1
        found = json.loads(done.out)
        ((late),) = found["behind"]
        assert (found["applied"], late["host"], late["alive"]) == (False, name, True)
        done = user("wait", "--timeout", "0")
        assert (done.code, "not in force everywhere" in done.out, "behind" in done.out) == (1, True, True)
        assert "is behind after 0.2 s" in user.refused("vpc", "delete", "late", "--wait", "--timeout", "0.2")
    assert user.json("wait")["confirmed"] == [name]


def test_wait_for_what_never_comes_ends_in_time(user: User) -> None:
    began = time.monotonic()
    assert user("wait", "--sequence", "1000000", "--timeout", "1").code == 1
    assert 1 <= time.monotonic() - began < 8


def test_a_dead_host_is_named_and_holds_nobody_up(user: User, dead: str) -> None:
    user.ok("vpc", "create", "despite", "--wait", "--timeout", "20")
    found = user.json("wait")
    assert (found["applied"], [host["host"] for host in found["behind"]]) == (True, [dead])
    assert dead in user.ok("wait") and "dead" in user.ok("wait")
    shown = user.ok("host", "list")
    (line,) = (line for line in shown.splitlines() if line.startswith(dead))
    assert "1 up, 1 down: x" in line and "60 min ago" in line
    assert dead in user.ok("status") and dead in user.ok("watch", "--once")


def test_a_dead_host_is_removed(user: User, dead: str) -> None:
    removed = user.json("host", "remove", dead)
    assert removed == {"host": dead, "removed": {"Host": 1, "HostStatus": 1}}
    assert dead not in user.ok("host", "list")
    assert "does not exist" in user.refused("host", "remove", dead)


def test_a_host_that_is_alive_stays_and_one_that_was_removed_comes_back(user: User, switch: DummySwitch) -> None:
    user.ok("subnet", "create", "a", "--vpc", "net", "--cidr", "10.0.0.0/24")
    user.ok("instance", "create", "web", "--subnet", "a")
    user.ok("eip", "create", "public", "--bandwidth", "5")
    user.ok("eip", "bind", "public", "web", "--wait")
    port = user.json("eip", "get", "public")["elasticIp"]["networkInterfaceId"]
    plugged = ("--", "set", "interface", "tap-wait", "type=dummy", f"external_ids:iface-id={port}")
    switch.vsctl("add-port", switch.bridge, "tap-wait", *plugged)
    try:
        eventually(lambda: here(user)["ports"] >= 1, 20)
        before = here(user)
        refused = user.refused("host", "remove", before["host"])
        assert "is alive" in refused and here(user)["ports"] == before["ports"]
        removed = user.json("host", "remove", before["host"], "--force")["removed"]
        assert removed.keys() >= {"Host", "HostStatus", "Binding"}

        def back() -> bool:
            found = [host for host in user.json("host", "list")["hosts"] if host["alive"]]
            return [host["ports"] for host in found] == [before["ports"]]

        eventually(back, 25)
        assert user.json("wait")["confirmed"] == [before["host"]]
    finally:
        switch.vsctl("del-port", switch.bridge, "tap-wait")


def test_how_hosts_are_shown() -> None:
    assert [age(when, 1767225600.0) for when in (None, "2025-12-31T23:59:59Z", "2026-01-01T00:00:05Z")] == [
        "never",
        "1 s ago",
        "0 s ago",
    ]
    assert [age("2025-12-29T00:00:00Z", 1767225600.0), age("2025-12-31T21:30:00Z", 1767225600.0)] == [
        "3 d ago",
        "2 h ago",
    ]
    assert [ways({}), ways({"a": "up"}), ways({"c": "down", "b": "down"})] == ["", "1 up", "0 up, 2 down: b c"]


def test_whatever_is_made_or_changed_with_wait_is_waited_for_and_no_longer(user: User) -> None:
    user.ok("vpc", "create", "w", "--cidr", "10.0.0.0/16")
    user.ok("vpc", "create", "w2", "--cidr", "10.1.0.0/16")
    user.ok("subnet", "create", "edge-w", "--vpc", "w", "--cidr", "10.0.9.0/24")
    for words in (
        ("nat-gateway", "create", "natw", "--subnet", "edge-w"),
        ("nat-gateway", "stop", "natw"),
        ("nat-gateway", "start", "natw"),
        ("lb", "create", "lbw", "--subnet", "edge-w"),
        ("package", "create", "pw", "--bandwidth", "50"),
        ("peering", "create", "pw", "--vpc", "w", "--with", "w2"),
    ):
        user.ok(*words, "--wait", "--timeout", "30")
