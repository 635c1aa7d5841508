"""A load balancer whose clients and targets are on different hosts, and one that is reached from the internet."""

import contextlib
import socket
import sys
from collections import Counter
from typing import Any

from tests.packet.test_load_balancer import SERVER, alive, greeting
from tests.region.arp import holder
from topologies.internet import SERVER as OUTSIDE
from topologies.process import wait_until, within
from topologies.region import Region

TARGETS, CLIENTS, PORT, OWN = ("red1", "red3"), ("red2", "red4"), 80, 8080
BEHIND, OWN_PUBLIC = ("red1", "red4"), 8081
"""Targets on a host that is no gateway, and on one without an uplink."""


def balancer(region: Region, targets: tuple[str, ...], own: int) -> tuple[str, str]:
    """Id and address of a load balancer for these targets, each of which serves the port ``own``."""
    owner, vpc = region.owners["red1"], region.ids["red", "net"]

    def lb(operation: str, **parameters: Any) -> dict[str, Any]:
        return owner.call("lb", operation, **parameters)

    (subnet, *_) = owner.vpc("describeSubnets", filters=[{"name": "vpcId", "values": [vpc]}])["subnets"]
    made = {"loadBalancerName": "lb", "subnetId": subnet["subnetId"], "type": "dnlb"}
    id = str(lb("createLoadBalancer", **made)["loadBalancerId"])
    vip = lb("describeLoadBalancer", loadBalancerId=id)["loadBalancer"]["privateIp"]["privateIpAddress"]
    group = lb("createTargetGroup", loadBalancerId=id, targetGroupName="tg")["targetGroupId"]
    spec: dict[str, Any] = {"loadBalancerId": id, "protocol": "Tcp"}
    more = {"targetGroupIds": [group], "algorithm": "QuintupleHash", "healthCheckSpec": {"protocol": "Tcp"}}
    backend = lb("createBackend", **spec, **more, backendName="b", port=own)["backendId"]
    lb("createListener", **spec, backendId=backend, listenerName="l", port=PORT)
    lb("registerTargets", targetGroupId=group, targetSpecs=[{"instanceId": region.instances[one]} for one in targets])
    for one in targets:
        region.guests[one].spawn([sys.executable, "-c", SERVER, one, str(own)])
    region.cli("wait", "--timeout", "20")
    return id, str(vip)


def test_l1_each_host_shares_connections_out_alike(region: Region) -> None:
    """Both targets get connections from clients on every other host, and see their addresses; UDP too."""
    id, vip = balancer(region, TARGETS, OWN)
    for name in CLIENTS:
        pid, found = region.guests[name].pid, Counter[str]()

        def asked(pid: int = pid) -> list[str]:
            try:
                with within(pid, lambda: socket.create_connection((vip, PORT), timeout=3)) as one:
                    return greeting(one)
            except OSError:
                return []

        assert wait_until(lambda: bool(asked()), 10, 0.2), name
        for _ in range(40):
            who, peer = asked()
            assert peer == region.address(name)
            found[who] += 1
        assert set(found) == set(TARGETS)
    region.owners["red1"].call("lb", "deleteLoadBalancer", loadBalancerId=id)


def test_l1_l4_the_gateway_dies_under_connections_through_an_elastic_ip(region: Region) -> None:
    """No connection ends, on whatever host its target is; each target sees the address of its client."""
    owner, held = region.owners["red1"], 200
    id, _ = balancer(region, BEHIND, OWN_PUBLIC)
    eip = owner.new_elastic_ip(50)
    public = str(eip["elasticIpAddress"])
    owner.call("lb", "associateElasticIp", loadBalancerId=id, elasticIpId=eip["elasticIpId"])
    assert wait_until(lambda: region.internet.server.ping(public, count=1, wait=0.5) == 1, 20)
    with contextlib.ExitStack() as closing:
        open_ = []
        for _ in range(held):
            one = within(region.internet.server.pid, lambda: socket.create_connection((public, PORT), timeout=10))
            closing.enter_context(one)
            name, peer = greeting(one)
            assert peer == OUTSIDE
            open_.append((name, one))
        assert {name for name, _ in open_} == set(BEHIND) == alive(open_)
        active = holder(region, public)
        host = region.hosts[active]
        host.kill_vswitchd()
        try:
            assert wait_until(lambda: region.internet.server.ping(public, count=1, wait=0.2) == 1, 20, 0.05)
            for _, one in open_:
                one.settimeout(20)
            assert alive(open_) == set(BEHIND), "a connection has ended"
            assert holder(region, public) != active
        finally:
            host.start_vswitchd()
    owner.call("lb", "deleteLoadBalancer", loadBalancerId=id, deleteElasticIp=True)
