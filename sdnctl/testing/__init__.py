"""A pytest plugin for tests of networks: flow tables against golden text, the fate of a packet in words, a lab.

The uppermost conftest.py asks for it by ``pytest_plugins = ["sdnctl.testing"]``; no other run of pytest takes the time
to import it. docs/testing.md shows each part in use.

    lab           builds a private region: Open vSwitch, control plane, machines as namespaces; needs root
    assert_flows  compares a host's flow tables with the golden text beside the test; ``--update-golden`` writes it
    assert_trace  compares what becomes of a packet with a sentence
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sdnctl.testing.golden import Source, compare
from sdnctl.testing.ovs import DummySwitch

if TYPE_CHECKING:
    from sdnctl.testing.lab import Lab
    from topologies.scenarios import Scenario

__all__ = ["DummySwitch", "assert_flows", "assert_trace", "dummy_switch", "lab"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--update-golden``."""
    parser.addoption("--update-golden", action="store_true", help="write the golden flow tables anew")


@pytest.fixture
def dummy_switch() -> Iterator[DummySwitch]:
    """A private Open vSwitch with a simulated datapath and an empty br-int; needs no privileges."""
    with DummySwitch() as switch:
        yield switch


@pytest.fixture(scope="module")
def lab() -> "Iterator[Callable[[Scenario], Lab]]":
    """Build a network as a region that carries packets: ``network = lab(scenario)``; gone when the module is done."""
    # Imported here: Mininet and the tenant's SDK are needed by those only who build one.
    from sdnctl.testing.lab import Lab

    with ExitStack() as stack:
        yield lambda scenario: stack.enter_context(Lab(scenario))


@pytest.fixture
def assert_flows(request: pytest.FixtureRequest) -> Callable[[Source, str], None]:
    """Compare flow tables with ``golden/NAME.txt`` beside the test; AssertionError shows the difference.

    The tables are those of an engine, or of whatever has ``tables()``, such as a lab, which may take ten seconds.
    """
    folder = request.path.parent / "golden"
    update = bool(request.config.getoption("--update-golden"))
    return lambda source, name: compare(source, Path(folder / f"{name}.txt"), update)


@pytest.fixture
def assert_trace() -> Callable[..., dict[str, Any]]:
    """Compare what becomes of a packet with a sentence: ``assert_trace(network, "web", "10.0.0.11", "delivered …")``.

    Keywords say more of the packet, as the API's ``flowTraces`` has them (protocol, destinationPort, ttl,
    sourceAddress). Returns the whole trace; AssertionError shows its steps.
    """

    def check(network: "Lab", sender: str, to: str, verdict: str, **packet: Any) -> dict[str, Any]:
        told = network.trace(sender, to, **packet)
        steps = "\n".join(f"  {step['table']}: {step['says']}" for step in told["steps"])
        assert told["verdict"] == verdict, f"{told['verdict']!r} is not {verdict!r}:\n{steps}"
        return told

    return check
