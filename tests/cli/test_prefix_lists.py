"""Prefix lists on the command line and in an intent file."""

import yaml

from tests.cli.conftest import User
from tests.cli.test_intent import apply, changes

FILE = """
prefix-lists:
  offices:
    max-entries: 3
    entries:
      - 203.0.113.0/24
      - {cidr: 198.51.100.7, description: branch}
    description: ours
"""


def blocks(user: User, which: str) -> dict[str, str]:
    found = user.json("prefix-list", "get", which)["prefixList"]["prefixListEntrys"]
    return {entry["addressPrefix"]: entry["description"] for entry in found}


def test_a_list_is_made_changed_and_deleted(user: User) -> None:
    user.ok("prefix-list", "create", "shops", "--max-entries", "3", "--entry", "203.0.113.0/24")
    user.ok("prefix-list", "add", "shops", "198.51.100.7", "192.0.2.0/24", "--description", "new")
    assert blocks(user, "shops") == {"192.0.2.0/24": "new", "198.51.100.7/32": "new", "203.0.113.0/24": ""}
    user.ok("prefix-list", "set", "shops", "198.51.100.7", "--cidr", "198.51.100.8", "--description", "moved")
    user.ok("prefix-list", "remove", "shops", "192.0.2.0/24")
    assert blocks(user, "shops") == {"198.51.100.8/32": "moved", "203.0.113.0/24": ""}
    user.ok("prefix-list", "modify", "shops", "--name", "stores", "--max-entries", "2")
    table = user.ok("prefix-list", "list", "--filter", "prefixListNames=stores")
    assert "198.51.100.8/32 (moved)" in table and "203.0.113.0/24" in table
    assert "has no entry 10.0.0.0/8" in user.refused("prefix-list", "remove", "stores", "10.0.0.0/8")
    assert "may have 2 entries" in user.refused("prefix-list", "add", "stores", "10.0.0.0/8")
    assert "did you mean 10.0.0.0/8" in user.refused("prefix-list", "add", "stores", "10.0.0.1/8")
    assert "--name, --max-entries or --description" in user.refused("prefix-list", "modify", "stores", code=2)
    user.ok("prefix-list", "delete", "stores")
    assert user.json("prefix-list", "list")["totalCount"] == 0


def test_a_file_s_list_is_made_changed_and_exported(user: User) -> None:
    assert "prefix-lists" not in user.json("export")
    assert changes(apply(user, FILE)) == [("create", "prefix-list", "offices")]
    assert blocks(user, "offices") == {"198.51.100.7/32": "branch", "203.0.113.0/24": ""}
    assert apply(user, FILE)["changes"] == []
    assert apply(user, user.ok("export"), "--dry-run", "--prune")["changes"] == []

    wanted = yaml.safe_load(FILE)["prefix-lists"]["offices"]
    full = ["203.0.113.0/24", {"cidr": "198.51.100.7/32", "description": "the branch"}, "192.0.2.0/24", "192.0.2.0/25"]
    apply(user, yaml.safe_dump({"prefix-lists": {"offices": wanted | {"max-entries": 4, "entries": full}}}))
    assert blocks(user, "offices") == {
        "192.0.2.0/24": "",
        "192.0.2.0/25": "",
        "198.51.100.7/32": "the branch",
        "203.0.113.0/24": "",
    }
    kept = user.json("prefix-list", "get", "offices")["prefixList"]["prefixListEntrys"]
    fewer = {"max-entries": 2, "entries": [*full[:1], "10.0.0.0/8"]}
    apply(user, yaml.safe_dump({"prefix-lists": {"offices": fewer}}))
    now = user.json("prefix-list", "get", "offices")["prefixList"]
    assert (now["maxNum"], now["description"]) == (2, "ours")
    assert now["prefixListEntrys"] == [*now["prefixListEntrys"][:1], kept[-1]], "what stays is the same entry"

    wrong = FILE.replace("203.0.113.0/24", "203.0.113.1/24")
    refused = user.refused("apply", "-f", "-", "--yes", code=2, stdin=wrong)
    assert "did you mean 203.0.113.0/24" in refused
    apply(user, "prefix-lists: {}", "--yes", "--prune")
    assert user.json("prefix-list", "list")["totalCount"] == 0
