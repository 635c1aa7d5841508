"""The image that the virtual machine boots: Debian's kernel, and a root file system of its packages held in memory.

Nothing is installed here: packages are downloaded with apt, unpacked beside the system, and packed as an initramfs
(kernel: driver-api/early-userspace/buffer-format.rst).  Made once, kept in ``~/.cache/sdnctl/guest``.
"""

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from topologies.station import CommandError

KERNEL = "linux-image-cloud-amd64"
ROOTS = ("busybox-static", "python3", "systemd", "udev", "kmod")
FOLLOWED = re.compile(r"^(lib|python3|zlib|mount$)")
LEFT_OUT = re.compile(r"^lib(perl|debconf|krb|k5|gssapi|tirpc|nsl|db5|gdbm|readline|sqlite|ncurses|sem|sepol)")
DRIVERS = ("virtio_pci", "virtio_net")
UNUSED = (
    *("usr/share", "usr/lib/x86_64-linux-gnu/gconv", "usr/lib/udev/hwdb.d", "usr/lib/systemd/systemd-networkd"),
    *("usr/lib/python3*/pydoc_data", "usr/lib/python3*/test", "usr/lib/python3*/unittest", "usr/lib/python3*/asyncio"),
    *("usr/lib/python3*/email", "usr/lib/x86_64-linux-gnu/security", "usr/bin/systemd-cryptenroll", "boot"),
    *("usr/lib/systemd/system-generators/systemd-getty-generator", "usr/bin/udevadm.dbg", "var/lib/dpkg"),
)
MASKED = (
    *("systemd-journal-flush", "systemd-sysusers", "systemd-tmpfiles-setup", "systemd-tmpfiles-setup-dev"),
    *("systemd-update-utmp", "systemd-update-utmp-runlevel", "systemd-random-seed", "systemd-user-sessions"),
    *("modprobe@configfs", "modprobe@dm_mod", "modprobe@drm", "modprobe@efi_pstore", "modprobe@fuse", "modprobe@loop"),
    *("getty-static", "serial-getty@ttyS0", "getty@tty1", "systemd-modules-load", "systemd-remount-fs"),
)
MERGED = ("bin", "sbin", "lib", "lib64")

INIT = """#!/bin/busybox sh
for module in $(/bin/busybox cat /etc/drivers); do /bin/busybox insmod /drivers/$module.ko; done
exec /lib/systemd/systemd
"""
CONSOLE = """#!/bin/busybox sh
# Runs what comes in by the second serial port, a line each, and ends every answer with its exit code.
export PATH=/usr/local/sbin:/usr/bin:/usr/sbin PYTHONDONTWRITEBYTECODE=1
stty -F /dev/ttyS1 raw -echo
exec </dev/ttyS1 >/dev/ttyS1 2>&1
echo READY
while read -r line; do eval "$line"; echo "=$?="; done
"""
# Python's own modules in the form that it runs: without, every start takes seconds in software emulation.
COMPILE = """
import argparse, array, contextlib, fcntl, glob, json, socket, struct, sys, typing
from py_compile import PycInvalidationMode, compile
for module in list(sys.modules.values()):
    if (getattr(module, "__file__", None) or "").endswith(".py"):
        compile(module.__file__, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
"""
FILES = {
    "init": INIT,
    "console": CONSOLE,
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\ntty:x:5:\nkmem:x:15:\ndialout:x:20:\nkvm:x:103:\ninput:x:101:\n",
    "etc/machine-id": "",
    "etc/systemd/system/console.service": "[Service]\nExecStart=/console\n",
}
LINKS = {
    "etc/systemd/system/default.target": "/lib/systemd/system/multi-user.target",
    "etc/systemd/system/multi-user.target.wants/console.service": "../console.service",
    **{f"etc/systemd/system/{name}.service": "/dev/null" for name in MASKED},
}


@dataclass(frozen=True, slots=True)
class Image:
    """A kernel and a root file system to boot, and the version of every package in it."""

    kernel: Path
    root: Path
    packages: dict[str, str]


def image() -> Image:
    """The image; made now unless there is one of this recipe already. Takes some seconds and 60 MB of packages."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sdnctl" / "guest" / recipe
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
            _make(Path(scratch))
            (Path(scratch) / "image").rename(home)
    return Image(home / "vmlinuz", home / "root.cpio", json.loads((home / "packages.json").read_text()))


def _make(scratch: Path) -> None:
    debs, root, kernel, made = (scratch / name for name in ("debs", "root", "kernel", "image"))
    for directory in (debs, root, kernel, made):
        directory.mkdir()
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    packages = _wanted()
    _apt("-o", "APT::Sandbox::User=root", "download", *sorted(packages), cwd=debs)
    for deb in debs.iterdir():
        _unpack(deb, kernel if deb.name.startswith("linux-image") else root)
    _furnish(root, kernel)
    (made / "root.cpio").write_bytes(archive(root))
    shutil.copy(next((kernel / "boot").glob("vmlinuz*")), made / "vmlinuz")
    (made / "packages.json").write_text(json.dumps(packages))


def _wanted() -> dict[str, str]:
    """Package -> version: the roots, what they need, and the kernel that the newest kernel package stands for."""
    found: dict[str, str] = {}
    # Also where apt knows the packages: an old list names versions that are no longer there.
    _apt("update")
    pending = {KERNEL, *ROOTS}
    while pending:
        following: set[str] = set()
        for name, (version, needs) in _describe(sorted(pending)).items():
            found[name] = version
            following |= {one for one in needs if FOLLOWED.match(one) or one.startswith("linux-image")}
        pending = {one for one in following if one not in found and not LEFT_OUT.match(one)}
    del found[KERNEL]
    return found


def _apt(*arguments: str, cwd: Path | None = None) -> None:
    command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *arguments]
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise CommandError(f"{' '.join(command)} -> {done.returncode}: {done.stderr}")


def _describe(names: list[str]) -> dict[str, tuple[str, list[str]]]:
    """Package -> (version, packages that it needs), for those that apt knows."""
    command = ["apt-cache", "show", "--no-all-versions", *names]
    text = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    found = {}
    for paragraph in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if re.match(r"[\w-]+: ", line))
        if "Package" in fields:
            needs = ", ".join(fields.get(key, "") for key in ("Depends", "Pre-Depends")).split(", ")
            firsts = [need.split("|")[0].split("(")[0].strip().partition(":")[0] for need in needs]
            found[fields["Package"]] = (fields["Version"], [first for first in firsts if first])
    return found


def _unpack(deb: Path, root: Path) -> None:
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as package:
        tar = ["tar", "-x", "--keep-directory-symlink", "-C", str(root)]
        subprocess.run(tar, stdin=package.stdout, check=True, timeout=120)


def _furnish(root: Path, kernel: Path) -> None:
    """Drivers, configuration, and busybox for every program that no package brought."""
    for pattern in UNUSED:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in ("proc", "sys", "dev", "tmp", "run", "root", "drivers"):
        (root / name).mkdir(exist_ok=True)
    objects = {path.stem.replace("-", "_"): path for path in kernel.rglob("*.ko")}
    order = list(dict.fromkeys(one for driver in DRIVERS for one in _with_needs(driver, objects)))
    for name in order:
        shutil.copy(objects[name], root / "drivers" / f"{name}.ko")
    for path, text in {**FILES, "etc/drivers": "\n".join(order)}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        (root / path).chmod(0o644 if path.startswith("etc") else 0o755)
    for path, target in LINKS.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).unlink(missing_ok=True)
        (root / path).symlink_to(target)
    busybox = subprocess.run([root / "usr/bin/busybox", "--list"], capture_output=True, text=True, check=True)
    for name in busybox.stdout.split():
        if not any(os.path.lexists(root / "usr" / place / name) for place in ("bin", "sbin")):
            (root / "usr/bin" / name).symlink_to("busybox")
    subprocess.run(["chroot", root, "/usr/bin/python3", "-c", COMPILE], check=True, timeout=120)


def _with_needs(name: str, objects: dict[str, Path]) -> Iterator[str]:
    """A kernel module after those that it needs, as its ``depends=`` says."""
    said = re.search(rb"\0depends=([^\0]*)\0", objects[name].read_bytes())
    for need in filter(None, said[1].decode().split(",") if said else []):
        yield from _with_needs(need.replace("-", "_"), objects)
    yield name


def archive(root: Path) -> bytes:
    """A directory as a cpio archive of the "newc" kind; several in a row are unpacked one over the other."""
    parts = []
    for path in sorted(root.rglob("*")):
        mode, data = path.lstat().st_mode, b""
        if stat.S_ISLNK(mode):
            data = os.readlink(path).encode()
        elif stat.S_ISREG(mode):
            data = path.read_bytes()
        parts.append(_entry(str(path.relative_to(root)), mode, data))
    console = _entry("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1))
    made = b"".join([*parts, console, _entry("TRAILER!!!", 0, b"")])
    return made + b"\0" * (-len(made) % 512)


def _entry(name: str, mode: int, data: bytes, device: tuple[int, int] = (0, 0)) -> bytes:
    encoded = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
    return b"".join(part + b"\0" * (-len(part) % 4) for part in (header, data))


if __name__ == "__main__":
    sys.stdout.write(f"{image().root.parent}\n")
