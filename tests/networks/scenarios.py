"""The scenarios of `topologies`, as the API would have written them."""

from itertools import count

from tests.build import Network
from topologies import scenarios
from topologies.scenarios import Scenario


def _made(scenario: Scenario) -> Network:
    """A scenario's resources, without the API's help."""
    net = Network()
    net.uplink(pool=scenario.pool, gateway=scenario.gateway)
    free = count(5)
    for account in scenario.accounts:
        for wanted in account.vpcs:
            prefix = f"{account.name}-{wanted.name}"
            vpc = net.vpc(prefix, wanted.cidr)
            subnets = {s.name: net.subnet(vpc, f"{prefix}-{s.name}", s.cidr) for s in wanted.subnets}
            for machine in wanted.instances:
                for number, nic in enumerate(machine.interfaces):
                    addresses = (nic.address, *nic.secondary)
                    port = net.port(subnets[nic.subnet], f"{machine.name}-{number}", *addresses, check=nic.source_check)
                    for private, mbps in nic.elastic:
                        public = next(free)
                        net.eip(str(public), f"203.0.113.{public}", port, mbps, addresses.index(private))
    return net


def scenario_single() -> Network:
    """One machine."""
    return _made(scenarios.single())


def scenario_two_tenants() -> Network:
    """Two tenants with the same addresses."""
    return _made(scenarios.two_tenants())


def scenario_routing() -> Network:
    """Subnets of one VPC, and the router between them."""
    return _made(scenarios.routing())


def scenario_elastic_ip() -> Network:
    """Elastic IPs of several tenants."""
    return _made(scenarios.elastic_ip())


def scenario_many_interfaces() -> Network:
    """Machines with several interfaces and addresses."""
    return _made(scenarios.many_interfaces())


def scenario_appliances() -> Network:
    """Machines that route for others."""
    return _made(scenarios.appliances())
