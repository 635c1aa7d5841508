"""Security groups in the order of a configuration's life, as Terraform has it, by the vendor's SDK: S3, S4 and 404."""

from typing import Any

import pytest

from tests.api.region import Refused, Region, Tenant
from tests.api.test_security_groups import ID, Groups

_REMOTE = ("addressPrefix", "addressPrefixType")
COMPARED = ("protocol", "direction", *_REMOTE, "ruleAction", "priority", "fromPort", "toPort")
"""The fields of a rule that a plan compares."""


def spec(*values: Any) -> dict[str, Any]:
    """A rule as it is ordered, with every field that a plan compares."""
    return dict(zip(COMPARED, values, strict=True))


def plan(groups: Groups, group: str) -> list[dict[str, Any]]:
    """The rules as a plan reads them: by the group, and by the list of its rules, which say the same."""
    shown = groups.shown(group)["securityGroupRules"]
    assert groups.rules(group) == shown
    return [{name: rule[name] for name in COMPARED} for rule in shown]


def same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    """True for the same rules in any order: the provider keeps a set."""
    return sorted(map(str, one)) == sorted(map(str, other))


@pytest.fixture
def groups(tenant: Tenant) -> Groups:
    return Groups(tenant)


def test_s3_a_group_shows_exactly_its_rules_from_its_order_to_its_end(groups: Groups) -> None:
    web, data = groups.new("web"), groups.new("data")
    ordered = [
        spec(6, 0, "0.0.0.0/0", "CIDR", "ALLOW", 100, 80, 80),
        spec(6, 0, "0.0.0.0/0", "CIDR", "ALLOW", 100, 8000, 8999),
        spec(17, 0, "10.0.0.0/8", "CIDR", "ALLOW", 20, 53, 53),
        spec(1, 0, "192.0.2.0/24", "CIDR", "DENY", 1, 0, 0),
        spec(300, 0, data, "SECURITYGROUP", "ALLOW", 50, 0, 0),
        spec(300, 1, "0.0.0.0/0", "CIDR", "ALLOW", 100, 0, 0),
    ]
    assert plan(groups, web) == []
    added = groups.add(web, *ordered)
    assert same(plan(groups, web), ordered) and len({rule["ruleId"] for rule in added}) == len(ordered)
    ids = {str({name: rule[name] for name in COMPARED}): rule["ruleId"] for rule in groups.rules(web)}

    dns, wider = ordered[2], {**ordered[2], "toPort": 54, "priority": 21}
    groups.modify(web, {"ruleId": ids[str(dns)], "toPort": 54, "priority": 21})
    assert same(plan(groups, web), [wider if rule == dns else rule for rule in ordered])
    kept = {rule["ruleId"] for rule in groups.rules(web)}
    assert kept == set(ids.values()), "a change keeps the rule's id"

    groups.remove(web, ids[str(ordered[0])], ids[str(ordered[4])])
    (again,) = groups.add(web, ordered[0])
    assert again["ruleId"] not in kept
    assert same(plan(groups, web), [ordered[0], ordered[1], wider, ordered[3], ordered[5]])
    groups.remove(web, *(rule["ruleId"] for rule in groups.rules(web)))
    assert plan(groups, web) == []


def test_s4_an_interface_shows_the_default_group_and_then_what_was_ordered(groups: Groups) -> None:
    web, data, admin = groups.new("web"), groups.new("data"), groups.new("admin")
    id = groups.interface(data, web)
    for wanted in ([data, web], [admin], [web, data, admin], []):
        groups.tenant.vpc("modifyNetworkInterface", networkInterfaceId=id, securityGroups=wanted)
        first, *own = groups.listed(id)
        assert (first, own) == (groups.default, wanted), "what the provider takes for its own is what it ordered"
        asked = [{"name": "networkInterfaceIds", "values": [id]}]
        (listed,) = groups.tenant.vpc("describeNetworkInterfaces", filters=asked)["networkInterfaces"]
        assert listed["networkSecurityGroupIds"] == [first, *own]


def test_after_its_end_every_call_about_a_group_is_answered_with_404(groups: Groups, region: Region) -> None:
    web, id = groups.new(), groups.interface()
    (rule,) = groups.add(web, spec(6, 0, "0.0.0.0/0", "CIDR", "ALLOW", 100, 80, 80))
    groups.tenant.vpc("modifyNetworkInterface", networkInterfaceId=id, securityGroups=[web])
    with pytest.raises(Refused, match=f"409.*{id}"):
        groups.tenant.vpc("deleteNetworkSecurityGroup", **{ID: web})
    groups.tenant.vpc("modifyNetworkInterface", networkInterfaceId=id, securityGroups=[])
    groups.tenant.vpc("deleteNetworkSecurityGroup", **{ID: web})
    change = {"ruleId": rule["ruleId"], "toPort": 81}
    for call, more in (
        ("describeNetworkSecurityGroup", {}),
        ("describeNetworkSecurityGroupRules", {}),
        ("modifyNetworkSecurityGroup", {"description": "d"}),
        ("addNetworkSecurityGroupRules", {"networkSecurityGroupRuleSpecs": [spec(*rule_of(rule))]}),
        ("modifyNetworkSecurityGroupRules", {"modifySecurityGroupRuleSpecs": [change]}),
        ("removeNetworkSecurityGroupRules", {"ruleIds": [rule["ruleId"]]}),
        ("deleteNetworkSecurityGroup", {}),
    ):
        refusal = region.changes_nothing(lambda call=call, more=more: groups.tenant.vpc(call, **{ID: web}, **more))  # type: ignore[misc]
        assert refusal.code == 404, call
    asked = [{"name": "networkSecurityGroupIds", "values": [web]}]
    assert groups.tenant.vpc("describeNetworkSecurityGroups", filters=asked)["totalCount"] == 0


def rule_of(shown: dict[str, Any]) -> list[Any]:
    """The values of a shown rule that a plan compares."""
    return [shown[name] for name in COMPARED]
