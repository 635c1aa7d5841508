"""What every test may ask for."""

from collections.abc import Iterator

import pytest

from tests.ovs import DummySwitch


@pytest.fixture
def dummy_switch() -> Iterator[DummySwitch]:
    """A private Open vSwitch with an empty br-int."""
    with DummySwitch() as switch:
        yield switch


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update-golden`` rewrites tests/golden instead of comparing with it."""
    parser.addoption("--update-golden", action="store_true", help="write the golden flow tables anew")
