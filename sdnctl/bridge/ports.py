"""The ports of ``br-int`` as plain values, each read from the switch's database once and again when its row changed.

Reading a column of the python IDL converts it anew every time, some 10 µs each: with a thousand ports that is a third
of a second for a look at all of them, and a look follows every change.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdnctl.base.addresses import Mac
from sdnctl.bridge.snapshot import Row
from sdnctl.program.zones import PORTS_HIGH, PORTS_LOW

USUAL_MTU = 1500
"""Of a device that does not say one (IEEE 802.3)."""
ZONE = "sdnctl-zone"
"""The key of an Interface row's ``external_ids`` under which its zone is noted, as "ZONE/PORT"."""


@dataclass(frozen=True, slots=True)
class Interface:
    """An Interface row; ``row`` is what a snapshot shows of it, None while it has no OpenFlow port."""

    type: str
    options: Mapping[str, str]
    external_ids: Mapping[str, str]
    bfd: Mapping[str, str]
    bfd_status: Mapping[str, str]
    row: Row | None


@dataclass(frozen=True, slots=True)
class Port:
    """A Port row."""

    name: str
    interfaces: Sequence[Interface]


@dataclass(frozen=True, slots=True)
class Bridge:
    """The Bridge row."""

    ports: Sequence[Port]
    fail_mode: Sequence[str]
    protocols: Sequence[str]

    def rows(self) -> Iterator[Row]:
        """The interfaces that are ready, as a snapshot shows them."""
        return (one.row for port in self.ports for one in port.interfaces if one.row is not None)


class Ports:
    """The Interface and Port rows read so far; tell it of every row that came, changed or went (``forget``)."""

    def __init__(self) -> None:
        self._interfaces: dict[Hashable, Interface] = {}
        self._ports: dict[Hashable, tuple[str, tuple[Hashable, ...]]] = {}

    def forget(self, row: Hashable) -> None:
        """Forget a row, which is to be read again."""
        self._interfaces.pop(row, None)
        self._ports.pop(row, None)

    def bridge(self, idl: Any, bridge: Any) -> Bridge:
        """A Bridge row of the IDL with its ports, by name."""
        rows = idl.tables["Port"].rows
        # The set of ports as the IDL keeps it: as a list of rows it would be converted three times over.
        made = [self._port(idl, rows[atom.value]) for atom in bridge._data["ports"].values if atom.value in rows]
        made.sort(key=lambda port: port.name)
        return Bridge(made, bridge.fail_mode, bridge.protocols)

    def _port(self, idl: Any, row: Any) -> Port:
        known = self._ports.get(row.uuid)
        if known is None:
            known = self._ports[row.uuid] = (row.name, tuple(interface.uuid for interface in row.interfaces))
        name, uuids = known
        rows = idl.tables["Interface"].rows
        return Port(name, [self._interface(rows[uuid]) for uuid in uuids if uuid in rows])

    def _interface(self, row: Any) -> Interface:
        made = self._interfaces.get(row.uuid)
        if made is None:
            ids = row.external_ids
            made = Interface(row.type, row.options, ids, row.bfd, row.bfd_status, _row(row, ids))
            self._interfaces[row.uuid] = made
        return made


def _row(interface: Any, ids: Mapping[str, str]) -> Row | None:
    ofport = interface.ofport[0] if interface.ofport else -1
    if ofport <= 0:
        return None
    mac = Mac.parse(interface.mac_in_use[0]) if interface.mac_in_use else Mac(0)
    mtu = interface.mtu[0] if interface.mtu else USUAL_MTU
    return Row(interface.name, ofport, ids.get("iface-id", ""), mac, str(interface.uuid), mtu, noted(ids))


def noted(ids: Mapping[str, str]) -> int:
    """The zone in the ``external_ids`` of an Interface row, 0 when it has none or it was another port's."""
    number, _, port = ids.get(ZONE, "").partition("/")
    return port_zone(number) if port and port == ids.get("iface-id") else 0


def port_zone(text: str) -> int:
    """The number of a port's zone; 0 when the text is none."""
    return int(text) if text.isdecimal() and PORTS_LOW <= int(text) <= PORTS_HIGH else 0
