"""Security groups as tenants see them through the vendor's SDK: groups, rules, quotas, and the groups of interfaces."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.prefix_list.model import PrefixList, VpcPrefixes
from apps.security_group.model import NO_BIT, GroupProfile, SecurityGroup
from apps.vpc.model import Vpc
from tests.api.region import Refused, Region, Tenant
from tests.api.test_operations import groups_of, instance, network, port

WEB = {"protocol": 6, "direction": 0, "addressPrefix": "0.0.0.0/0", "fromPort": 80, "toPort": 80}
ALL = {"protocol": 300, "direction": 0, "addressPrefix": "0.0.0.0/0"}
ID = "networkSecurityGroupId"


class Groups:
    """A tenant's VPC with a subnet, and calls about its groups."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.vpc, self.subnet = network(tenant)
        (self.default,) = groups_of(tenant, self.vpc)

    def new(self, name: str = "web") -> str:
        """A custom group."""
        return groups_of(self.tenant, self.vpc, name)[1]

    def add(self, group: str, *rules: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
        """Add rules to a group; they are returned as the answer shows them."""
        given = {ID: group, "networkSecurityGroupRuleSpecs": list(rules), **more}
        added: list[dict[str, Any]] = self.tenant.vpc("addNetworkSecurityGroupRules", **given)["securityGroupRules"]
        return added

    def modify(self, group: str, *rules: dict[str, Any]) -> None:
        """Change rules of a group."""
        self.tenant.vpc("modifyNetworkSecurityGroupRules", **{ID: group}, modifySecurityGroupRuleSpecs=list(rules))

    def remove(self, group: str, *ids: str) -> None:
        """Remove rules from a group."""
        self.tenant.vpc("removeNetworkSecurityGroupRules", **{ID: group}, ruleIds=list(ids))

    def shown(self, group: str) -> dict[str, Any]:
        """A group as it is shown."""
        found: dict[str, Any] = self.tenant.vpc("describeNetworkSecurityGroup", **{ID: group})["networkSecurityGroup"]
        return found

    def rules(self, group: str, **filters: list[str]) -> list[dict[str, Any]]:
        """The rules of a group that pass filters."""
        wanted = [{"name": name, "values": values} for name, values in filters.items()]
        found = self.tenant.vpc("describeNetworkSecurityGroupRules", **{ID: group}, filters=wanted)
        assert found["totalCount"] == len(found["securityGroupRules"])
        listed: list[dict[str, Any]] = found["securityGroupRules"]
        return listed

    def interface(self, *groups: str) -> str:
        """An interface in some groups."""
        return port(self.tenant, self.subnet, securityGroups=list(groups))

    def listed(self, id: str) -> list[str]:
        """The groups that an interface shows."""
        shown = self.tenant.vpc("describeNetworkInterface", networkInterfaceId=id)["networkInterface"]
        found: list[str] = shown["networkSecurityGroupIds"]
        return found

    def quota(self, type: str, parent: str) -> tuple[int, int]:
        """A limit, and how much of it is used."""
        found = self.tenant.vpc("describeQuota", type=type, parentResourceId=parent)["quota"]
        return found["maxLimit"], found["count"]


@pytest.fixture
def groups(tenant: Tenant) -> Groups:
    return Groups(tenant)


def refused(region: Region, act: Callable[[], Any], code: int, *words: str) -> Refused:
    """A call is refused with a code and a message that has some words, and changes nothing."""
    refusal = region.changes_nothing(act)
    assert refusal.code == code and all(word in refusal.message for word in words), refusal
    return refusal


def test_s1_a_vpc_has_one_default_group_whose_rules_can_be_changed_and_which_stays(
    groups: Groups, region: Region
) -> None:
    shown = groups.shown(groups.default)
    assert (shown["networkSecurityGroupType"], shown["vpcId"]) == ("default", groups.vpc)
    fields = ("protocol", "ruleAction", "priority", "addressPrefix", "addressPrefixType", "fromPort", "toPort")
    for direction, rule in enumerate(shown["securityGroupRules"]):
        assert (rule["direction"], rule["ruleType"], rule["ipVersion"]) == (direction, "default", 4)
        assert [rule[name] for name in fields] == [300, "ALLOW", 100, "0.0.0.0/0", "CIDR", 0, 0]
    (inward, _) = (rule["ruleId"] for rule in shown["securityGroupRules"])
    groups.modify(groups.default, {"ruleId": inward, "addressPrefix": "10.0.0.0/8", "ruleAction": "DENY"})
    changed = groups.rules(groups.default)[0]
    assert (changed["addressPrefix"], changed["ruleAction"], changed["ruleType"]) == ("10.0.0.0/8", "DENY", "default")
    refused(region, lambda: groups.remove(groups.default, inward), 400, "default rule")
    delete = "deleteNetworkSecurityGroup"
    refused(region, lambda: groups.tenant.vpc(delete, **{ID: groups.default}), 409, "default group", groups.vpc)
    groups.tenant.vpc("deleteSubnet", subnetId=groups.subnet)
    groups.tenant.vpc("deleteVpc", vpcId=groups.vpc)
    with pytest.raises(Refused, match="404"):
        groups.shown(groups.default)


def test_s2_s3_a_new_group_lists_no_rule_but_those_that_it_was_given(groups: Groups) -> None:
    group = groups.new()
    assert groups.shown(group)["securityGroupRules"] == [] and groups.rules(group) == []
    (made,) = groups.add(group, WEB)
    assert groups.rules(group) == [made] == groups.shown(group)["securityGroupRules"]
    groups.remove(group, made["ruleId"])
    assert groups.rules(group) == []


def test_s4_the_default_group_stands_first_in_the_list_of_every_interface(groups: Groups, region: Region) -> None:
    web, db = groups.new("web"), groups.new("db")
    plain, both = groups.interface(), groups.interface(db, web)
    assert groups.listed(plain) == [groups.default] and groups.listed(both) == [groups.default, db, web]
    assert groups.shown(web)["networkInterfaceIds"] == [both]
    assert groups.shown(groups.default)["networkInterfaceIds"] == sorted([plain, both])
    before = region.everything()
    for id in (plain, both):  # what was read, written back
        groups.tenant.vpc("modifyNetworkInterface", networkInterfaceId=id, securityGroups=groups.listed(id))
    assert region.everything() == before
    groups.tenant.vpc("modifyNetworkInterface", networkInterfaceId=both, securityGroups=[""])
    groups.tenant.vpc("modifyNetworkInterface", networkInterfaceId=plain, securityGroups=[web])
    groups.tenant.vpc("modifyNetworkInterface", networkInterfaceId=plain, description="groups that are not given stay")
    assert groups.listed(both) == [groups.default] and groups.listed(plain) == [groups.default, web]
    for group, found in ((web, [plain]), (groups.default, [plain, both]), (db, [])):
        asked = [{"name": "networkSecurityGroupId", "values": [group]}]
        listed = groups.tenant.vpc("describeNetworkInterfaces", filters=asked)["networkInterfaces"]
        assert {one["networkInterfaceId"] for one in listed} == set(found)


def test_groups_of_interfaces_that_are_refused(groups: Groups, region: Region) -> None:
    other = Groups(groups.tenant).new("elsewhere")
    stranger = Groups(region.tenant("stranger")).new("theirs")
    web, id = groups.new(), groups.interface()
    many = [groups.new(f"g{n}") for n in range(6)]
    for asked, code, word in (
        ([other], 400, "is a group of"),
        ([stranger], 404, stranger),
        (["sg-0000000000"], 404, "sg-0000000000"),
        ([web, web], 400, "repeat"),
        (many, 400, "5 groups"),
        ([*many, web], 400, "6"),
    ):
        change = {"networkInterfaceId": id, "securityGroups": asked}
        refused(region, lambda change=change: groups.tenant.vpc("modifyNetworkInterface", **change), code, word)  # type: ignore[misc]
        refused(region, lambda asked=asked: groups.interface(*asked), code, word)  # type: ignore[misc]
    full = groups.interface(*many[:5])
    assert groups.listed(full) == [groups.default, *many[:5]]
    groups.tenant.vpc("modifyNetworkInterface", networkInterfaceId=full, securityGroups=groups.listed(full))


def test_an_instance_shows_the_groups_of_its_interfaces_by_name(groups: Groups, region: Region) -> None:
    web = groups.new("web")
    order = {"networkInterface": {"subnetId": groups.subnet, "securityGroups": [web]}}
    vm = instance(groups.tenant, groups.subnet, primaryNetworkInterface=order)
    shown = groups.tenant.vm("describeInstance", instanceId=vm)["instance"]["primaryNetworkInterface"]
    named = [{"groupId": groups.default, "groupName": "default"}, {"groupId": web, "groupName": "web"}]
    assert shown["networkInterface"]["securityGroups"] == named
    assert groups.shown(web)["networkInterfaceIds"] == [shown["networkInterface"]["networkInterfaceId"]]
    wrong = {"networkInterface": {"subnetId": groups.subnet, "securityGroups": ["sg-0000000000"]}}
    make = {"primaryNetworkInterface": wrong}
    refused(region, lambda: instance(groups.tenant, groups.subnet, **make), 404, "securityGroups")
    groups.tenant.vm("deleteInstance", instanceId=vm)
    assert groups.shown(web)["networkInterfaceIds"] == []
    groups.tenant.vpc("deleteNetworkSecurityGroup", **{ID: web})
    with region.store.read() as state:
        assert not state.all(GroupProfile)


def test_groups_are_listed_named_and_described(groups: Groups, region: Region) -> None:
    web, db = groups.new("web"), groups.new("数据_db-1")
    groups.tenant.vpc("modifyNetworkSecurityGroup", **{ID: web}, networkSecurityGroupName="www", description="d")
    shown = groups.shown(web)
    assert (shown["networkSecurityGroupName"], shown["description"]) == ("www", "d")
    groups.tenant.vpc("modifyNetworkSecurityGroup", **{ID: web}, description="")
    assert groups.shown(web)["description"] == ""
    for name, values, found in (
        ("networkSecurityGroupIds", [web, db], [web, db]),
        ("networkSecurityGroupNames", ["www"], [web]),
        ("vpcId", [groups.vpc], [groups.default, web, db]),
        ("vpcId", ["vpc-none"], []),
    ):
        asked = [{"name": name, "values": values}]
        answer = groups.tenant.vpc("describeNetworkSecurityGroups", filters=asked)
        assert sorted(one[ID] for one in answer["networkSecurityGroups"]) == sorted(found)
        assert answer["totalCount"] == len(found)
    for name in ("", "x" * 33, "a b", None):
        order = {"vpcId": groups.vpc, "networkSecurityGroupName": name}
        refused(region, lambda order=order: groups.tenant.vpc("createNetworkSecurityGroup", **order), 400)  # type: ignore[misc]


def test_a_group_that_something_needs_is_not_deleted_and_the_reason_names_it(groups: Groups, region: Region) -> None:
    web, db = groups.new("web"), groups.new("db")
    id = groups.interface(web)
    (rule,) = groups.add(db, {**ALL, "addressPrefixType": "SECURITYGROUP", "addressPrefix": web})
    groups.add(web, {**ALL, "addressPrefixType": "SECURITYGROUP", "addressPrefix": web})

    def delete() -> None:
        groups.tenant.vpc("deleteNetworkSecurityGroup", **{ID: web})

    refused(region, delete, 409, id)
    groups.tenant.vpc("deleteNetworkInterface", networkInterfaceId=id)
    refused(region, delete, 409, rule["ruleId"], db)
    groups.remove(db, rule["ruleId"])
    delete()
    with pytest.raises(Refused, match="404"):
        groups.shown(web)
    refused(region, delete, 404)


def test_rules_have_the_defaults_of_the_public_api(groups: Groups) -> None:
    group = groups.new()
    bare = {"direction": 1, "addressPrefix": "10.0.0.0/8"}
    tcp, icmp = groups.add(group, {"protocol": 6, **bare}, {"protocol": 1, **bare})
    common = {"priority": 100, "ruleAction": "ALLOW", "addressPrefixType": "CIDR", "description": "", "ipVersion": 4}
    for rule, ports in ((tcp, (1, 65535)), (icmp, (0, 0))):
        assert {name: rule[name] for name in common} == common and rule["ruleType"] == "custom" and rule["createdTime"]
        assert (rule["fromPort"], rule["toPort"], rule["direction"]) == (*ports, 1)


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        ({"protocol": 300, "fromPort": 0, "toPort": 0}, (0, 0)),
        ({"protocol": 300, "fromPort": 1, "toPort": 65535}, (0, 0)),
        ({"protocol": 1, "fromPort": None, "toPort": 65535}, (0, 0)),
        ({"protocol": 6, "fromPort": 0, "toPort": 0}, (0, 0)),
        ({"protocol": 6, "fromPort": 1, "toPort": 65535}, (1, 65535)),
        ({"protocol": 17, "fromPort": 53, "toPort": 53}, (53, 53)),
        ({"protocol": 17, "fromPort": 1024}, (1024, 65535)),
        ({"protocol": "6", "fromPort": "22", "toPort": "22"}, (22, 22)),
        ({"description": None, "priority": None, "ruleAction": "", "addressPrefixType": ""}, (80, 80)),
    ],
)
def test_ports_are_read_as_they_were_written(groups: Groups, spec: dict[str, Any], shown: tuple[int, int]) -> None:
    group = groups.new()
    groups.add(group, {**WEB, "fromPort": 80, "toPort": 80, **spec} if "fromPort" not in spec else {**ALL, **spec})
    (rule,) = groups.rules(group)
    assert (rule["fromPort"], rule["toPort"]) == shown


@pytest.mark.parametrize("prefix", ["10.1.2.3", "10.1.2.3/32", "10.0.0.0/8", "0.0.0.0/0"])
def test_a_prefix_is_read_as_it_was_written(groups: Groups, prefix: str) -> None:
    group = groups.new()
    (rule,) = groups.add(group, {**WEB, "addressPrefix": prefix})
    assert groups.rules(group)[0]["addressPrefix"] == rule["addressPrefix"] == prefix
    groups.modify(group, {"ruleId": rule["ruleId"], "addressPrefix": "172.16.0.0/12"})
    assert groups.rules(group)[0]["addressPrefix"] == "172.16.0.0/12"


@pytest.mark.parametrize(
    ("spec", "code", "words"),
    [
        ({"protocol": 7}, 400, ("protocol", "300")),
        ({"protocol": None}, 400, ("protocol",)),
        ({"direction": 2}, 400, ("direction",)),
        ({"priority": 0}, 400, ("priority",)),
        ({"priority": 101}, 400, ("priority",)),
        ({"ruleAction": "DROP"}, 400, ("ruleAction",)),
        ({"fromPort": 90}, 400, ("fromPort", "80")),
        ({"fromPort": 0}, 400, ("fromPort",)),
        ({"toPort": 65536}, 400, ("toPort",)),
        ({"fromPort": -1}, 400, ("fromPort",)),
        ({"protocol": 1}, 400, ("fromPort", "TCP and UDP")),
        ({"protocol": 300}, 400, ("fromPort", "TCP and UDP")),
        ({"addressPrefix": "10.0.0.5/8"}, 400, ("addressPrefix", "10.0.0.0/8")),
        ({"addressPrefix": "10.0.0.0/33"}, 400, ("addressPrefix",)),
        ({"addressPrefix": "fd00::/8"}, 400, ("addressPrefix", "IPv6")),
        ({"addressPrefix": "everywhere"}, 400, ("addressPrefix",)),
        ({"addressPrefix": ""}, 400, ("addressPrefix",)),
        ({"addressPrefix": "sg-0000000000"}, 400, ("addressPrefix", "SECURITYGROUP")),
        ({"addressPrefixType": "GROUP"}, 400, ("addressPrefixType",)),
        ({"addressPrefixType": "SECURITYGROUP"}, 404, ("addressPrefix",)),
        ({"addressPrefixType": "SECURITYGROUP", "addressPrefix": "sg-0000000000"}, 404, ("sg-0000000000",)),
        ({"addressPrefixType": "PREFIXLIST", "addressPrefix": "pl-0000000000"}, 404, ("pl-0000000000",)),
        ({"description": "x" * 257}, 400, ("description",)),
    ],
)
def test_rules_that_are_refused(
    groups: Groups, region: Region, spec: dict[str, Any], code: int, words: tuple[str, ...]
) -> None:
    group = groups.new()
    first = {**WEB, "addressPrefix": "10.9.0.0/16"}
    refused(region, lambda: groups.add(group, first, {**WEB, **spec}), code, "networkSecurityGroupRuleSpecs", *words)
    assert groups.rules(group) == [], "all or none"


def test_a_group_of_another_vpc_or_account_is_no_source(groups: Groups, region: Region) -> None:
    group, other = groups.new(), Groups(groups.tenant).new("elsewhere")
    stranger = Groups(region.tenant("stranger")).new("theirs")
    for peer, code in ((other, 400), (stranger, 404)):
        rule = {**ALL, "addressPrefixType": "SECURITYGROUP", "addressPrefix": peer}
        refused(region, lambda rule=rule: groups.add(group, rule), code, "addressPrefix", peer)  # type: ignore[misc]


def test_a_group_as_source_has_a_bit_while_a_rule_names_it(groups: Groups, region: Region) -> None:
    web, db = groups.new("web"), groups.new("db")
    (rule,) = groups.add(db, {**ALL, "addressPrefixType": "SECURITYGROUP", "addressPrefix": web})
    assert (rule["addressPrefixType"], rule["addressPrefix"]) == ("SECURITYGROUP", web)

    def bit() -> int:
        with region.store.read() as state:
            return state.all(SecurityGroup)[web].bit

    assert bit() == 0
    groups.modify(db, {"ruleId": rule["ruleId"], "addressPrefixType": "CIDR", "addressPrefix": "10.0.0.0/8"})
    assert bit() == NO_BIT and groups.rules(db)[0]["addressPrefixType"] == "CIDR"
    groups.modify(db, {"ruleId": rule["ruleId"], "addressPrefixType": "SECURITYGROUP", "addressPrefix": web})
    assert bit() == 0
    needs = {"ruleId": rule["ruleId"], "addressPrefixType": "PREFIXLIST"}
    refused(region, lambda: groups.modify(db, needs), 400, "addressPrefix", "is required")
    groups.remove(db, rule["ruleId"])
    assert bit() == NO_BIT


def test_an_equal_rule_is_refused_whatever_its_description(groups: Groups, region: Region) -> None:
    group = groups.new()
    (made,) = groups.add(group, WEB)
    again = refused(region, lambda: groups.add(group, {**WEB, "description": "again"}), 409)
    assert again.status == "ALREADY_EXISTS"
    alike = [{**WEB, "addressPrefix": prefix} for prefix in ("1.2.3.4", "1.2.3.4/32")]
    refused(region, lambda: groups.add(group, *alike), 409)
    others = [{**WEB, "priority": 9}, {**WEB, "ruleAction": "DENY"}, {**WEB, "direction": 1}, {**WEB, "toPort": 81}]
    added = groups.add(group, *others)
    refused(region, lambda: groups.modify(group, {"ruleId": added[0]["ruleId"], "priority": 100}), 409)
    groups.modify(group, {"ruleId": added[0]["ruleId"], "priority": 100}, {"ruleId": made["ruleId"], "priority": 9})


def test_the_same_client_token_gets_the_same_answer(groups: Groups, region: Region) -> None:
    group = groups.new()
    first = groups.add(group, WEB, clientToken="t1")
    before = region.everything()
    assert groups.add(group, WEB, clientToken="t1") == first and region.everything() == before
    refused(region, lambda: groups.add(group, {**WEB, "priority": 3}, clientToken="t1"), 409, "clientToken")
    order = {"vpcId": groups.vpc, "networkSecurityGroupName": "g", "clientToken": "t2"}
    made = groups.tenant.vpc("createNetworkSecurityGroup", **order)
    assert groups.tenant.vpc("createNetworkSecurityGroup", **order) == made


def test_rules_are_changed_in_place_and_only_what_is_given(groups: Groups, region: Region) -> None:
    group = groups.new()
    (rule,) = groups.add(group, {**WEB, "description": "d", "priority": 7})
    id = rule["ruleId"]
    groups.modify(group, {"ruleId": id, "toPort": 90})
    assert groups.rules(group) == [{**rule, "toPort": 90}]
    groups.modify(group, {"ruleId": id, "protocol": 300, "fromPort": None, "description": ""})
    assert groups.rules(group) == [{**rule, "protocol": 300, "fromPort": 0, "toPort": 0, "description": ""}]
    groups.modify(group, {"ruleId": id, "protocol": 17})
    assert groups.rules(group)[0]["toPort"] == 65535
    refused(region, lambda: groups.modify(group, {"ruleId": id, "direction": 1}), 400, "direction")
    groups.modify(group, {"ruleId": id, "direction": 0, "ruleAction": "DENY"})
    assert groups.rules(group)[0]["ruleAction"] == "DENY"
    other = groups.new("other")
    for change in ({"ruleId": id, "priority": 1}, {"ruleId": "sgr-0000000000", "priority": 1}):
        refused(region, lambda change=change: groups.modify(other, change), 404)  # type: ignore[misc]
    refused(region, lambda: groups.remove(other, id), 404)
    refused(region, lambda: groups.remove(group, id, "sgr-0000000000"), 404)


def test_empty_lists_change_nothing(groups: Groups, region: Region) -> None:
    """Terraform's provider sends them for what a plan does not change."""
    group, before = groups.new(), region.everything()
    assert groups.add(group) == []
    groups.modify(group)
    groups.remove(group)
    groups.remove(group, "")
    assert region.everything() == before


def test_rules_are_found_by_each_filter(groups: Groups, region: Region) -> None:
    group = groups.new()
    web, dns, out = groups.add(
        group,
        {**WEB, "description": "the web"},
        {**WEB, "protocol": 17, "fromPort": 50, "toPort": 60, "priority": 5, "ruleAction": "DENY"},
        {**ALL, "direction": 1, "addressPrefix": "10.7.0.0/16"},
    )
    for name, values, found in (
        ("ruleIds", [web["ruleId"], out["ruleId"]], [web, out]),
        ("directions", ["1"], [out]),
        ("ruleActions", ["DENY"], [dns]),
        ("ruleTypes", ["custom"], [dns, web, out]),
        ("ruleTypes", ["default"], []),
        ("prioritys", ["5", "6"], [dns]),
        ("protocols", ["17", "300"], [dns, out]),
        ("fromPort", ["53"], [dns, out]),
        ("toPort", ["80"], [web, out]),
        ("addressPrefix", ["10.7"], [out]),
        ("description", ["web"], [web]),
    ):
        assert groups.rules(group, **{name: values}) == found, name
    assert groups.rules(group, fromPort=["80"], directions=["0"]) == [web]
    refused(region, lambda: groups.rules(group, fromPort=["http"]), 400)
    refused(region, lambda: groups.rules(group, colour=["red"]), 400)


def test_a_vpc_has_at_most_fifty_groups_and_a_group_a_hundred_rules(groups: Groups, region: Region) -> None:
    for n in range(49):
        groups.new(f"g{n}")
    assert groups.quota("security_group", groups.vpc) == (50, 50)
    refusal = refused(region, lambda: groups.new("more"), 429, "security_group", "50")
    assert refusal.status == "QUOTA_EXCEEDED"
    group = Groups(groups.tenant).new()
    both = [{**WEB, "direction": n % 2, "fromPort": n, "toPort": n} for n in range(1, 101)]
    refused(region, lambda: groups.add(group, *both, ALL), 429, "securityGroupRule")
    groups.add(group, *both)
    assert groups.quota("securityGroupRule", group) == (100, 100)
    refused(region, lambda: groups.add(group, ALL), 429, "securityGroupRule", "100")


def test_a_rule_with_a_prefix_list_counts_as_many_as_the_list_may_have(groups: Groups, region: Region) -> None:
    group = groups.new()
    for id, version in (("pl-a", "IPv4"), ("pl-six", "IPv6")):
        made = PrefixList(id=id, account=groups.tenant.account, most=60, ip_version=version)
        region.store.transact(lambda txn, made=made: txn.put(made))  # type: ignore[misc]
    named = {**ALL, "addressPrefixType": "PREFIXLIST", "addressPrefix": "pl-a"}
    (rule,) = groups.add(group, named)
    assert (rule["addressPrefixType"], rule["addressPrefix"]) == ("PREFIXLIST", "pl-a")
    assert groups.quota("securityGroupRule", group) == (100, 60)
    refused(region, lambda: groups.add(group, {**named, "direction": 1}), 429, "securityGroupRule")
    refused(region, lambda: groups.add(group, {**named, "addressPrefix": "pl-six"}), 400, "IPv6")
    (web,) = groups.add(group, WEB)
    change = {"ruleId": web["ruleId"], "addressPrefixType": "PREFIXLIST", "addressPrefix": "pl-a"}
    refused(region, lambda: groups.modify(group, change), 429, "securityGroupRule")
    with region.store.read() as state:
        assert [one.prefix_list for one in state.all(VpcPrefixes).values()] == ["pl-a"]
    groups.remove(group, rule["ruleId"])
    with region.store.read() as state:
        assert not state.all(VpcPrefixes) and groups.vpc in state.all(Vpc)
