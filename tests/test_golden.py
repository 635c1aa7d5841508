"""The flow tables of small networks, whole, as people read them."""

import pytest

from tests.golden import assert_golden
from tests.networks import NETWORKS


@pytest.mark.parametrize("name", NETWORKS)
def test_golden(name: str, pytestconfig: pytest.Config) -> None:
    """Each network compiles to the text beside the tests."""
    assert_golden(NETWORKS[name]().engine(), name, pytestconfig)
