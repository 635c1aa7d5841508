"""Many calls about security groups, and large ones: the commits, units and looks that they cost, never seconds."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from apps.security_group.model import GroupRule
from sdnctl.api.access import Caller, Reader, Writer
from sdnctl.api.operations import discover
from sdnctl.api.tenants import once
from sdnctl.base.addresses import Cidr
from sdnctl.model.account import Account
from sdnctl.store import Txn
from tests.api.region import NAME
from tests.apps.test_security_group_scale import OF_A_PORT, Crowd

RULES, MEMBERS, OTHERS = 350, 1000, 4000
LOOKS, MORE = 2, 20
"""The most records that a call looks at for each rule of its group, and beside these."""
CALLER = Caller("acc", NAME, "request")
OPERATIONS = {operation.name: operation for operation in discover()}


def spec(number: int) -> dict[str, Any]:
    """A rule of its own block and port."""
    block, port = f"203.0.{number // 250}.{number % 250}/32", 80 + number
    ports = {"fromPort": port, "toPort": port, "priority": 1 + number % 100}
    return {"protocol": 6, "direction": 0, "addressPrefix": block, **ports}


class Account4000:
    """A tenant with four thousand rules in forty groups of a VPC, beside a group of a thousand members here."""

    def __init__(self) -> None:
        self.crowd = Crowd(MEMBERS, 0)
        self.net = self.crowd.net
        quotas = {"securityGroupRule": "1000", "security_group": "1000", "network_interface": "10000"}
        account = self.net.store.state.all(Account)["acc"]
        self.net.store.transact(lambda txn: txn.put(replace(account, quotas=quotas)))
        self.net.store.transact(self._others)
        self.commits = 0
        self.net.store.subscribe(self._count)
        self.crowd.cost(lambda: None)

    def _others(self, txn: Txn) -> None:
        for number in range(OTHERS):
            group = f"sg-other-{number % 40}"
            if number < 40:
                made = replace(self.crowd.group, id=group, name=group)
                txn.put(made)
            block = Cidr.parse("192.0.2.0/24")
            rule = GroupRule(id=f"sgr-o{number}", account="acc", vpc="vpc-a", group=group, direction="in", cidr=block)
            txn.put(rule)

    def _count(self, batch: Any) -> None:
        self.commits += 1

    def call(self, name: str, **given: Any) -> Any:
        """The result of an operation, as an API server carries it out."""
        operation = OPERATIONS[name]
        request = operation.request.model_validate({"regionId": NAME, **given})
        if operation.reads:
            with self.net.store.moment() as moment:
                return operation.run(request, Reader(moment, CALLER, 1.8e9))
        return self.net.store.transact(lambda txn: once(operation, request, Writer(txn, CALLER)))

    def cost(self, *calls: Callable[[], Any]) -> Counter[str]:
        """The commits and looks of some calls, and what they cost the host, call by call."""
        spent: Counter[str] = Counter()
        before = self.commits
        for one in calls:
            with looks() as seen:
                spent += self.crowd.spend(one)
            spent["looks"] += seen[0]
        self.crowd.cost(lambda: None)
        spent["commits"] = self.commits - before
        return spent

    def add(self, *numbers: int) -> Callable[[], Any]:
        """The call that adds some rules to the group."""
        rules = [spec(number) for number in numbers]
        operation, group = "addNetworkSecurityGroupRules", self.crowd.group.id
        return lambda: self.call(operation, networkSecurityGroupId=group, networkSecurityGroupRuleSpecs=rules)

    def remove(self) -> Callable[[], Any]:
        """The call that removes all its rules."""
        ids = sorted(self.net.store.state.by(GroupRule, ("group",), self.crowd.group.id))
        operation, group = "removeNetworkSecurityGroupRules", self.crowd.group.id
        return lambda: self.call(operation, networkSecurityGroupId=group, ruleIds=ids)


@contextmanager
def looks() -> Iterator[list[int]]:
    """Count the records that transactions look at."""
    seen, get, many = [0], Txn.get, Txn.many

    def counted(self: Txn, cls: type, id: str) -> Any:
        seen[0] += 1
        return get(self, cls, id)

    Txn.get = counted  # type: ignore[method-assign, assignment]
    try:
        yield seen
    finally:
        Txn.get = get  # type: ignore[method-assign]
    assert Txn.many is many  # which gets each record


@pytest.fixture(scope="module")
def tenant() -> Iterator[Account4000]:
    """Made once; each test takes away what it adds."""
    yield Account4000()


def test_350_rules_one_by_one(tenant: Account4000) -> None:
    """Each is one commit, one unit and its own flows, and looks at the rules of its group, not at the account's."""
    spent = tenant.cost(*(tenant.add(number) for number in range(RULES)))
    gone = tenant.cost(tenant.remove())
    print(f"\n{RULES} rules one by one: {dict(spent)}; all removed in one call: {dict(gone)}")
    assert spent["commits"] == RULES and spent["units"] == RULES and spent["mods"] == 4 * RULES
    assert spent["looks"] <= RULES * (LOOKS * (RULES + 1) / 2 + MORE)
    assert gone["commits"] == gone["units"] == 1 and gone["mods"] == 4 * RULES


def test_350_rules_in_one_call(tenant: Account4000) -> None:
    """One commit and one unit."""
    spent = tenant.cost(tenant.add(*range(RULES)))
    gone = tenant.cost(tenant.remove())
    print(f"\n{RULES} rules in one call: {dict(spent)}; all removed in one call: {dict(gone)}")
    assert spent["commits"] == spent["units"] == 1 and spent["mods"] == 4 * RULES
    assert max(spent["looks"], gone["looks"]) <= RULES * (LOOKS + 5)


def test_a_group_is_given_to_a_thousand_members_one_by_one(tenant: Account4000) -> None:
    """Each is one commit and its own flows, and looks at nothing that grows with members or with rules."""
    made = tenant.call("createNetworkSecurityGroup", vpcId="vpc-a", networkSecurityGroupName="fresh")
    fresh, before = made["networkSecurityGroupId"], tenant.crowd.group.id
    tenant.crowd.cost(lambda: None)

    def give(number: int, group: str) -> Callable[[], Any]:
        operation, port = "modifyNetworkInterface", f"port-m{number}"
        return lambda: tenant.call(operation, networkInterfaceId=port, securityGroups=[group])

    given = tenant.cost(*(give(number, fresh) for number in range(MEMBERS)))
    back = tenant.cost(*(give(number, before) for number in range(MEMBERS)))
    print(f"\na group is given to {MEMBERS} members: {dict(given)}, and taken again: {dict(back)}")
    for spent in (given, back):
        assert spent["commits"] == MEMBERS
        assert spent["units"] <= 4 * MEMBERS + 10 and spent["mods"] <= OF_A_PORT * MEMBERS + 10
        assert spent["looks"] <= MORE * MEMBERS


def test_a_thousand_interfaces_are_described_with_their_groups(tenant: Account4000) -> None:
    """One by one and page by page; the group names all its members."""
    for number in range(0, MEMBERS, 100):
        found = tenant.call("describeNetworkInterface", networkInterfaceId=f"port-m{number}")["networkInterface"]
        assert tenant.crowd.group.id in found["networkSecurityGroupIds"]
    pages = [
        tenant.call("describeNetworkInterfaces", pageNumber=page, pageSize=100)["networkInterfaces"]
        for page in range(1, MEMBERS // 100 + 1)
    ]
    assert all(port["networkSecurityGroupIds"] for page in pages for port in page)
    shown = tenant.call("describeNetworkSecurityGroup", networkSecurityGroupId=tenant.crowd.group.id)
    assert len(shown["networkSecurityGroup"]["networkInterfaceIds"]) == MEMBERS
