"""The flow tables of small networks, whole, as people read them."""

from collections.abc import Callable
from itertools import count

import pytest

from sdnctl.engine.engine import Engine
from sdnctl.model.resource import meta
from sdnctl.store import Txn
from tests.networks import NETWORKS


@pytest.fixture(autouse=True)
def numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids that a network does not choose itself are the same each time."""
    numbers = count(1)
    monkeypatch.setattr(Txn, "new_id", lambda txn, cls: f"{meta(cls).prefix}-{next(numbers):010}")


@pytest.mark.parametrize("name", NETWORKS)
def test_golden(name: str, assert_flows: Callable[[Engine, str], None]) -> None:
    """Each network compiles to the text beside the tests."""
    assert_flows(NETWORKS[name]().engine(), name)
