"""The set-up of ``br-int``: secure, speaking OpenFlow 1.4, with tunnels and BFD towards each host it talks to.

Pure but for ``create`` and ``mend``, which write into a transaction of the switch's database
(ovs-vswitchd.conf.db(5)).  Only ports that were made here are ever deleted: they carry the name of their peer in
``external_ids:sdnctl-peer``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from sdnctl.base.addresses import Ip4
from sdnctl.base.paths import BRIDGE
from sdnctl.bridge.snapshot import Settings

OPENFLOW = "OpenFlow14"
TUNNEL_PORT = "sdnctl-tun"
PEER_ID = "sdnctl-peer"
BFD_KEY = (1 << 24) - 1
"""The network number that only BFD's own packets have: port keys and VPC keys stay below."""
BFD_INTERVAL_MS = 300  # a way is down after three of them


@dataclass(frozen=True, slots=True)
class PortSpec:
    """A port of our own making: what its Interface row says."""

    type: str
    options: Mapping[str, str]
    bfd: Mapping[str, str] = field(default_factory=dict)
    external_ids: Mapping[str, str] = field(default_factory=dict)


def ports_wanted(settings: Settings, peers: Mapping[str, Ip4]) -> dict[str, PortSpec]:
    """The tunnel port and one for each watched peer, by name."""
    if not settings.encap_ip:
        return {}
    own = {"local_ip": str(settings.encap_ip)}
    made = {TUNNEL_PORT: PortSpec(settings.encap_type, {**own, "remote_ip": "flow", "key": "flow"})}
    interval = str(BFD_INTERVAL_MS)
    watched = {"enable": "true", "min_tx": interval, "min_rx": interval}
    for peer, address in peers.items():
        options = {**own, "remote_ip": str(address), "key": str(BFD_KEY)}
        made[peer_port(peer)] = PortSpec(settings.encap_type, options, watched, {PEER_ID: peer})
    return made


def peer_port(peer: str) -> str:
    """The name of the port that watches a peer: within the 15 characters of an interface, the same each time."""
    return f"sdn-{blake2b(peer.encode(), digest_size=5).hexdigest()}"


def heard(bridge: Any) -> dict[str, bool]:
    """The state of the way to each watched peer: True when it is up (RFC 5880: both ends hear each other)."""
    found = {}
    for port in bridge.ports:
        for interface in port.interfaces:
            if peer := interface.external_ids.get(PEER_ID):
                found[peer] = interface.bfd_status.get("state") == "up"
    return found


def met(bridge: Any) -> frozenset[str]:
    """The watched peers whose way has been up since it is watched."""
    found = (one for port in bridge.ports for one in port.interfaces if one.bfd_status.get("flap_count", "0") != "0")
    return frozenset(one.external_ids.get(PEER_ID, "") for one in found)


def lacking(bridge: Any, wanted: Mapping[str, PortSpec], keep: bool) -> bool:
    """True when anything is to be written; ``keep`` ports of our making though they are not wanted."""
    secure = bridge.fail_mode == ["secure"]
    speaks = not bridge.protocols or OPENFLOW in bridge.protocols
    present = {port.name: port for port in bridge.ports}
    wrong = any(name not in present or not _is(present[name], one) for name, one in wanted.items())
    return not secure or not speaks or wrong or bool(not keep and _left_over(bridge, wanted))


def _is(port: Any, wanted: PortSpec) -> bool:
    """True when a port is as wanted."""
    return all(
        interface.type == wanted.type
        and interface.options == dict(wanted.options)
        and interface.bfd == dict(wanted.bfd)
        and all(interface.external_ids.get(key) == value for key, value in wanted.external_ids.items())
        for interface in port.interfaces
    )


def _left_over(bridge: Any, wanted: Mapping[str, PortSpec]) -> list[Any]:
    """Ports that watch somebody who is not to be watched any more; the tunnel port stays, so that its number does."""
    # A row that was made in this very transaction has only what it was given.
    ours = (p for p in bridge.ports if any(PEER_ID in getattr(i, "external_ids", {}) for i in p.interfaces))
    return [port for port in ours if port.name not in wanted]


def mend(txn: Any, tables: Mapping[str, Any], bridge: Any, wanted: Mapping[str, PortSpec], keep: bool) -> None:
    """Write into ``txn`` what ``lacking`` found."""
    bridge.fail_mode = ["secure"]
    if bridge.protocols and OPENFLOW not in bridge.protocols:
        bridge.protocols = [*bridge.protocols, OPENFLOW]
    gone = [] if keep else _left_over(bridge, wanted)
    present = {port.name: port for port in bridge.ports}
    for name, one in wanted.items():
        port = present.get(name)
        if port is None:
            bridge.addvalue("ports", _add_port(txn, tables, name, one))
        elif not _is(port, one):
            for interface in port.interfaces:
                _shape(interface, one)
    for port in gone:
        bridge.delvalue("ports", port)


def _add_port(txn: Any, tables: Mapping[str, Any], name: str, wanted: PortSpec) -> Any:
    interface = txn.insert(tables["Interface"])
    interface.name = name
    _shape(interface, wanted)
    port = txn.insert(tables["Port"])
    port.name = name
    port.interfaces = [interface]
    return port


def _shape(interface: Any, wanted: PortSpec) -> None:
    interface.type = wanted.type
    interface.options = dict(wanted.options)
    interface.bfd = dict(wanted.bfd)
    for key, value in wanted.external_ids.items():
        interface.setkey("external_ids", key, value)


def create(txn: Any, tables: Mapping[str, Any], switch: Any, kind: str) -> Any:
    """A new bridge of the datapath type ``kind``, written into ``txn``."""
    bridge = txn.insert(tables["Bridge"])
    bridge.name = BRIDGE
    bridge.ports = [_add_port(txn, tables, BRIDGE, PortSpec("internal", {}))]
    bridge.datapath_type = kind
    bridge.protocols = []
    switch.verify("bridges")
    switch.bridges = [*switch.bridges, bridge]
    return bridge
