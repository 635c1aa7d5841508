"""The flow tables of small networks, whole, as people read them."""

from collections.abc import Callable

import pytest

from sdnctl.engine.engine import Engine
from tests.networks import NETWORKS


@pytest.mark.parametrize("name", NETWORKS)
def test_golden(name: str, assert_flows: Callable[[Engine, str], None]) -> None:
    """Each network compiles to the text beside the tests."""
    assert_flows(NETWORKS[name]().engine(), name)
