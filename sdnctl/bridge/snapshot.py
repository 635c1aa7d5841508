"""A snapshot of the switch's own database: this host's ports, its ways out, and what the operator set for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sdnctl.base.addresses import Ip4, Mac

NOWHERE = Ip4(0)
ENCAPSULATIONS = ("geneve", "vxlan")
NUMBERS = {"sdnctl-underlay-mtu": (576, 65535), "sdnctl-gateway": (0, 65535), "sdnctl-connections": (1, 3_000_000)}
CONNECTIONS = 65_535
"""The connections that are tracked for a port at a time, unless the operator says otherwise."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The operator's settings of this host, in ``external_ids`` of the Open_vSwitch row.

    ``encap_ip`` (0: no tunnels) and ``encap_type`` say how other hosts reach it, ``mtu`` is the underlay's in bytes,
    ``gateway`` its preference as a gateway to the public network (0: none), ``connections`` the most that are tracked
    for one port.
    """

    encap_ip: Ip4 = NOWHERE
    encap_type: str = "geneve"
    mtu: int = 1500
    gateway: int = 0
    connections: int = CONNECTIONS

    @classmethod
    def read(cls, ids: Mapping[str, str]) -> "Settings":
        """The settings; what makes no sense counts as not set, and ``wrong`` says so."""
        kind = ids.get("sdnctl-encap-type", "geneve")
        if kind not in ENCAPSULATIONS:
            kind = "geneve"
        return cls(
            _address(ids.get("sdnctl-encap-ip", "")),
            kind,
            _number(ids, "sdnctl-underlay-mtu", 1500),
            _number(ids, "sdnctl-gateway", 0),
            _number(ids, "sdnctl-connections", CONNECTIONS),
        )


NO_SETTINGS = Settings()


def wrong(ids: Mapping[str, str]) -> dict[str, str]:
    """The settings that make no sense, and why."""
    found = {}
    if ids.get("sdnctl-encap-type", "geneve") not in ENCAPSULATIONS:
        found["sdnctl-encap-type"] = "is neither geneve nor vxlan"
    if ids.get("sdnctl-encap-ip") and not _address(ids["sdnctl-encap-ip"]):
        found["sdnctl-encap-ip"] = "is no IPv4 address"
    for name, (low, high) in NUMBERS.items():
        text = ids.get(name, "")
        if text and not (text.isdecimal() and low <= int(text) <= high):
            found[name] = f"is no number from {low} to {high}"
    return found


def _address(text: str) -> Ip4:
    try:
        return Ip4.parse(text) if text else NOWHERE
    except ValueError:
        return NOWHERE


def _number(ids: Mapping[str, str], name: str, default: int) -> int:
    low, high = NUMBERS[name]
    text = ids.get(name, "")
    return int(text) if text.isdecimal() and low <= int(text) <= high else default


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """One ready Interface of br-int: its name, OpenFlow port, iface-id ("" when it has none), MAC address and UUID.

    ``mtu`` is that of the device, in bytes; ``zone`` the port's of connection tracking, 0 while it has none.
    """

    name: str
    ofport: int
    iface_id: str
    mac: Mac
    uuid: str = ""
    mtu: int = 1500
    zone: int = 0


class Zone(NamedTuple):
    """The connections that a zone of connection tracking may have, and those that it has."""

    limit: int
    used: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of the switch's database: the host and its settings, its ports by iface-id, its ways out.

    ``tunnel`` is the OpenFlow port of the tunnels, 0 without; ``peers`` says of each watched host whether BFD is up,
    ``met`` which have been reached at all.  ``problems`` says in words what is wrong with it.  ``turn`` grows with each
    that is delivered.
    """

    host: str
    ports: Mapping[str, Row]
    uplink: Row | None = None
    settings: Settings = NO_SETTINGS
    tunnel: int = 0
    peers: Mapping[str, bool] = field(default_factory=dict)
    met: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()
    turn: int = field(default=0, compare=False)


def chosen(rows: Iterable[Row], before: Mapping[str, Row]) -> tuple[dict[str, Row], list[Row]]:
    """The ports, and the rows left out because another row has their iface-id; who had it ``before`` keeps it."""
    ports: dict[str, Row] = {}
    losers: list[Row] = []
    for row in sorted(rows):
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
    return ports, losers
