"""Security groups with a thousand members and a hundred rules on one host, counted in flows, units and flow-mods."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps.eni.model import NetworkInterface
from apps.filter.facts import matches_of
from apps.pipeline import PIPELINE
from apps.prefix_list.api import MOST_ENTRIES
from apps.prefix_list.model import PrefixEntry, PrefixList
from apps.prefix_list.writes import altered
from apps.security_group.facts import rules_of
from apps.security_group.model import Direction, GroupProfile, GroupRule, SecurityGroup
from apps.security_group.writes import RESTS, change_rule, new_rule, remove_rule, set_groups
from sdnctl.base.addresses import Cidr
from sdnctl.engine.engine import Engine
from sdnctl.model.host import LocalPort
from sdnctl.store import Change, Txn
from sdnctl.switch.plan import Installed, plan
from tests.build import DIRECTIONS, ELSEWHERE, HERE, Network

MEMBERS, RULES = 1000, 100
RULED = ("in_rules", "in_replies", "out_rules", "out_replies")
OF_A_PORT = 3
"""The flows that say whose rules concern a port: what it sends, fragments of that, and what it gets."""
OWN_UNITS, OWN_MODS = 2, 2
"""The most that a member's groups may cost beside its port: units that run and flow-mods."""


def address(number: int) -> str:
    """The address of a member."""
    return f"10.0.{1 + number // 250}.{1 + number % 250}"


class Crowd:
    """A group of members that are all here, whose rules name blocks, ports and the group itself; and a switch."""

    def __init__(self, members: int, rules: int) -> None:
        net = self.net = Network()
        self.vpc = net.vpc("a", "10.0.0.0/16")
        self.subnet = net.subnet(self.vpc, "a", "10.0.0.0/16")
        self.group = net.group(self.vpc, "crowd")
        self.members, self.rules = members, rules
        self.made = 0
        net.store.transact(self._rules)
        self.plain = net.port(self.subnet, "plain", "10.0.0.9")
        for number in range(members):
            net.port(self.subnet, f"m{number}", address(number), groups=[self.group])
        self.engine = Engine(net.program, HERE)
        self.installed = Installed()
        self.engine.apply(net.changes(), strict=True)
        plan(self.engine.desired, self.installed).apply(self.installed)
        self.news: list[Change] = []
        self._following = False
        net.store.subscribe(self._deliver)

    def _rules(self, txn: Txn) -> None:
        """Half of them from a block of its own each, a quarter to a range of ports, a quarter from the group."""
        for n in range(self.rules):
            direction: Direction = "out" if n % 5 == 4 else "in"
            what: dict[str, Any] = {"protocol": "tcp", "first": 1000 + n, "last": 1000 + n, "priority": 1 + n}
            if n % 4 == 3:
                what |= {"peer": self.group.id}
            elif n % 4 == 2:
                what |= {"first": 5000, "last": 5999, "cidr": Cidr.parse("198.51.100.0/24")}
            else:
                what |= {"cidr": Cidr.parse(f"203.0.113.{n}/32")}
            new_rule(txn, self.group, direction, id=f"sgr-crowd-{n}", **what)

    def _deliver(self, batch: Any) -> None:
        if self._following:
            self.news.extend(batch.changes)
        self._following = True

    def cost(self, work: Callable[[], Any], *local: Change) -> Counter[str]:
        """The same as ``spend``; afterwards the switch has all that it should have."""
        spent = self.spend(work, *local)
        assert plan(self.engine.desired, self.installed).empty
        return spent

    def spend(self, work: Callable[[], Any], *local: Change) -> Counter[str]:
        """Units that run and flow-mods that are sent for what some work commits."""
        self.news.clear()
        work()
        before = self.engine.runs
        touched = self.engine.apply([*self.news, *local], strict=True)
        todo = plan(self.engine.desired, self.installed, touched)
        spent = Counter(units=self.engine.runs - before, mods=len(todo.adds) + len(todo.deletes))
        todo.apply(self.installed)
        return spent

    def join(self, host: str, *groups: SecurityGroup) -> Counter[str]:
        """The cost of one more interface that is ordered and plugged in somewhere."""
        self.made += 1
        name, at = f"new{self.made}", f"10.0.200.{self.made}"
        here: list[Change] = []
        spent = self.cost(lambda: self.net.port(self.subnet, name, at, host=host, groups=groups))
        if host == HERE:
            here.append(Change(LocalPort, f"port-{name}", None, self.net.local[LocalPort, f"port-{name}"]))
            spent += self.cost(lambda: None, *here)
        return spent

    def write(self, work: Callable[[Txn], Any]) -> Counter[str]:
        """The cost of a transaction."""
        return self.cost(lambda: self.net.store.transact(work))

    def another(self) -> SecurityGroup:
        """Another group of the VPC, that one interface of this host is in."""
        if "sg-beside" not in self.net.store.state.all(SecurityGroup):
            group = self.net.group(self.vpc, "beside")
            self.cost(lambda: None)
            self.join(HERE, group)
        return self.net.store.state.all(SecurityGroup)["sg-beside"]

    def flows(self) -> Counter[str]:
        """The flows of the switch by table."""
        names = {table.id: name for name, table in PIPELINE.tables.items()}
        return Counter(names[flow.table] for flow in self.engine.desired.flows.values())

    def profile(self) -> GroupProfile:
        """The profile of the group."""
        found = self.net.store.state.all(GroupProfile).values()
        return next(one for one in found if one.groups == (self.group.id,))


@pytest.fixture(scope="module")
def crowd() -> Iterator[Crowd]:
    """A thousand members, loaded once; each test adds and takes away what is its own."""
    yield Crowd(MEMBERS, RULES)


def test_flows_grow_with_the_rules_and_with_the_members(crowd: Crowd) -> None:
    """A thousand members of a hundred rules: each rule is there once each way, each member's address once each way."""
    flows, state = crowd.flows(), crowd.net.store.state
    rules = [rule for way in DIRECTIONS for rule in rules_of(crowd.profile(), way, state)]
    matches = sum(matches_of(rule) for rule in rules)
    ruled = sum(flows[name] for name in RULED)
    peers, ports = (sum(flows[f"{way}_{kind}"] for way in DIRECTIONS) for kind in ("peer", "track"))
    print(f"\n{MEMBERS} members here, {RULES} rules ({matches} matches): {sum(flows.values())} flows, of them")
    print(f"{ruled} of rules, {peers} of members' addresses, {ports} of their ports")
    default = 2 * 2 + RESTS  # everything in and out, the replies to that, and what no rule concerns
    assert len(rules) == RULES and ruled == 2 * matches + RESTS + default + len(RULED)
    assert peers == 2 * MEMBERS + len(DIRECTIONS)
    assert ports <= OF_A_PORT * (MEMBERS + 1) + 20


def test_nothing_is_multiplied(crowd: Crowd) -> None:
    """What a rule costs does not depend on the number of members, and what a member costs not on that of the rules."""
    few, more, most = (sum(Crowd(*size).flows().values()) for size in ((20, 40), (40, 40), (20, 80)))
    assert sum(Crowd(40, 80).flows().values()) == more + most - few
    assert sum(crowd.flows().values()) < 18 * MEMBERS + 12 * RULES


@pytest.mark.parametrize("host", [HERE, ELSEWHERE])
def test_one_more_member(crowd: Crowd, host: str) -> None:
    """Beside what its port needs: no unit more, and two flow-mods, the address that rules know, each way."""
    plain, member = crowd.join(host), crowd.join(host, crowd.group)
    print(f"\none more on {host}: {dict(plain)} in the default group, {dict(member)} in the group of {MEMBERS}")
    assert member["units"] - plain["units"] <= OWN_UNITS and member["mods"] - plain["mods"] <= OWN_MODS


def test_an_interface_joins_and_leaves(crowd: Crowd) -> None:
    """Two flow-mods for its address, as any member's, and three for whose rules concern its port; no other port's."""

    def port() -> NetworkInterface:
        return crowd.net.port_of(crowd.plain.id)

    joins = crowd.write(lambda txn: set_groups(txn, port(), [crowd.group.id]))
    leaves = crowd.write(lambda txn: set_groups(txn, port(), []))
    print(f"\nan interface joins: {dict(joins)}, and leaves: {dict(leaves)}")
    for spent in (joins, leaves):
        # Its own two units run for any change of an interface.
        assert spent["units"] <= OWN_UNITS + 2 and spent["mods"] <= OWN_MODS + OF_A_PORT


@pytest.mark.parametrize("remote", ["a block", "the group itself", "another group, which names it"])
def test_one_more_rule(crowd: Crowd, remote: str) -> None:
    """One unit, and the flows of that rule alone, a thousand members or none."""
    what: dict[str, Any] = {"protocol": "tcp", "first": 7, "last": 7}
    if remote == "a block":
        what["cidr"] = Cidr.parse("192.0.2.7/32")
    else:
        what["peer"] = crowd.group.id
    group = crowd.group if remote != "another group, which names it" else crowd.another()
    added = crowd.write(lambda txn: new_rule(txn, group, "in", id="sgr-one", **what))
    rule = crowd.net.store.state.all(GroupRule)["sgr-one"]
    changed = crowd.write(lambda txn: change_rule(txn, rule, replace(rule, action="deny")))
    rule = crowd.net.store.state.all(GroupRule)["sgr-one"]
    removed = crowd.write(lambda txn: remove_rule(txn, rule))
    print(f"\na rule from {remote}: {dict(added)}, it denies: {dict(changed)}, it goes: {dict(removed)}")
    for spent in (added, changed, removed):
        assert spent["units"] <= 1 and spent["mods"] <= 6


def test_the_first_rule_that_names_a_group(crowd: Crowd) -> None:
    """From then on its members' addresses are known, once each way; with the last such rule they are forgotten."""
    named = [rule for rule in crowd.net.store.state.all(GroupRule).values() if rule.peer == crowd.group.id]
    matches = sum(matches_of(rule) for rule in named)
    members = (crowd.flows()["in_peer"] - 1, crowd.flows()["out_peer"] - 1)
    for rule in named[1:]:
        crowd.write(lambda txn, rule=rule: remove_rule(txn, rule))
    one = matches_of(named[0])
    last = crowd.write(lambda txn: remove_rule(txn, named[0]))
    assert crowd.flows()["in_peer"] == crowd.flows()["out_peer"] == 1
    first = crowd.write(lambda txn: change_rule(txn, None, named[0]))
    print(f"\nthe first rule that names a group of {members[0]} members: {dict(first)}, the last: {dict(last)}")
    for spent in (last, first):
        assert spent["mods"] == sum(members) + 2 * one and spent["units"] <= members[0] + 10
    rest = crowd.write(lambda txn: [change_rule(txn, None, rule) for rule in named[1:]])
    assert rest["units"] == 1 and rest["mods"] == 2 * (matches - one)


def test_a_prefix_list_of_the_most_entries_changes(crowd: Crowd) -> None:
    """One entry of two hundred becomes another one: one unit, and the flows of these two blocks."""
    blocks = [Cidr.parse(f"100.64.{n}.0/24") for n in range(MOST_ENTRIES + 1)]

    def entry(n: int) -> PrefixEntry:
        return PrefixEntry(id=f"ple-{n}", account="acc", prefix_list="pl-1", block=blocks[n])

    def work(txn: Txn) -> None:
        txn.put(PrefixList(id="pl-1", account="acc", most=MOST_ENTRIES))
        for n in range(MOST_ENTRIES):
            txn.put(entry(n))
        new_rule(txn, crowd.group, "in", id="sgr-list", protocol="tcp", first=7, last=7, prefix_list="pl-1")

    def other(txn: Txn) -> None:
        txn.delete(PrefixEntry, "ple-0")
        txn.put(entry(MOST_ENTRIES))
        altered(txn, "pl-1")

    whole, one = crowd.write(work), crowd.write(other)
    print(f"\na rule that names a list of {MOST_ENTRIES}: {dict(whole)}; one entry becomes another one: {dict(one)}")
    assert whole["units"] == one["units"] == 1
    assert whole["mods"] == 4 * MOST_ENTRIES and one["mods"] == 2 * 4
