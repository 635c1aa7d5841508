"""Load balancers through the real SDK: what is made, shown, changed and refused."""

from typing import Any

import pytest
from jdcloud_sdk.core.config import Config
from jdcloud_sdk.core.credential import Credential
from jdcloud_sdk.core.logger import FATAL, Logger
from jdcloud_sdk.services.lb.client.LbClient import LbClient

from tests.api.region import Region, Tenant, call
from tests.api.test_network_acls import refused
from tests.api.test_operations import network

CHECK = {"protocol": "Tcp", "intervalSeconds": 5}


def lb(tenant: Tenant, operation: str, **parameters: Any) -> dict[str, Any]:
    client = LbClient(Credential(tenant.access_key, tenant.secret_key), Config(tenant.endpoint, "http"), Logger(FATAL))
    return call(client, "lb", operation, parameters)


@pytest.fixture
def subnet(tenant: Tenant) -> str:
    return network(tenant, "10.0.0.0/16", "10.0.1.0/24")[1]


def made(tenant: Tenant, subnet: str, kind: str = "nlb", **more: Any) -> str:
    asked = {"loadBalancerName": "front", "subnetId": subnet, "type": kind, **more}
    return str(lb(tenant, "createLoadBalancer", **asked)["loadBalancerId"])


def backend(tenant: Tenant, balancer: str, protocol: str = "Tcp", **more: Any) -> str:
    asked = {"loadBalancerId": balancer, "backendName": "web", "protocol": protocol, "port": 8080, **more}
    return str(lb(tenant, "createBackend", **asked, healthCheckSpec=CHECK)["backendId"])


def group(tenant: Tenant, balancer: str, kind: str = "ip") -> str:
    asked = {"loadBalancerId": balancer, "targetGroupName": "tg", "type": kind}
    return str(lb(tenant, "createTargetGroup", **asked)["targetGroupId"])


def listener(tenant: Tenant, balancer: str, backend: str, port: int = 80, protocol: str = "Tcp") -> str:
    asked = {"loadBalancerId": balancer, "listenerName": "http", "protocol": protocol, "port": port}
    return str(lb(tenant, "createListener", **asked, backendId=backend)["listenerId"])


def address(tenant: Tenant, subnet: str) -> tuple[str, str]:
    """An interface and its address."""
    port = tenant.vpc("createNetworkInterface", networkInterfaceName="nic", subnetId=subnet)["networkInterfaceId"]
    shown = tenant.vpc("describeNetworkInterface", networkInterfaceId=port)["networkInterface"]
    return port, shown["primaryIp"]["privateIpAddress"]


def test_a_load_balancer_with_all_that_is_in_it(tenant: Tenant, subnet: str) -> None:
    one = made(tenant, subnet, privateIpAddress="10.0.1.100", description="d", userTags=[{"key": "a", "value": "b"}])
    shown = lb(tenant, "describeLoadBalancer", loadBalancerId=one)["loadBalancer"]
    assert (shown["type"], shown["state"]["code"], shown["tags"]) == ("nlb", "ACTIVE", [{"key": "a", "value": "b"}])
    assert shown["privateIp"] == {"privateIpAddress": "10.0.1.100"}
    assert lb(tenant, "describeLoadBalancers")["loadBalancers"] == [shown]
    tg = group(tenant, one)
    web = backend(tenant, one, targetGroupIds=[tg])
    told = lb(tenant, "describeBackend", backendId=web)["backend"]
    assert (told["algorithm"], told["targetGroupIds"], told["healthCheck"]["protocol"]) == ("RoundRobin", [tg], "Tcp")
    at = listener(tenant, one, web)
    heard = lb(tenant, "describeListener", listenerId=at)["listener"]
    assert (heard["status"], heard["connectionIdleTimeSeconds"], heard["loadBalancerType"]) == ("On", 1800, "nlb")
    port, ip = address(tenant, subnet)
    lb(tenant, "registerTargets", targetGroupId=tg, targetSpecs=[{"type": "ip", "ipAddress": ip, "weight": 20}])
    (target,) = lb(tenant, "describeTargets", targetGroupId=tg)["targets"]
    assert (target["ipAddress"], target["weight"], target["port"]) == (ip, 20, 0)
    (health,) = lb(tenant, "describeTargetHealth", backendId=web)["targetHealths"]
    assert (health["status"], health["port"]) == ("N/A", 8080), "nothing is checked, and says so"
    assert refused(lambda: tenant.vpc("deleteNetworkInterface", networkInterfaceId=port))[0] == 400
    assert refused(lambda: lb(tenant, "deleteBackend", backendId=web))[0] == 400
    assert refused(lambda: lb(tenant, "deleteTargetGroup", targetGroupId=tg))[0] == 400
    again = [{"type": "ip", "ipAddress": ip}]
    assert refused(lambda: lb(tenant, "registerTargets", targetGroupId=tg, targetSpecs=again))[0] == 409
    lb(tenant, "updateTargets", targetGroupId=tg, targetUpdateSpecs=[{"targetId": target["targetId"], "weight": 0}])
    assert lb(tenant, "describeTargets", targetGroupId=tg)["targets"][0]["weight"] == 0
    lb(tenant, "deleteLoadBalancer", loadBalancerId=one)
    for plural in ("LoadBalancers", "Listeners", "Backends", "TargetGroups"):
        assert lb(tenant, f"describe{plural}")["totalCount"] == 0
    tenant.vpc("deleteNetworkInterface", networkInterfaceId=port)
    tenant.vpc("deleteSubnet", subnetId=subnet)


def test_what_may_change(tenant: Tenant, subnet: str) -> None:
    one = made(tenant, subnet, "dnlb", deleteProtection=True)
    assert refused(lambda: lb(tenant, "deleteLoadBalancer", loadBalancerId=one))[0] == 400
    change = {"loadBalancerName": "b", "action": "Stop", "privateIpAddress": "10.0.1.77", "deleteProtection": False}
    lb(tenant, "updateLoadBalancer", loadBalancerId=one, **change)
    shown = lb(tenant, "describeLoadBalancer", loadBalancerId=one)["loadBalancer"]
    assert (shown["loadBalancerName"], shown["state"]["code"]) == ("b", "DOWN")
    assert shown["privateIp"]["privateIpAddress"] == "10.0.1.77"
    assert refused(lambda: lb(tenant, "updateLoadBalancer", loadBalancerId=one, privateIpAddress="10.9.9.9"))[0] == 400
    web = backend(tenant, one)
    lb(tenant, "updateBackend", backendId=web, backendName="c", algorithm="QuintupleHash")
    at = listener(tenant, one, web)
    lb(tenant, "updateListener", listenerId=at, status="Off", listenerName="off")
    assert lb(tenant, "describeListener", listenerId=at)["listener"]["status"] == "Off"
    lb(tenant, "deleteListener", listenerId=at)
    lb(tenant, "deleteBackend", backendId=web)
    lb(tenant, "deleteLoadBalancer", loadBalancerId=one)


def test_what_is_refused(tenant: Tenant, region: Region, subnet: str) -> None:
    asked = {"loadBalancerName": "x", "subnetId": subnet}
    assert refused(lambda: lb(tenant, "createLoadBalancer", **asked))[0] == 501
    assert refused(lambda: lb(tenant, "createLoadBalancer", **asked, type="alb"))[0] == 501
    spec = {"bandwidthMbps": 0, "provider": "bgp"}
    assert refused(lambda: lb(tenant, "createLoadBalancer", **asked, type="nlb", elasticIp=spec))[0] == 400
    one, other = made(tenant, subnet), made(tenant, subnet)
    web = backend(tenant, one)
    assert refused(lambda: backend(tenant, one, algorithm="LeastConn"))[0] == 501
    assert refused(lambda: backend(tenant, one, algorithm="QuintupleHash"))[0] == 400
    assert refused(lambda: backend(tenant, one, agIds=["ag-1"]))[0] == 501
    assert refused(lambda: backend(tenant, one, "Http"))[0] == 501
    assert refused(lambda: listener(tenant, other, web))[0] == 400
    assert refused(lambda: listener(tenant, one, web, protocol="Udp"))[0] == 400
    assert refused(lambda: listener(tenant, one, web, protocol="Https"))[0] == 501
    listener(tenant, one, web)
    assert refused(lambda: listener(tenant, one, web))[0] == 409
    assert refused(lambda: lb(tenant, "associateElasticIp", loadBalancerId=one, elasticIpId="fip-1"))[0] == 404
    assert refused(lambda: lb(region.tenant("other"), "describeLoadBalancer", loadBalancerId=one))[0] == 404
    instances, addresses = group(tenant, one, "instance"), group(tenant, one)
    far = [{"type": "ip", "ipAddress": "192.0.2.1"}]
    assert refused(lambda: lb(tenant, "registerTargets", targetGroupId=addresses, targetSpecs=far))[0] == 400
    assert refused(lambda: lb(tenant, "registerTargets", targetGroupId=instances, targetSpecs=far))[0] == 400
    unknown = [{"instanceId": "i-none"}]
    assert refused(lambda: lb(tenant, "registerTargets", targetGroupId=instances, targetSpecs=unknown))[0] == 404
    assert refused(lambda: tenant.vpc("deleteSubnet", subnetId=subnet))[0] == 400
