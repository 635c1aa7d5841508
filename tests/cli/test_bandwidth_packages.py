"""Bandwidth packages on the command line and in an intent file."""

import re

from tests.cli.conftest import User
from tests.cli.test_intent import apply, changes

FILE = """
bandwidth-packages:
  shared: {bandwidth: 60, description: ours}
elastic-ips:
  in-one: {bandwidth: 5, package: shared}
  in-two: {bandwidth: 5, package: shared, package-limit: 10}
  in-none: {bandwidth: 5}
"""


def limits(user: User, package: str) -> list[int]:
    found = user.json("package", "get", package)["bandwidthPackage"]["publicIps"]
    return sorted(one["bandwidthMbps"] for one in found)


def test_a_package_is_made_filled_limited_and_emptied(user: User) -> None:
    user.ok("package", "create", "pack", "--bandwidth", "50", "--description", "d")
    for name in ("pack-a", "pack-b"):
        user.ok("eip", "create", name, "--bandwidth", "5")
    user.ok("package", "add", "pack", "pack-a")
    user.ok("package", "add", "pack", "pack-b", "--limit", "20")
    assert limits(user, "pack") == [-1, 20]
    assert re.search(r"pack .*\b50\b.*\b2\b.*meters", user.ok("package", "list"))
    assert "no limit" in user.ok("package", "get", "pack")
    user.ok("package", "limit", "pack", "pack-a", "0")
    assert limits(user, "pack") == [0, 20] and "blocked" in user.ok("package", "get", "pack")
    user.ok("package", "set-bandwidth", "pack", "80")
    assert user.json("package", "get", "pack")["bandwidthPackage"]["bandwidthMbps"] == 80
    assert "which limits it" in user.refused("eip", "set-bandwidth", "pack-a", "9")
    assert "elastic IPs" in user.refused("package", "delete", "pack")
    for name in ("pack-a", "pack-b"):
        user.ok("package", "remove", "pack", name)
    user.ok("package", "delete", "pack")


def test_a_file_s_packages_are_made_changed_and_exported(user: User) -> None:
    made = changes(apply(user, FILE))
    assert ("create", "package", "shared") in made
    assert limits(user, "shared") == [-1, 10]
    assert apply(user, FILE)["changes"] == []
    exported = user.ok("export")
    assert "package: shared" in exported and "package-limit: 10" in exported and "bandwidth-packages:" in exported
    assert apply(user, exported, "--dry-run", "--prune")["changes"] == []
    other = FILE.replace("package-limit: 10", "package-limit: 0").replace(
        "in-one: {bandwidth: 5, package: shared}", "in-one: {bandwidth: 5, package: none}"
    )
    apply(user, other)
    assert limits(user, "shared") == [0]
    apply(user, "bandwidth-packages: {}\nelastic-ips: {}\n", "--prune", "--yes")
    assert user.json("package", "list")["totalCount"] == 0
