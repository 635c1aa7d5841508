"""The switch's own database says which ports this host has; the controller keeps ``br-int`` in shape and follows them.

Everything here is the OVSDB of Open vSwitch (ovs-vswitchd.conf.db(5)), read and written with the python IDL in one
thread of its own.  What comes out is a ``Snapshot`` whenever one differs from the last: a whole picture, so that a lost
connection or a missed event cannot leave a port behind.
"""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from sdnctl.addresses import Mac

sys.modules.setdefault("eventlet", None)  # type: ignore[arg-type]  # ovs.poller would let it replace select
import ovs.db.idl  # noqa: E402
import ovs.jsonrpc  # noqa: E402
import ovs.poller  # noqa: E402
import ovs.stream  # noqa: E402

BRIDGE = "br-int"
OPENFLOW = "OpenFlow14"
COLUMNS = {
    "Open_vSwitch": ["bridges", "datapath_types", "external_ids"],
    "Bridge": ["name", "ports", "fail_mode", "datapath_type", "protocols"],
    "Port": ["name", "interfaces"],
    "Interface": ["name", "type", "ofport", "external_ids", "mac_in_use"],
}
log = structlog.get_logger("vswitch")


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """One ready Interface of br-int: its name, OpenFlow port, iface-id ("" when it has none) and MAC address."""

    name: str
    ofport: int
    iface_id: str
    mac: Mac


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the switch's database says now: the host's name, its ports by iface-id, and its way out if it has one."""

    host: str
    ports: Mapping[str, Row]
    uplink: Row | None = None


def snapshot(host: str, rows: Iterable[Row], uplink: str, before: Mapping[str, Row]) -> tuple[Snapshot, list[Row]]:
    """The picture, and the rows left out because another row has their iface-id; who had it ``before`` keeps it."""
    ports: dict[str, Row] = {}
    losers: list[Row] = []
    found: Row | None = None
    for row in sorted(rows):
        if row.name == uplink:
            found = row
        if not row.iface_id:
            continue
        holder = ports.get(row.iface_id)
        held = before.get(row.iface_id)
        if holder is None:
            ports[row.iface_id] = row
        elif held is not None and row.name == held.name:
            losers.append(holder)
            ports[row.iface_id] = row
        else:
            losers.append(row)
    return Snapshot(host, ports, found), losers


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
    """Where the bridge's management socket lies: $OVS_RUNDIR, else beside the database's socket."""
    given = os.environ.get("OVS_RUNDIR")
    if given:
        return given
    kind, _, path = remote.partition(":")
    return os.path.dirname(path) if kind == "unix" else "/var/run/openvswitch"


class Vswitch:
    """Follows one switch's database and keeps its integration bridge as this controller needs it.

    ``deliver`` is called on the thread of this object with each new Snapshot.  Nothing is deleted, ever; what is
    written is br-int when it is missing, ``fail_mode=secure`` and OpenFlow14 where other versions are listed.
    """

    def __init__(self, remote: str, deliver: Callable[[Snapshot], None], host: str = "") -> None:
        self._remote = remote
        self._deliver = deliver
        self._host = host
        self._last: Snapshot | None = None
        self._warned: set[Row] = set()
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

    def _run(self) -> None:
        schema = self._schema()
        if schema is None:
            return
        idl = ovs.db.idl.Idl(self._remote, _helper(schema), leader_only=False)
        idl._session.reconnect.set_backoff(50, 1000)
        seqno = idl.change_seqno
        while not self._stopping:
            idl.run()
            if idl.change_seqno != seqno:
                seqno = idl.change_seqno
                self._look(idl)
                continue
            poller = ovs.poller.Poller()
            idl.wait(poller)
            poller.fd_wait(self._wake_read, ovs.poller.POLLIN)
            poller.block()
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
        bridge = next((b for b in switch.bridges if b.name == BRIDGE), None)
        if not _ensure(idl, switch, bridge):
            return  # what was written comes back as the next change
        assert bridge is not None
        ids = switch.external_ids
        host = self._host or ids.get("sdnctl-host") or socket.gethostname()
        before = self._last.ports if self._last is not None else {}
        now, losers = snapshot(host, _rows(bridge), ids.get("sdnctl-uplink", ""), before)
        for row in losers:
            if row not in self._warned:
                log.warning("two interfaces have one iface-id", iface_id=row.iface_id, ignored=row.name)
        self._warned = set(losers)
        if now != self._last:
            self._last = now
            self._deliver(now)


def _helper(schema: Any) -> Any:
    helper = ovs.db.idl.SchemaHelper(schema_json=schema)
    for table, columns in COLUMNS.items():
        present = schema["tables"][table]["columns"]
        helper.register_columns(table, [c for c in columns if c in present])
    return helper


def _rows(bridge: Any) -> Iterable[Row]:
    for port in bridge.ports:
        for interface in port.interfaces:
            ofport = interface.ofport[0] if interface.ofport else -1
            if ofport > 0:
                mac = Mac.parse(interface.mac_in_use[0]) if interface.mac_in_use else Mac(0)
                yield Row(interface.name, ofport, interface.external_ids.get("iface-id", ""), mac)


def _ensure(idl: Any, switch: Any, bridge: Any) -> bool:
    """True when the bridge is as it must be; else the difference was written."""
    if bridge is not None:
        secure = bridge.fail_mode == ["secure"]
        speaks = not bridge.protocols or OPENFLOW in bridge.protocols
        if secure and speaks:
            return True
    txn = ovs.db.idl.Transaction(idl)
    txn.add_comment("sdnctl: ensure br-int")
    if bridge is None:
        bridge = _create(txn, idl, switch)
    bridge.fail_mode = ["secure"]
    if bridge.protocols and OPENFLOW not in bridge.protocols:
        bridge.protocols = [*bridge.protocols, OPENFLOW]
    status = txn.commit_block()
    log.info("bridge written", bridge=BRIDGE, status=str(status), error=txn.get_error() or None)
    return False


def _create(txn: Any, idl: Any, switch: Any) -> Any:
    interface = txn.insert(idl.tables["Interface"])
    interface.name = BRIDGE
    interface.type = "internal"
    port = txn.insert(idl.tables["Port"])
    port.name = BRIDGE
    port.interfaces = [interface]
    bridge = txn.insert(idl.tables["Bridge"])
    bridge.name = BRIDGE
    bridge.ports = [port]
    system = "system" in getattr(switch, "datapath_types", []) and kernel_datapath()
    bridge.datapath_type = "system" if system else "netdev"
    bridge.protocols = []
    switch.verify("bridges")
    switch.bridges = [*switch.bridges, bridge]
    return bridge
