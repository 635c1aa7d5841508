"""A load balancer whose clients and targets are on different hosts."""

import socket
import sys
from collections import Counter
from typing import Any

from tests.packet.test_load_balancer import SERVER, greeting
from topologies.process import wait_until, within
from topologies.region import Region

TARGETS, CLIENTS, PORT, OWN = ("red1", "red3"), ("red2", "red4"), 80, 8080


def test_l1_each_host_shares_connections_out_alike(region: Region) -> None:
    """Both targets get connections from clients on every other host, and see their addresses; UDP too."""
    owner, vpc = region.owners["red1"], region.ids["red", "net"]

    def lb(operation: str, **parameters: Any) -> dict[str, Any]:
        return owner.call("lb", operation, **parameters)

    (subnet, *_) = owner.vpc("describeSubnets", filters=[{"name": "vpcId", "values": [vpc]}])["subnets"]
    made = {"loadBalancerName": "lb", "subnetId": subnet["subnetId"], "type": "dnlb"}
    id = lb("createLoadBalancer", **made)["loadBalancerId"]
    vip = lb("describeLoadBalancer", loadBalancerId=id)["loadBalancer"]["privateIp"]["privateIpAddress"]
    group = lb("createTargetGroup", loadBalancerId=id, targetGroupName="tg")["targetGroupId"]
    spec: dict[str, Any] = {"loadBalancerId": id, "protocol": "Tcp"}
    more = {"targetGroupIds": [group], "algorithm": "QuintupleHash", "healthCheckSpec": {"protocol": "Tcp"}}
    backend = lb("createBackend", **spec, **more, backendName="b", port=OWN)["backendId"]
    lb("createListener", **spec, backendId=backend, listenerName="l", port=PORT)
    lb("registerTargets", targetGroupId=group, targetSpecs=[{"instanceId": region.instances[one]} for one in TARGETS])
    for one in TARGETS:
        region.guests[one].spawn([sys.executable, "-c", SERVER, one, str(OWN)])
    region.cli("wait", "--timeout", "20")
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
    lb("deleteLoadBalancer", loadBalancerId=id)
