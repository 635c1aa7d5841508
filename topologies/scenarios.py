"""Scenarios of tenants as plain data: each function is one, by name, and says what tenants ask for.

A scenario says nothing of how it comes about. `topologies.cloud` asks the public API for it and starts the virtual
machines; a test without packets may write the same into a store in memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet by name."""

    name: str
    cidr: str


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface: its subnet's name, its addresses, and public addresses as {private: Mbps}."""

    subnet: str
    address: str
    secondary: tuple[str, ...] = ()
    elastic: tuple[tuple[str, int], ...] = ()
    source_check: bool = True


@dataclass(frozen=True, slots=True)
class Instance:
    """A virtual machine; the first interface is the primary one, the others are attached afterwards.

    `host` is where it runs; the only host there is when that is "".
    """

    name: str
    interfaces: tuple[Interface, ...]
    host: str = ""


@dataclass(frozen=True, slots=True)
class Vpc:
    """A private network with its subnets and machines."""

    name: str
    cidr: str
    subnets: tuple[Subnet, ...]
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """A customer."""

    name: str
    vpcs: tuple[Vpc, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that is wanted. Names of instances are unique in it."""

    name: str
    accounts: tuple[Account, ...]
    pool: str = "203.0.113.0/24"
    gateway: str = "203.0.113.1"

    def instances(self) -> Iterator[tuple[Account, Vpc, Instance]]:
        """Every instance with its owner and network."""
        for account in self.accounts:
            for vpc in account.vpcs:
                for instance in vpc.instances:
                    yield account, vpc, instance


def machine(name: str, subnet: str, address: str, mbps: int = 0, host: str = "") -> Instance:
    """The usual machine: one interface with one address, and a public one of `mbps` when that is not 0."""
    return Instance(name, (Interface(subnet, address, elastic=((address, mbps),) if mbps else ()),), host)


FRONT = Subnet("front", "10.0.0.0/24")
BACK = Subnet("back", "10.0.1.0/24")


def single() -> Scenario:
    """One machine in one subnet: the smallest network that works."""
    vpc = Vpc("net", "10.0.0.0/16", (FRONT,), (machine("one", "front", "10.0.0.10"),))
    return Scenario("single", (Account("solo", (vpc,)),))


def two_tenants() -> Scenario:
    """Two accounts with the same CIDRs and the same addresses on one switch, and one address that only blue has."""
    red = Vpc(
        "net",
        "10.0.0.0/16",
        (FRONT, BACK),
        (
            machine("red-a", "front", "10.0.0.10"),
            machine("red-b", "front", "10.0.0.11"),
            machine("red-c", "back", "10.0.1.10"),
        ),
    )
    blue = Vpc(
        "net",
        "10.0.0.0/16",
        (FRONT, BACK),
        (
            machine("blue-a", "front", "10.0.0.10"),
            machine("blue-b", "front", "10.0.0.11"),
            machine("blue-c", "back", "10.0.1.10"),
            machine("blue-d", "front", "10.0.0.99"),
        ),
    )
    return Scenario("two_tenants", (Account("red", (red,)), Account("blue", (blue,))))


def routing() -> Scenario:
    """One VPC with three subnets; two machines in the first, one in each of the others."""
    far = Subnet("far", "10.0.128.0/20")
    machines = (
        machine("vm-a", "front", "10.0.0.10"),
        machine("vm-b", "front", "10.0.0.11"),
        machine("vm-c", "back", "10.0.1.10"),
        machine("vm-d", "far", "10.0.143.254"),
    )
    return Scenario("routing", (Account("solo", (Vpc("net", "10.0.0.0/16", (FRONT, BACK, far), machines),)),))


def elastic_ip() -> Scenario:
    """Public addresses in two VPCs with equal CIDRs, one machine with two, and machines without one."""
    first = Vpc(
        "net",
        "10.0.0.0/16",
        (FRONT, BACK),
        (
            machine("web", "front", "10.0.0.10", 200),
            machine("api", "back", "10.0.1.10", 200),
            machine("spare", "front", "10.0.0.11"),
            machine("inner", "front", "10.0.0.12"),
        ),
    )
    elastic = (("10.0.0.10", 200), ("10.0.0.50", 50))
    other = Instance("other", (Interface("front", "10.0.0.10", ("10.0.0.50",), elastic),))
    second = Vpc("net", "10.0.0.0/16", (FRONT,), (other,))
    return Scenario("elastic_ip", (Account("shop", (first,)), Account("rival", (second,))))


def many_interfaces() -> Scenario:
    """A machine with two interfaces and several addresses, one that may send as anyone, and plain neighbours."""
    multi = Instance(
        "multi",
        (
            Interface("front", "10.0.0.10", ("10.0.0.20", "10.0.0.21"), (("10.0.0.20", 100),)),
            Interface("back", "10.0.1.10"),
        ),
    )
    router = Instance("router", (Interface("front", "10.0.0.30", source_check=False),))
    machines = (multi, router, machine("vm-a", "front", "10.0.0.11"), machine("vm-c", "back", "10.0.1.11"))
    vpc = Vpc("net", "10.0.0.0/16", (FRONT, BACK), machines)
    return Scenario("many_interfaces", (Account("solo", (vpc,)),))


def appliances() -> Scenario:
    """A machine in one subnet and three appliances, which may send as anyone, in another."""
    machines = (
        machine("vm", "front", "10.0.0.10"),
        *(Instance(f"nfv{n}", (Interface("back", f"10.0.1.1{n}", source_check=False),)) for n in range(3)),
    )
    return Scenario("appliances", (Account("solo", (Vpc("net", "10.0.0.0/16", (FRONT, BACK), machines),)),))


def spread() -> Scenario:
    """Two accounts with the same CIDRs and addresses over four hosts, each machine of one beside one of the other.

    Red has a public address on every host, and an appliance that may send as anyone; 10.0.0.99 exists for blue only.
    """
    appliance = Instance("nfv", (Interface("front", "10.0.0.50", source_check=False),), "hv2")
    red = Vpc(
        "net",
        "10.0.0.0/16",
        (FRONT, BACK),
        (
            machine("red1", "front", "10.0.0.11", 100, "hv1"),
            machine("red2", "front", "10.0.0.12", 100, "hv2"),
            machine("red3", "back", "10.0.1.13", 100, "hv3"),
            machine("red4", "back", "10.0.1.14", 100, "hv4"),
            appliance,
        ),
    )
    blue = Vpc(
        "net",
        "10.0.0.0/16",
        (FRONT, BACK),
        (
            machine("blue1", "front", "10.0.0.11", 0, "hv2"),
            machine("blue2", "front", "10.0.0.12", 0, "hv1"),
            machine("blue3", "back", "10.0.1.13", 0, "hv4"),
            machine("blue9", "front", "10.0.0.99", 50, "hv3"),
        ),
    )
    return Scenario("spread", (Account("red", (red,)), Account("blue", (blue,))))


# Those that one host can have; `spread` needs a region of four.
SCENARIOS: dict[str, Callable[[], Scenario]] = {
    make.__name__: make for make in (single, two_tenants, routing, elastic_ip, many_interfaces, appliances)
}
