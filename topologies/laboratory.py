"""A laboratory: a network of the cloud on this machine, its machines as Mininet hosts, with Mininet's prompt.

``sdnctl lab two-tenants`` builds a scenario, ``sdnctl lab -f shop.yaml`` any intent file; ``mn --custom
topologies/mn.py --topo two-tenants`` opens the same under Mininet's own command.  All of it is private and removed.
"""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mininet.log import setLogLevel
from mininet.net import Mininet

from topologies.cloud import Cloud
from topologies.prompt import Failed, Prompt
from topologies.scenarios import SCENARIOS, Instance, Interface, Scenario, Subnet, Vpc
from topologies.station import CommandError
from topologies.tenant import ApiError, Tenant

POOL, GATEWAY = "203.0.113.0/24", "203.0.113.1"
PAGE = 100
OWNER = "default"

NETWORKS: dict[str, Scenario] = {name.replace("_", "-"): make() for name, make in SCENARIOS.items()}
"""The scenarios by the names that people type."""


def run(name: str, file: Path | None, script: Path | None) -> int:
    """Build it, open the prompt or run a script of its lines, and take it away.

    The exit code: 1 when a line of the script failed, 2 when the network could not be built.
    """
    if os.geteuid() != 0:
        print("sdnctl lab makes network namespaces: run it as root (sudo sdnctl lab …)", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that leaving the cloud takes it away
    setLogLevel("error")  # Mininet warns of limits that a container does not let it raise, and that nothing here needs
    Mininet.init()
    setLogLevel("output")
    try:
        with Cloud() as cloud:
            if file is not None:
                from_file(cloud, file)
            else:
                cloud.build(NETWORKS[name])
            return session(cloud, script)
    except (CommandError, ApiError, TimeoutError) as error:
        print(error, file=sys.stderr)
        return 2


def session(cloud: Cloud, script: Path | None) -> int:
    """The prompt, or a script of its lines: 1 when one of them failed."""
    prompt = Prompt(cloud)
    if script is None:
        prompt.open()
        return 0
    try:
        for line in script.read_text().splitlines():
            prompt.obey(line)
    except Failed as failed:
        print(f"failed: {failed}", file=sys.stderr)
        return 1
    return 0


def from_file(cloud: Cloud, file: Path) -> None:
    """Apply an intent file as the default account, and start every instance that it has."""
    cloud.offer(POOL, GATEWAY)
    cloud.service.cli("apply", "-f", str(file.resolve()), "--yes", json_output=False)
    keys = cloud.service.account
    tenant = Tenant(OWNER, cloud.service.endpoint, cloud.service.region, keys["accessKey"], keys["secretKey"])
    cloud.tenants[OWNER] = tenant
    vpcs = {vpc["vpcId"]: vpc for vpc in _all(tenant, "vpc", "describeVpcs", "vpcs")}
    subnets = {subnet["subnetId"]: subnet for subnet in _all(tenant, "vpc", "describeSubnets", "subnets")}
    instances = _all(tenant, "vm", "describeInstances", "instances")
    names = [instance["instanceName"] for instance in instances]
    for instance in instances:
        name, vpc = instance["instanceName"], vpcs[instance["vpcId"]]
        ports = _ports(tenant, instance)
        known = tuple(Subnet(id, one["addressPrefix"]) for id, one in subnets.items() if one["vpcId"] == vpc["vpcId"])
        shown = name if names.count(name) == 1 else f"{vpc['vpcName']}.{name}"
        machine = Instance(shown, tuple(_interface(port) for port in ports))
        network = Vpc(vpc["vpcName"], vpc.get("addressPrefix", ""), known, ())
        cloud.adopt(tenant, network, machine, instance["instanceId"], ports)
        if not all(interface.source_check for interface in machine.interfaces):
            # It may send as anyone: an appliance, which routes.
            cloud.guests[shown].sysctl("net.ipv4.ip_forward=1")
    _public(cloud, tenant)


def _public(cloud: Cloud, tenant: Tenant) -> None:
    """Note the elastic IPs of the machines, once they are in force."""
    ports = {port["networkInterfaceId"]: name for (name, _), port in cloud.interfaces.items()}
    for eip in _all(tenant, "vpc", "describeElasticIps", "elasticIps"):
        machine = ports.get(eip.get("networkInterfaceId", ""))
        if machine is not None:
            tenant.wait_up(eip["elasticIpId"])
            cloud.elastic[machine, eip["privateIpAddress"]] = eip


def _interface(port: dict[str, Any]) -> Interface:
    secondary = tuple(one["privateIpAddress"] for one in port.get("secondaryIps") or ())
    address, checked = port["primaryIp"]["privateIpAddress"], bool(port.get("sanityCheck", 1))
    return Interface(port["subnetId"], address, secondary, source_check=checked)


def _ports(tenant: Tenant, instance: dict[str, Any]) -> list[dict[str, Any]]:
    """The interfaces of an instance as the vpc service describes them, the primary one first."""
    attached = [instance["primaryNetworkInterface"], *(instance.get("secondaryNetworkInterfaces") or ())]
    return [tenant.network_interface(one["networkInterface"]["networkInterfaceId"]) for one in attached]


def _all(tenant: Tenant, service: str, operation: str, key: str) -> list[dict[str, Any]]:
    """Every page of a list."""

    def pages() -> Iterator[dict[str, Any]]:
        number = 1
        while True:
            page = tenant.call(service, operation, pageNumber=number, pageSize=PAGE)[key]
            yield from page
            if len(page) < PAGE:
                return
            number += 1

    return list(pages())


def listing() -> list[dict[str, str]]:
    """The named networks, each with its sentence."""
    return [
        {"name": name, "what": (SCENARIOS[name.replace("-", "_")].__doc__ or "").partition("\n")[0]}
        for name in NETWORKS
    ]
