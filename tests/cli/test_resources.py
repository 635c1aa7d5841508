"""Every command of a tenant: what it does, what it prints, by which names, and how it refuses."""

import re

import pytest

from sdnctl.cli.catalogue import catalogue
from tests.cli.conftest import User, run

KINDS = catalogue().kinds


@pytest.fixture(scope="module", autouse=True)
def network(user: User) -> None:
    user.ok("vpc", "create", "shop", "--cidr", "10.0.0.0/16")
    user.ok("subnet", "create", "front", "--vpc", "shop", "--cidr", "10.0.0.0/24")
    user.ok("instance", "create", "web", "--subnet", "front", "--address", "10.0.0.10")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_listed_and_shown_as_the_api_has_it(user: User, kind: str) -> None:
    known = KINDS[kind]
    listed = user.json(kind, "list")
    assert listed.keys() == {known.plural, "totalCount"}
    assert listed["totalCount"] == len(listed[known.plural])
    for shown in listed[known.plural]:
        assert user.json(kind, "get", shown[known.id_key]) == {known.singular: shown}
        assert shown[known.id_key] in user.ok(kind, "get", shown[known.id_key])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_there_is_said_with_the_way_to_find_it(user: User, kind: str) -> None:
    for text in ("nonsense", f"{KINDS[kind].prefix}-0000000000"):
        said = user.refused(kind, "get", text)
        assert text in said
        assert f"sdnctl {kind} list" in said
    assert user(kind, "get", "").code == 1


def test_tables_show_names_for_ids(user: User) -> None:
    heading, row = user.ok("subnet", "list").splitlines()
    assert heading.split() == ["id", "name", "vpc", "cidr", "free", "route", "table"]
    assert re.fullmatch(r"subnet-\w{10}  front  shop  10\.0\.0\.0/24  \d+ +default *", row)
    assert "(shop)" in user.ok("subnet", "get", "front")


def test_an_empty_table_says_what_to_do(user: User) -> None:
    assert "sdnctl vpc create" in user.ok("vpc", "list", "--filter", "vpcNames=nobody")


def test_a_create_prints_the_api_s_result(user: User) -> None:
    made = user.json("vpc", "create", "plain")
    assert made.keys() == {"vpcId"}
    assert user.json("vpc", "get", "plain")["vpc"]["addressPrefix"] == ""
    assert user.json("vpc", "delete", "plain", "--wait") == {}
    assert user.json("vpc", "list", "--filter", f"vpcIds={made['vpcId']}")["totalCount"] == 0


def test_an_ambiguous_name_lists_the_ids(user: User) -> None:
    twins = [user.json("vpc", "create", "twin")["vpcId"] for _ in range(2)]
    said = user.refused("vpc", "get", "twin")
    assert all(id in said for id in twins)
    assert "name one by its id" in said
    for id, cidr in zip(twins, ("10.1.0.0/24", "10.2.0.0/24"), strict=True):
        user.ok("subnet", "create", "same", "--vpc", id, "--cidr", cidr)
        assert user.json("subnet", "get", f"{id}/same")["subnet"]["addressPrefix"] == cidr
        assert user.json("subnet", "list", "--vpc", id)["totalCount"] == 1
    assert "or as VPC/NAME" in user.refused("eni", "create", "--subnet", "same")
    for id in twins:
        user.ok("subnet", "delete", f"{id}/same")
        user.ok("vpc", "delete", id)


def test_the_api_s_refusal_is_told_in_its_words(user: User) -> None:
    assert "still has subnet" in user.refused("vpc", "delete", "shop")
    said = user.refused("subnet", "create", "big", "--vpc", "shop", "--cidr", "10.1.0.0/16")
    assert "addressPrefix" in said
    assert "(INVALID_ARGUMENT)" in said
    assert "'wrong' is not one of" in user.refused("vpc", "list", "--filter", "wrong=1")
    assert "must be NAME=VALUE" in user.refused("vpc", "list", "--filter", "wrong", code=2)


def test_an_elastic_ip_is_bound_moved_changed_and_released(user: User) -> None:
    (eip,) = user.json("eip", "create", "public", "--bandwidth", "20", "--wait")["elasticIpIds"]
    shown = user.json("eip", "get", "public")["elasticIp"]
    assert (shown["elasticIpId"], shown["state"], shown["bandwidthMbps"]) == (eip, "UP", 20)
    assert user.json("eip", "get", shown["elasticIpAddress"])["elasticIp"] == shown
    assert user.json("eip", "bind", "public", "web", "--wait") == {}
    bound = user.json("eip", "get", "public")["elasticIp"]
    assert (bound["privateIpAddress"], bound["state"]) == ("10.0.0.10", "UP")
    assert user.json("eip", "bind", "public", "instance:web") == {}, "binding it where it is changes nothing"

    user.ok("eni", "create", "spare", "--subnet", "front", "--address", "10.0.0.20", "--secondary", "10.0.0.21")
    said = user.refused("eip", "bind", "public", "spare")
    assert "add --move" in said
    assert "sdnctl eip unbind public" in said
    calls = user.calls("eip", "bind", "public", "eni:spare", "--private", "10.0.0.21", "--move", "--wait")
    assert calls == ["associateElasticIp"], "moved in one step"
    assert user.json("eip", "get", eip)["elasticIp"]["privateIpAddress"] == "10.0.0.21"

    assert "30" in user.ok("eip", "set-bandwidth", "public", "30", "--wait")
    assert "OUT_OF_RANGE" in user.refused("eip", "set-bandwidth", "public", "0")
    assert "disassociate it first" in user.refused("eip", "delete", "public")
    assert user.json("eip", "unbind", "public", "--wait") == {}
    assert "bound to nothing" in user.refused("eip", "unbind", "public")
    assert "deleted elastic IP public" in user.ok("eip", "delete", "public", "--wait")
    user.ok("eni", "delete", "spare")


def test_several_elastic_ips_may_be_made_at_once(user: User) -> None:
    made = user.json("eip", "create", "many", "--bandwidth", "1", "--count", "2")["elasticIpIds"]
    assert len(made) == 2
    assert "2 elastic IPs go by 'many'" in user.refused("eip", "delete", "many")
    for eip in made:
        user.ok("eip", "delete", eip)


def test_a_name_that_an_instance_and_an_interface_share_is_refused(user: User) -> None:
    user.ok("eni", "create", "web", "--subnet", "front")
    user.ok("eip", "create", "shared", "--bandwidth", "1")
    assert user.refused("eip", "bind", "shared", "web").count("port-") == 2
    assert "no instance or network interface or " in user.refused("eip", "bind", "shared", "nobody")
    user.ok("eip", "bind", "shared", "eni:web")
    user.ok("eip", "unbind", "shared")
    user.ok("eip", "delete", "shared")
    user.ok("eni", "delete", "web")


def test_an_interface_is_attached_and_detached(user: User) -> None:
    port = user.json("eni", "create", "extra", "--subnet", "shop/front", "--no-source-check")["networkInterfaceId"]
    assert user.json("eni", "get", port)["networkInterface"]["sanityCheck"] == 0
    assert user.json("eni", "attach", "extra", "web", "--wait") == {}
    assert "web" in user.ok("eni", "list", "--filter", f"networkInterfaceIds={port}")
    assert "is attached to" in user.refused("eni", "delete", "extra")
    assert user.json("eni", "detach", "extra") == {}
    assert "attached to nothing" in user.refused("eni", "detach", "extra")
    user.ok("eni", "delete", "extra", "--wait")


def test_an_interface_is_made_with_queues(user: User) -> None:
    """Queues beyond the instance type are refused by the API, which the command shows."""
    made = user.json("eni", "create", "wide", "--subnet", "front", "--queues", "2")["networkInterfaceId"]
    assert user.json("eni", "get", made)["networkInterface"]["queueNum"] == 2
    user.ok("eni", "delete", "wide")
    user.ok("instance", "create", "four", "--subnet", "front", "--type", "g.n2.xlarge", "--queues", "3")
    shown = user.json("instance", "get", "four")["instance"]["primaryNetworkInterface"]["networkInterface"]
    assert shown["queueNum"] == 3
    user.ok("instance", "delete", "four")
    small = ("instance", "create", "two", "--subnet", "front", "--type", "g.n2.large")
    assert "queueNum" in user.refused(*small, "--queues", "64")


def test_a_route_table_gets_rules_and_subnets(user: User) -> None:
    user.ok("eni", "create", "fw", "--subnet", "front", "--no-source-check")
    table = user.json("route-table", "create", "custom", "--vpc", "shop")["routeTableId"]
    user.ok("route-table", "add-rule", "custom", "0.0.0.0/0", "--via", "internet")
    shown = user.ok("route-table", "add-rule", "custom", "192.168.0.0/16", "--via", "eni:fw", "--priority", "7")
    assert "192.168.0.0/16 → eni:fw (priority 7)" in shown
    user.ok("route-table", "add-rule", "custom", "192.168.0.0/16", "--via", "instance:web")
    said = user.refused("route-table", "remove-rule", "custom", "192.168.0.0/16")
    rule = re.search(r"(route-\w{10}) 192\.168\.0\.0/16 → eni:", said)
    assert rule is not None
    assert "name one by its id" in said
    user.ok("route-table", "remove-rule", "custom", rule[1])
    user.ok("route-table", "remove-rule", "custom", "192.168.0.0/16", "--wait")
    assert "has no rule 192.168.0.0/16" in user.refused("route-table", "remove-rule", "custom", "192.168.0.0/16")
    assert "a next hop is" in user.refused("route-table", "add-rule", "custom", "1.0.0.0/8", "--via", "fw", code=2)
    assert "front" in user.ok("route-table", "associate", "custom", "front")
    assert user.json("subnet", "get", "front")["subnet"]["routeTableId"] == table
    user.ok("route-table", "disassociate", "custom", "front")
    user.ok("subnet", "create", "routed", "--vpc", "shop", "--cidr", "10.0.9.0/24", "--route-table", "custom")
    assert user.json("subnet", "get", "routed")["subnet"]["routeTableId"] == table
    for kind, name in (("subnet", "routed"), ("route-table", "custom"), ("eni", "fw")):
        user.ok(kind, "delete", name)


def test_an_instance_is_stopped_started_and_deleted(user: User) -> None:
    made = user.json("instance", "create", "batch", "--subnet", "front", "--type", "g.n2.large", "--eip-bandwidth", "5")
    assert made["instanceIds"][0] in user.ok("instance", "get", "batch")
    assert "stopped" in user.ok("instance", "stop", "batch")
    assert user.json("instance", "start", "batch") == {}
    assert user.json("instance", "get", "batch")["instance"]["status"] == "running"
    assert user.json("instance", "delete", "batch", "--with-eips", "--wait") == {}
    assert user.json("eip", "list")["totalCount"] == 0


def test_lists_are_whole_whatever_a_page_holds(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from sdnctl.cli import signed

    made = [user.json("eni", "create", f"n{n}", "--subnet", "front")["networkInterfaceId"] for n in range(12)]
    monkeypatch.setattr(signed, "PAGE", 10)
    listed = user.json("eni", "list", "--filter", f"networkInterfaceIds={','.join(made)}")
    assert [port["networkInterfaceId"] for port in listed["networkInterfaces"]] == made
    for port in made:
        user.ok("eni", "delete", port)


def test_what_is_not_confirmed_in_time_is_said(user: User) -> None:
    from sdnctl.base.problem import Problem
    from sdnctl.cli.invocation import invocation

    waiting = invocation(data=str(user.data), wait=True, timeout=0.1)
    with pytest.raises(Problem, match=r"host a is behind after 0\.1 s: it was accepted"):
        waiting.until(lambda: False, lambda: "host a is behind")


def test_the_default_account_needs_no_keys(user: User) -> None:
    region = {"SDNCTL_DATA": str(user.data)}
    assert run("vpc", "list", "--json", **region).json["vpcs"] == []
    assert run("vpc", "list", "--account", "default", "--json", **region).json["totalCount"] == 0


def test_another_account_needs_its_own_keys(user: User) -> None:
    said = run("vpc", "list", "--account", user.name, SDNCTL_DATA=str(user.data))
    assert (said.code, said.out) == (2, "")
    assert "SDNCTL_ACCESS_KEY" in said.err
    assert user("vpc", "list", "--account", user.name).code == 0
    assert user("vpc", "list", "--account", user.account).code == 0
    assert "is not an access key of account 'default'" in user.refused("vpc", "list", "--account", "default")
    assert "no account goes by 'nobody'" in user.refused("vpc", "list", "--account", "nobody")
    half = user("vpc", "list", SDNCTL_SECRET_KEY="")
    assert half.code == 2
    assert "needs its secret key" in half.err


def test_wrong_keys_are_told(user: User) -> None:
    wrong = user("vpc", "list", SDNCTL_SECRET_KEY="wrong")
    assert wrong.code == 1
    assert "check the access key and secret key" in wrong.err


def test_an_endpoint_needs_no_data_directory(user: User) -> None:
    there = ("--endpoint", user.endpoint, "--region", "cn-test-1")
    assert user("vpc", "get", "shop", *there, "--json", SDNCTL_DATA="/nowhere").json["vpc"]["vpcName"] == "shop"
    assert user("vpc", "get", "shop", "--endpoint", f"http://{user.endpoint}", "--region", "cn-test-1").code == 0
    assert "only cn-test-1" in user.refused("vpc", "list", "--endpoint", user.endpoint)
    gone = user("vpc", "list", "--endpoint", "127.0.0.1:1")
    assert gone.code == 2
    assert "127.0.0.1:1 does not answer" in gone.err
    without = run("vpc", "list", *there, SDNCTL_DATA="/nowhere")
    assert without.code == 2
    assert "give --access-key and --secret-key" in without.err


@pytest.mark.parametrize("command", [["vpc", "list"], ["eip", "get", "x"], ["export"], ["watch", "--once"]])
def test_without_a_region_it_says_how_to_start_one(command: list[str]) -> None:
    said = run(*command, SDNCTL_DATA="/nowhere")
    assert (said.code, said.out) == (2, "")
    assert "'sdnctl up --data /nowhere'" in said.err
    assert "--data or SDNCTL_DATA" in said.err


def test_the_shell_completes_names(user: User) -> None:
    def complete(line: str) -> str:
        return user(_SDNCTL_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(line.split(" ")) - 1)).out

    assert "vpc" in complete("sdnctl v").split()
    assert complete("sdnctl vpc get sh").split() == ["shop"]
    assert "front" in complete("sdnctl eni create --subnet ").split()
    assert complete("sdnctl vpc get sh --data /nowhere").strip() == ""
    assert "web" in complete("sdnctl eip bind x w").split()


def test_the_signature_is_the_one_that_the_vendor_s_sdk_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is when it leaves out the nonce, as that SDK does."""
    import calendar

    from sdnctl.cli import signed as ours
    from sdnctl.cli.signed import Tenant

    monkeypatch.setattr(ours, "SIGNED_HEADERS", ("content-type", "host"))

    query = [
        ("pageNumber", "2"), ("pageSize", "50"), ("filters.1.name", "vpcIds"), ("filters.1.values.1", "vpc-1"),
        ("filters.1.values.2", "vpc-2"), ("filters.2.name", "vpcNames"), ("filters.2.operator", "like"),
        ("filters.2.values.1", "名 a+b"), ("filters.2.values.2", "x/y~*"),
    ]  # fmt: skip
    tenant = Tenant("127.0.0.1:18080", "cn-north-1", "AK", "SK")
    when = calendar.timegm((2026, 11, 22, 18, 59, 18))
    signed = tenant.request("vpc", "GET", "vpcs/", query=query, when=when).headers["Authorization"]
    assert signed.endswith("d11452b90a1e59446c5681c333f861d3e1b09e0f0a2c24e1db307b9c1662b20b")
    assert "SK" not in repr(tenant).replace("SECRET", "").replace("access_key='AK'", "")
