"""What every test may ask for."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.ovs import DummySwitch

pytest_plugins = ["tests.parallel"]

# A busy machine is no fault of the code: no test depends on seconds.  CI tries the same examples every time, so that it
# judges the change and not the dice; new examples are looked for by everybody else.
settings.register_profile("sdnctl", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("sdnctl")


@pytest.fixture
def dummy_switch() -> Iterator[DummySwitch]:
    """A private Open vSwitch with an empty br-int."""
    with DummySwitch() as switch:
        yield switch


def pytest_addoption(parser: pytest.Parser) -> None:
    """What is written instead of compared, and what takes longer than CI has time for."""
    parser.addoption("--update-golden", action="store_true", help="write the golden flow tables anew")
    parser.addoption("--update-reliability", action="store_true", help="write the table of docs/reliability.md anew")
    parser.addoption("--update-multi-queue", action="store_true", help="write the table of docs/multi-queue.md anew")
    parser.addoption("--full-minute", action="store_true", help="cut a host from the store for a minute, not seconds")
