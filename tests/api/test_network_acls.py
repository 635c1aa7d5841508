"""Network ACLs through the real SDK: fields, limits, errors, and which subnet has which."""

from functools import partial
from typing import Any

import pytest

from apps.network_acl.model import AclRule, NetworkAcl
from apps.prefix_list.model import PrefixEntry, PrefixList, VpcPrefixes
from sdnctl.base.addresses import Cidr
from sdnctl.store import Txn
from tests.api.region import Refused, Region, Tenant
from tests.api.test_operations import network

RULE = {
    "protocol": "TCP",
    "direction": "ingress",
    "addressPrefix": "10.0.2.0/24",
    "ruleAction": "allow",
    "priority": 10,
}


def acl(tenant: Tenant, vpc: str, name: str = "acl") -> str:
    made = tenant.vpc("createNetworkAcl", vpcId=vpc, networkAclName=name)["networkAclId"]
    assert isinstance(made, str) and made.startswith("acl-")
    return made


def add(tenant: Tenant, id: str, *specs: dict[str, Any]) -> list[dict[str, Any]]:
    specs_ = [{**RULE, **spec} for spec in specs]
    made = tenant.vpc("addNetworkAclRules", networkAclId=id, networkAclRuleSpecs=specs_)["networkAclRules"]
    assert isinstance(made, list)
    return made


def shown(tenant: Tenant, id: str) -> dict[str, Any]:
    found: dict[str, Any] = tenant.vpc("describeNetworkAcl", networkAclId=id)["networkAcl"]
    return found


def refused(run: Any) -> tuple[int, str]:
    with pytest.raises(Refused) as found:
        run()
    return found.value.code, found.value.status


def test_an_acl_from_order_to_end(tenant: Tenant) -> None:
    vpc, _ = network(tenant)
    id = acl(tenant, vpc, "前-1")
    first = shown(tenant, id)
    assert first == {
        "networkAclId": id,
        "networkAclName": "前-1",
        "vpcId": vpc,
        "networkAclRules": [],
        "subnetIds": [],
        "description": "",
        "createdTime": first["createdTime"],
        "tags": [],
    }
    tenant.vpc("modifyNetworkAcl", networkAclId=id, networkAclName="other", description="d")
    assert shown(tenant, id) == {**first, "networkAclName": "other", "description": "d"}
    assert tenant.vpc("describeVpc", vpcId=vpc)["vpc"]["aclIds"] == [id]
    page = tenant.vpc("describeNetworkAcls", filters=[{"name": "vpcId", "values": [vpc]}])
    assert page == {"networkAcls": [shown(tenant, id)], "totalCount": 1}
    assert tenant.vpc("describeNetworkAcls", filters=[{"name": "networkAclNames", "values": ["x"]}])["totalCount"] == 0
    tenant.vpc("deleteNetworkAcl", networkAclId=id)
    assert refused(partial(shown, tenant, id)) == (404, "NOT_FOUND")
    assert refused(partial(tenant.vpc, "deleteNetworkAcl", networkAclId=id)) == (404, "NOT_FOUND")


def test_words_are_taken_in_any_case_and_shown_as_documented(tenant: Tenant) -> None:
    id = acl(tenant, network(tenant)[0])
    rules = add(
        tenant,
        id,
        {"protocol": "tcp", "direction": "INGRESS", "ruleAction": "Allow", "fromPort": 22, "toPort": 22},
        {"protocol": "Udp", "direction": "egress", "ruleAction": "DENY", "addressPrefixType": "cidr"},
        {"protocol": "ICMP", "priority": 32768, "fromPort": 0, "toPort": 0, "addressPrefix": "10.1.2.3"},
        {"protocol": "ALL", "priority": 1, "fromPort": 1, "toPort": 65535, "description": "d", "addressPrefixType": ""},
    )
    names = ("protocol", "direction", "ruleAction", "fromPort", "toPort", "addressPrefix", "priority", "description")
    assert [tuple(rule[name] for name in names) for rule in rules] == [
        ("TCP", "ingress", "allow", 22, 22, "10.0.2.0/24", 10, ""),
        ("UDP", "egress", "deny", 1, 65535, "10.0.2.0/24", 10, ""),
        ("ICMP", "ingress", "allow", 0, 0, "10.1.2.3/32", 32768, ""),
        ("All", "ingress", "allow", 0, 0, "10.0.2.0/24", 1, "d"),
    ]
    assert all(rule["ruleType"] == "custom" and rule["addressPrefixType"] == "CIDR" for rule in rules)
    # In the order in which they are tried, those inwards first.
    order = [rules[3], rules[0], rules[2], rules[1]]
    assert shown(tenant, id)["networkAclRules"] == order
    page = tenant.vpc("describeNetworkAclRules", networkAclId=id)
    assert page == {"networkAclRules": order, "totalCount": 4}
    for name, value, count in (
        ("directions", "egress", 1),
        ("ruleActions", "allow", 3),
        ("ruleTypes", "custom", 4),
        ("ruleIds", rules[0]["ruleId"], 1),
    ):
        wanted = [{"name": name, "values": [value]}]
        assert tenant.vpc("describeNetworkAclRules", networkAclId=id, filters=wanted)["totalCount"] == count, name


@pytest.mark.parametrize(
    ("spec", "answer", "text"),
    [
        ({"priority": 0}, (400, "OUT_OF_RANGE"), "networkAclRuleSpecs.1.priority"),
        ({"priority": 32769}, (400, "OUT_OF_RANGE"), "networkAclRuleSpecs.1.priority"),
        ({"fromPort": 2, "toPort": 1}, (400, "INVALID_ARGUMENT"), "2 is greater than toPort, 1"),
        ({"fromPort": 0, "toPort": 0}, (400, "OUT_OF_RANGE"), "must be 1 to 65535"),
        ({"toPort": 65536}, (400, "OUT_OF_RANGE"), "networkAclRuleSpecs.1.toPort"),
        ({"addressPrefix": "10.0.0.1/16"}, (400, "INVALID_ARGUMENT"), "did you mean 10.0.0.0/16"),
        ({"addressPrefix": "fd00::/64"}, (400, "INVALID_ARGUMENT"), "fd00::"),
        ({"protocol": "icmp", "fromPort": 8, "toPort": 8}, (400, "INVALID_ARGUMENT"), "no ports"),
        ({"protocol": "all", "fromPort": 1, "toPort": 80}, (400, "INVALID_ARGUMENT"), "no ports"),
        ({"protocol": "sctp"}, (400, "INVALID_ARGUMENT"), "must be all or tcp or udp or icmp"),
        ({"direction": "in"}, (400, "INVALID_ARGUMENT"), "ingress or egress"),
        ({"ruleAction": "reject"}, (400, "INVALID_ARGUMENT"), "allow or deny"),
        ({"ruleAction": None}, (400, "INVALID_ARGUMENT"), "is required"),
        ({"addressPrefixType": "PREFIXLIST", "addressPrefix": "pl-nobody"}, (404, "NOT_FOUND"), "pl-nobody"),
        ({"addressPrefixType": "SECURITYGROUP", "addressPrefix": "sg-1"}, (400, "INVALID_ARGUMENT"), "prefixlist"),
    ],
    ids=str,
)
def test_a_rule_that_cannot_be_is_refused_and_nothing_is_added(
    region: Region, tenant: Tenant, spec: dict[str, Any], answer: tuple[int, str], text: str
) -> None:
    id = acl(tenant, network(tenant)[0])
    error = region.changes_nothing(partial(add, tenant, id, {}, {"priority": 11, **spec}))
    assert (error.code, error.status) == answer
    assert text in error.message, error.message


def test_the_same_rule_twice(region: Region, tenant: Tenant) -> None:
    """Equal priorities are taken, as the documentation has it; an equal rule is not."""
    id = acl(tenant, network(tenant)[0])
    add(tenant, id, {}, {"ruleAction": "deny"}, {"direction": "egress"}, {"addressPrefix": "10.0.3.0/24"})
    for specs in ([{}], [{"description": "other"}], [{"priority": 5}, {"priority": 5}]):
        error = region.changes_nothing(partial(add, tenant, id, *specs))
        assert (error.code, error.status) == (409, "ALREADY_EXISTS")


def test_a_token_gets_the_same_answer(region: Region, tenant: Tenant) -> None:
    id = acl(tenant, network(tenant)[0])
    order = {"networkAclId": id, "networkAclRuleSpecs": [RULE], "clientToken": "t-1"}
    first = tenant.vpc("addNetworkAclRules", **order)
    assert tenant.vpc("addNetworkAclRules", **order) == first
    assert len(shown(tenant, id)["networkAclRules"]) == 1


def test_rules_change_but_for_their_direction(region: Region, tenant: Tenant) -> None:
    id = acl(tenant, network(tenant)[0])
    (rule,) = add(tenant, id, {"fromPort": 80, "toPort": 90})

    def change(**spec: Any) -> dict[str, Any]:
        specs = [{"ruleId": rule["ruleId"], **spec}]
        tenant.vpc("modifyNetworkAclRules", networkAclId=id, modifyNetworkAclRuleSpecs=specs)
        (now,) = shown(tenant, id)["networkAclRules"]
        return {name: value for name, value in now.items() if value != rule[name]}

    assert change(toPort=100, direction="egress") == {"toPort": 100}
    assert change(protocol="udp", toPort=None) == {"protocol": "UDP", "toPort": 100}
    assert change(protocol="All") == {"protocol": "All", "fromPort": 0, "toPort": 0}
    assert change(protocol="tcp") == {"fromPort": 1, "toPort": 65535}
    assert change(fromPort=80, toPort=90, description="d") == {"description": "d"}
    assert change(description="", ruleAction="deny", priority=7) == {"ruleAction": "deny", "priority": 7}
    assert change(ruleAction="allow", priority=10, addressPrefix="0.0.0.0/0") == {"addressPrefix": "0.0.0.0/0"}
    for spec, code in (({"addressPrefixType": "PREFIXLIST"}, 400), ({"ruleId": "aclr-x"}, 404), ({"priority": 0}, 400)):
        error = region.changes_nothing(partial(change, **spec))
        assert error.code == code
    other = acl(tenant, shown(tenant, id)["vpcId"])
    wrong = partial(tenant.vpc, "removeNetworkAclRules", networkAclId=other, ruleIds=[rule["ruleId"]])
    assert refused(wrong) == (404, "NOT_FOUND")
    tenant.vpc("removeNetworkAclRules", networkAclId=id, ruleIds=[rule["ruleId"]])
    assert shown(tenant, id)["networkAclRules"] == []


def test_a_subnet_has_one_acl_and_moves_to_another(region: Region, tenant: Tenant) -> None:
    vpc, subnet = network(tenant)
    foreign = tenant.vpc("createSubnet", vpcId=network(tenant)[0], subnetName="f", addressPrefix="10.0.7.0/24")
    first, second = acl(tenant, vpc), acl(tenant, vpc, "second")

    def has() -> tuple[str, list[str], list[str]]:
        own = tenant.vpc("describeSubnet", subnetId=subnet)["subnet"]["aclId"]
        return own, shown(tenant, first)["subnetIds"], shown(tenant, second)["subnetIds"]

    assert has() == ("", [], [])
    for _ in range(2):
        tenant.vpc("associateNetworkAcl", networkAclId=first, subnetIds=[subnet])
        assert has() == (first, [subnet], [])
    tenant.vpc("associateNetworkAcl", networkAclId=second, subnetIds=[subnet])
    assert has() == (second, [], [subnet])
    found = tenant.vpc("describeSubnets", filters=[{"name": "aclId", "values": [second]}])["subnets"]
    assert [one["subnetId"] for one in found] == [subnet]
    assert tenant.vpc("describeSubnets", filters=[{"name": "aclId", "values": [first]}])["totalCount"] == 0
    bound = refused(partial(tenant.vpc, "deleteNetworkAcl", networkAclId=second))
    assert bound == (400, "FAILED_PRECONDITION")
    strange = partial(tenant.vpc, "associateNetworkAcl", networkAclId=first, subnetIds=[subnet, foreign["subnetId"]])
    assert region.changes_nothing(strange).code == 400
    assert has() == (second, [], [subnet])
    wrong = partial(tenant.vpc, "disassociateNetworkAcl", networkAclId=first, subnetId=subnet)
    assert refused(wrong) == (400, "FAILED_PRECONDITION")
    tenant.vpc("disassociateNetworkAcl", networkAclId=second, subnetId=subnet)
    assert has() == ("", [], [])
    tenant.vpc("associateNetworkAcl", networkAclId=second, subnetIds=[subnet])
    tenant.vpc("deleteSubnet", subnetId=subnet)
    assert shown(tenant, second)["subnetIds"] == []
    tenant.vpc("deleteNetworkAcl", networkAclId=second)


def test_quotas_count_what_is_there(region: Region, tenant: Tenant) -> None:
    vpc, _ = network(tenant)
    ids = [acl(tenant, vpc, f"acl-{n}") for n in range(20)]
    assert refused(partial(acl, tenant, vpc)) == (429, "QUOTA_EXCEEDED")
    tenant.vpc("deleteNetworkAcl", networkAclId=ids.pop())
    acl(tenant, vpc)
    add(tenant, ids[0], *({"priority": n + 1, "direction": ("ingress", "egress")[n % 2]} for n in range(100)))
    assert refused(partial(add, tenant, ids[0], {"priority": 101})) == (429, "QUOTA_EXCEEDED")
    add(tenant, ids[1], {})
    shown_quota = tenant.vpc("describeQuota", type="aclRule", parentResourceId=ids[0])["quota"]
    assert (shown_quota["maxLimit"], shown_quota["count"]) == (100, 100)


def test_a_rule_that_names_a_list_counts_as_its_most(region: Region, tenant: Tenant) -> None:
    """And its VPC has the list's blocks for as long as a rule names it."""
    vpc, _ = network(tenant)

    def lists(txn: Txn) -> None:
        for n, (version, most) in enumerate((("IPv4", 60), ("IPv6", 1))):
            txn.put(PrefixList(id=f"pl-{n}", account=tenant.account, most=most, ip_version=version))
        block = Cidr.parse("203.0.113.0/24")
        txn.put(PrefixEntry(id="ple-0", account=tenant.account, prefix_list="pl-0", block=block))

    region.store.transact(lists)
    id = acl(tenant, vpc)
    named = {"addressPrefixType": "PREFIXLIST", "addressPrefix": "pl-0"}
    (rule,) = add(tenant, id, named)
    assert (rule["addressPrefixType"], rule["addressPrefix"]) == ("PREFIXLIST", "pl-0")
    assert refused(partial(add, tenant, id, {**named, "priority": 11})) == (429, "QUOTA_EXCEEDED")
    assert refused(partial(add, tenant, acl(tenant, vpc), {**named, "addressPrefix": "pl-1"}))[0] == 400

    def blocks() -> list[str]:
        with region.store.read() as state:
            return [str(block) for one in state.all(VpcPrefixes).values() for block in one.blocks]

    assert blocks() == ["203.0.113.0/24"]
    change = {"ruleId": rule["ruleId"], "addressPrefixType": "CIDR", "addressPrefix": "10.0.0.0/8"}
    tenant.vpc("modifyNetworkAclRules", networkAclId=id, modifyNetworkAclRuleSpecs=[change])
    assert blocks() == []
    tenant.vpc("modifyNetworkAclRules", networkAclId=id, modifyNetworkAclRuleSpecs=[{**change, **named}])
    assert blocks() == ["203.0.113.0/24"]
    tenant.vpc("deleteNetworkAcl", networkAclId=id)
    assert blocks() == []


def test_the_acls_of_others_are_as_unknown_as_none(region: Region, tenant: Tenant) -> None:
    other = region.tenant("other")
    vpc, subnet = network(tenant)
    id = acl(tenant, vpc)
    (rule,) = add(tenant, id, {})
    for name, given in (
        ("describeNetworkAcl", {}),
        ("deleteNetworkAcl", {}),
        ("describeNetworkAclRules", {}),
        ("addNetworkAclRules", {"networkAclRuleSpecs": [RULE]}),
        ("removeNetworkAclRules", {"ruleIds": [rule["ruleId"]]}),
        ("associateNetworkAcl", {"subnetIds": [subnet]}),
    ):
        assert refused(partial(other.vpc, name, networkAclId=id, **given)) == (404, "NOT_FOUND"), name
    own = acl(other, network(other)[0])
    for name, given in (
        ("removeNetworkAclRules", {"ruleIds": [rule["ruleId"]]}),
        ("associateNetworkAcl", {"subnetIds": [subnet]}),
    ):
        assert refused(partial(other.vpc, name, networkAclId=own, **given)) == (404, "NOT_FOUND"), name
    assert refused(partial(acl, other, vpc)) == (404, "NOT_FOUND")


def test_a_vpc_takes_its_acls_with_it(region: Region, tenant: Tenant) -> None:
    vpc, subnet = network(tenant)
    id = acl(tenant, vpc)
    add(tenant, id, {})
    tenant.vpc("associateNetworkAcl", networkAclId=id, subnetIds=[subnet])
    tenant.vpc("deleteSubnet", subnetId=subnet)
    tenant.vpc("deleteVpc", vpcId=vpc)
    with region.store.read() as state:
        assert not state.all(NetworkAcl) and not state.all(AclRule)
