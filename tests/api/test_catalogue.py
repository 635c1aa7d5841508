"""Every operation of the public SDK is either served or answered with 501, and none is missing from our own table."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
from jdcloud_sdk.core.jdcloudrequest import JDCloudRequest

from sdnctl.api import catalogue
from sdnctl.api.catalogue import Known
from sdnctl.api.operations import OPERATOR, discover
from tests.api.raw import Call
from tests.api.region import NAME, Region, Tenant


def spoken() -> Iterator[Known]:
    """Yield the operations that the request classes of the installed SDK would send."""
    for service in sorted(catalogue.services()):
        package = importlib.import_module(f"jdcloud_sdk.services.{service}.apis")
        for module in pkgutil.iter_modules(package.__path__):
            for name, kind in vars(importlib.import_module(f"{package.__name__}.{module.name}")).items():
                if inspect.isclass(kind) and issubclass(kind, JDCloudRequest) and kind is not JDCloudRequest:
                    request = cast(Any, kind)({})
                    operation = name[0].lower() + name[1:].removesuffix("Request")
                    yield Known(service, operation, request.method, f"/{request.version}{request.url}")


SPOKEN = sorted(spoken())
NAMES = {(known.service, known.name) for known in SPOKEN}
PUBLIC = {(o.service, o.name): o for o in discover() if o.service != OPERATOR}
SERVED = {key: operation for key, operation in PUBLIC.items() if key in NAMES}


def test_our_table_is_the_sdks() -> None:
    assert sorted(catalogue.known()) == SPOKEN


def test_our_list_of_services_is_the_sdks() -> None:
    package = importlib.import_module("jdcloud_sdk.services")
    assert catalogue.public_services() == {module.name for module in pkgutil.iter_modules(package.__path__)}


def test_what_is_served_is_spelled_as_the_sdk_spells_it() -> None:
    table = {(known.service, known.name): known for known in SPOKEN}
    for key, operation in SERVED.items():
        assert table[key] == Known(operation.service, operation.name, operation.method, operation.path)


def test_what_is_ours_alone_hides_nothing_of_the_sdks() -> None:
    taken = {(known.service, known.method, re.sub(r"\{\w+\}", "{}", known.path)) for known in SPOKEN}
    for key in PUBLIC.keys() - SERVED.keys():
        added = PUBLIC[key]
        assert (added.service, added.method, re.sub(r"\{\w+\}", "{}", added.path)) not in taken


def test_issue_3_is_served() -> None:
    names = """describeSubnetCidrIps assignSecondaryIps unassignSecondaryIps describeNetworkInterfaceCidrIps
        createRouteTable modifyRouteTable deleteRouteTable addRouteTableRules modifyRouteTableRules
        removeRouteTableRules describeRouteTableRules associateRouteTable disassociateRouteTable exportElasticIps
        describeElasticIpPools createElasticIpPool describeElasticIpPool modifyElasticIpPool deleteElasticIpPool
        describeQuota describeEdgeIpProviders"""
    machines = """describeQuotas describeInstanceStatus describeInstancePrivateIpAddress startInstance stopInstance
        resizeInstance modifyInstanceNetworkAttribute"""
    assert {("vpc", name) for name in names.split()} | {("vm", name) for name in machines.split()} <= set(SERVED)


def test_issue_2_is_served() -> None:
    lists = ("describe{}s", "create{}", "describe{}", "modify{}", "delete{}")
    wanted = {("vpc", form.format(thing)) for form in lists for thing in ("Vpc", "Subnet", "NetworkInterface")}
    wanted |= {("vpc", form.format("ElasticIp")) for form in lists} - {("vpc", "createElasticIp")}
    wanted |= {("vpc", name) for name in ("createElasticIps", "associateElasticIp", "disassociateElasticIp")}
    wanted |= {("vpc", "describeRouteTables"), ("vpc", "describeRouteTable")}
    wanted |= {("vm", f"{verb}ElasticIp") for verb in ("associate", "disassociate")}
    wanted |= {("vm", f"{verb}NetworkInterface") for verb in ("attach", "detach")}
    wanted |= {("vm", f"{verb}Instance") for verb in ("describe", "delete")}
    wanted |= {("vm", "createInstances"), ("vm", "describeInstances"), ("vm", "describeInstanceTypes")}
    assert wanted <= set(SERVED)


def test_what_terraform_and_packer_call_on_an_instance_is_served() -> None:
    names = ("modifyInstanceAttribute", "modifyInstancePassword", "rebootInstance")
    assert {("vm", name) for name in names} <= set(SERVED)


@pytest.fixture(scope="module")
def walked() -> Iterator[tuple[Region, Tenant]]:
    """One region for all operations."""
    with Region() as region:
        yield region, region.tenant("walker")


@pytest.mark.parametrize("service", sorted(catalogue.services()))
def test_every_operation_is_answered(walked: tuple[Region, Tenant], service: str) -> None:
    region, tenant = walked
    for known in SPOKEN:
        if known.service != service:
            continue
        path = re.sub(r"\{\w+\}", "x-0000000000", known.path.replace("{regionId}", NAME))
        scope = NAME if "{regionId}" in known.path else "jdcloud-api"
        before = region.everything()
        call = Call(known.method, path.encode(), service=service, region=scope).sign(tenant)
        code, _, answer = call.send(region.endpoint)
        if (service, known.name) in SERVED:
            assert code in (200, 400, 404), (known, answer)
        else:
            assert (code, answer["error"]["status"]) == (501, "NOT_IMPLEMENTED"), (known, answer)
        assert region.everything() == before
