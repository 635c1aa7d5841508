"""``sdnctl drops`` as people and scripts run it; tests/packet has it count."""

import json

import pytest

from apps.drops.cli import seconds
from sdnctl.base.problem import Usage
from tests.cli.conftest import User


@pytest.fixture(scope="module", autouse=True)
def network(user: User) -> None:
    user.ok("vpc", "create", "shop", "--cidr", "10.0.0.0/16")
    user.ok("subnet", "create", "front", "--vpc", "shop", "--cidr", "10.0.0.0/24")
    user.ok("instance", "create", "web", "--subnet", "front")


def test_it_ends_by_itself_and_leaves_nothing(user: User) -> None:
    said = user.ok("drops", "instance:web", "--for", "1s")
    assert said.startswith("port-") and "no switch counts yet" in said
    looks = [json.loads(line)["dropWatch"] for line in user.ok("drops", "web", "--for", "1s", "--json").splitlines()]
    assert len(looks) > 1
    assert looks[-1]["left"] == 0 and looks[-1]["drops"] == []
    assert len({look["networkInterfaceId"] for look in looks}) == 1


def test_what_cannot_be_watched_is_said(user: User) -> None:
    assert "--for must be 1s to 10m" in user.refused("drops", "web", "--for", "1h", code=2)
    assert "goes by 'nobody'" in user.refused("drops", "nobody")


@pytest.mark.parametrize(("text", "length"), [("60s", 60), ("2m", 120), ("90", 90), ("10m", 600)])
def test_lengths_of_time(text: str, length: int) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["", "0s", "11m", "601", "-1s", "1.5s", "s", "1 m"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(Usage):
        seconds(text)
