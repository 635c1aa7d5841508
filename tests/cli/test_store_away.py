"""A store that hangs: whoever asks is told in words what to do, calls are refused as such, and all goes on after it."""

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sdnctl.cli.client import Client
from tests.cli.conftest import User
from tests.cli.test_wait import stopped
from tests.waiting import eventually
from topologies.service import PARTS, Service

TOLD_S = 6.0
"""Seconds within which it is told: 3 until the silence is believed, more on a busy machine."""


def ready(service: Service) -> tuple[int, Any]:
    """The answer of /readyz."""
    door = http.client.HTTPConnection(service.endpoint, timeout=10)
    door.request("GET", "/readyz")
    answer = door.getresponse()
    return answer.status, json.load(answer)


def said(service: Service, event: str) -> dict[str, list[str]]:
    """The trouble that each program's log tells with an event."""
    found = {}
    for part in PARTS[1:]:
        lines = map(json.loads, filter(None, (service.data / f"{part}.log").read_text().split("\n")))
        found[part] = [line.get("trouble", "") for line in lines if line["event"] == event]
    return found


def test_a_store_that_hangs_is_told_of_by_readyz_status_and_every_log(user: User, service: Service) -> None:
    pid = service.pids()["store"]
    do = f"'kill -CONT {pid}'"
    with stopped(pid):
        eventually(lambda: ready(service)[0] == 503, TOLD_S)
        assert do in ready(service)[1]["message"]
        assert do in user.json("status")["store"] and do in user.ok("status").replace("\n", " ")
        checks = json.loads(user("doctor", "--json").out)["checks"]
        assert [(one["state"], do in one["todo"]) for one in checks if one["check"] == "store"] == [("fail", True)]
        eventually(lambda: all(do in "".join(told) for told in said(service, "the store is away").values()), TOLD_S)
    assert user.json("doctor")["ok"]
    eventually(lambda: user.json("status")["store"] == "ok" and ready(service)[0] == 200, TOLD_S)
    eventually(lambda: all(said(service, "the store is back").values()), TOLD_S)


def test_a_change_that_a_hanging_store_may_have_made_says_so(user: User, service: Service) -> None:
    with stopped(service.pids()["store"]):
        refused = user("vpc", "create", "in-doubt", "--json")
        assert refused.code == 1
        error = json.loads(refused.err)["error"]
        assert error["status"] == "UNAVAILABLE" and "not known whether the change was made" in error["message"]
        eventually(lambda: not service.serves(), TOLD_S)
        refused = user("vpc", "create", "not-made", "--json")
        assert "nothing was changed" in json.loads(refused.err)["error"]["message"]
        assert user.json("vpc", "list")["vpcs"] is not None
    eventually(service.serves, TOLD_S)
    names = [vpc["vpcName"] for vpc in user.json("vpc", "list")["vpcs"]]
    assert "in-doubt" in names and "not-made" not in names


def test_reads_are_answered_while_many_changes_wait_for_a_store_that_hangs(user: User, service: Service) -> None:
    token = {"Authorization": f"Bearer {Client.at(service.data).token}"}

    def change(number: int) -> int:
        door = http.client.HTTPConnection(service.endpoint, timeout=30)
        door.request("POST", "/x/v1/accounts", json.dumps({"name": f"late-{number}"}), token)
        return door.getresponse().status

    with stopped(service.pids()["store"]), ThreadPoolExecutor(24) as callers:
        eventually(lambda: not service.serves(), TOLD_S)
        assert change(0) == 503
        waiting = [callers.submit(change, number) for number in range(1, 25)]
        began = time.monotonic()
        assert user.json("vpc", "list")["vpcs"] is not None
        assert time.monotonic() - began < 5.0
        assert {one.result() for one in waiting} == {503}
    eventually(service.serves, TOLD_S)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/metrics"), ("POST", "/x/v1/accounts"), ("DELETE", "/x/v1/hosts/nobody")]
)
def test_the_operator_gets_an_answer_whatever_is_asked_beside_a_store_that_hangs(
    user: User, service: Service, method: str, path: str
) -> None:
    token = {"Authorization": f"Bearer {Client.at(service.data).token}"}
    with stopped(service.pids()["store"]):
        eventually(lambda: not service.serves(), TOLD_S)
        door = http.client.HTTPConnection(service.endpoint, timeout=20)
        door.request(method, path, json.dumps({"name": "late"}) if method == "POST" else None, token)
        answer = door.getresponse()
        text = answer.read()
        if method == "GET":
            assert answer.status == 200 and b"sdnctl" in text
        else:
            assert (answer.status, json.loads(text)["error"]["code"]) == (503, 503)
    eventually(service.serves, TOLD_S)
