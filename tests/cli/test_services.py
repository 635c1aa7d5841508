"""``sdnctl services`` and ``sdnctl status``: what runs beside the flows of a region, and one of it started anew."""

from typing import Any

from tests.cli.conftest import User
from tests.waiting import eventually

NICS = "multi_queue.nics"


def only(user: User) -> dict[str, Any]:
    """The one service that the region has."""
    found = [one for one in user.json("services", "list")["services"] if one["service"] == NICS]
    return found[0] if found else {"state": ""}


def test_services_are_listed_in_their_own_table_and_in_the_status(user: User) -> None:
    eventually(lambda: only(user)["state"] == "running", 30)
    shown = only(user)
    assert (shown["per"], shown["restarts"], shown["error"]) == ("host", 0, "")
    assert shown["says"].startswith("off: no interface is changed unless external_ids:sdnctl-nics names it")
    assert shown in user.json("status")["services"]
    assert NICS in user.ok("services", "list") and NICS in user.ok("status")


def test_one_is_started_anew(user: User) -> None:
    eventually(lambda: only(user)["state"] == "running", 30)
    before = only(user)
    done = user.json("services", "restart", NICS, "--host", before["host"])
    assert done == {"service": NICS, "hosts": [before["host"]]}
    eventually(lambda: only(user)["state"] == "running" and only(user)["since"] > before["since"], 30)
    assert user.json("services", "restart", NICS)["hosts"] == [before["host"]]


def test_what_is_not_there_cannot_be_started_anew(user: User) -> None:
    assert "a service 'nobody' does not exist" in user.refused("services", "restart", "nobody")
    assert "'elsewhere' does not exist" in user.refused("services", "restart", NICS, "--host", "elsewhere")
    assert "say --store to run services here, or a command" in user.refused("services", code=2)
