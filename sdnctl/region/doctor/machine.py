"""The machine: its programs, kernel, clock and disk, and the address where the API is to answer."""

import ctypes
import os
import platform
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from sdnctl.base.addresses import HostPort
from sdnctl.bridge.vswitch import kernel_datapath
from sdnctl.region.doctor.finding import Finding, fail, ok, output, warn

PYTHON = (3, 11)
OVS_OLDEST = (3, 1)
"""The oldest Open vSwitch that the tests run on."""
SWITCH_PROGRAMS = ("ovs-vswitchd", "ovsdb-server", "ovsdb-tool", "ovs-vsctl")
OTHER_PROGRAMS = {"ip": "iproute2", "unshare": "util-linux", "modprobe": "kmod"}
LOW_BYTES, FULL_BYTES = 1 << 30, 100 << 20
_TIMEX_BYTES, _TIME_ERROR = 256, 5  # adjtimex(2): the structure is smaller; the clock is not synchronised
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.\d+)?")


def examine(data: Path, listen: str) -> Iterator[Finding]:
    """Look at this machine; ``data`` is where a region's files are or will be, ``listen`` where its API answers."""
    yield _python()
    yield from _programs()
    yield from _kernel()
    yield _clock()
    yield _disk(data)
    yield _listen(listen, data)


def _python() -> Finding:
    found = platform.python_version()
    if sys.version_info < PYTHON:
        return fail("python", found, f"install Python {PYTHON[0]}.{PYTHON[1]} or newer")
    return ok("python", found)


def _programs() -> Iterator[Finding]:
    for name in SWITCH_PROGRAMS:
        said = output([name, "--version"])
        found = _VERSION.search(said or "")
        if said is None or found is None:
            yield fail(name, "is not there", "install Open vSwitch (apt install openvswitch-switch)")
        elif (int(found[1]), int(found[2])) < OVS_OLDEST:
            oldest = ".".join(map(str, OVS_OLDEST))
            yield warn(name, found[0], f"nobody has tried sdnctl on it: install Open vSwitch {oldest} or newer")
        else:
            yield ok(name, found[0])
    for name, package in OTHER_PROGRAMS.items():
        where = shutil.which(name)
        yield ok(name, where) if where else warn(name, "is not there", f"install {package}")


def _kernel() -> Iterator[Finding]:
    if os.geteuid() == 0:
        yield ok("root", "yes")
    else:
        yield warn("root", "no", "'sdnctl up' and 'sdnctl agent' need root for the switch: sudo")
    if kernel_datapath():
        yield ok("kernel datapath", f"openvswitch, Linux {platform.release()}")
    else:
        todo = "the userspace datapath is used, which is slower: modprobe openvswitch, where the kernel has it"
        yield warn("kernel datapath", f"no module openvswitch in Linux {platform.release()}", todo)
    if output(["unshare", "--net", "true"]) is not None:
        yield ok("network namespaces", "can be made")
    else:
        todo = "the laboratory and services need them: run as root, and in a container with CAP_SYS_ADMIN"
        yield warn("network namespaces", "cannot be made", todo)


def _clock() -> Finding:
    """The state of the clock, which signatures and hosts' signs of life are compared with (adjtimex(2))."""
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if state in (-1, _TIME_ERROR):
        todo = "signatures are refused and hosts seem dead where clocks differ: install chrony, or systemd-timesyncd"
        return warn("clock", "is not synchronised", todo)
    return ok("clock", "is synchronised")


def _disk(data: Path) -> Finding:
    there = next(path for path in (data, *data.parents) if os.path.exists(path))
    free = shutil.disk_usage(there).free
    says = f"{free / (1 << 30):.1f} GiB free at {there}"
    if free < FULL_BYTES:
        return fail("disk", says, "make room: a full disk ends every change")
    return (
        warn("disk", says, "make room, or name another directory with --data") if free < LOW_BYTES else ok("disk", says)
    )


def _listen(listen: str, data: Path) -> Finding:
    host, port = HostPort.parse(listen)
    if os.path.exists(data / "endpoint.json"):
        return ok("api address", f"{data} has a region already")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return fail("api address", f"{listen}: {error.strerror or error}", "choose another one with --listen")
    return ok("api address", f"{listen} is free")
