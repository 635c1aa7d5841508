"""Prefix lists by signed calls beside the public API, with the SDK's request class and the names of its models."""

from typing import Any

import pytest
from jdcloud_sdk.services.vpc.models import PrefixList as Shown
from jdcloud_sdk.services.vpc.models import PrefixListBindResource, PrefixListBindResources, PrefixListEntry

from apps.prefix_list.model import VpcPrefixes
from tests.api.region import Refused, Region, Tenant, beside

LISTS = "/regions/{regionId}/prefixLists/"
OFFICE, BRANCH = "203.0.113.0/24", "198.51.100.7/32"


def call(tenant: Tenant, method: str, path: str = "", **parameters: Any) -> Any:
    """An operation that the SDK has no class for, sent by the SDK."""
    return beside(tenant.vpc_client, method, LISTS + path, parameters)


def make(tenant: Tenant, *blocks: str, **parameters: Any) -> str:
    body = {"prefixListName": "offices", "maxNum": 5, "prefixListEntrys": entries(*blocks), **parameters}
    return str(call(tenant, "POST", **body)["prefixListId"])


def entries(*blocks: str) -> list[dict[str, str]]:
    return [{"addressPrefix": block, "description": f"is {block}"} for block in blocks]


def shown(tenant: Tenant, id: str) -> Any:
    return call(tenant, "GET", id)["prefixList"]


def blocks(tenant: Tenant, id: str) -> list[str]:
    return [entry["addressPrefix"] for entry in shown(tenant, id)["prefixListEntrys"]]


def act(tenant: Tenant, id: str, action: str, **parameters: Any) -> Any:
    return call(tenant, "POST", f"{id}:{action}", prefixListId=id, **parameters)


def name_it(tenant: Tenant, id: str) -> tuple[str, str]:
    """A rule of a new group names the list; the VPC and the group."""
    vpc = str(tenant.vpc("createVpc", vpcName="v")["vpcId"])
    group = tenant.vpc("createNetworkSecurityGroup", vpcId=vpc, networkSecurityGroupName="web")[
        "networkSecurityGroupId"
    ]
    add_rule(tenant, group, id)
    return vpc, group


def add_rule(tenant: Tenant, group: str, id: str, **parameters: Any) -> str:
    rule = {"protocol": 6, "direction": 0, "addressPrefixType": "PREFIXLIST", "addressPrefix": id, **parameters}
    body = {"networkSecurityGroupId": group, "networkSecurityGroupRuleSpecs": [rule]}
    return str(tenant.vpc("addNetworkSecurityGroupRules", **body)["securityGroupRules"][0]["ruleId"])


def known(region: Region, vpc: str) -> list[str]:
    with region.store.read() as state:
        (found,) = state.many(VpcPrefixes, state.by(VpcPrefixes, ("vpc",), vpc))
        return [str(block) for block in found.blocks]


def test_a_list_is_shown_by_the_names_of_the_sdk_s_models(tenant: Tenant) -> None:
    id = make(tenant, OFFICE, "198.51.100.7", description="ours")
    found = shown(tenant, id)
    fields = set(vars(Shown.PrefixList()))
    assert found.keys() == fields | {"tags"}
    assert set(found["prefixListBindResources"]) == set(vars(PrefixListBindResources.PrefixListBindResources()))
    assert [set(entry) for entry in found["prefixListEntrys"]] == 2 * [set(vars(PrefixListEntry.PrefixListEntry()))]
    assert (found["prefixListName"], found["description"], found["maxNum"]) == ("offices", "ours", 5)
    assert (found["ipVersion"], blocks(tenant, id)) == ("IPv4", [BRANCH, OFFICE])
    assert found["prefixListBindResources"] == {"securityGroupCount": 0, "aclCount": 0, "routeTableCount": 0}


def test_the_parameters_may_stand_in_their_spec(tenant: Tenant) -> None:
    spec = {"prefixListName": "inside", "maxNum": 2, "prefixListEntrys": entries(OFFICE)}
    id = call(tenant, "POST", prefixListSpec=spec)["prefixListId"]
    assert blocks(tenant, id) == [OFFICE]


def test_lists_have_pages_and_filters(tenant: Tenant) -> None:
    made = [make(tenant, prefixListName=f"list-{number}") for number in range(10)]
    assert call(tenant, "GET", pageSize=10)["totalCount"] == 10
    wanted = [{"name": "prefixListNames", "values": ["list-3", "list-4"]}]
    found = call(tenant, "GET", filters=wanted)["prefixLists"]
    assert [one["prefixListId"] for one in found] == sorted(made[3:5], key=[one["prefixListId"] for one in found].index)
    assert call(tenant, "GET", filters=[{"name": "prefixListIds", "values": made[:1]}])["totalCount"] == 1
    with pytest.raises(Refused, match="429 QUOTA_EXCEEDED"):
        make(tenant)


def test_entries_come_and_go_with_what_is_said_of_them(tenant: Tenant) -> None:
    id = make(tenant, OFFICE)
    (added,) = act(tenant, id, "addPrefixListEntrys", prefixListEntrys=entries(BRANCH))["prefixListEntrys"]
    assert (added["addressPrefix"], added["description"]) == (BRANCH, f"is {BRANCH}")
    change = {"prefixListEntryId": added["prefixListEntryId"], "description": "the branch"}
    act(tenant, id, "modifyPrefixListEntrys", prefixListEntrys=[change])
    page = call(tenant, "GET", f"{id}/prefixListEntrys")
    assert page["totalCount"] == 2
    assert [entry["description"] for entry in page["prefixListEntrys"]] == ["the branch", f"is {OFFICE}"]
    act(tenant, id, "modifyPrefixListEntrys", prefixListEntrys=[{**change, "addressPrefix": "192.0.2.0/24"}])
    assert blocks(tenant, id) == ["192.0.2.0/24", OFFICE]
    act(tenant, id, "removePrefixListEntrys", prefixListEntryIds=[added["prefixListEntryId"]])
    assert blocks(tenant, id) == [OFFICE]


@pytest.mark.parametrize(
    ("parameters", "code", "says"),
    [
        ({"prefixListEntrys": entries("203.0.113.5/24")}, 400, "did you mean 203.0.113.0/24"),
        ({"prefixListEntrys": entries("2001:db8::/32")}, 400, "IPv4 blocks only"),
        ({"prefixListEntrys": entries("nonsense")}, 400, "not an IPv4 address"),
        ({"prefixListEntrys": entries(OFFICE, OFFICE)}, 409, f"{OFFICE} stands in the list already"),
        ({"prefixListEntrys": entries(OFFICE, BRANCH), "maxNum": 1}, 400, "may have 1 entries"),
        ({"ipVersion": "IPv6"}, 400, "ipVersion: must be IPv4: lists of IPv6 blocks are not served"),
        ({"ipVersion": "6"}, 400, "must be IPv4"),
        ({"maxNum": 0}, 400, "maxNum"),
        ({"maxNum": 201}, 400, "maxNum"),
        ({"maxNum": None}, 400, "maxNum: is required"),
        ({"prefixListName": ""}, 400, "prefixListName"),
    ],
)
def test_what_cannot_be_a_list(
    tenant: Tenant, region: Region, parameters: dict[str, Any], code: int, says: str
) -> None:
    refusal = region.changes_nothing(lambda: make(tenant, **parameters))
    assert refusal.code == code
    assert says in refusal.message


def test_a_call_on_entries_is_done_whole_or_not_at_all(tenant: Tenant, region: Region) -> None:
    id, other = make(tenant, OFFICE, maxNum=2), make(tenant, BRANCH)
    foreign = shown(tenant, other)["prefixListEntrys"][0]["prefixListEntryId"]
    own = shown(tenant, id)["prefixListEntrys"][0]["prefixListEntryId"]

    def refused(action: str, **parameters: Any) -> int:
        return region.changes_nothing(lambda: act(tenant, id, action, **parameters)).code

    assert refused("addPrefixListEntrys", prefixListEntrys=entries(BRANCH, OFFICE)) == 409
    assert refused("addPrefixListEntrys", prefixListEntrys=entries(BRANCH, "192.0.2.1")) == 400
    assert refused("addPrefixListEntrys", prefixListEntrys=[]) == 400
    assert refused("removePrefixListEntrys", prefixListEntryIds=[own, foreign]) == 404
    assert refused("modifyPrefixListEntrys", prefixListEntrys=[{"prefixListEntryId": foreign}]) == 404
    assert refused("modifyPrefixListEntrys", prefixListEntrys=[{"description": "?"}]) == 400
    assert region.changes_nothing(lambda: call(tenant, "PATCH", id, prefixListId=id, maxNum=300)).code == 400


def test_a_list_never_has_more_entries_than_it_may(tenant: Tenant, region: Region) -> None:
    id = make(tenant, OFFICE, BRANCH)
    refusal = region.changes_nothing(lambda: call(tenant, "PATCH", id, prefixListId=id, maxNum=1))
    assert (refusal.code, "2 would be in it" in refusal.message) == (400, True)
    call(tenant, "PATCH", id, prefixListId=id, maxNum=2, prefixListName="two", description="both")
    found = shown(tenant, id)
    assert (found["maxNum"], found["prefixListName"], found["description"]) == (2, "two", "both")


def test_another_account_s_list_is_as_unknown_as_none(tenant: Tenant, region: Region) -> None:
    id, stranger = make(tenant, OFFICE), region.tenant("stranger")
    for attempt in (
        lambda: shown(stranger, id),
        lambda: call(stranger, "PATCH", id, prefixListId=id, prefixListName="mine"),
        lambda: act(stranger, id, "addPrefixListEntrys", prefixListEntrys=entries(BRANCH)),
        lambda: call(stranger, "GET", f"{id}/prefixListEntrys"),
        lambda: call(stranger, "GET", f"{id}/prefixListBindResources"),
        lambda: call(stranger, "DELETE", id),
    ):
        assert region.changes_nothing(attempt).code == 404
    assert call(stranger, "GET")["totalCount"] == 0


def test_a_list_that_a_rule_names_is_counted_kept_and_followed(tenant: Tenant, region: Region) -> None:
    id = make(tenant, OFFICE)
    (near, group), (far, _) = name_it(tenant, id), name_it(tenant, id)
    assert shown(tenant, id)["prefixListBindResources"]["securityGroupCount"] == 2
    bound = call(tenant, "GET", f"{id}/prefixListBindResources")["prefixListBindResources"]
    assert [set(one) for one in bound] == 2 * [set(vars(PrefixListBindResource.PrefixListBindResource()))]
    assert {(one["resourceType"], one["resourceName"]) for one in bound} == {("securityGroup", "web")}
    assert group in [one["resourceId"] for one in bound]
    refusal = region.changes_nothing(lambda: call(tenant, "DELETE", id))
    assert (refusal.code, refusal.status) == (400, "FAILED_PRECONDITION")
    assert f"{id} is named by rule sgr-" in refusal.message and " of sg-" in refusal.message

    assert (known(region, near), known(region, far)) == ([OFFICE], [OFFICE])
    act(tenant, id, "addPrefixListEntrys", prefixListEntrys=entries(BRANCH))
    assert (known(region, near), known(region, far)) == ([BRANCH, OFFICE], [BRANCH, OFFICE])


def test_a_change_of_a_list_is_one_transaction_for_all_vpcs(tenant: Tenant, region: Region) -> None:
    id = make(tenant, OFFICE)
    for _ in range(3):
        name_it(tenant, id)
    before = region.operator("GET", "/status")["sequence"]
    act(tenant, id, "addPrefixListEntrys", prefixListEntrys=entries(BRANCH, "192.0.2.0/24"))
    assert region.operator("GET", "/status")["sequence"] == before + 1


def test_the_most_entries_of_a_list_count_as_rules_of_what_names_it(tenant: Tenant, region: Region) -> None:
    id = make(tenant, OFFICE)
    _, group = name_it(tenant, id)
    other = make(tenant, OFFICE, maxNum=90)
    add_rule(tenant, group, other)
    quota = tenant.vpc("describeQuota", type="securityGroupRule", parentResourceId=group)["quota"]
    assert (quota["count"], quota["maxLimit"]) == (5 + 90, 100)
    refusal = region.changes_nothing(lambda: call(tenant, "PATCH", id, prefixListId=id, maxNum=11))
    assert (refusal.code, refusal.status) == (429, "QUOTA_EXCEEDED")
    assert f"securityGroupRule of {group} is 100, 101 would be in use" in refusal.message
    call(tenant, "PATCH", id, prefixListId=id, maxNum=10)
    assert region.changes_nothing(lambda: add_rule(tenant, group, id, priority=3)).code == 429


def test_a_list_is_gone_with_its_entries(tenant: Tenant) -> None:
    id = make(tenant, OFFICE)
    call(tenant, "DELETE", id)
    with pytest.raises(Refused, match="404"):
        shown(tenant, id)
    assert call(tenant, "GET")["totalCount"] == 0
