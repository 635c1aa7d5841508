"""The switch's own database says which ports this host has; the controller keeps ``br-int`` in shape and follows them.

Everything here is the OVSDB of Open vSwitch (ovs-vswitchd.conf.db(5)), read and written with the python IDL in one
thread of its own.  What comes out is a ``Snapshot`` whenever one differs from the last: a whole picture, so that a lost
connection or a missed event cannot leave a port behind.
"""

import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from sdnctl.base.addresses import Ip4
from sdnctl.bridge.ports import Bridge, Ports
from sdnctl.bridge.setup import BRIDGE, TUNNEL_PORT, PortSpec, create, heard, lacking, mend, met, ports_wanted
from sdnctl.bridge.snapshot import Row, Settings, Snapshot, chosen, wrong

sys.modules.setdefault("eventlet", None)  # type: ignore[arg-type]  # ovs.poller would let it replace select
import ovs.db.idl  # noqa: E402
import ovs.jsonrpc  # noqa: E402
import ovs.poller  # noqa: E402
import ovs.stream  # noqa: E402

COLUMNS = {
    "Open_vSwitch": ["bridges", "datapath_types", "external_ids"],
    "Bridge": ["name", "ports", "fail_mode", "datapath_type", "protocols"],
    "Port": ["name", "interfaces"],
    "Interface": ["name", "type", "options", "ofport", "external_ids", "mac_in_use", "bfd", "bfd_status"],
}
log = structlog.get_logger("vswitch")


def kernel_datapath() -> bool:
    """True when the kernel's datapath is there or can be loaded (``modprobe`` asked, nothing loaded)."""
    if Path("/sys/module/openvswitch").exists():
        return True
    try:
        asked = subprocess.run(["modprobe", "--dry-run", "--quiet", "openvswitch"], check=False, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def rundir_of(remote: str) -> str:
    """The directory of the bridge's management socket: $OVS_RUNDIR, else beside the database's socket."""
    given = os.environ.get("OVS_RUNDIR")
    if given:
        return given
    kind, _, path = remote.partition(":")
    return os.path.dirname(path) if kind == "unix" else "/var/run/openvswitch"


class Vswitch:
    """Follows one switch's database and keeps its integration bridge as this controller needs it.

    ``deliver`` is called on the thread of this object with each new Snapshot.  What is written is told in ``bridge``;
    nothing is ever deleted that was not made there.
    """

    def __init__(self, remote: str, deliver: Callable[[Snapshot], None], host: str = "") -> None:
        self._remote = remote
        self._deliver = deliver
        self._host = host
        self._last: Snapshot | None = None
        self._warned: set[Row] = set()
        self._complaints: Mapping[str, str] = {}
        self._watched: Mapping[str, Ip4] | None = None
        self._stopping = False
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name="vswitch", daemon=True)

    def start(self) -> None:
        """Begin to follow; waits for a database that is not there yet."""
        self._thread.start()

    def close(self) -> None:
        """Stop following; the switch stays as it is."""
        self._stopping = True
        os.write(self._wake_write, b"x")
        self._thread.join(5)

    def watch(self, peers: Mapping[str, Ip4]) -> None:
        """Watch the ways to these hosts, by name and tunnel address, and no others; may be called on any thread."""
        self._watched = peers
        os.write(self._wake_write, b"x")

    def _run(self) -> None:
        schema = self._schema()
        if schema is None:
            return
        idl = _Idl(self._remote, _helper(schema), leader_only=False)
        idl._session.reconnect.set_backoff(50, 1000)
        seqno, watched = idl.change_seqno, self._watched
        while not self._stopping:
            idl.run()
            if idl.change_seqno != seqno or watched is not self._watched:
                seqno, watched = idl.change_seqno, self._watched
                self._look(idl)
                continue
            poller = ovs.poller.Poller()
            idl.wait(poller)
            poller.fd_wait(self._wake_read, ovs.poller.POLLIN)
            poller.block()
            if select.select([self._wake_read], [], [], 0)[0]:
                os.read(self._wake_read, 4096)
        idl.close()

    def _schema(self) -> Any:
        """The schema that this database really has, or None when told to stop before it answered."""
        wait = threading.Event()
        while not self._stopping:
            error, stream = ovs.stream.Stream.open_block(ovs.stream.Stream.open(self._remote), 1000)
            if not error:
                connection = ovs.jsonrpc.Connection(stream)
                request = ovs.jsonrpc.Message.create_request("get_schema", ["Open_vSwitch"])
                error, reply = connection.transact_block(request)
                connection.close()
                if not error and reply.error is None:
                    return reply.result
            wait.wait(0.2)
        return None

    def _look(self, idl: Any) -> None:
        """Mend the bridge if need be, else deliver a new picture."""
        switch = next(iter(idl.tables["Open_vSwitch"].rows.values()), None)
        if switch is None:
            return
        br_int = next((b for b in switch.bridges if b.name == BRIDGE), None)
        ids = switch.external_ids
        settings = Settings.read(ids)
        self._complain(wrong(ids))
        wanted = ports_wanted(settings, self._watched or {})
        keep = self._watched is None  # nobody has said yet which are wanted
        seen = idl.ports.bridge(idl, br_int) if br_int is not None else None
        if seen is None or lacking(seen, wanted, keep):
            self._write(idl, switch, br_int, wanted, keep)
            return  # what was written comes back as the next change
        now = self._picture(ids, settings, seen)
        if now != self._last:
            self._last = now
            self._deliver(now)

    def _complain(self, about: Mapping[str, str]) -> None:
        for name, problem in about.items():
            if self._complaints.get(name) != problem:
                log.error("a setting of this host is ignored", name=name, problem=problem)
        self._complaints = about

    def _write(self, idl: Any, switch: Any, br_int: Any, wanted: Mapping[str, PortSpec], keep: bool) -> None:
        txn = ovs.db.idl.Transaction(idl)
        txn.add_comment("sdnctl: ensure br-int")
        if br_int is None:
            system = "system" in getattr(switch, "datapath_types", []) and kernel_datapath()
            br_int = create(txn, idl.tables, switch, "system" if system else "netdev")
        mend(txn, idl.tables, br_int, wanted, keep)
        status = txn.commit_block()
        log.info("bridge written", bridge=BRIDGE, status=str(status), error=txn.get_error() or None)

    def _picture(self, ids: Mapping[str, str], settings: Settings, br_int: Bridge) -> Snapshot:
        host = self._host or ids.get("sdnctl-host") or socket.gethostname()
        before = self._last.ports if self._last is not None else {}
        rows = list(br_int.rows())
        ports, losers = chosen(rows, before)
        for row in losers:
            if row not in self._warned:
                log.warning("two interfaces have one iface-id", iface_id=row.iface_id, ignored=row.name)
        self._warned = set(losers)
        by_name = {row.name: row for row in rows}
        tunnel = by_name.get(TUNNEL_PORT) if settings.encap_ip else None
        uplink = by_name.get(ids.get("sdnctl-uplink", ""))
        return Snapshot(
            host, ports, uplink, settings, tunnel.ofport if tunnel is not None else 0, heard(br_int), met(br_int)
        )


class _Idl(ovs.db.idl.Idl):  # type: ignore[misc]
    """The replica of the switch's database, with its ports as plain values."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.ports = Ports()
        super().__init__(*args, **kwargs)

    def notify(self, event: str, row: Any, updates: Any = None) -> None:
        """A row came, changed or went."""
        self.ports.forget(row.uuid)


def _helper(schema: Any) -> Any:
    helper = ovs.db.idl.SchemaHelper(schema_json=schema)
    for table, columns in COLUMNS.items():
        present = schema["tables"][table]["columns"]
        helper.register_columns(table, [c for c in columns if c in present])
    return helper
