"""Inside a guest with four vCPUs the interrupts of its NIC come to one of them, and to all four after ``guest.py``."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from apps.multi_queue.host.fragments import Plug
from apps.multi_queue.model import Spread, spread
from tests.guest.image import Image, image
from tests.guest.machine import GUEST, VirtualMachine, versions
from tests.guest.table import Table
from topologies.cloud import Cloud
from topologies.process import wait_until, within
from topologies.scenarios import Account, Scenario, Subnet, Vpc, machine
from topologies.station import Station

SENDERS = {"ann": "10.0.0.11", "bob": "10.0.0.12"}
SUBNET = Subnet("front", "10.0.0.0/24")
FLOWS, RATE, SECONDS = 64, 4000, 3.0
"""Flows of each sender, packets a second of all, for so long: few enough that software emulation keeps up."""
LEAST = 100
TUNE = "python3 /root/guest.py"
DONE = "nothing to change"
WAIT = 60.0


class Measured(NamedTuple):
    """Interrupts of the NIC and packets taken, by vCPU, under many flows; and how the NIC was set."""

    interrupts: Spread
    packets: Spread
    received: int
    queues: int


@pytest.fixture(scope="module")
def booted() -> Image:
    return image()


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        machines = tuple(machine(name, SUBNET.name, address) for name, address in SENDERS.items())
        made.build(Scenario("guests", (Account("solo", (Vpc("net", "10.0.0.0/16", (SUBNET,), machines),)),)))
        yield made


def instance(cloud: Cloud, address: str, queues: int = 4) -> Plug:
    """An instance with four vCPUs, made by the public API: its interface as the hypervisor needs it."""
    tenant = cloud.account("solo")
    kinds = tenant.vm("describeInstanceTypes")["instanceTypes"]
    kind = next(one for one in kinds if one["cpu"] == 4)
    wanted = {"subnetId": cloud.ids["solo", "net", "front"], "primaryIpAddress": address}
    spec = {"instanceType": kind["instanceType"], "imageId": "img-none", "name": f"vm-{address}"}
    spec["primaryNetworkInterface"] = {"networkInterface": wanted}
    made = tenant.vm("createInstances", instanceSpec=spec, maxCount=1)["instanceIds"][0]
    interface = tenant.primary_interface(made)
    assert interface["queueNum"] == 4
    return Plug(interface["networkInterfaceId"], interface["macAddress"], queues)


def flood(senders: Sequence[Station], target: str) -> None:
    """Many flows of UDP at a steady rate, in turn."""

    def sockets() -> list[socket.socket]:
        made = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(FLOWS)]
        for port, one in enumerate(made, 20000):
            one.bind(("", port))
        return made

    flows = [one for pair in zip(*(within(sender.pid, sockets) for sender in senders), strict=True) for one in pair]
    start = time.monotonic()
    for number in range(int(RATE * SECONDS)):
        time.sleep(max(0.0, start + number / RATE - time.monotonic()))
        flows[number % len(flows)].sendto(b"x" * 100, (target, 9000))
    for one in flows:
        one.close()


def measure(cloud: Cloud, vm: VirtualMachine, address: str = "10.0.0.20") -> Measured:
    """Send from every sender, and count inside the guest what each vCPU did meanwhile."""
    mac = vm.plugs[0].mac
    before = vm.state(mac)
    flood([cloud.guests[name] for name in SENDERS], address)
    after = vm.state(mac)

    def difference(count: Any) -> Spread:
        counts = {cpu: count(after, str(cpu)) - count(before, str(cpu)) for cpu in after["cpus"]}
        return spread(counts, len(counts), LEAST)

    return Measured(
        difference(lambda seen, cpu: sum(irq["counts"][cpu] for irq in queue_irqs(seen))),
        difference(lambda seen, cpu: seen["softnet"][cpu]["processed"]),
        after["packets"] - before["packets"],
        after["channels"]["combined"],
    )


def overlay(directory: Path) -> Path:
    """A root file system with nothing but the module in it."""
    (directory / "root").mkdir(parents=True)
    shutil.copy(GUEST, directory / "root" / "guest.py")
    return directory


def address(vm: VirtualMachine, number: int, cidr: str) -> str:
    """Configure the interface; its name."""
    name = str(vm.state(vm.plugs[number].mac)["interface"])
    vm.run(f"ip address add {cidr} dev {name}; ip link set {name} up")
    return name


@pytest.fixture(scope="module")
def table(booted: Image, pytestconfig: pytest.Config) -> Iterator[Table]:
    made = Table(f"{versions(booted)}; {2 * FLOWS} flows, {RATE} packets/s for {SECONDS:g} s")
    yield made
    if pytestconfig.getoption("--update-multi-queue"):
        made.write()


@pytest.fixture(scope="module")
def vm(cloud: Cloud, booted: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMachine]:
    """It began with one vCPU, as before its instance type was changed; now there are four."""
    plug = instance(cloud, "10.0.0.20")
    files = overlay(tmp_path_factory.mktemp("bare") / "files")
    with VirtualMachine("vm", cloud.host, booted, [plug], files, vcpus=1) as made:
        made.plug_vcpus()
        address(made, 0, "10.0.0.20/24")
        assert cloud.guests["ann"].reaches("10.0.0.20", 20)
        yield made


def test_vcpus_that_came_later_get_queues(cloud: Cloud, vm: VirtualMachine, table: Table) -> None:
    before = measure(cloud, vm)
    table.add("vCPUs plugged in after the start, nothing done", *before)
    assert before.queues == 1
    assert before.interrupts.verdict == "one cpu", before
    said = vm.run(TUNE)
    assert "queues to 4" in said, said
    after = measure(cloud, vm)
    table.add("the same after `guest.py`", *after)
    assert after.queues == 4
    assert after.interrupts.verdict == after.packets.verdict == "even", after
    assert DONE in vm.run(TUNE)


def test_interrupts_that_all_go_to_one_vcpu_are_spread(cloud: Cloud, vm: VirtualMachine, table: Table) -> None:
    vm.run(TUNE)
    irqs = [irq["number"] for irq in vm.state(vm.plugs[0].mac)["irqs"]]
    vm.run("; ".join(f"echo 0 >/proc/irq/{number}/smp_affinity_list" for number in irqs))
    before = measure(cloud, vm)
    table.add("4 queues, every interrupt sent to vCPU 0", *before)
    assert (before.queues, before.interrupts.verdict) == (4, "one cpu"), before
    said = vm.run(TUNE)
    assert "queues to" not in said, said
    after = measure(cloud, vm)
    table.add("the same after `guest.py`", *after)
    assert after.interrupts.verdict == after.packets.verdict == "even", after
    assert DONE in vm.run(TUNE)


def test_one_queue_is_shared_by_rps(cloud: Cloud, vm: VirtualMachine, table: Table) -> None:
    vm.run(f"{TUNE} --queues 1")
    found = measure(cloud, vm)
    table.add("`guest.py --queues 1`: one interrupt, RPS", *found)
    assert (found.queues, found.interrupts.verdict, found.packets.verdict) == (1, "one cpu", "even"), found
    assert vm.run(f"{TUNE} --queues 5", check=False).endswith(
        "PROBLEM: queues: 5 were asked for, the card has at most 4\n"
    )


def test_a_hot_plugged_interface_is_tuned(cloud: Cloud, vm: VirtualMachine) -> None:
    vm.run(f"{TUNE} --install")
    vm.plug_nic(instance(cloud, "10.0.0.21", queues=1))
    assert settled(vm, 1, lambda seen: seen["rps"] == [[0, 1, 2, 3]])


def test_it_survives_a_reboot_and_follows_the_vcpus(cloud: Cloud, booted: Image, tmp_path: Path) -> None:
    files = overlay(tmp_path / "files")
    subprocess.run([sys.executable, GUEST, "--install", "--root", files], check=True, timeout=60)
    plugs = [instance(cloud, "10.0.0.30"), instance(cloud, "10.0.0.31", queues=1)]
    with VirtualMachine("again", cloud.host, booted, plugs, files, vcpus=2) as vm:
        assert settled(vm, 0, lambda seen: seen["channels"]["combined"] == 2)
        assert settled(vm, 1, lambda seen: seen["rps"] == [[0, 1]])
        ran = "systemctl show --value -p ExecMainStartTimestampMonotonic sdnctl-nic-tune"
        assert wait_until(lambda: int(vm.run(ran)), WAIT, 0.5)
        vm.plug_vcpus()
        assert settled(vm, 1, lambda seen: seen["rps"] == [[0, 1, 2, 3]])
        assert settled(vm, 0, lambda seen: seen["channels"]["combined"] == 4)
        assert settled(vm, 0, lambda seen: {tuple(i["cpus"]) for i in queue_irqs(seen)} == {(0,), (1,), (2,), (3,)})


def settled(vm: VirtualMachine, number: int, true: Callable[[Any], bool]) -> bool:
    """Wait until an interface is set so; udev does its work after the event, not with it."""
    mac = vm.plugs[number].mac
    assert wait_until(lambda: vm.run(f"udevadm settle; grep -l {mac} /sys/class/net/*/address", check=False), WAIT, 0.5)
    if not (done := wait_until(lambda: true(vm.state(mac)), WAIT, 0.5)):
        print(vm.state(mac), vm.run("journalctl --no-pager -n 30"))
    return done


def queue_irqs(seen: dict[str, Any]) -> list[dict[str, Any]]:
    """The interrupts that serve a queue."""
    return [irq for irq in seen["irqs"] if irq["queue"] is not None]
