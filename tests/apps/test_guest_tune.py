"""The module for guests: decides as the host does, changes only what is wrong, and says what it cannot change."""

import ast
import base64
import errno
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from apps.multi_queue import guest, model
from apps.multi_queue.guest import Counts, Irq, Kernel, Machine, Tuning

SCRIPT = Path(guest.__file__)
VIRTIO = "sys/devices/pci0000:00/0000:00:02.0/virtio0"
CPUS = st.sets(st.integers(0, 255), min_size=1)


# The same rules as the host's


@given(CPUS, CPUS, st.integers(1, 64), st.integers(0, 64), st.booleans())
def test_it_decides_as_the_planner_of_the_host(
    online: set[int], isolated: set[int], queues: int, vectors: int, paired: bool
) -> None:
    kinds = ("TxRx-{}",) if paired else ("input.{}", "output.{}")
    names = {10 + n: f"nic0-{kinds[n % len(kinds)].format(n // len(kinds))}" for n in range(vectors)}
    irqs = model.irqs_of(names)
    now = model.Channels(combined=queues)
    nic = model.Nic("nic0", now, None, irqs=irqs)
    theirs = model.plan(nic, model.Cpus(tuple(online), isolated=frozenset(isolated)))
    serves = guest.queues_of(names)
    ours = guest.decide([Irq(n, names[n], serves[n], {}) for n in names], queues, queues, [*online], [*isolated])
    assert serves == {irq.number: irq.queue for irq in irqs}
    assert (ours.irqs, tuple(ours.rps), tuple(ours.xps)) == (theirs.irqs, theirs.rps, theirs.xps)


@given(st.sets(st.integers(0, 255)))
def test_it_reads_and_writes_lists_of_cpus_alike(cpus: set[int]) -> None:
    assert guest.mask_of(cpus) == model.mask_of(cpus)
    assert guest.cpus_of(guest.mask_of(cpus)) == sorted(cpus)
    assert guest.cpu_list(model.cpu_ranges(cpus)) == sorted(cpus)


@pytest.mark.parametrize(
    "name",
    ["virtio2-input.3", "virtio0-config", "ens5-Tx-Rx-2", "eth0-TxRx-1", "mlx5_comp4@pci:0000:00:05.0", "eth0-rx-0"],
)
def test_it_reads_names_of_interrupts_alike(name: str) -> None:
    assert guest.queues_of({7: name}) == {irq.number: irq.queue for irq in model.irqs_of({7: name})}


def test_it_travels_alone_and_runs_under_python_3_9() -> None:
    tree = ast.parse(SCRIPT.read_text(), feature_version=(3, 9))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
    done = subprocess.run([sys.executable, "-I", SCRIPT, "--help"], cwd="/", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "--install" in done.stdout


# A machine made of files


class Card(Kernel):
    """The channels of a virtio NIC with so many queues: the files of its queues come and go with them."""

    def __init__(self, root: Path, most: int, now: int) -> None:
        self._root = root
        self._counts = Counts(0, 0, 0, most, 0, 0, 0, now)
        self.asked = 0
        self._files()

    def get(self, name: str) -> Counts:
        if not self._counts.max_combined:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return self._counts

    def set(self, name: str, counts: Counts) -> None:
        self._counts = counts
        self.asked += 1
        self._files()

    def _files(self) -> None:
        for side, kind in (("rx", "rps"), ("tx", "xps")):
            for number in range(max(self._counts.max_combined, 1)):
                place = self._root / VIRTIO / f"net/ens2/queues/{side}-{number}"
                if number < max(self._counts.combined, 1):
                    place.mkdir(parents=True, exist_ok=True)
                    (place / f"{kind}_cpus").write_text("0\n")
                elif place.exists():
                    (place / f"{kind}_cpus").unlink()
                    place.rmdir()


Build = Callable[..., tuple[Machine, Card]]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """A guest: its vCPUs, the most queues of its NIC and those in use, every interrupt on vCPU 0 or anywhere."""

    def made(cpus: str = "0-3", most: int = 4, now: int = 1, isolated: str = "", irqbalance: bool = False) -> Any:
        write(tmp_path, "sys/devices/system/cpu/online", cpus)
        write(tmp_path, "sys/devices/system/cpu/isolated", isolated)
        write(tmp_path, "sys/devices/system/cpu/nohz_full", "(null)")
        names = ["config", *(f"{way}.{n}" for n in range(max(most, 1)) for way in ("input", "output"))]
        lines = ["  CPU0 CPU1 CPU2 CPU3", " NMI:  0 0 0 0   Non-maskable interrupts"]
        for number, name in enumerate(names, 24):
            write(tmp_path, f"proc/irq/{number}/smp_affinity_list", cpus)
            write(tmp_path, f"{VIRTIO}/../msi_irqs/{number}", "msix")
            lines.append(f" {number}:  {number} 0 0 0   PCI-MSI 32768-edge      virtio0-{name}")
        write(tmp_path, "proc/interrupts", "\n".join(lines))
        write(tmp_path, "proc/net/softnet_stat", " ".join(["000000ff"] * 12 + ["00000002"]))
        write(tmp_path, "proc/77/comm", "irqbalance" if irqbalance else "cron")
        card = Card(tmp_path, most, now)
        (tmp_path / VIRTIO / "net/ens2/device").symlink_to(tmp_path / VIRTIO)
        (tmp_path / "sys/class/net/lo").mkdir(parents=True)
        (tmp_path / "sys/class/net/ens2").symlink_to(tmp_path / VIRTIO / "net/ens2")
        return Machine(str(tmp_path), card), card

    return made


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text + "\n")


def affinities(machine: Machine) -> dict[str, list[int]]:
    """Interrupt's name -> its CPUs."""
    shown = guest.state(machine, ["ens2"])["interfaces"][0]
    return {irq["name"].removeprefix("virtio0-"): irq["cpus"] for irq in shown["irqs"]}


def masks(machine: Machine, kind: str) -> list[list[int]]:
    return list(guest.state(machine, ["ens2"])["interfaces"][0][kind])


def test_a_guest_gets_a_queue_for_each_vcpu(build: Build) -> None:
    machine, card = build(now=1)
    assert machine.cards() == ["ens2"]
    run = Tuning(machine, "ens2").run()
    assert run.changed[0] == "queues to 4" and not run.problems
    wanted = {f"{way}.{n}": [n] for way in ("input", "output") for n in range(4)}
    assert affinities(machine) == {"config": [0, 1, 2, 3], **wanted}
    assert masks(machine, "rps") == [[]] * 4
    assert masks(machine, "xps") == [[0], [1], [2], [3]]
    assert card.asked == 1


def test_what_is_right_is_left_alone(build: Build) -> None:
    machine, card = build()
    Tuning(machine, "ens2").run()
    again = Tuning(machine, "ens2").run()
    assert (again.changed, again.problems, card.asked) == ([], [], 1)
    assert str(again) == "ens2: nothing to change"


def test_fewer_queues_than_vcpus_hand_on_to_the_others(build: Build) -> None:
    machine, _ = build(most=2, now=2)
    Tuning(machine, "ens2").run()
    assert masks(machine, "rps") == masks(machine, "xps") == [[0, 2], [1, 3]]


def test_one_queue_hands_on_to_every_vcpu(build: Build) -> None:
    machine, _ = build(most=1)
    Tuning(machine, "ens2").run()
    assert masks(machine, "rps") == [[0, 1, 2, 3]]
    assert affinities(machine)["input.0"] == [0]


def test_more_queues_than_vcpus_are_not_used(build: Build) -> None:
    machine, card = build(cpus="0-1", now=4)
    Tuning(machine, "ens2").run()
    assert card.get("ens2").combined == 2
    assert {affinities(machine)[f"input.{n}"][0] for n in range(2)} == {0, 1}


def test_isolated_vcpus_take_no_interrupts(build: Build) -> None:
    machine, card = build(isolated="2-3")
    Tuning(machine, "ens2").run()
    assert card.get("ens2").combined == 2
    assert {cpu for name, cpus in affinities(machine).items() if name in ("input.0", "input.1") for cpu in cpus} == {
        0,
        1,
    }
    assert masks(machine, "rps") == [[], []]


def test_a_driver_without_channels_still_gets_rps(build: Build) -> None:
    machine, _ = build(most=0, now=0)
    run = Tuning(machine, "ens2").run()
    assert not run.problems and masks(machine, "rps") == [[0, 1, 2, 3]]
    asked = Tuning(machine, "ens2").run(4)
    assert asked.problems == ["queues: the driver of this card cannot change them"]


def test_what_cannot_be_set_is_said_and_the_rest_is_set(build: Build, tmp_path: Path) -> None:
    machine, _ = build()
    stuck = tmp_path / "proc/irq/27/smp_affinity_list"
    stuck.unlink()
    stuck.mkdir()
    run = Tuning(machine, "ens2").run()
    assert run.problems == ["interrupt 27: Is a directory"]
    assert affinities(machine)["input.3"] == [3]
    too_many = Tuning(machine, "ens2").run(9)
    assert "queues: 9 were asked for, the card has at most 4" in too_many.problems


def test_a_dry_run_changes_nothing(build: Build) -> None:
    machine, card = build()
    run = Tuning(machine, "ens2", dry=True).run()
    assert run.changed and card.asked == 0
    assert affinities(machine)["input.0"] == [0, 1, 2, 3]


def test_irqbalance_is_told_of_and_not_fought(build: Build) -> None:
    machine, _ = build(most=2, irqbalance=True)
    said = guest.balance_warning(machine, ["ens2"])
    assert "pid 77" in said
    assert 'IRQBALANCE_ARGS="--banirq=25 --banirq=26 --banirq=27 --banirq=28"' in said


def test_nothing_is_said_where_irqbalance_does_not_run(build: Build) -> None:
    machine, _ = build()
    assert guest.balance_warning(machine, ["ens2"]) == ""


def test_it_shows_what_each_cpu_has_done(build: Build) -> None:
    machine, _ = build()
    shown = guest.state(machine, ["ens2"])
    assert shown["softnet"] == {2: {"processed": 255, "dropped": 255, "by_rps": 255}}
    assert shown["interfaces"][0]["irqs"][1]["counts"] == {0: 25, 1: 0, 2: 0, 3: 0}


def test_install_writes_what_boots_and_hot_plugs_need(tmp_path: Path) -> None:
    machine = Machine(str(tmp_path))
    written = guest.install(machine)
    times = {path: os.lstat(f"{tmp_path}{path}").st_mtime_ns for path in written}
    assert guest.install(machine) == written
    assert {path: os.lstat(f"{tmp_path}{path}").st_mtime_ns for path in written} == times
    assert (tmp_path / guest.PROGRAM).read_text() == SCRIPT.read_text()
    assert os.access(tmp_path / guest.PROGRAM, os.X_OK)
    assert os.readlink(tmp_path / guest.WANTED) == f"/{guest.UNIT}"
    assert "ExecStart=/usr/bin/python3 /usr/local/sbin/sdnctl-nic-tune" in (tmp_path / guest.UNIT).read_text()
    assert 'SUBSYSTEM=="net"' in (tmp_path / guest.RULES).read_text()


# The kernel's own ioctl


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network namespace with a pair of interfaces of four queues each."""
    name = f"sdnctl-guest-{os.getpid()}"
    ip("netns", "add", name)
    try:
        veth = ("type", "veth", "peer", "name", "nic1", "numtxqueues", "4", "numrxqueues", "4")
        ip("-n", name, "link", "add", "nic0", "numtxqueues", "4", "numrxqueues", "4", *veth)
        yield name
    finally:
        ip("netns", "delete", name)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)


def inside(namespace: str, *command: str) -> subprocess.CompletedProcess[str]:
    argv = ["ip", "netns", "exec", namespace, *command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def tune(namespace: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return inside(namespace, sys.executable, str(SCRIPT), *arguments)


def test_real_channels_are_set_and_read_back(namespace: str) -> None:
    done = tune(namespace, "nic0", "--queues", "3", "--json")
    assert done.returncode == 0, done
    assert "queues to 3" in json.loads(done.stdout)["interfaces"][0]["changed"]
    shown = json.loads(tune(namespace, "nic0", "--show").stdout)["interfaces"][0]
    assert (shown["channels"]["rx"], shown["channels"]["tx"], shown["channels"]["max_rx"]) == (3, 3, 4)
    assert len(shown["rps"]) == len(shown["xps"]) == 3
    listed = inside(namespace, "ethtool", "-l", "nic0").stdout.partition("Current hardware settings")[2]
    assert listed.split()[1:5] == ["RX:", "3", "TX:", "3"]
    online = set(guest.Machine().cpus("online"))
    assert (
        {cpu for group in shown["rps"] for cpu in group} == {cpu for group in shown["xps"] for cpu in group} == online
    )
    assert tune(namespace, "nic0", "--queues", "3").stdout == "nic0: nothing to change\n"


def test_too_many_real_channels_are_refused_in_words(namespace: str) -> None:
    done = tune(namespace, "nic0", "--queues", "5")
    assert done.returncode == 1
    assert "PROBLEM: queues: 5 were asked for, the card has at most 4" in done.stdout


def test_a_real_driver_without_channels(namespace: str) -> None:
    done = tune(namespace, "lo")
    assert done.returncode == 0 and "queues to" not in done.stdout
    assert tune(namespace, "absent").returncode == 2


# As a command, and as user data


def test_the_command_of_an_instance(namespace: str) -> None:
    command = (sys.executable, "-m", "sdnctl", "nic", "tune", "nic0", "--queues", "2")
    refused = inside(namespace, *command)
    assert refused.returncode == 2 and "--guest" in refused.stderr
    done = inside(namespace, *command, "--guest", "--json")
    assert done.returncode == 0, done
    (told,) = json.loads(done.stdout)["interfaces"]
    assert told["interface"] == "nic0" and "queues to 2" in told["changed"] and told["problems"] == []


def test_cloud_init_carries_the_module() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "sdnctl", "nic", "cloud-init"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert said.startswith("#cloud-config\n") and len(said) < 16384
    config = yaml.safe_load(said)
    (file,) = config["write_files"]
    assert gzip.decompress(base64.b64decode(file["content"])).decode() == SCRIPT.read_text()
    assert file["path"] == f"/{guest.PROGRAM}" and file["encoding"] == "gz+b64" and file["permissions"] == "0755"
    assert config["runcmd"] == [["/usr/bin/python3", file["path"], "--install"]]
