"""``sdnctl up``: a whole region on one machine, beside the Open vSwitch that is already there.

Four programs are kept alive (see ``supervisor``): the store, the API, the controller and the services.  This module
checks what can be checked before anything starts, so that a mistake is told at once and in words, and says how each
program is called.
"""

import contextlib
import errno
import fcntl
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sdnctl.base.addresses import HostPort
from sdnctl.base.errors import DiskFull, StoreError
from sdnctl.base.paths import remember_switch, reserve
from sdnctl.base.problem import Usage
from sdnctl.bridge.claim import SwitchClaim, Taken
from sdnctl.program import feature
from sdnctl.region.supervisor import Hopeless, Spec, Supervisor
from sdnctl.store.ovsdb.room import LEAST_BYTES
from sdnctl.store.server.single import Server

METRICS = "127.0.0.1:0"  # any port at first, from then on the same
NEW_BYTES = 1 << 20
"""The room that a new region needs, with some to work in; without it nothing is begun."""
SUN_PATH_MAX = 107  # unix(7): sun_path holds 108 bytes with the final zero


class Unusable(Usage):
    """The refusal to start what was asked for."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of ``sdnctl up``; every path is absolute."""

    data: Path
    listen: str
    ovs_db: str
    region: str
    take_over: bool = False
    api: tuple[str, ...] = ()
    """Further arguments of the API."""

    @property
    def owner(self) -> str:
        """The program that keeps the switch, in words."""
        return f"sdnctl up --data {self.data} (pid {os.getpid()})"


def up(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until told to stop; ``say`` gets the one line that tells where.

    Raises Unusable, Taken (by another program), Hopeless, StoreError.
    """
    _check_switch(settings.ovs_db)
    _check_listen(settings.listen)
    with _full_disk_told(settings.data), _owned(settings.data):
        if not (settings.data / "store.db").exists():
            reserve(settings.data, NEW_BYTES)
        _check_claim(settings)
        remember_switch(settings.data, settings.ovs_db)
        feature.discover()
        server = Server(settings.data)
        server.prepare()
        supervisor = Supervisor(_specs(settings, server, say), settings.data / "pids.json")
        try:
            supervisor.run()
        finally:
            (settings.data / "endpoint.json").unlink(missing_ok=True)


def _check_claim(settings: Settings) -> None:
    """Refuse a switch that another program keeps, also in the log of the controller that does not start."""
    try:
        SwitchClaim(settings.ovs_db, settings.owner, settings.take_over).check()
    except Taken as taken:
        with (settings.data / "controller.log").open("a") as log:
            print(json.dumps({"event": str(taken), "level": "error"}), file=log)
        raise


class _Front:
    """The API's address: as asked at first; what it got then is asked for again at each later start."""

    def __init__(self, listen: str, say: Callable[[str], None]) -> None:
        self.listen = listen
        self._say = say
        self._said = False

    def announced(self, line: str) -> None:
        """Take the API's first line in, and pass the very first one on."""
        self.listen = json.loads(line)["endpoint"]
        if not self._said:
            self._said = True
            self._say(line)


def _specs(settings: Settings, server: Server, say: Callable[[str], None]) -> list[Spec]:
    """The command lines of the programs, in the order in which they start."""
    data, front = settings.data, _Front(settings.listen, say)

    def api() -> list[str]:
        where = ("--data", str(data), "--listen", front.listen, "--region", settings.region)
        return [sys.executable, "-m", "sdnctl.api", "--store", server.remote, *where, *settings.api]

    controller = [sys.executable, "-m", "sdnctl.agent.app", "--store", server.remote, "--ovs-db", settings.ovs_db]
    controller += ["--metrics", METRICS, "--metrics-file", str(data / "metrics.json"), "--owner", settings.owner]
    controller += ["--take-over"] if settings.take_over else []
    services = [sys.executable, "-m", "sdnctl.services", "--store", server.remote, "--data", str(data)]
    services += ["--per", "host,gateway,region", "--ovs-db", settings.ovs_db]
    services += ["--metrics", METRICS, "--metrics-file", str(data / "services.json")]
    return [
        Spec("store", server.argv, server.log),
        Spec("api", api, data / "api.log", front.announced),
        Spec("controller", lambda: controller, data / "controller.log"),
        Spec("services", lambda: services, data / "services.log"),
    ]


def _check_switch(ovs_db: str) -> None:
    """Refuse a switch database that is not there."""
    kind, _, path = ovs_db.partition(":")
    if kind != "unix" or not path:
        raise Unusable(f"--ovs-db must be unix:PATH, not {ovs_db!r}")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError as error:
            how = (
                "run this as root"
                if isinstance(error, PermissionError)
                else "start it (systemctl start openvswitch-switch)"
            )
            raise Unusable(
                f"no Open vSwitch answers at {path} ({error.strerror or error}): {how}, "
                "or name its database with --ovs-db unix:PATH or OVS_RUNDIR"
            ) from error


def _check_listen(listen: str) -> None:
    """Refuse an address that is malformed, not ours or taken."""
    try:
        host, port = HostPort.parse(listen)
    except ValueError:
        host, port = "", 0
    if not host:
        raise Unusable(f"--listen must be HOST:PORT, not {listen!r}")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise Unusable(
            f"cannot listen on {listen} ({error.strerror or error}): choose another with --listen"
        ) from error


@contextlib.contextmanager
def _full_disk_told(data: Path) -> Iterator[None]:
    """Raise Unusable, in words, where there is no room for the store or what is kept beside it."""
    try:
        yield
    except (OSError, StoreError, Hopeless) as error:
        if not isinstance(error, DiskFull) and not _is_full(error) and not _lacks_room(data):
            raise
        text = f"the disk that has {data} is full: make room there; until then the switch keeps the flows that it has"
        raise Unusable(text) from error


def _is_full(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _lacks_room(data: Path) -> bool:
    """True when a program that failed had no room to work in."""
    try:
        reserve(data, LEAST_BYTES)
    except OSError as error:
        return _is_full(error)
    return False


@contextlib.contextmanager
def _owned(data: Path) -> Iterator[None]:
    """Make the data directory and hold it against a second ``sdnctl up``."""
    socket_path = data / "store.sock"
    if len(os.fsencode(socket_path)) > SUN_PATH_MAX:
        raise Unusable(f"{socket_path} is too long for a socket ({SUN_PATH_MAX} bytes): choose a shorter --data")
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(data / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unusable(f"cannot use {data} ({error.strerror}): choose another directory with --data") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = os.read(lock, 32).decode().strip() or "unknown"
        os.close(lock)
        raise Unusable(
            f"another sdnctl up (pid {pid}) serves {data}: stop it, or choose another directory with --data"
        ) from error
    try:
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(lock)
