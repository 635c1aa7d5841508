"""A network as a file: what it becomes, what a second look finds to do, and which mistakes are told where."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml

from sdnctl.cli.exchange import Refused
from sdnctl.cli.intent.text import Faulty, parse
from sdnctl.cli.signed import Tenant
from tests.cli.conftest import User

NETWORK = """
vpcs:
  shop:
    cidr: 10.0.0.0/16
    description: the shop
    tags: {team: web}
    route-tables:
      default:
        rules:
          - {to: 0.0.0.0/0, via: internet}
          - {to: 192.168.0.0/16, via: eni:fw}
      through-fw:
        rules:
          - {to: 0.0.0.0/0, via: eni:fw, priority: 50}
          - {to: 0.0.0.0/0, via: instance:web, priority: 50}
    subnets:
      front: {cidr: 10.0.0.0/24, dns: [1.1.1.1, 10.0.0.2], domains: [shop.example]}
      back: {cidr: 10.0.1.0/24, route-table: through-fw}
      "123": {cidr: 10.0.2.0/24}
    interfaces:
      fw: {subnet: front, address: 10.0.0.5, source-check: no, secondary: [10.0.0.6], mac: 0a:00:00:00:00:05}
    instances:
      web: {type: g.n2.large, subnet: front, address: 10.0.0.10, interfaces: [fw]}
      db: {subnet: back, address: 10.0.1.10, state: stopped, secondary: [10.0.1.11], source-check: off}
elastic-ips:
  web-ip: {bandwidth: 20, bound-to: instance:shop/web}
  fw-ip: {bandwidth: 5, bound-to: eni:shop/fw, private: 10.0.0.6}
  spare: {bandwidth: 1, charge: postpaid_by_usage}
"""
EMPTY = "vpcs: {}\nelastic-ips: {}\n"


def apply(user: User, text: str, *options: str) -> Any:
    return user.json("apply", "-f", "-", *(options or ("--yes",)), stdin=text)


def changes(found: Any) -> list[tuple[str, str, str]]:
    return [(one["action"], one["kind"], one["name"]) for one in found["changes"]]


def sequence(user: User) -> int:
    return int(user.json("status")["sequence"])


@pytest.fixture
def network(user: User) -> None:
    """The account has exactly this network."""
    apply(user, NETWORK)


def test_a_network_is_made_and_the_second_time_nothing_is_done(user: User) -> None:
    before = sequence(user)
    planned = apply(user, NETWORK, "--dry-run")
    assert planned["applied"] is False
    assert {action for action, _, _ in changes(planned)} == {"create"}
    assert len(planned["changes"]) == 12
    assert sequence(user) == before, "a dry run changes nothing"

    done = apply(user, NETWORK, "--yes", "--wait")
    assert (done["applied"], done["changes"]) == (True, planned["changes"])
    after = sequence(user)
    assert apply(user, NETWORK)["changes"] == []
    assert sequence(user) == after

    port = user.json("eni", "get", "fw")["networkInterface"]
    assert (port["sanityCheck"], port["macAddress"], port["deviceIndex"]) == (0, "0a:00:00:00:00:05", 2)
    tables = user.json("route-table", "list")["routeTables"]
    assert {table["routeTableName"]: len(table["routeTableRules"]) for table in tables} == {
        "default": 3,
        "through-fw": 3,
    }
    assert user.json("instance", "get", "db")["instance"]["status"] == "stopped"
    assert {eip["state"] for eip in user.json("eip", "list")["elasticIps"]} == {"UP"}


def test_an_export_applied_changes_nothing_and_builds_the_same_again(user: User, network: None) -> None:
    exported = user.ok("export")
    assert yaml.safe_load(exported) == user.json("export")
    assert apply(user, exported, "--dry-run", "--prune") == {"changes": [], "applied": False, "kept": 0}
    removed = apply(user, EMPTY, "--yes", "--prune")
    assert {action for action, _, _ in changes(removed)} == {"delete"}
    assert user.json("export") == {"vpcs": {}, "elastic-ips": {}}
    apply(user, exported)
    assert user.ok("export") == exported


def test_only_what_differs_is_changed(user: User, network: None) -> None:
    wanted = yaml.safe_load(NETWORK)
    shop, eips = wanted["vpcs"]["shop"], wanted["elastic-ips"]
    shop["description"] = "another"
    shop["route-tables"]["through-fw"]["rules"] = [
        {"to": "0.0.0.0/0", "via": "internet"},
        {"to": "172.16.0.0/12", "via": "instance:web"},
    ]
    shop["subnets"]["front"]["dns"] = []
    shop["subnets"]["back"]["route-table"] = "default"
    shop["interfaces"]["fw"] |= {"secondary": ["10.0.0.7", "10.0.0.6"], "source-check": True}
    shop["instances"]["web"] |= {"interfaces": [], "source-check": False}
    shop["instances"]["db"] |= {"interfaces": ["fw"], "state": "running", "secondary": []}
    eips["web-ip"] |= {"bandwidth": 30, "bound-to": "instance:shop/db"}
    eips["fw-ip"] |= {"bound-to": "none"}
    del eips["fw-ip"]["private"]
    found = apply(user, yaml.safe_dump(wanted))
    assert sorted(changes(found)) == sorted(
        ("change", kind, name)
        for kind, name in (
            ("vpc", "shop"), ("route-table", "shop/through-fw"), ("subnet", "shop/front"), ("subnet", "shop/back"),
            ("eni", "shop/fw"), ("instance", "shop/web"), ("instance", "shop/db"), ("eip", "web-ip"), ("eip", "fw-ip"),
        )
    )  # fmt: skip
    details = {one["name"]: one["details"] for one in found["changes"]}
    assert details["web-ip"] == ["bandwidth 20 → 30", "bound-to instance:shop/web → instance:shop/db"]
    assert details["shop/fw"] == ["secondary: + 10.0.0.7", "source-check false → true"]
    assert apply(user, yaml.safe_dump(wanted))["changes"] == []
    now = user.json("export")
    assert now["elastic-ips"]["web-ip"]["private"] == "10.0.1.10"
    assert now["elastic-ips"]["fw-ip"]["bound-to"] == "none"
    assert now["vpcs"]["shop"]["instances"]["db"]["interfaces"] == ["fw"]
    assert sorted(map(str, now["vpcs"]["shop"]["route-tables"]["through-fw"]["rules"])) == sorted(
        map(str, shop["route-tables"]["through-fw"]["rules"])
    )


def test_elastic_ips_move_in_one_call_where_the_place_is_free(user: User, network: None) -> None:
    """To another machine, and to one that is made along; two that change places cannot but be unbound first."""

    def moved(**places: str) -> list[str]:
        wanted = yaml.safe_load(NETWORK)
        wanted["vpcs"]["shop"]["instances"]["new"] = {"subnet": "front", "address": "10.0.0.30"}
        wanted["elastic-ips"]["fw-ip"] = {"bandwidth": 5}
        for name, place in places.items():
            wanted["elastic-ips"][f"{name}-ip"] = {"bandwidth": {"web": 20, "fw": 5}[name], "bound-to": place}
        calls = user.calls("apply", "-f", "-", "--yes", stdin=yaml.safe_dump(wanted))
        assert apply(user, yaml.safe_dump(wanted))["changes"] == []
        return [call for call in calls if call.endswith("associateElasticIp")]

    assert moved(web="instance:shop/new") == ["associateElasticIp"]
    assert moved(web="instance:shop/db") == ["associateElasticIp"]
    assert moved(web="instance:shop/db", fw="instance:shop/web") == ["associateElasticIp"]
    bind, free = "associateElasticIp", "disassociateElasticIp"
    assert moved(web="instance:shop/web", fw="instance:shop/db") == [free, free, bind, bind]
    assert sorted(moved(web="instance:shop/db", fw="instance:shop/new")) == [bind, bind, free]


def test_the_difference_is_a_table_for_people(user: User, network: None) -> None:
    shown = user.ok("apply", "-f", "-", "--dry-run", "--prune", stdin="elastic-ips:\n  new: {bandwidth: 7}\n")
    lines = [line.split()[:3] for line in shown.splitlines()]
    assert ["+", "eip", "new"] in lines
    assert ["-", "eip", "spare"] in lines
    assert "bandwidth 7" in shown
    assert "nothing to do" in user.ok("apply", "-f", "-", "--yes", stdin=NETWORK)
    assert "more that the file does not name stay" in user.ok("apply", "-f", "-", "--dry-run", stdin=EMPTY)


def test_what_a_file_does_not_name_stays_unless_pruned(user: User, network: None) -> None:
    kept = apply(user, "elastic-ips: {}\n")
    assert (kept["changes"], kept["kept"]) == ([], 3)
    assert apply(user, "vpcs:\n  shop:\n    subnets: {front: {}, back: {}}\n")["kept"] == 1
    pruned = apply(user, "vpcs:\n  shop:\n    subnets: {front: {}, back: {}}\n", "--yes", "--prune")
    assert changes(pruned) == [("delete", "subnet", "shop/123")]
    assert apply(user, "", "--yes", "--prune")["changes"] == []


def test_nothing_is_done_that_nobody_agreed_to(user: User, network: None) -> None:
    before = sequence(user)
    said = user("apply", "-f", "-", stdin="elastic-ips:\n  new: {bandwidth: 1}\n")
    assert said.code == 2
    assert "add --yes" in said.err
    assert sequence(user) == before


OVERLAP = "vpcs:\n  shop:\n    subnets:\n      one: {cidr: 10.0.7.0/24}\n      two: {cidr: 10.0.7.0/25}\n"


@pytest.mark.parametrize("how", ["--dry-run", "--yes"])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        (OVERLAP, ["f:5: subnet shop/two: addressPrefix: 10.0.7.0/25 overlaps"]),
        ("vpcs: {shop: {subnets: {far: {cidr: 10.9.0.0/24}}}}", ["subnet shop/far: addressPrefix: "]),
        ("vpcs: {'a b': {cidr: 10.1.0.0/16}}", ["vpc a b: vpcName: "]),
        ("elastic-ips: {e: {bandwidth: 5000}}", ["elastic IP e: "]),
        (
            "vpcs:\n  shop:\n    interfaces:\n      x: {subnet: front, address: 10.0.0.99}\n"
            "      y: {subnet: front, address: 10.0.0.99}\n      z: {subnet: front, mac: 'ff:ff:ff:ff:ff:ff'}\n"
            "elastic-ips:\n  e: {bandwidth: 1, bound-to: eni:shop/y}\n",
            ["f:5: network interface shop/y: ", "f:6: network interface shop/z: "],
        ),
        (
            "vpcs:\n  new:\n    cidr: 10.2.0.0/16\n    subnets: {s: {cidr: 10.2.0.0/24}}\n"
            "    instances: {ww: {subnet: s, address: 10.2.1.1}, vv: {subnet: s, interfaces: [w2]}}\n"
            "    interfaces: {w2: {subnet: s, address: 10.2.0.1}}\n",
            ["instance new/ww: ", "network interface new/w2: "],
        ),
    ],
)
def test_all_that_the_api_would_refuse_is_told_at_once_and_nothing_is_done(
    user: User, network: None, tmp_path: Path, text: str, says: list[str], how: str
) -> None:
    (tmp_path / "f").write_text(text)
    before = sequence(user)
    said = user.refused("apply", "-f", str(tmp_path / "f"), how).replace(f"{tmp_path}/", "")
    lines = said.splitlines()
    assert lines.pop() == "nothing was changed: put this right and apply again"
    assert len(lines) == len(says), "what only follows from another refusal is not told"
    assert all(any(part in line for line in lines) for part in says)
    assert sequence(user) == before


def test_a_rehearsal_changes_nothing_and_does_not_see_another_s(user: User) -> None:
    from dataclasses import replace

    from sdnctl.cli.invocation import invocation

    tenant = invocation(data=str(user.data), access_key=user.environment["SDNCTL_ACCESS_KEY"],
                        secret_key=user.environment["SDNCTL_SECRET_KEY"]).tenant  # fmt: skip
    before = sequence(user)
    first, second = replace(tenant, rehearsal="a" * 20), replace(tenant, rehearsal="new-" + "b" * 20)
    replace(tenant, rehearsal="new-" + "a" * 20).get("vpc", "vpcs/")
    made = first.post("vpc", "vpcs/", {"vpcName": "maybe"})["vpcId"]
    assert first.get("vpc", f"vpcs/{made}")["vpc"]["vpcName"] == "maybe"
    assert made in {one["vpcId"] for one in first.pages("vpc", "vpcs/", "vpcs")}
    for other in (tenant, second):
        with pytest.raises(Refused, match="does not exist"):
            other.get("vpc", f"vpcs/{made}")
    with pytest.raises(Refused, match="no such rehearsal"):
        first.get("vpc", f"vpcs/{made}")
    assert sequence(user) == before


def test_where_another_server_answers_apply_says_what_it_could_not_check(user: User, network: None) -> None:
    """As behind a proxy: the server that is asked has not begun the rehearsal."""
    ask = Tenant.get

    def elsewhere(tenant: Tenant, *what: Any) -> Any:
        return {} if tenant.rehearsal.startswith("new-") else ask(tenant, *what)

    with mock.patch.object(Tenant, "get", elsewhere):
        said = user.ok("apply", "-f", "-", "--dry-run", stdin="vpcs: {other: {cidr: 10.9.0.0/16}}")
    assert "only 0 of 1 steps could be checked beforehand" in said


def test_a_refusal_on_the_way_says_how_far_it_came(user: User, network: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when somebody else was faster between the check and the change."""
    monkeypatch.setattr(import_module("sdnctl.cli.intent.rehearsal"), "check", lambda *_: "")
    text = OVERLAP
    said = user("apply", "-f", "-", "--yes", stdin=text)
    assert said.code == 1
    assert "subnet shop/two: addressPrefix: 10.0.7.0/25 overlaps" in said.err
    assert "1 of 2 steps are done" in said.err
    assert changes(apply(user, text.replace("7.0/25", "8.0/25"))) == [("create", "subnet", "shop/two")]
    for name in ("one", "two"):
        user.ok("subnet", "delete", name)


def test_what_has_no_name_or_one_too_many_goes_by_its_id(user: User, network: None) -> None:
    (nameless,) = user.json("eip", "create", "--bandwidth", "3")["elasticIpIds"]
    twins = user.json("eip", "create", "twin", "--bandwidth", "4", "--count", "2")["elasticIpIds"]
    exported = user.json("export")["elastic-ips"]
    assert {nameless, *twins} <= exported.keys()
    assert "twin" not in exported
    assert apply(user, user.ok("export"), "--dry-run")["changes"] == []
    named = apply(user, f"elastic-ips:\n  {nameless}: {{bandwidth: 8}}\n")
    assert changes(named) == [("change", "eip", nameless)]
    said = user.refused("apply", "-f", "-", "--yes", stdin="elastic-ips:\n  twin: {bandwidth: 9}\n", code=2)
    assert all(id in said for id in twins)
    for id in (nameless, *twins):
        user.ok("eip", "delete", id)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("vpcs:\n  shop: {cidr: 10.9.0.0/16}\n", "f:2: cidr of vpc shop cannot change from 10.0.0.0/16 to 10.9.0.0/16"),
        ("vpcs:\n  shop:\n    subnets:\n      new: {}\n", "f:4: subnet shop/new is new and needs 'cidr'"),
        (
            "elastic-ips:\n  web-ip:\n    bound-to: instance:shop/nope\n",
            "f:3: there is no instance shop/nope, neither here nor in the file",
        ),
        (
            "vpcs:\n  shop:\n    interfaces: {}\n",
            "f: instance shop/web uses network interface shop/fw, which --prune would delete",
        ),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_done(
    user: User, network: None, tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "f").write_text(text)
    before = sequence(user)
    said = user.refused("apply", "-f", str(tmp_path / "f"), "--yes", "--prune", code=2)
    assert says in said.replace(f"{tmp_path}/", "")
    assert sequence(user) == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("vpc: {}", "f:1: unknown key 'vpc' in an intent file: did you mean 'vpcs'?"),
        ("vpcs:\n  a:\n    cird: 1", "f:3: unknown key 'cird' in vpc a: did you mean 'cidr'?"),
        ("vpcs:\n  a:\n    qqq: 1", "f:3: unknown key 'qqq' in vpc a: known are cidr, description, tags"),
        ("vpcs: {a: {cidr: 10.0.0.1/8}}", "f:1: cidr of vpc a: '10.0.0.1/8' has bits set beyond its prefix"),
        ("vpcs: {a: {description: [x]}}", "f:1: description of vpc a: a single value is expected here"),
        ("vpcs: []", "f:1: a mapping (KEY: VALUE) is expected here"),
        ("[" * 5000, "f: it is nested too deeply"),
        ("vpcs:\n  a: {}\n  a: {}", "f:3: 'a' stands here twice, first in line 2"),
        ("vpcs: {a/b: {}}", "'a/b' cannot be a name"),
        ("vpcs:\n  a: [", "f:2: "),
        ("elastic-ips: {a: {bandwidth: 1.5}}", "must be a whole number from 1 to 5000, not '1.5'"),
        ("elastic-ips: {a: {bound-to: web}}", "must be none, instance:VPC/NAME or eni:VPC/NAME or"),
        ("vpcs: {a: {route-tables: {r: {rules: [{to: 0.0.0.0/0}]}}}}", "a rule needs 'to' and 'via'"),
        ("vpcs: {a: {route-tables: {r: {rules: [{to: 1.0.0.0/8, via: fw}]}}}}", "must be internet, instance:NAME"),
        ("vpcs: {a: {route-tables: {r: {rules: [{hop: x}]}}}}", "unknown key 'hop' in a rule: known are to, via"),
        ("vpcs: {a: {interfaces: {i: {secondary: [10.0.0.1, 10.0.0.1]}}}}", "10.0.0.1 stands here twice"),
        ("vpcs: {a: {interfaces: {i: {secondary: 10.0.0.1}}}}", "a list is expected here"),
        ("vpcs: {a: {interfaces: {i: {source-check: maybe}}}}", "must be true or false, not 'maybe'"),
        ("vpcs: {a: {instances: {i: {state: paused}}}}", "must be running or stopped, not 'paused'"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, says: str) -> None:
    with pytest.raises(Faulty) as told:
        parse(text, "f")
    assert says in str(told.value)


def test_all_mistakes_are_told_at_once_in_their_order() -> None:
    with pytest.raises(Faulty) as told:
        parse("elastic-ips:\n  a: {x: 1, bandwidth: no}\nvpcs:\n  b: {cidr: 1}\n", "f")
    assert [line.split(":")[1] for line in str(told.value).splitlines()] == ["2", "2", "4"]


def test_a_file_that_is_not_there_is_said(user: User) -> None:
    assert "cannot read /nowhere/f: No such file" in user.refused("apply", "-f", "/nowhere/f", code=2)


def test_names_are_text_however_yaml_reads_them() -> None:
    items = parse("vpcs: {on: {}, 123: {}, 1.0: {description: 5}}", "f").items
    assert [item.name for item in items] == ["on", "123", "1.0"]
    assert items[2].values == {"description": "5"}
    assert json.dumps([item.lines[""] for item in items]) == "[1, 1, 1]"
