"""Wrong input to every part of the command line ends in one line that says what to do, and never in a traceback."""

import json
from pathlib import Path

import pytest

from sdnctl import __version__
from sdnctl.cli.command import PANELS
from tests.cli.conftest import User, run

LONG = "x" * 3000


def test_the_version_is_told() -> None:
    said = run("--version")
    assert (said.code, said.out) == (0, f"sdnctl {__version__}\n")


def test_the_help_lists_commands_under_headings_and_tells_the_two_sorts_of_interfaces_apart() -> None:
    shown = run("--help").out
    places = [shown.index(panel) for panel in PANELS]
    assert places[:3] == sorted(places[:3])
    assert "this machine's cards: nic" in shown and "instances' interfaces: eni" in shown


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("up", "--region", "a b/c"), "a region's id is letters"),
        (("up", "--region", ""), "a region's id is letters"),
        (("up", "--region", LONG), "a region's id is letters"),
        (("up", "--ovs-db", "tcp:1.2.3.4:5"), "--ovs-db must be unix:PATH"),
        (("api", "--store", "garbage"), "--store: 'garbage' is no store address"),
        (("api", "--store", "unix:/x", "--listen", "garbage"), "--listen must be HOST:PORT"),
        (("api", "--store", "unix:/x", "--region", "a/b"), "a region's id is letters"),
        (("api", "--store", "ssl:127.0.0.1:1"), "needs a certificate"),
        (("api", "--store", "ssl:127.0.0.1:1", "--pki", "/nonexistent"), "/nonexistent lacks ca.pem"),
        (("agent", "--store", "unix:/x", "--ovs-db", "garbage"), "--ovs-db must be unix:PATH"),
        (("agent", "--store", "unix:/x", "--metrics", "9100"), "--metrics must be HOST:PORT"),
        (("services", "--store", "garbage"), "--store: 'garbage' is no store address"),
        (("services", "--store", "unix:/x", "--per", "planet"), "--per must be out of"),
        (("store", "--listen", "1.2.3.4"), "--listen must be HOST:PORT"),
        (("store", "--listen", "1.2.3.4:1", "--raft", "1.2.3.4:2", "--join", "x"), "--join must be HOST:PORT"),
        (("vpc", "list", "--endpoint", "ftp://x"), "--endpoint must be HOST:PORT"),
        (("vpc", "list", "--endpoint", "a b"), "--endpoint must be HOST:PORT"),
        (("vpc", "list", "--access-key", "é", "--secret-key", "x", "--endpoint", "a:1"), "is no access key"),
        (("vpc", "list", "--access-key", "a", "--secret-key", "x", "--endpoint", "a:1", "--region", "a/b"), "region"),
        (("vpc", "get", "\udce4"), "is not UTF-8"),
    ],
)
def test_a_wrong_argument_is_told_before_anything_happens(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    said = run(*words, SDNCTL_DATA=str(tmp_path))
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: ") and says in said.err and len(said.err) < 300
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["SDNCTL_LOG", "SDNCTL_LOG_FORMAT"])
def test_a_wrong_word_in_the_environment_is_refused(name: str) -> None:
    said = run("status", **{name: "nonsense"})
    assert said.code == 2
    assert f"{name} must be " in said.err


@pytest.mark.parametrize(
    ("words", "code", "status"),
    [
        (("nonsense",), 2, "USAGE"),
        (("vpc", "list", "--nonsense"), 2, "USAGE"),
        (("vpc", "create"), 2, "USAGE"),
        (("wait", "--timeout", "x"), 2, "USAGE"),
        (("status",), 2, "NOT_RUNNING"),
        (("explain", "nonsense"), 1, "FAILED"),
    ],
)
def test_an_error_is_json_where_json_is_asked_for(
    tmp_path: Path, words: tuple[str, ...], code: int, status: str
) -> None:
    said = run(*words, "--json", SDNCTL_DATA=str(tmp_path))
    assert (said.code, said.out) == (code, "")
    error = json.loads(said.err)["error"]
    assert error["status"] == status and error["message"]


def test_a_refusal_as_json_has_the_status_of_the_api(user: User) -> None:
    said = user("vpc", "create", "a b", "--json")
    assert (said.code, json.loads(said.err)["error"]["status"]) == (1, "INVALID_ARGUMENT")
    assert json.loads(user("vpc", "get", "nobody", "--json").err)["error"]["status"] == "FAILED"


def test_a_refusal_names_things_by_their_names(user: User) -> None:
    user.ok("vpc", "create", "home", "--cidr", "10.0.0.0/16")
    subnet = user.json("subnet", "create", "den", "--vpc", "home", "--cidr", "10.0.0.0/24")["subnetId"]
    user.ok("eni", "create", "door", "--subnet", "den")
    refused = user.refused("subnet", "delete", "den")
    assert f"den ({subnet})" in refused and "door (port-" in refused
    assert "NetworkInterface" not in refused


def test_a_region_that_does_not_answer_or_is_none_is_told(tmp_path: Path) -> None:
    keys = ("--access-key", "a", "--secret-key", "b")
    assert "does not answer" in run("vpc", "list", "--endpoint", "127.0.0.1:1", *keys).err
    (tmp_path / "endpoint.json").write_text("nonsense")
    assert "is damaged" in run("status", SDNCTL_DATA=str(tmp_path)).err


@pytest.mark.parametrize("text", ["", " ", LONG, "näme", "a\nb", "'; drop", "%s/%s", "-" * 3, "a/b/c"])
def test_any_text_for_a_name_gets_one_answer(user: User, text: str) -> None:
    for words in (("vpc", "get"), ("subnet", "get"), ("instance", "delete"), ("eip", "get"), ("host", "remove")):
        said = user(*words, "--", text)
        assert (said.code, said.out) == (1, "")
        assert said.err.startswith("error: ") and "Traceback" not in said.err


def test_what_is_not_there_is_quoted_as_it_was_typed(user: User) -> None:
    assert "goes by 'nobody'" in user.refused("route-table", "associate", "home/default", "nobody")
    assert "16 digits" in user.refused("explain", "0x5d")
