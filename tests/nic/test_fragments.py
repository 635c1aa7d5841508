"""Fragments for a hypervisor give a guest its queues: QEMU itself takes them, and the tap has the queues then."""

import shlex
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from apps.multi_queue.host.fragments import Plug, libvirt, preparation, qemu
from tests.cli.conftest import run
from tests.nic.namespace import Namespace

PORT, MAC = "port-abcdefghij", "fa:16:3e:00:00:07"


@pytest.mark.parametrize("queues", [1, 2, 4])
def test_qemu_opens_as_many_queues_as_the_interface_has(space: Namespace, queues: int) -> None:
    plug = Plug(PORT, MAC, queues)
    for line in preparation(plug)[:2]:
        space.run(*shlex.split(line))
    machine = ["-machine", "q35", "-accel", "tcg", "-nodefaults", "-display", "none", "-S", "-monitor", "stdio"]
    guest = space.spawn("qemu-system-x86_64", *machine, *qemu(plug, vhost=False))
    assert guest.stdin is not None and guest.stdout is not None
    guest.stdin.write("info network\n")
    guest.stdin.flush()
    shown = ""
    while PORT not in shown or MAC not in shown:
        line = guest.stdout.readline()
        assert line, shown
        shown += line
    # All of them are open; the guest turns on what it uses.
    opened = [path.read_text() for path in Path(f"/proc/{guest.pid}/fdinfo").iterdir()]
    assert sum(f"iff:\t{plug.tap}\n" in text for text in opened) == queues
    guest.stdin.write("quit\n")
    guest.stdin.flush()
    assert guest.wait(20) == 0


def test_the_arguments_of_qemu() -> None:
    one, four = Plug(PORT, MAC, 1), Plug(PORT, MAC, 4)
    assert qemu(one)[-1] == f"virtio-net-pci,netdev=net-{PORT},mac={MAC}"
    assert qemu(four)[1].endswith("vhost=on,queues=4") and qemu(four)[-1].endswith("mq=on,vectors=10")
    user = Plug(PORT, MAC, 2, "/run/vhost/a.sock")
    assert qemu(user)[:2] == ["-chardev", f"socket,id=ch-{PORT},path=/run/vhost/a.sock,server=on,wait=off"]
    assert f"vhost-user,id=net-{PORT},chardev=ch-{PORT},queues=2" in qemu(user)
    assert "type=dpdkvhostuserclient options:vhost-server-path=/run/vhost/a.sock" in preparation(user)[0]


def test_the_element_of_libvirt() -> None:
    tap = ElementTree.fromstring(libvirt(Plug(PORT, MAC, 4)))
    found = {child.tag: child.attrib for child in tap}
    assert tap.get("type") == "ethernet" and found["mac"] == {"address": MAC}
    assert found["target"] == {"dev": Plug(PORT, MAC, 4).tap, "managed": "no"}
    assert found["model"] == {"type": "virtio"} and found["driver"] == {"name": "vhost", "queues": "4"}
    user = ElementTree.fromstring(libvirt(Plug(PORT, MAC, 2, "/run/a&b's.sock")))
    source = user.find("source")
    assert user.get("type") == "vhostuser" and source is not None and source.get("path") == "/run/a&b's.sock"


def test_a_tap_has_a_name_that_the_kernel_takes_and_that_stays() -> None:
    taps = {Plug(f"port-{n:010}", MAC, 1).tap for n in range(1000)}
    assert len(taps) == 1000 and all(len(name) <= 15 for name in taps)
    assert Plug(PORT, MAC, 1).tap == Plug(PORT, MAC, 4).tap


def test_an_instance_must_be_named(tmp_path: Path) -> None:
    done = run("nic", "qemu", "--data", str(tmp_path))
    assert done.code == 2 and "no region is running" in done.err
