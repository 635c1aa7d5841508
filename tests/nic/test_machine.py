"""Machines that this one is not: interrupts, NUMA nodes and isolated CPUs, described by files as the kernel has them.

The interface is called ``lo`` there: the kernel is asked for its channels, and ``lo`` has none on any machine.
"""

from pathlib import Path

import pytest

from apps.multi_queue.host.machine import Machine
from apps.multi_queue.host.measure import Sample, between, sample
from apps.multi_queue.host.tuner import Tuner
from apps.multi_queue.model import Channels, Cpus, Nic, Wish, cpus_of, irqs_of, plan
from sdnctl.base.problem import Problem

CPUS, QUEUES, FIRST_IRQ = 16, 4, 50


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """16 CPUs in 2 nodes, 4 of them isolated; a NIC of node 1 with 4 queues, each with an interrupt."""
    system, proc = tmp_path / "sys", tmp_path / "proc"
    write(system / "devices/system/cpu/online", "0-14")
    write(system / "devices/system/cpu/isolated", "8,9")
    write(system / "devices/system/cpu/nohz_full", "9-10")
    for node in (0, 1):
        write(system / f"devices/system/node/node{node}/cpulist", f"{8 * node}-{8 * node + 7}")
    nic, device = system / "class/net/lo", system / "devices/pci0000:00/0000:3b:00.0"
    write(nic / "ifindex", "7")
    write(nic / "threaded", "0")
    write(device / "numa_node", "1")
    (system / "drivers/ixgbe").mkdir(parents=True)
    (device / "driver").symlink_to(system / "drivers/ixgbe")
    (nic / "device").symlink_to(device)
    lines = [" " * 12 + "".join(f"CPU{cpu:<8}" for cpu in range(15))]
    for queue in range(QUEUES):
        write(nic / f"queues/rx-{queue}/rps_cpus", "0000")
        write(nic / f"queues/rx-{queue}/rps_flow_cnt", "0")
        write(nic / f"queues/tx-{queue}/xps_cpus", "0000")
        write(device / f"msi_irqs/{FIRST_IRQ + queue}", "msix")
        write(proc / f"irq/{FIRST_IRQ + queue}/smp_affinity_list", "0-15")
        lines.append(f" {FIRST_IRQ + queue}: " + "5 " * 15 + f" IR-PCI-MSIX-0000:3b:00.0 {queue}-edge lo-TxRx-{queue}")
    write(device / f"msi_irqs/{FIRST_IRQ + QUEUES}", "msix")
    write(proc / f"irq/{FIRST_IRQ + QUEUES}/smp_affinity_list", "3")
    lines.append(f" {FIRST_IRQ + QUEUES}: " + "1 " * 15 + " IR-PCI-MSIX-0000:3b:00.0 4-edge lo")
    lines.append("NMI: " + "0 " * 15 + "Non-maskable interrupts")
    write(proc / "interrupts", "\n".join(lines))
    write(proc / "net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask")
    return Machine(system, proc)


def affinity(machine: Machine) -> list[str]:
    return [
        (machine.proc / f"irq/{number}/smp_affinity_list").read_text().strip()
        for number in range(FIRST_IRQ, FIRST_IRQ + QUEUES + 1)
    ]


def test_cpus_with_their_nodes_and_without_the_isolated_ones(machine: Machine) -> None:
    found = machine.cpus()
    assert found.online == tuple(range(15)) and found.isolated == {8, 9, 10}
    assert found.near(1) == (11, 12, 13, 14) and found.near(0) == tuple(range(8))
    for cpu in range(15):
        low = cpu - cpu % 2
        write(machine.sys / f"devices/system/cpu/cpu{cpu}/topology/thread_siblings_list", f"{low}-{low + 1}")
    assert machine.cpus().threads == {cpu: cpu % 2 for cpu in range(15)}
    write(machine.sys / "devices/system/cpu/nohz_full", "(null)")
    write(machine.sys / "devices/system/cpu/isolated", "")
    assert machine.cpus().isolated == frozenset()


def test_each_interrupt_goes_to_a_near_cpu_and_comes_back(machine: Machine, tmp_path: Path) -> None:
    tuner = Tuner(machine, tmp_path / "data")
    nic = machine.nic("lo")
    assert (nic.driver, nic.node, nic.now, len(nic.irqs)) == ("ixgbe", 1, Channels(rx=4, tx=4), 5)
    done = tuner.apply("lo", Wish())
    assert affinity(machine) == ["11", "12", "13", "14", "3"]
    assert done.plan.rps == ((), (), (), ())
    # Every CPU that is online sends through one of the queues.
    assert (machine.sys / "class/net/lo/queues/tx-0/xps_cpus").read_text() != "0000\n"
    # One CPU is unplugged: its interrupt moves, no other; then it comes back.
    write(machine.sys / "devices/system/cpu/online", "0-12,14")
    moved = {knob: pair for knob, pair in tuner.drift("lo").items() if knob.startswith("irq")}
    assert moved == {"irq lo-TxRx-2": ("13", "0")}
    tuner.apply("lo", Wish())
    assert affinity(machine) == ["11", "12", "0", "14", "3"]
    tuner.rollback("lo")
    assert affinity(machine) == ["0-15"] * 4 + ["3"]


def settings(machine: Machine) -> dict[str, str]:
    """Every file of the interface and its interrupts."""
    rooms = (machine.sys / "class/net/lo/queues", machine.proc / "irq")
    return {str(path): path.read_text() for room in rooms for path in room.rglob("*") if path.is_file()}


def test_an_interrupt_that_cannot_be_moved_undoes_everything(machine: Machine, tmp_path: Path) -> None:
    # A driver that keeps its interrupts to itself lets them be read only, as this file of the kernel's.
    fixed = machine.proc / f"irq/{FIRST_IRQ + 2}/smp_affinity_list"
    fixed.unlink()
    fixed.symlink_to("/sys/devices/system/cpu/online")
    before, tuner = settings(machine), Tuner(machine, tmp_path / "data")
    with pytest.raises(Problem, match=r"lo: irq lo-TxRx-2 cannot be set to '13'.*ixgbe.*everything is as it was"):
        tuner.apply("lo", Wish())
    assert {path: cpus_of(text) if "cpus" in path else text for path, text in settings(machine).items()} == {
        path: cpus_of(text) if "cpus" in path else text for path, text in before.items()
    }
    assert tuner.journal.names() == []


def test_a_second_nic_takes_the_cpus_that_the_first_left(machine: Machine, tmp_path: Path) -> None:
    tuner = Tuner(machine, tmp_path / "data")
    tuner.apply("lo", Wish())
    cpus = machine.cpus(tuner.journal.load("other"))
    assert cpus.load == {11: 1.0, 12: 1.0, 13: 1.0, 14: 1.0}
    other = Nic("other", Channels(2), Channels(8), node=0)
    assert plan(other, cpus, Wish(2)).cpus == (0, 1)
    assert set(plan(Nic("other", Channels(2), Channels(8)), cpus, Wish(8)).cpus) == set(range(8))


def test_a_virtio_interrupt_hangs_at_the_function_above(machine: Machine) -> None:
    below = machine.sys / "devices/pci0000:00/0000:3b:00.0/virtio3"
    below.mkdir()
    link = machine.sys / "class/net/lo/device"
    link.unlink()
    link.symlink_to(below)
    path = machine.proc / "interrupts"
    path.write_text(path.read_text().replace("lo-TxRx-", "virtio3-input."))
    assert [irq.queue for irq in machine.irqs("lo")] == [None]  # a name of the interface's own is preferred
    path.write_text(path.read_text().replace("-edge lo", "-edge virtio3-config"))
    assert [irq.queue for irq in machine.irqs("lo")] == [0, 1, 2, 3, None]


def test_softnet_counters_wrap_and_older_kernels_do_not_name_the_cpu(machine: Machine) -> None:
    new = [f"{100 + cpu:08x} 0 0 0 0 0 0 0 0 {cpu:08x} 0 0 {cpu:08x} 0 0" for cpu in (0, 2, 14)]
    write(machine.proc / "net/softnet_stat", "\n".join(new))
    assert sample(machine).packets == {0: 100, 2: 102, 14: 114} and sample(machine).handed == {0: 0, 2: 2, 14: 14}
    write(machine.proc / "net/softnet_stat", "\n".join(line.rsplit(" ", 4)[0] for line in new))
    assert sample(machine).packets == {0: 100, 1: 102, 2: 114}
    nic = Nic("e0", Channels(2), Channels(2), irqs=irqs_of({60: "e0-TxRx-0", 61: "e0-TxRx-1"}))
    made = plan(nic, Cpus((0, 1)), Wish(2))
    before = Sample({0: 2**32 - 500, 1: 0}, {0: 0, 1: 0}, {0: 0, 1: 0}, {60: {0: 10, 1: 0}, 61: {0: 0, 1: 0}})
    after = Sample({0: 1500, 1: 100}, {0: 0, 1: 0}, {0: 0, 1: 0}, {60: {0: 1210, 1: 0}, 61: {0: 0, 1: 1000}})
    report = between(nic, made, (0, 1), before, after, 1.0)
    assert report.packets.counts == {0: 2000, 1: 100} and report.packets.verdict == "one cpu"
    # The queues' own interrupts do the spreading here, and they are what is judged.
    assert report.irqs == {"e0-TxRx-0": {0: 1200, 1: 0}, "e0-TxRx-1": {0: 0, 1: 1000}}
    assert (report.interrupts.verdict, report.verdict) == ("even", "even")
