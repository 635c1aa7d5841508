"""Calls are charged for what they cost, lists hold nobody up, and an account's flows are bounded."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from jdcloud_sdk.services.common.models.Filter import Filter

from apps.eip.api import ExportElasticIps, describe_elastic_ips, export_elastic_ips
from apps.eip.model import ElasticIp
from apps.routing.api import OneTable, describe_route_table
from apps.routing.model import EVERYWHERE, INTERNET, Route, RouteTable
from apps.vpc.api import OneVpc, describe_vpc
from apps.vpc.model import Vpc
from sdnctl.api.access import Caller, Reader
from sdnctl.api.cost import COMPARED, LOOK, SHOW, STEPS
from sdnctl.api.flows import at_most
from sdnctl.api.listing import Listing
from sdnctl.api.operations import Operation
from sdnctl.api.rate import BURST_S, DEBT_S, Budget, Limiter
from sdnctl.api.schema import Json, Request
from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import IntentError
from sdnctl.program.weight import Weighed, weighs
from sdnctl.store import Change, State
from tests.api.raw import Call
from tests.api.region import NAME, Refused, Region, Tenant
from tests.api.test_operations import eip, instance, network, port
from tests.api.test_waiting import asked

RATE = 10
FULL = int(RATE * BURST_S)
PATH = "/v1/regions/{regionId}/slow"


class Clock:
    """A time that stands still."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def left(limiter: Limiter) -> int:
    """The calls that an account may make now."""
    count = 0
    while limiter.take("one", RATE, 1, least=1) >= 0:
        count += 1
    return count


def test_work_is_paid_by_the_thousand_steps() -> None:
    limiter = Limiter(Clock())
    limiter.admit("one", RATE)
    budget = Budget(limiter, "one", RATE)
    budget.spend(STEPS - 1, "little")
    budget.spend(1, "more of it")
    budget.spend(3 * STEPS, "much")
    budget.owe(STEPS)
    assert left(limiter) == FULL - 1 - 5


def test_what_costs_more_than_there_is_is_owed_and_the_next_call_waits() -> None:
    clock = Clock()
    limiter = Limiter(clock)
    limiter.admit("one", RATE)
    Budget(limiter, "one", RATE).spend(2 * FULL * STEPS, "a list")
    with pytest.raises(IntentError, match=r"more than the 10 a second of the quota requestRate: try again in 2\.2 s"):
        limiter.admit("one", RATE)
    limiter.admit("other", RATE)
    clock.now += BURST_S + 0.3
    limiter.admit("one", RATE)


def test_of_two_at_once_the_second_is_refused_before_its_work() -> None:
    limiter = Limiter(Clock())
    budgets = []
    for _ in range(2):
        limiter.admit("one", RATE)
        budgets.append(Budget(limiter, "one", RATE))
    budgets[0].spend(FULL * STEPS, "a list")
    budgets[0].spend(STEPS, "its page")
    with pytest.raises(IntentError) as refusal:
        budgets[1].spend(2 * STEPS, "3 filters over 1000 records")
    assert (refusal.value.code, refusal.value.status) == (429, "RATE_LIMIT_EXCEEDED")
    assert "3 filters over 1000 records cost as much as 2 calls" in refusal.value.message


def test_nobody_owes_for_longer_than_ten_seconds() -> None:
    clock = Clock()
    limiter = Limiter(clock)
    Budget(limiter, "one", RATE).owe(1000 * FULL * STEPS)
    clock.now += DEBT_S
    assert limiter.take("one", RATE, 1, least=1) < 0
    clock.now += 0.2
    limiter.admit("one", RATE)


def dear(tenant: Tenant) -> None:
    """A list with as many values to compare as a call may have."""
    values = [f"b{n}" for n in range(99)] + ["vpc"]
    filters = [Filter("vpcNames", values, "like") for _ in range(9)]
    tenant.vpc("describeVpcs", filters=filters)


def test_a_dear_list_is_charged_and_says_so(region: Region) -> None:
    hungry, calm = region.tenant("hungry", vpc=60, requestRate=60), region.tenant("calm", requestRate=60)
    for n in range(50):
        hungry.vpc("createVpc", vpcName=f"vpc-{n}")
    region.operator("PATCH", "/accounts/hungry/quotas", {"quotas": {"requestRate": 4}})
    refusal = None
    for _ in range(4):
        try:
            dear(hungry)
        except Refused as refused:
            refusal = refused
            break
    assert refusal is not None and (refusal.code, refusal.status) == (429, "RATE_LIMIT_EXCEEDED")
    dear(calm)


def test_a_rehearsal_costs_what_its_calls_would() -> None:
    """Ten elastic IPs cost more calls than one: five orders are more than the eight calls that a quiet account has."""
    order = {"maxCount": 10, "elasticIpSpec": {"bandwidthMbps": 1, "provider": "bgp"}}
    target = f"/v1/regions/{NAME}/rehearsals/new-{'a' * 16}/elasticIps/".encode()
    with Region() as region:
        region.operator("POST", "/pools", {"cidr": "198.51.100.0/24", "gateway": "198.51.100.1"})
        tenant = region.tenant("one", elastic_ip=100, requestRate=4)
        codes = []
        for _ in range(5):
            code, _, _ = Call("POST", target, json.dumps(order).encode()).sign(tenant).send(region.endpoint)
            codes.append(code)
    assert codes[0] == 200 and codes[-1] == 429, codes


def test_who_is_to_wait_is_told_for_how_long(region: Region) -> None:
    hasty = region.tenant("hasty", requestRate=1)
    told = {}
    for _ in range(4):
        code, told, _ = Call().sign(hasty).send(region.endpoint)
        assert (code == 429) == ("retry-after" in told)
    assert told["retry-after"] == "1"
    none = region.tenant("none", requestRate=0)
    code, told, _ = Call().sign(none).send(region.endpoint)
    assert code == 429 and "retry-after" not in told, "waiting does not help"


def test_whoever_writes_waits_for_no_list() -> None:
    """A list that takes as long as it likes sees one moment, while others write."""
    begun, over = threading.Event(), threading.Event()

    def slow(request: Request, view: Reader) -> Json:
        before = len(view.mine(Vpc))
        begun.set()
        assert over.wait(10)
        return {"before": before, "after": len(view.mine(Vpc))}

    listing = Operation("vpc", "describeVpcs", "GET", PATH, Request, slow, reads=True)
    with Region(listing) as region, ThreadPoolExecutor() as pool:
        tenant = region.tenant("tenant")
        tenant.vpc("createVpc", vpcName="first")
        shown = pool.submit(_get, region, tenant)
        assert begun.wait(10)
        tenant.vpc("createVpc", vpcName="second")
        over.set()
        assert shown.result() == {"before": 1, "after": 1}
        assert len(tenant.vpc("describeVpcs")["vpcs"]) == 2


def _get(region: Region, tenant: Tenant) -> Json:
    _, _, found = asked(region, tenant, "GET", "/v1/regions/cn-test-1/slow")
    shown: Json = found["result"]
    return shown


def flows(tenant: Tenant) -> int:
    """The flows that an account needs."""
    return int(tenant.vpc("describeQuota", type="flow")["quota"]["count"])


def test_the_flows_of_an_account_are_told(region: Region, tenant: Tenant) -> None:
    assert flows(tenant) == 0
    vpc, subnet = network(tenant)
    assert flows(tenant) == 4 + 17 + 1  # the VPC, its subnet, the route to the internet
    one = port(tenant, subnet, secondaryIpCount=2)
    eip(tenant)
    # Of the port, three addresses, what its groups have no rule for and their two rules, and of the elastic IP.
    assert flows(tenant) == 22 + (11 + 3 * 6) + (4 + 2 * 2) + 16
    other = port(tenant, subnet)
    table = tenant.vpc("createRouteTable", vpcId=vpc, routeTableName="r")["routeTableId"]
    before = flows(tenant)
    hop = {"nextHopType": "elastic_network_interface", "addressPrefix": "100.64.0.0/16"}
    tenant.vpc("addRouteTableRules", routeTableId=table, routeTableRuleSpecs=[hop | {"nextHopId": one}])
    assert flows(tenant) == before + 1
    tenant.vpc("addRouteTableRules", routeTableId=table, routeTableRuleSpecs=[hop | {"nextHopId": other}])
    assert flows(tenant) > before + 2, "equal routes have slots"


def test_more_flows_than_an_account_may_have_are_refused(region: Region) -> None:
    tenant = region.tenant("tenant", flow=66)
    _, subnet = network(tenant)
    machine = instance(tenant, subnet)
    port(tenant, subnet)
    refusal = region.changes_nothing(lambda: port(tenant, subnet))
    assert (refusal.code, refusal.status) == (429, "QUOTA_EXCEEDED")
    assert "the quota flow of the account is 66, and with this call 81 are needed" in refusal.message
    assert "NetworkInterface 51" in refusal.message
    tenant.vm("deleteInstance", instanceId=machine)
    port(tenant, subnet)


@pytest.mark.parametrize(
    ("limit", "counted"),
    [(500, []), (499, ["Route"]), (108, ["Route"]), (107, ["Route", "Vpc"]), (1, ["Route", "Vpc"])],
)
def test_flows_are_counted_only_as_far_as_there_may_be_too_many(
    limit: int, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 4 routes that need 2 flows each and 100 at most, and 10 VPCs of 5 and 10, the routes are counted first."""
    looked: list[str] = []
    state = State()
    records = [Vpc(id=f"vpc-{n}", account="a", key=n + 1, meter=n + 1) for n in range(10)]
    state.apply([Change(Vpc, record.id, None, record) for record in records])
    rule = Route(id="", account="a", vpc="vpc-0", table="t", prefix=EVERYWHERE, next_hop_type=INTERNET)
    routes = [replace(rule, id=f"r-{n}") for n in range(4)]
    state.apply([Change(Route, route.id, None, route) for route in routes])

    def exactly(cls: type, flows: int) -> Callable[[Weighed, str], int]:
        def count(records: Weighed, account: str) -> int:
            looked.append(cls.__name__)
            return flows * len(records.by(cls, ("account",), account))

        return count

    made = weighs(Vpc, 1, most=10, exactly=exactly(Vpc, 5)), weighs(Route, 1, most=100, exactly=exactly(Route, 2))
    monkeypatch.setattr("sdnctl.api.flows.weights", lambda: {one.of: one for one in made})
    found = at_most(state, "a", limit)
    assert looked == counted
    assert found == {Vpc: 50 if "Vpc" in counted else 100, Route: 8 if "Route" in counted else 400}
    assert at_most(state, "b", 1) == {Vpc: 0, Route: 0}


def test_who_has_too_many_flows_may_still_take_some_away(region: Region, tenant: Tenant) -> None:
    _, subnet = network(tenant)
    one, _ = port(tenant, subnet, secondaryIpCount=2), port(tenant, subnet)
    region.operator("PATCH", "/accounts/tenant/quotas", {"quotas": {"flow": 20}})
    tenant.vpc("modifyNetworkInterface", networkInterfaceId=one, networkInterfaceName="renamed")
    shown = tenant.vpc("describeNetworkInterface", networkInterfaceId=one)["networkInterface"]
    away = [shown["secondaryIps"][0]["privateIpAddress"]]
    tenant.vpc("unassignSecondaryIps", networkInterfaceId=one, secondaryIps=away)
    refusal = region.changes_nothing(
        lambda: tenant.vpc("assignSecondaryIps", networkInterfaceId=one, secondaryIpCount=1)
    )
    assert refusal.status == "QUOTA_EXCEEDED"
    tenant.vpc("deleteNetworkInterface", networkInterfaceId=one)


class Payments(list[int]):
    """The steps that were paid."""

    def spend(self, steps: int, what: str) -> None:
        self.append(steps)


@pytest.fixture
def paid() -> Payments:
    return Payments()


@pytest.fixture
def reader(paid: Payments) -> Reader:
    """An account with forty elastic IPs, and a route table with fifty rules."""
    table = RouteTable(id="rtb", account="acc", vpc="vpc", key=1)
    rule = Route(id="", account="acc", vpc="vpc", table="rtb", prefix=EVERYWHERE, next_hop_type=INTERNET)
    numbers = dict.fromkeys(("out_meter", "in_meter", "meter", "piece_meter", "out_zone", "in_zone"), 0)
    records: list[Any] = [table, *(replace(rule, id=f"route-{n}") for n in range(50))]
    records += [ElasticIp(id=f"fip-{n}", account="acc", pool="", address=Ip4(n), **numbers) for n in range(40)]
    state = State()
    state.apply([Change(type(record), record.id, None, record) for record in records])
    return Reader(state, Caller("acc", "here", "call"), 0.0, paid.spend)


def test_a_page_pays_for_all_that_it_was_chosen_from(reader: Reader, paid: Payments) -> None:
    describe_elastic_ips(Listing(pageNumber=4, pageSize=10), reader)
    assert sum(paid) == 40 * LOOK + 10 * SHOW


def test_filters_and_tags_pay_for_each_comparison(reader: Reader, paid: Payments) -> None:
    values = tuple(f"x{n}" for n in range(100))
    filters = [{"name": "elasticIpAddress", "operator": "like", "values": values}] * 3
    describe_elastic_ips(Listing.model_validate({"filters": filters}), reader)
    assert sum(paid) == 40 * LOOK + 40 * (3 + 300 // COMPARED)
    paid.clear()
    describe_elastic_ips(Listing.model_validate({"tags": [{"key": "k", "values": values}] * 2}), reader)
    assert sum(paid) == 40 * LOOK + 40 * (2 + 200 // COMPARED)


def test_an_export_pays_for_each_row(reader: Reader, paid: Payments) -> None:
    export_elastic_ips(ExportElasticIps(fileType="csv"), reader)
    assert sum(paid) == 40 * LOOK + 40 * SHOW


def test_a_table_pays_for_its_rules(reader: Reader, paid: Payments) -> None:
    describe_route_table(OneTable(routeTableId="rtb"), reader)
    assert sum(paid) == 50 * LOOK


def test_a_vpc_pays_for_the_subnets_that_are_shown_with_it(paid: Payments) -> None:
    with Region() as region:
        tenant = region.tenant("tenant")
        vpc, _ = network(tenant)
        with region.store.read() as state:
            seen = Reader(state, Caller(tenant.account, "here", "call"), 0.0, paid.spend)
            describe_vpc(OneVpc(vpcId=vpc), seen)
            one = sum(paid)
        tenant.vpc("createSubnet", vpcId=vpc, subnetName="other", addressPrefix="10.0.200.0/24")
        paid.clear()
        with region.store.read() as state:
            describe_vpc(OneVpc(vpcId=vpc), Reader(state, seen.caller, 0.0, paid.spend))
            assert sum(paid) >= one + SHOW + LOOK
