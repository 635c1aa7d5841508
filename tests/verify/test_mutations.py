"""The proof notices a wrong flow: of random faults in computed flows that change anything, nearly all are told.

A fault changes nothing when every packet, whole or in fragments, small or large, in each of some states of its
connection, has exactly the ends that it had, and is remembered where it was.  Then it is said why.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import product

import pytest

from sdnctl.verify.conntrack import Connection
from sdnctl.verify.network import Entry
from sdnctl.verify.places import At, Region
from sdnctl.verify.rules import Rule, Untrack
from sdnctl.verify.walk import Walk
from tests.build import HERE
from tests.networks import NETWORKS
from tests.verify.mutants import ANY_FLOW, OF_ACLS, OF_GROUPS, Kind
from tests.verify.proof import ALIKE, FIRST, Known, Proof
from tests.verify.regions import joined

BACK = Known(Connection.REPLY, Connection.REPLY)
NONE = Known(Connection.INVALID, Connection.INVALID)
FULL = Known(Connection.FULL, Connection.FULL)
APART = (
    Known(Connection.REPLY, Connection.NEW),
    Known(Connection.NEW, Connection.REPLY),
    Known(Connection.GOING, Connection.INVALID),
    Known(Connection.NEW, Connection.FULL),
)
UNSEEN = tuple(f"{way}_{table}" for way in ("in", "out") for table in ("judge", "refused", "allowed"))
CASES: dict[str, tuple[str, tuple[str, ...], tuple[Kind, ...], tuple[Known, ...], int]] = {
    "all flows": ("elastic", ("",), ANY_FLOW, (FIRST, NONE), 40),
    "flows of security groups": ("grouped", ("in_", "out_"), OF_GROUPS, (*ALIKE, *APART), 60),
    "flows of a time of grace": ("restarted", UNSEEN, OF_ACLS, (FIRST, FULL, BACK), 30),
    "flows of network ACLs": ("walled", ("acl_",), OF_ACLS, (FIRST, BACK), 40),
}
"""The network, how the tables' names begin, the kinds of faults, the states, and how many that change anything.

Of all flows some are about what the proof leaves free: if a fragment is translated, what is told of large packets.
"""


SEVERAL_HOSTS = ("grouped",)
SAME_ENDS = "change nothing: packets fare otherwise on the way, and have the same ends"
SAME_THERE = "change nothing: each packet that comes to the table fares alike there"
NONE_COMES = "change nothing: no packet comes to the table"
Case = tuple[Entry, Known]


class Subject:
    """A network whose flows are made wrong, and the ends that its packets have while they are right."""

    def __init__(self, name: str, states: Iterable[Known]) -> None:
        network = NETWORKS[name]()
        self.proof = Proof(network, hosts=joined(network) if name in SEVERAL_HOSTS else None)
        self._region = self.proof.region(self.proof.rules)
        self._right: dict[Case, object] = {}
        self._came: dict[Case, dict[int, list[tuple[At, int]]]] = {}
        for case in product(self.proof.entries, states):
            self._right[case], walk = fates(self.proof, self._region, *case)
            self._came[case] = defaultdict(list)
            for at, packets in walk.came:
                if at.host == HERE:
                    self._came[case][at.table].append((at, packets))

    def judged(self, rules: list[Rule]) -> str:
        """The word for a fault: caught, missed, or why it changes nothing."""
        region = self.proof.region(rules)
        tables = {rule.table for rule in set(rules) ^ set(self.proof.rules)}
        arrived = [case for case, came in self._came.items() if any(came[table] for table in tables)]
        touched = [case for case in arrived if any(self._otherwise(case, region, table) for table in tables)]
        for case in touched:
            if fates(self.proof, region, *case)[0] != self._right[case]:
                return "caught" if self.proof.fails(region, *case) else "missed"
        return SAME_ENDS if touched else SAME_THERE if arrived else NONE_COMES

    def _otherwise(self, case: Case, region: Region, table: int) -> bool:
        """True when any packet that comes to a table fares otherwise there."""
        right, wrong = Walk(self._region, self.proof.sets), Walk(region, self.proof.sets)
        came = self._came[case][table]
        return any(partition(right, *place) != partition(wrong, *place) for place in came) or bool(wrong.clashes)


def partition(walk: Walk, at: At, packets: int) -> dict[object, int]:
    """What becomes of some packets in one table: each thing that is done with its part of them."""
    found: dict[object, int] = {}
    for rule, part in walk.takes(at, packets):
        done = rule.does if rule is not None else ()
        found[done] = walk.sets.join(part, found.get(done, 0))
    return found


def fates(proof: Proof, region: Region, entry: Entry, known: Known) -> tuple[object, Walk]:
    """All ends of all packets, and whose connections are remembered where; ValueError told is an end too."""
    walk = proof.walk(region, entry, known)
    try:
        ends = walk.run()
    except ValueError as error:
        return str(error), walk
    told = [(e.what, e.who, tuple(sorted((str(f), b) for f, b in e.header.items())), e.packets) for e in ends]
    return (frozenset(told), frozenset(walk.committed.items()), bool(walk.clashes)), walk


@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", CASES)
def test_a_wrong_flow_is_noticed(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    network, begins, kinds, states, faults = CASES[case]
    chance, subject = random.Random(case), Subject(network, states)
    rules = subject.proof.rules
    names = subject.proof.engine.program.pipeline.tables
    tables = {table.id for name, table in names.items() if name.startswith(begins)}
    places = [at for at, rule in enumerate(rules) if rule.table in tables]
    found: Counter[str] = Counter()
    caught: Counter[str] = Counter()
    missed: list[str] = []
    while found["caught"] + found["missed"] < faults:
        kind = chance.choice(kinds)
        made = (kind(chance, rules, at) for at in chance.sample(places, len(places)))
        changes = next(filter(None, made), {})
        verdict = subject.judged([changes.get(n, rule) for n, rule in enumerate(rules)])
        found[verdict] += 1
        caught[kind.__name__] += verdict == "caught"
        if verdict == "missed":
            missed.append(f"{kind.__name__}: {' | '.join(f'{rules[n]} -> {one}' for n, one in changes.items())}")
    with capsys.disabled():
        print(f"\n{case} of {network}: of {faults} faults that change anything {found.pop('caught')} are caught")
        print("  " + ", ".join(f"{number} {kind}" for kind, number in sorted(caught.items())))
        for verdict, number in sorted(found.items()):
            print(f"  {number} {verdict}")
    assert found["missed"] <= (0.1 if kinds is ANY_FLOW else 0.05) * faults, "\n".join(missed)
    assert all(caught.values()), "a kind of fault that is never caught"


def test_not_to_forget_the_sender_s_side_changes_nothing() -> None:
    """Without ``ct_clear`` the receiver's look finds the same: each look writes anew all that flows read of it.

    Open vSwitch does so too where the zone is another one (process_one() in its lib/conntrack.c).
    """
    subject = Subject("grouped", APART[:2])
    rules = subject.proof.rules
    clears = [at for at, rule in enumerate(rules) if any(isinstance(action, Untrack) for action in rule.actions)]
    for at in clears:
        less = tuple(action for action in rules[at].actions if not isinstance(action, Untrack))
        changed = [*rules[:at], rules[at]._replace(actions=less), *rules[at + 1 :]]
        assert subject.judged(changed) == SAME_ENDS
    assert clears
