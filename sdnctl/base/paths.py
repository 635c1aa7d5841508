"""The places of a region on this machine: its data directory, and the Open vSwitch that it drives."""

import json
import os
import re
import tempfile
from pathlib import Path

from sdnctl.base.problem import Usage

BRIDGE = "br-int"
DEFAULT_DATA = "/var/lib/sdnctl"
DEFAULT_LISTEN = "127.0.0.1:7480"
DEFAULT_REGION = "cn-north-1"
DEFAULT_RUNDIR = "/var/run/openvswitch"
REMEMBERED = "up.json"
REGION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


def region_id(text: str) -> str:
    """A region's id, as it stands in every path of the API and in every signature; Usage when it cannot."""
    if not REGION_ID.fullmatch(text):
        raise Usage(f"a region's id is letters, digits, '.', '_' and '-', a letter or digit first, not {text[:80]!r}")
    return text


def data_directory(given: str | None) -> Path:
    """The data directory: what was given, else $SDNCTL_DATA, else /var/lib/sdnctl."""
    return Path(given or os.environ.get("SDNCTL_DATA") or DEFAULT_DATA).expanduser().absolute()


def default_ovs_db() -> str:
    """The address of the system's Open vSwitch database, honouring OVS_RUNDIR as its own tools do (ovs-vsctl(8))."""
    return f"unix:{os.environ.get('OVS_RUNDIR') or DEFAULT_RUNDIR}/db.sock"


def rundir_of(remote: str) -> str:
    """The directory of the bridge's management socket: $OVS_RUNDIR, else beside the database's socket."""
    given = os.environ.get("OVS_RUNDIR")
    if given:
        return given
    kind, _, path = remote.partition(":")
    return os.path.dirname(path) if kind == "unix" else "/var/run/openvswitch"


def management_of(remote: str) -> str:
    """The management socket of the bridge of a switch, by the address of its database (ovs-vswitchd(8))."""
    return os.path.join(rundir_of(remote), f"{BRIDGE}.mgmt")


def remember_switch(data: Path, ovs_db: str) -> None:
    """Note which switch the region of a data directory drives."""
    write_private(data / REMEMBERED, json.dumps({"ovsDb": ovs_db}))


def switch_of(data: Path) -> str:
    """The switch that the region of a data directory drives, as last noted; else the default."""
    try:
        return str(json.loads((data / REMEMBERED).read_text())["ovsDb"])
    except (OSError, ValueError, KeyError, TypeError):
        return default_ovs_db()


def reserve(directory: Path, size: int) -> None:
    """Raise OSError where a directory has no room for a file of ``size`` bytes; nothing stays of it."""
    with tempfile.TemporaryFile(dir=directory) as file:
        os.posix_fallocate(file.fileno(), 0, size)


def write_private(path: Path, text: str) -> None:
    """Replace a file's content at once and for good (fsync), readable by the owner alone."""
    partial = path.with_name(path.name + ".new")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
