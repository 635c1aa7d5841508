"""The proof notices a wrong flow: of random faults in computed flows that change anything, nearly all are told.

A fault changes nothing when every packet, whole or in fragments, small or large, has exactly the ends that it had.
"""

import random
from collections import Counter
from collections.abc import Callable

import pytest

from sdnctl.verify.rules import Rule
from tests.networks import NETWORKS
from tests.verify.proof import Proof

FAULTS = 50
"""Faults that change anything, in each of the networks."""


def match_dropped(chance: random.Random, rules: list[Rule]) -> list[Rule] | None:
    """A flow matches one field less."""
    at = chance.randrange(len(rules))
    if not rules[at].match:
        return None
    gone = chance.randrange(len(rules[at].match))
    return _with(rules, at, match=rules[at].match[:gone] + rules[at].match[gone + 1 :])


def priorities_swapped(chance: random.Random, rules: list[Rule]) -> list[Rule] | None:
    """Two flows of a table have each other's priority."""
    one = chance.randrange(len(rules))
    others = [at for at, rule in enumerate(rules) if rule.table == rules[one].table]
    others = [at for at in others if rules[at].priority != rules[one].priority]
    if not others:
        return None
    other = chance.choice(others)
    changed = _with(rules, one, priority=rules[other].priority)
    return _with(changed, other, priority=rules[one].priority)


def table_passed_over(chance: random.Random, rules: list[Rule]) -> list[Rule] | None:
    """A flow leads past a table, to the next one that any flow leads to."""
    at = chance.randrange(len(rules))
    goto = rules[at].goto
    beyond = sorted({rule.table for rule in rules if goto is not None and rule.table > goto})
    return _with(rules, at, goto=beyond[0]) if beyond else None


def action_dropped(chance: random.Random, rules: list[Rule]) -> list[Rule] | None:
    """A flow does one thing less."""
    at = chance.randrange(len(rules))
    if not rules[at].actions:
        return None
    gone = chance.randrange(len(rules[at].actions))
    return _with(rules, at, actions=rules[at].actions[:gone] + rules[at].actions[gone + 1 :])


def flow_missing(chance: random.Random, rules: list[Rule]) -> list[Rule] | None:
    """A flow is not there."""
    at = chance.randrange(len(rules))
    return rules[:at] + rules[at + 1 :]


def _with(rules: list[Rule], at: int, **changes: object) -> list[Rule]:
    return [*rules[:at], rules[at]._replace(**changes), *rules[at + 1 :]]


KINDS: tuple[Callable[[random.Random, list[Rule]], list[Rule] | None], ...] = (
    *(match_dropped, priorities_swapped, table_passed_over, action_dropped, flow_missing),
)


class Subject:
    """A network whose flows are made wrong, and the ends that its packets have while they are right."""

    def __init__(self, name: str) -> None:
        self.proof = Proof(NETWORKS[name]())
        region = self.proof.region(self.proof.rules)
        self.right = {port: fates(self.proof, region, port) for port in self.proof.ports}

    def judged(self, rules: list[Rule]) -> str:
        """The word for a fault: caught, missed, or without effect."""
        region = self.proof.region(rules)
        for port, right in self.right.items():
            if fates(self.proof, region, port) != right:
                return "caught" if self.caught(rules) else "missed"
        return "without effect"

    def caught(self, rules: list[Rule]) -> bool:
        """True when the proof fails with these flows."""
        region = self.proof.region(rules)
        return any(self.proof.fails(region, port) for port in self.proof.ports)


def fates(proof: Proof, region: object, port: int) -> object:
    """All ends of all packets, so that equal ones compare equal; ValueError told is an end too."""
    try:
        ends, walk = proof.walk(region, port)  # type: ignore[arg-type]
    except ValueError as error:
        return str(error)
    told = [(e.what, e.who, tuple(sorted((str(f), b) for f, b in e.header.items())), e.packets) for e in ends]
    return frozenset(told), bool(walk.clashes)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["elastic", "walled"])
def test_a_wrong_flow_is_noticed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    chance, subject = random.Random(name), Subject(name)
    found: Counter[str] = Counter()
    missed: list[str] = []
    while found["caught"] + found["missed"] < FAULTS:
        kind = chance.choice(KINDS)
        rules = kind(chance, subject.proof.rules)
        if rules is None:
            continue
        verdict = subject.judged(rules)
        found[verdict] += 1
        if verdict == "missed":
            changed = set(rules) ^ set(subject.proof.rules)
            missed.append(f"{kind.__name__}: {' | '.join(map(str, changed))}")
    with capsys.disabled():
        print(f"\n{name}: of {FAULTS} faults that change anything {found['caught']} are caught")
        print(f"({found['without effect']} more change nothing that any packet could see)")
    assert found["caught"] >= 0.95 * FAULTS, "\n".join(missed)
