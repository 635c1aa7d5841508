"""Fixtures that every test may ask for."""

import os

import pytest
from hypothesis import settings

pytest_plugins = ["sdnctl.testing", "tests.parallel"]

# A busy machine is no fault of the code: no test depends on seconds.  CI tries the same examples every time, so that it
# judges the change and not the dice; new examples are looked for by everybody else.
settings.register_profile("sdnctl", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("sdnctl")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options: to write tables instead of comparing them, and to run what takes longer than CI has time for."""
    parser.addoption("--update-reliability", action="store_true", help="write the table of docs/reliability.md anew")
    parser.addoption("--update-multi-queue", action="store_true", help="write the table of docs/multi-queue.md anew")
    parser.addoption("--alone", action="store_true", help="nothing else runs here: times and floods from outside count")
    parser.addoption("--full-minute", action="store_true", help="cut a host from the store for a minute, not seconds")
