"""Signed calls with real ids and half-right parameters: what is refused has changed nothing, what is carried out leaves
no reference to nothing.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdnctl.api.operations import OPERATOR, Operation, discover
from sdnctl.model.resource import meta
from tests.api.raw import Call
from tests.api.region import NAME, Region
from tests.api.test_isolation import owned

CHANGING = [o for o in discover() if o.service != OPERATOR and not o.reads]
# By the name of a parameter, what may be right for it; "@name" stands for one of the account's own resources.
RIGHT: dict[str, list[Any]] = {
    "addressPrefix": ["10.0.0.0/16", "10.0.1.0/24", "10.0.7.0/24", "20.0.0.0/8", "0.0.0.0/0", "10.0.0.1/16", ""],
    "cidrBlock": ["203.0.113.64/29", "203.0.113.0/29"],
    "deviceIndex": [1, 2],
    "elasticIpSpec": [{"bandwidthMbps": 5, "provider": "bgp"}, {"bandwidthMbps": 5000, "provider": "bgp"}],
    "instanceSpec": [
        {
            "name": "vm",
            "instanceType": "g.n2.large",
            "primaryNetworkInterface": {"networkInterface": {"subnetId": "@subnetId"}},
        }
    ],
    "instanceType": ["g.n2.large", "c.n3.small", "none"],
    "modifyRouteTableRuleSpecs": [
        [{"ruleId": "@ruleId", "priority": 3}, {"ruleId": "route-x"}],
        [{"ruleId": "@ruleId"}],
    ],
    "networks": [[{"networkInterfaceId": "@networkInterfaceId", "autoDelete": True}]],
    "privateIpAddress": ["10.0.1.3", "10.0.1.99"],
    "provider": ["bgp"],
    "routeTableRuleSpecs": [
        [{"addressPrefix": "30.0.0.0/8", "nextHopType": "instance", "nextHopId": "@instanceId"}],
        [
            {
                "addressPrefix": "40.0.0.0/8",
                "nextHopType": "elastic_network_interface",
                "nextHopId": "@networkInterfaceId",
            },
            {"addressPrefix": "10.0.0.0/24", "nextHopType": "internet", "nextHopId": "internet"},
        ],
    ],
    "ruleIds": [["@ruleId"], ["@ruleId", "route-x"]],
    "secondaryIps": [["10.0.1.50"], ["10.0.1.50", "10.0.1.1"]],
    "subnetIds": [["@subnetId"], ["@subnetId", "subnet-x"]],
}
OTHERWISE: list[Any] = [None, True, 0, 1, 24, 29, 10**20, "", "a b", "name", [], ["x"], {}, {"x": 1}]


class World:
    """A region and an account that may own much, and has one of everything."""

    def __init__(self, region: Region) -> None:
        many = ("vpc", "elastic_ip", "ipAddressPool", "requestRate", "routeTable")
        self.region = region
        self.tenant = region.tenant("many", **dict.fromkeys(many, 100_000))
        self._known: dict[str, str] = {}

    def ids(self) -> dict[str, str]:
        """One resource of each kind, by the parameter that names it; made again when one of them is gone."""
        there = {id for records in self.region.everything().values() for id in records}
        if not self._known or not there.issuperset(self._known.values()):
            made: dict[str, Any] = owned(self.tenant)
            (rule,) = made["ruleIds"]
            self._known = {name: id for name, id in made.items() if name.endswith("Id")} | {"ruleId": rule}
        return self._known


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """The one of this file."""
    with Region() as served:
        served.operator("POST", "/pools", {"cidr": "203.0.113.0/24", "gateway": "203.0.113.1"})
        yield World(served)


@st.composite
def halves(draw: st.DrawFn) -> tuple[Operation, dict[str, Any]]:
    """An operation and parameters of which most are of the right kind."""
    operation = draw(st.sampled_from(CHANGING))
    given: dict[str, Any] = {}
    for name, field in operation.request.model_fields.items():
        if name == "regionId" or not (field.is_required() or draw(st.integers(0, 3)) == 0):
            continue
        likely = RIGHT.get(name) or [f"@{name}" if name.endswith("Id") else "name" if name.endswith("Name") else 1]
        given[name] = draw(st.sampled_from(OTHERWISE if draw(st.integers(0, 9)) == 0 else likely))
    return operation, given


def filled(value: Any, ids: dict[str, str]) -> Any:
    """The same with ids for what stands for them."""
    text = json.dumps(value)
    for name, id in ids.items():
        text = text.replace(f'"@{name}"', json.dumps(id))
    return json.loads(text)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(half=halves())
def test_a_refused_call_changes_nothing(world: World, half: tuple[Operation, dict[str, Any]]) -> None:
    region, (operation, given) = world.region, half
    parameters = filled(given, world.ids())
    path = operation.path.replace("{regionId}", NAME)
    for name, value in parameters.items():
        path = path.replace(f"{{{name}}}", quote(str(value), safe="") or "-")
    body = json.dumps(parameters).encode()
    call = Call(operation.method, path.encode(), body, operation.service).sign(world.tenant)
    before = region.everything()
    code, _, answer = call.send(region.endpoint)
    assert code < 500 or code == 501, answer
    if code != 200:
        assert answer["error"]["code"] == code
        assert region.everything() == before
    whole(region)


def whole(region: Region) -> None:
    """Every reference of every record names a record."""
    everything = region.everything()
    for records in everything.values():
        for record in records.values():
            for item in meta(type(record)).refs:
                value = getattr(record, item.name)
                for id in value if isinstance(value, tuple) else (value,):
                    assert (id == "" and item.optional) or id in everything[item.target], (record, item.name)
