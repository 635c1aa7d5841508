"""This machine's Open vSwitch: its database, its daemon, br-int, the uplink and the tunnels; only read."""

import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sdnctl.base.addresses import Mac
from sdnctl.base.errors import SwitchError
from sdnctl.base.paths import BRIDGE, rundir_of
from sdnctl.bridge import problems
from sdnctl.bridge.claim import OWNER
from sdnctl.bridge.control import call
from sdnctl.bridge.ports import Bridge, Interface, Port
from sdnctl.bridge.snapshot import Row, Settings, wrong
from sdnctl.region.doctor.finding import Finding, fail, ok, output, warn

START = "start it: systemctl start openvswitch-switch; or name its database with --ovs-db unix:PATH or OVS_RUNDIR"
GUEST_MTU = 1500


def examine(ovs_db: str) -> Iterator[Finding]:
    """Look at the switch whose database is at ``ovs_db`` (unix:PATH)."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(ovs_db.partition(":")[2])
        except OSError as error:
            yield fail("switch database", f"{ovs_db}: {error.strerror or error}", START)
            return
    yield ok("switch database", f"{ovs_db} answers")
    try:
        yield ok("switch", f"ovs-vswitchd {call(rundir_of(ovs_db), 'version').split()[-1]} answers")
    except SwitchError as error:
        yield fail("switch", str(error), "start it: systemctl restart openvswitch-switch; its log says why it ended")
    rows = {table: _rows(ovs_db, table, columns) for table, columns in COLUMNS.items()}
    if not rows["Open_vSwitch"]:
        yield fail("switch settings", "the database has no row of the switch", "ovs-vsctl init")
        return
    yield from _settings(rows)


COLUMNS = {
    "Open_vSwitch": "external_ids",
    "Bridge": "name,ports,datapath_type",
    "Port": "_uuid,name,interfaces",
    "Interface": "_uuid,name,type,ofport,external_ids,mtu",
}


def _settings(rows: Mapping[str, list[dict[str, Any]]]) -> Iterator[Finding]:
    ids = rows["Open_vSwitch"][0]["external_ids"]
    own, seen, kind = Settings.read(ids), None, ""
    yield ok("host name", ids.get("sdnctl-host") or f"{socket.gethostname()} (the machine's)")
    yield ok("kept by", ids.get(OWNER) or "nobody yet")
    yield from _found("switch settings", problems.settings(wrong(ids)), "make sense")
    for bridge in rows["Bridge"]:
        if bridge["name"] == BRIDGE:
            seen, kind = _bridge(bridge, rows), bridge["datapath_type"]
    if seen is None:
        yield warn("bridge", f"there is no {BRIDGE} yet", "'sdnctl up' or 'sdnctl agent' makes it")
        seen = Bridge((), (), ())
    else:
        yield from _found("bridge", problems.bridge(seen, kind), f"{BRIDGE}, datapath {kind or 'system'}")
    yield from _uplink(ids.get(problems.UPLINK_KEY, ""), seen, rows["Interface"])
    yield from _tunnels(own, kind, rows["Interface"])


def _uplink(name: str, seen: Bridge, interfaces: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    if not name:
        todo = f"for elastic IPs: ovs-vsctl add-port {BRIDGE} NIC, then {problems.SET}{problems.UPLINK_KEY}=NIC"
        yield warn("uplink", "no port leads to the public network from here", todo)
        return
    yield from _found("uplink", (*problems.uplink(name, seen), *problems.unopened(name, seen)), f"{name} on {BRIDGE}")
    mtu = next((one["mtu"] for one in interfaces if one["name"] == name), None)
    if isinstance(mtu, int) and mtu < GUEST_MTU:
        yield warn(
            "uplink MTU", f"{mtu} bytes", f"packets of guests have up to {GUEST_MTU}: ip link set {name} mtu 1500"
        )


def _tunnels(own: Settings, kind: str, interfaces: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    if not own.encap_ip:
        yield ok("tunnels", "none: a region of one machine needs none")
        return
    here = problems.addresses()
    inner = [one["name"] for one in interfaces if one["type"] == "internal"]
    yield from _found("tunnels", problems.tunnels(own, kind, inner, here), f"leave from {own.encap_ip}")
    device = (here or {}).get(own.encap_ip)
    mtu = _mtu(device) if device else None
    if mtu is not None and mtu < own.mtu:
        todo = f"ip link set {device} mtu {own.mtu}, or {problems.SET}sdnctl-underlay-mtu={mtu}"
        yield fail("underlay MTU", f"{device} carries {mtu} bytes, sdnctl-underlay-mtu is {own.mtu}", todo)
    elif mtu is not None:
        yield ok("underlay MTU", f"{own.mtu} bytes")


def _found(check: str, wrongs: Iterable[str], says: str) -> list[Finding]:
    """A failure for each problem, which says itself what to do; else that all is well."""
    found = [fail(check, *_split(problem)) for problem in wrongs]
    return found or [ok(check, says)]


def _split(problem: str) -> tuple[str, str]:
    says, _, todo = problem.rpartition(": ")
    return (says, todo) if says else (problem, "see docs/operations.md")


def _bridge(bridge: Mapping[str, Any], rows: Mapping[str, list[dict[str, Any]]]) -> Bridge:
    interfaces = {one["_uuid"]: _interface(one) for one in rows["Interface"]}
    ports = [port for port in rows["Port"] if port["_uuid"] in _several(bridge["ports"])]
    made = [
        Port(one["name"], [interfaces[id] for id in _several(one["interfaces"]) if id in interfaces]) for one in ports
    ]
    return Bridge(made, (), ())


def _interface(one: Mapping[str, Any]) -> Interface:
    number = one["ofport"] if isinstance(one["ofport"], int) else 0
    row = Row(one["name"], number, one["external_ids"].get("iface-id", ""), Mac(0)) if number > 0 else None
    return Interface(one["type"], {}, one["external_ids"], {}, {}, row)


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _mtu(device: str) -> int | None:
    said = output(["ip", "-json", "link", "show", "dev", device])
    return int(json.loads(said)[0]["mtu"]) if said else None


def _rows(ovs_db: str, table: str, columns: str) -> list[dict[str, Any]]:
    """The rows of a table of the switch's database (ovs-vsctl(8)), its columns as plain values."""
    said = output(
        ["ovs-vsctl", f"--db={ovs_db}", "--timeout=5", "--format=json", f"--columns={columns}", "list", table]
    )
    document = json.loads(said) if said else {"headings": [], "data": []}
    headings = document["headings"]
    return [dict(zip(headings, map(_plain, row), strict=True)) for row in document["data"]]


def _plain(value: Any) -> Any:
    """A value of OVSDB's JSON (RFC 7047, 5.1) as Python has it."""
    if not isinstance(value, list):
        return value
    kind, inner = value
    if kind == "map":
        return dict(inner)
    return [_plain(one) for one in inner] if kind == "set" else inner
