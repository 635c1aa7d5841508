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
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from sdnctl.base.addresses import Ip4
from sdnctl.base.errors import SwitchError
from sdnctl.base.paths import BRIDGE, management_of
from sdnctl.base.process import readable
from sdnctl.bridge import pace, problems, timeouts, zones
from sdnctl.bridge.flush import forget
from sdnctl.bridge.ports import ZONE, Bridge, Ports
from sdnctl.bridge.setup import TUNNEL_PORT, PortSpec, create, heard, lacking, mend, met, ports_wanted
from sdnctl.bridge.snapshot import Row, Settings, Snapshot, chosen, wrong
from sdnctl.bridge.zones import Zones
from sdnctl.program.zones import Times

sys.modules.setdefault("eventlet", None)  # type: ignore[arg-type]  # ovs.poller would let it replace select
import ovs.db.idl  # noqa: E402
import ovs.jsonrpc  # noqa: E402
import ovs.poller  # noqa: E402
import ovs.stream  # noqa: E402

COLUMNS = {
    "Open_vSwitch": ["bridges", "datapath_types", "datapaths", "external_ids"],
    "Bridge": ["name", "ports", "fail_mode", "datapath_type", "protocols"],
    "Port": ["name", "interfaces"],
    "Interface": ["name", "type", "options", "ofport", "external_ids", "mac_in_use", "mtu", "bfd", "bfd_status"],
    **timeouts.COLUMNS,
}
LOOK_S = 5.0
"""The time after which is looked again whether tunnels have an address to leave from."""
DEAF_S = 3.0
"""The time after which a database that does not answer, or a port that does not come, is a problem."""
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


class _Ways(NamedTuple):
    """Sentences about tunnels: for which address and datapath, when, and what they say."""

    asked: tuple[Ip4, str] | None
    at: float
    said: list[str]


class Vswitch:
    """Follows one switch's database and keeps its integration bridge as this controller needs it.

    ``deliver`` is called on the thread of this object with each new Snapshot.  What is written is told in ``bridge``;
    nothing is ever deleted that was not made there.  One that does not ``number`` ports, because another program does,
    sees only those that have their zone.
    """

    def __init__(
        self, remote: str, deliver: Callable[[Snapshot], None], host: str = "", *, number: bool = True
    ) -> None:
        self.zones = Zones()
        self._remote = remote
        self._deliver = deliver
        self._host = host
        self._number = number
        self._last: Snapshot | None = None
        self._warned: set[Row] = set()
        self._problems: tuple[str, ...] = ()
        self._deaf_since: float | None = None
        self._refused = ""
        self._watched: Mapping[str, Ip4] | None = None
        self._paced: Mapping[int, Times] = {}
        self._looked = 0.0
        self._since: dict[str, float] = {}
        self._ways = _Ways(None, 0.0, [])
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
        if self._thread.is_alive():
            self._thread.join(5)

    def watch(self, peers: Mapping[str, Ip4]) -> None:
        """Watch the ways to these hosts, by name and tunnel address, and no others; may be called on any thread."""
        self._watched = peers
        os.write(self._wake_write, b"x")

    def pace(self, zones: Mapping[int, Times]) -> None:
        """Let connections in these zones be forgotten after so long a silence; may be called on any thread."""
        if zones != self._paced:
            self._paced = zones
            os.write(self._wake_write, b"x")

    def _run(self) -> None:
        schema = self._schema()
        if schema is None:
            return
        idl = _Idl(self._remote, _helper(schema), leader_only=False)
        idl._session.reconnect.set_backoff(50, 1000)
        seqno, watched, paced = idl.change_seqno, self._watched, self._paced
        while not self._stopping:
            idl.run()
            asked = watched is not self._watched or paced is not self._paced
            if idl.change_seqno != seqno or asked or self._due(idl):
                seqno, watched, paced = idl.change_seqno, self._watched, self._paced
                self._look(idl)
                continue
            poller = ovs.poller.Poller()
            idl.wait(poller)
            poller.timer_wait(int(LOOK_S * 1000))
            poller.fd_wait(self._wake_read, ovs.poller.POLLIN)
            poller.block()
            if readable(self._wake_read, 0):
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
        self._looked = time.monotonic()
        br_int = next((b for b in switch.bridges if b.name == BRIDGE), None)
        ids = switch.external_ids
        settings = Settings.read(ids)
        wanted = ports_wanted(settings, self._watched or {})
        keep = self._watched is None  # nobody has said yet which are wanted
        seen = idl.ports.bridge(idl, br_int) if br_int is not None else None
        given = self._zones_of(seen, ids) if seen is not None else {}
        patience = self._patience(idl, switch, br_int, given)
        paced = br_int is None or pace.right(switch, br_int.datapath_type, self._paced)
        if seen is None or given or patience or not paced or lacking(seen, wanted, keep):
            self._refused = self._write(idl, switch, br_int, wanted, keep, given, patience)
            if not self._refused:
                return  # what was written comes back as the next change
        if br_int is not None and seen is not None:
            self._tell(self._picture(idl, ids, settings, seen, br_int.datapath_type))
        elif self._last is None:  # the region is told of this host all the same
            refused = (problems.unusable(self._refused),)
            self._tell(Snapshot(self._name(ids), {}, settings=settings, problems=refused, turn=self._turn))

    def _tell(self, now: Snapshot) -> None:
        """Deliver a picture that is new, and log what is newly wrong."""
        for problem in now.problems:
            if problem not in self._problems:
                log.error("this host needs a hand", host=now.host, problem=problem)
        self._problems = now.problems
        if now != self._last:
            self._last = now
            self._deliver(now)

    @property
    def _restless(self) -> bool:
        """True when something may be wrong, or right again, without a change of the database."""
        return bool(self._since) or (self._last is not None and bool(self._last.settings.encap_ip))

    def _due(self, idl: Any) -> bool:
        """True when something that is no change of the database may be other than it was: an address, a connection."""
        now = time.monotonic()
        if not idl._session.is_connected():
            self._deaf_since = self._deaf_since or now
            if now > self._deaf_since + DEAF_S and self._last is not None and problems.SILENT not in self._problems:
                self._tell(replace(self._last, problems=(*self._last.problems, problems.SILENT)))
            return False
        again = self._deaf_since is not None or (self._restless and now > self._looked + LOOK_S)
        self._deaf_since = None
        return again

    def _zones_of(self, seen: Bridge, ids: Mapping[str, str]) -> dict[Row, int]:
        """Zones for the ports that have none yet, empty when each has one."""
        self.zones.look(seen, ids, self._turn)
        if not self._number:
            return {}
        ports, _ = chosen(seen.rows(), self._last.ports if self._last is not None else {})
        lacking = [row for row in ports.values() if not self.zones.holds(row)]
        return self.zones.give(lacking, self._forget) if lacking else {}

    def _patience(self, idl: Any, switch: Any, br_int: Any, given: Mapping[Row, int]) -> timeouts.Work:
        """The zones whose policy of timeouts is not as it should be."""
        if br_int is None or not self._number:
            return timeouts.Work()
        return idl.policies.work(idl, switch, br_int.datapath_type, self.zones.held | {*given.values()})  # type: ignore[no-any-return]

    def _forget(self, zone: int) -> bool:
        """Have the switch forget what it knows in a zone; false when it does not answer."""
        try:
            forget(management_of(self._remote), zone)
        except SwitchError as refused:
            log.warning("a zone is not given again", zone=zone, because=str(refused))
            return False
        return True

    @property
    def _turn(self) -> int:
        """The turn of the snapshot that is delivered next."""
        return self._last.turn + 1 if self._last is not None else 1

    def _write(
        self,
        idl: Any,
        switch: Any,
        br_int: Any,
        wanted: Mapping[str, PortSpec],
        keep: bool,
        given: Mapping[Row, int],
        patience: timeouts.Work,
    ) -> str:
        """Write what is wanted; the reason for which the database refuses it, "" when it does not."""
        txn = ovs.db.idl.Transaction(idl)
        txn.add_comment("sdnctl: ensure br-int")
        if br_int is None:
            system = "system" in getattr(switch, "datapath_types", []) and kernel_datapath()
            br_int = create(txn, idl.tables, switch, "system" if system else "netdev")
        mend(txn, idl.tables, br_int, wanted, keep)
        for row, zone in given.items():
            idl.tables["Interface"].rows[UUID(row.uuid)].setkey("external_ids", ZONE, f"{zone}/{row.iface_id}")
        if given and max(given.values()) > zones.highest(switch.external_ids):
            switch.setkey("external_ids", zones.HIGHEST, str(max(given.values())))
        if patience:
            timeouts.write(txn, idl.tables, switch, br_int.datapath_type, patience)
        elif not pace.right(switch, br_int.datapath_type, self._paced):
            # One after the other: both may have to make the datapath's row.
            pace.write(txn, idl.tables, switch, br_int.datapath_type, self._paced)
        status = txn.commit_block()
        log.info("bridge written", bridge=BRIDGE, zones=len(given), status=str(status), error=txn.get_error() or None)
        return str(txn.get_error() or "refused") if status == txn.ERROR else ""

    def _name(self, ids: Mapping[str, str]) -> str:
        return self._host or ids.get("sdnctl-host") or socket.gethostname()

    def _picture(self, idl: Any, ids: Mapping[str, str], settings: Settings, br_int: Bridge, kind: str) -> Snapshot:
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
        numbered = {id: row for id, row in ports.items() if self.zones.holds(row)}
        exhausted = [zones.EXHAUSTED] if self._number and not self._refused and len(numbered) < len(ports) else []
        return Snapshot(
            self._name(ids),
            numbered,
            uplink,
            settings,
            tunnel.ofport if tunnel is not None else 0,
            heard(br_int),
            met(br_int),
            (*self._wrong(idl, ids, settings, br_int, kind, losers), *exhausted),
            self._turn,
        )

    def _wrong(
        self, idl: Any, ids: Mapping[str, str], own: Settings, br_int: Bridge, kind: str, losers: list[Row]
    ) -> Iterator[str]:
        """Sentences about what is wrong with this host."""
        if self._refused:
            yield problems.unusable(self._refused)
        yield from problems.settings(wrong(ids))
        uplink = ids.get(problems.UPLINK_KEY, "")
        yield from problems.uplink(uplink, br_int)
        yield from self._lasting([*problems.bridge(br_int, kind), *problems.unopened(uplink, br_int)])
        yield from problems.doubles(losers)
        if own.encap_ip:
            yield from self._tunnels(idl, own, kind)

    def _tunnels(self, idl: Any, own: Settings, kind: str) -> list[str]:
        """Sentences about tunnels that cannot leave, some seconds old: the kernel is asked for addresses."""
        now, asked = time.monotonic(), (own.encap_ip, kind)
        if self._ways.asked != asked or now > self._ways.at + LOOK_S:
            inner = [row.name for row in idl.tables["Interface"].rows.values() if row.type == "internal"]
            said = list(problems.tunnels(own, kind, inner, problems.addresses()))
            self._ways = _Ways(asked, now, said)
        return self._ways.said

    def _lasting(self, found: list[str]) -> list[str]:
        """Those that were there some seconds ago too: what was written a moment ago need not be done yet."""
        now = time.monotonic()
        self._since = {problem: self._since.get(problem, now) for problem in found}
        return [problem for problem, since in self._since.items() if now > since + DEAF_S]


class _Idl(ovs.db.idl.Idl):  # type: ignore[misc]
    """The replica of the switch's database, with its ports as plain values."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.ports = Ports()
        self.policies = timeouts.Policies()
        super().__init__(*args, **kwargs)

    def notify(self, event: str, row: Any, updates: Any = None) -> None:
        """A row came, changed or went."""
        self.ports.forget(row.uuid)
        self.policies.forget(row)


def _helper(schema: Any) -> Any:
    helper = ovs.db.idl.SchemaHelper(schema_json=schema)
    for table, columns in COLUMNS.items():
        if table not in schema["tables"]:
            continue  # of an earlier version
        present = schema["tables"][table]["columns"]
        helper.register_columns(table, [c for c in columns if c in present])
    return helper
