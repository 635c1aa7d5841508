"""A region that carries packets: Mininet, a private Open vSwitch, `sdnctl up`, and whatever a scenario asks for."""

import contextlib
import shutil
import tempfile
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Self

from mininet.net import Mininet

from topologies.guest import Guest
from topologies.hypervisor import Hypervisor
from topologies.internet import Internet
from topologies.scenarios import Instance, Interface, Scenario, Vpc
from topologies.service import ROOT, Service
from topologies.tenant import Tenant


class Cloud:
    """One region on one host. Use it as a context manager: leaving it removes every process, namespace and file.

    with Cloud() as cloud:
        cloud.build(scenarios.two_tenants())
        assert cloud.guests["red-a"].reaches("10.0.0.11")
    """

    def __init__(self, region: str = "cn-north-1", checkout: Path = ROOT, net: Mininet | None = None) -> None:
        """`checkout` is the project whose control plane runs it, by default this one; `net` is stopped by its owner."""
        self.directory = Path(tempfile.mkdtemp(prefix="sdnctl-cloud."))
        self.guests: dict[str, Guest] = {}
        self.tenants: dict[str, Tenant] = {}
        self.owners: dict[str, Tenant] = {}  # by guest
        self.homes: dict[str, Hypervisor] = {}  # by guest
        self.machines: dict[str, tuple[Vpc, Instance]] = {}  # by guest
        self.instances: dict[str, str] = {}  # guest -> instance id
        self.interfaces: dict[tuple[str, int], dict[str, Any]] = {}  # (guest, index) -> describeNetworkInterface
        self.elastic: dict[tuple[str, str], dict[str, Any]] = {}  # (guest, private address) -> describeElasticIp
        self.ids: dict[tuple[str, ...], str] = {}  # (account, vpc[, subnet]) -> id
        self._cleanup = contextlib.ExitStack()
        self._net = net
        self._region = region
        self._checkout = checkout
        self._has_pool = False

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            undo.callback(shutil.rmtree, self.directory, ignore_errors=True)
            if self._net is not None:
                self.net = self._net
            else:
                self.net = Mininet(controller=None, build=False)
                undo.callback(self.net.stop)
            self._start(undo)
            self._cleanup = undo.pop_all()
        return self

    def _start(self, undo: contextlib.ExitStack) -> None:
        """Make the host, the public network and the control plane; what `undo` is told is undone in reverse."""
        self.host: Hypervisor = self.net.addHost("hv1", cls=Hypervisor)
        self.host.start_switch()
        self.internet = Internet(self.net, self.host)
        self.host.uplink("uplink")
        self.service = Service(self.directory, self.host.database, self._region, self._checkout)
        undo.callback(self.service.down)
        self.startup = self.service.up()

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    # What the operator does

    def account(self, name: str) -> Tenant:
        """Make an account and return it as a customer who can act."""
        if name not in self.tenants:
            keys = self.cli("account", "create", name)
            self.tenants[name] = self._tenant(name, keys["accessKey"], keys["secretKey"])
        return self.tenants[name]

    def cli(self, *args: str) -> Any:
        """Run an `sdnctl` command on this region; its JSON."""
        return self.service.cli(*args)

    def offer(self, pool: str, gateway: str) -> None:
        """Let customers buy public addresses, from one pool."""
        if not self._has_pool:
            self.cli("pool", "add", "--cidr", pool, "--gateway", gateway)
            self._has_pool = True

    def _tenant(self, name: str, access_key: str, secret_key: str) -> Tenant:
        return Tenant(name, self.service.endpoint, self._region, access_key, secret_key)

    # What customers do

    def build(self, scenario: Scenario, configure: bool = True) -> Self:
        """Ask for everything in the scenario and start its machines; `configure` gives them their addresses."""
        self.offer(scenario.pool, scenario.gateway)
        for account in scenario.accounts:
            tenant = self.account(account.name)
            for vpc in account.vpcs:
                self._network(tenant, vpc)
        for account, vpc, instance in scenario.instances():
            self._machine(self.account(account.name), vpc, instance, configure)
        return self

    def _network(self, tenant: Tenant, vpc: Vpc) -> None:
        made = tenant.vpc("createVpc", vpcName=vpc.name, addressPrefix=vpc.cidr)["vpcId"]
        self.ids[tenant.name, vpc.name] = made
        for subnet in vpc.subnets:
            asked = {"vpcId": made, "subnetName": subnet.name, "addressPrefix": subnet.cidr}
            self.ids[tenant.name, vpc.name, subnet.name] = tenant.vpc("createSubnet", **asked)["subnetId"]

    def _machine(self, tenant: Tenant, vpc: Vpc, instance: Instance, configure: bool) -> None:
        primary, *others = instance.interfaces
        subnets = {subnet.name: self.ids[tenant.name, vpc.name, subnet.name] for subnet in vpc.subnets}
        spec = {
            "name": instance.name,
            "instanceType": tenant.instance_type(),
            "imageId": "img-none",
            "primaryNetworkInterface": {"networkInterface": wanted(primary, subnets)},
        }
        made = tenant.vm("createInstances", instanceSpec=spec, maxCount=1)["instanceIds"][0]
        guest = self._guest(tenant, vpc, instance, made)
        self._nic(guest, tenant.primary_interface(made), 0)
        for index, other in enumerate(others, 1):
            port = tenant.vpc("createNetworkInterface", **wanted(other, subnets))["networkInterfaceId"]
            tenant.vm("attachNetworkInterface", instanceId=made, networkInterfaceId=port)
            self._nic(guest, tenant.network_interface(port), index)
        if configure:
            self._addresses(guest, vpc, instance)
        for index, interface in enumerate(instance.interfaces):
            for private, mbps in interface.elastic:
                self.give_elastic_ip(instance.name, mbps, private, index)

    def adopt(self, tenant: Tenant, vpc: Vpc, instance: Instance, id: str, ports: list[dict[str, Any]]) -> None:
        """Start the machine of an instance that is there already, with its interfaces, the primary one first."""
        guest = self._guest(tenant, vpc, instance, id)
        for index, port in enumerate(ports):
            self._nic(guest, port, index)
        self._addresses(guest, vpc, instance)

    def _guest(self, tenant: Tenant, vpc: Vpc, instance: Instance, id: str) -> Guest:
        name = instance.name
        self.instances[name], self.owners[name], self.homes[name] = id, tenant, self._home(instance)
        self.machines[name] = (vpc, instance)
        made: Guest = self.net.addHost(name, cls=Guest)
        self.guests[name] = made
        return made

    def _nic(self, guest: Guest, interface: dict[str, Any], index: int) -> None:
        self.interfaces[guest.name, index] = interface
        guest.attach(self.net, self.homes[guest.name], interface, index)

    def _home(self, instance: Instance) -> Hypervisor:
        """The host that a machine is to run on."""
        return self.host

    def _addresses(self, guest: Guest, vpc: Vpc, instance: Instance) -> None:
        """Configure every interface by hand."""
        for index, interface in enumerate(instance.interfaces):
            prefix = next(one.cidr for one in vpc.subnets if one.name == interface.subnet)
            self._configure(guest, interface, prefix, index, len(instance.interfaces) > 1)

    def _configure(self, guest: Guest, interface: Interface, cidr: str, index: int, several: bool) -> None:
        network = ip_network(cidr)
        addresses = [f"{one}/{network.prefixlen}" for one in (interface.address, *interface.secondary)]
        guest.static(*addresses, router=str(network[1]), index=index)
        if several:
            guest.answer_where_asked(*addresses, router=str(network[1]), index=index)

    def give_elastic_ip(self, guest: str, mbps: int, private: str = "", index: int = 0) -> dict[str, Any]:
        """Buy a public address for a guest, bind it, wait for UP, and return it."""
        owner = self.owners[guest]
        port = self.interfaces[guest, index]
        private = private or port["primaryIp"]["privateIpAddress"]
        bought = owner.new_elastic_ip(mbps)
        owner.bind(bought["elasticIpId"], port["networkInterfaceId"], private)
        self.elastic[guest, private] = owner.elastic_ip(bought["elasticIpId"])
        return self.elastic[guest, private]

    def public(self, guest: str) -> str:
        """The first public address of a guest."""
        return str(next(eip["elasticIpAddress"] for (name, _), eip in self.elastic.items() if name == guest))


def wanted(interface: Interface, subnets: dict[str, str]) -> dict[str, Any]:
    """The body of a network interface as the API wants it."""
    body: dict[str, Any] = {"subnetId": subnets[interface.subnet], "primaryIpAddress": interface.address}
    body["sanityCheck"] = int(interface.source_check)
    if interface.secondary:
        body["secondaryIpAddresses"] = list(interface.secondary)
    return body
