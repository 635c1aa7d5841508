"""The same intent by any way ends in the same flows: shuffled, split, squashed, emptied between, repeated."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdnctl.agent.events import Gathered
from sdnctl.agent.mailbox import Mailbox
from sdnctl.engine.desired import Touched
from sdnctl.engine.engine import Engine
from sdnctl.of.flow import Flow
from sdnctl.of.group import Group
from sdnctl.of.meter import Meter
from sdnctl.store import Batch, Change
from sdnctl.switch.plan import Installed, plan
from tests.build import HERE, Network
from tests.networks import NETWORKS

Tables = tuple[dict[int, Flow], dict[int, Meter], dict[int, Group], dict[Any, Any]]


def tables(engine: Engine) -> Tables:
    """The desired state of the switch, and the reports that the host should have made."""
    wanted = engine.desired
    return dict(wanted.flows), dict(wanted.meters), dict(wanted.groups), dict(engine.reports)


class Follower:
    """An engine with a switch that is told only what was touched."""

    def __init__(self, network: Network) -> None:
        self.engine = Engine(network.program, HERE)
        self.installed = Installed()
        self.take([])

    def take(self, changes: list[Change]) -> Touched:
        """One batch, through the plan, into what the switch has."""
        touched = self.engine.apply(changes, strict=True)
        plan(self.engine.desired, self.installed, touched).apply(self.installed)
        return touched

    def check(self, expected: Tables) -> None:
        """Engine and switch are where a fresh start would be; nothing is left to send."""
        assert tables(self.engine) == expected
        assert self.installed.flows == {cookie: flow.key for cookie, flow in expected[0].items()}
        assert self.installed.meters == expected[1]
        assert self.installed.groups == expected[2]
        assert plan(self.engine.desired, self.installed).empty


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> Network:
    """Each network in turn."""
    return NETWORKS[request.param]()


def gone(changes: list[Change]) -> list[Change]:
    """The changes that take everything away again."""
    return [Change(c.cls, c.id, c.new, None) for c in changes]


def split(changes: list[Change], size: int) -> Iterator[list[Change]]:
    """In batches."""
    for start in range(0, len(changes), size):
        yield changes[start : start + size]


def test_one_by_one_and_reversed(network: Network) -> None:
    """One change a batch, forward and backward."""
    expected = tables(network.engine())
    for order in (network.changes(), network.changes()[::-1]):
        follower = Follower(network)
        for change in order:
            follower.take([change])
        follower.check(expected)


def test_repeated(network: Network) -> None:
    """Hearing everything twice touches nothing the second time."""
    follower = Follower(network)
    follower.take(network.changes())
    before = follower.engine.runs
    assert not follower.take(network.changes())
    assert follower.engine.runs == before
    follower.check(tables(network.engine()))


def test_emptied_between(network: Network) -> None:
    """All of it gone leaves what every switch has; all of it again is all of it again."""
    follower = Follower(network)
    nothing = tables(follower.engine)
    follower.take(network.changes())
    follower.take(gone(network.changes()))
    follower.check(nothing)
    assert not follower.engine._units and not follower.engine._placements
    assert not follower.engine._graph._readers and not follower.engine._memo._nodes
    follower.take(network.changes())
    follower.check(tables(network.engine()))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.randoms(use_true_random=False), size=st.integers(1, 30), flicker=st.floats(0, 0.6))
def test_any_order(network: Network, seed: random.Random, size: int, flicker: float) -> None:
    """Shuffled and split, with records that go and come back between."""
    changes = network.changes()
    seed.shuffle(changes)
    follower = Follower(network)
    for batch in split(changes, size):
        follower.take(batch)
        if seed.random() < flicker:
            some = [c for c in batch if seed.random() < flicker]
            follower.take(gone(some))
            follower.take(some)
    follower.check(tables(network.engine()))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.randoms(use_true_random=False), size=st.integers(1, 30), late=st.floats(0, 0.9))
def test_gathered_while_the_host_is_busy(network: Network, seed: random.Random, size: int, late: float) -> None:
    """Batches that wait are merged, some more and some less; the last sequence number is the one that holds."""
    changes = network.changes()
    seed.shuffle(changes)
    box, follower, known = Mailbox(), Follower(network), 0
    for sequence, batch in enumerate(split(changes, size), 1):
        some = [c for c in batch if seed.random() < late]
        for part in (batch, gone(some), some):
            box.put(Batch(part, sequence))
        if seed.random() < late:
            continue
        _, event = box.take(0)
        assert isinstance(event, Gathered) and event.batch.sequence == event.arrived[-1][0] == sequence
        assert [one for one, _ in event.arrived] == list(range(known + 1, sequence + 1))
        follower.take(event.batch.changes)
        known = sequence
    _, event = box.take(0)
    follower.take(event.batch.changes if isinstance(event, Gathered) else [])
    follower.check(tables(network.engine()))
