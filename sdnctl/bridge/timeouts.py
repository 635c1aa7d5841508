"""The time for which connections of ports are known while they are idle: a policy for each port's zone.

A userspace datapath forgets UDP 30 s after its last packet, which is less than the 120 s that a NAT must wait at least
(RFC 4787, REQ-5), so clients that rely on it would lose what comes to them.  All its other times are long enough.  The
kernel's datapath has its own, and is left alone.

Policies are rows of the switch's database (CT_Zone and CT_Timeout_Policy of ovs-vswitchd.conf.db(5)), so ovs-vswitchd
has them when it starts, before its first flow.  Only rows that were made here are ever changed or taken away: they
carry ``external_ids:sdnctl-zone``.
"""

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

TIMEOUTS = {"udp_multiple": 180}
"""Seconds for which UDP is known after its last packet, once both sides were heard."""
MARK, PORT = "sdnctl-zone", "port"
KERNEL = ("", "system")
ZONE, POLICY = "CT_Zone", "CT_Timeout_Policy"
COLUMNS = {"Datapath": ["ct_zones"], ZONE: ["timeout_policy", "external_ids"], POLICY: ["timeouts"]}


@dataclass(frozen=True, slots=True)
class Work:
    """The zones whose policy is to be written, those whose policy goes, and the datapath's row, None without any."""

    lacking: Collection[int] = ()
    gone: Collection[int] = ()
    datapath: Any = None

    def __bool__(self) -> bool:
        return bool(self.lacking or self.gone)


class Policies:
    """The zones with a policy, each read once and again when its row changed; tell it of every row (``forget``)."""

    def __init__(self) -> None:
        self._right: dict[Hashable, bool | None] = {}

    def forget(self, row: Any) -> None:
        """Forget a row that came, changed or went."""
        if row._table.name == POLICY:
            self._right.clear()
        else:
            self._right.pop(row.uuid, None)

    def work(self, idl: Any, switch: Any, kind: str, zones: Collection[int]) -> Work:
        """The work left so that these zones, and no others, have a policy; ``kind`` is the datapath's type.

        There is none for the kernel's datapath, nor where the database knows no policies.
        """
        if kind in KERNEL or not set(COLUMNS) <= idl.tables.keys():
            return Work()
        datapath = switch.datapaths.get(kind)
        known = dict(self._known(idl, datapath)) if datapath is not None else {}
        lacking = [zone for zone in sorted(zones) if known.get(zone, False) is False]
        gone = [zone for zone, right in known.items() if right is not None and zone not in zones]
        return Work(lacking, gone, datapath)

    def _known(self, idl: Any, datapath: Any) -> Iterator[tuple[int, bool | None]]:
        """The zones that have a row, and whether it is as wanted; None for somebody else's."""
        for zone, row in _rows(idl.tables, datapath):
            if row.uuid not in self._right:
                self._right[row.uuid] = _right(row)
            yield zone, self._right[row.uuid]


def _rows(tables: Mapping[str, Any], datapath: Any) -> Iterator[tuple[int, Any]]:
    """The rows of zones as the IDL keeps them: as a map of rows they would be converted anew each time."""
    rows = tables[ZONE].rows
    return ((zone.value, rows[at.value]) for zone, at in datapath._data["ct_zones"].values.items() if at.value in rows)


def _right(row: Any) -> bool | None:
    if MARK not in row.external_ids:
        return None
    return any(policy.timeouts == TIMEOUTS for policy in row.timeout_policy)


def write(txn: Any, tables: Mapping[str, Any], switch: Any, kind: str, work: Work) -> None:
    """Write into ``txn`` what is left to do."""
    datapath, known = work.datapath, dict[int, Any]()
    if datapath is None:
        datapath = txn.insert(tables["Datapath"])
        switch.setkey("datapaths", kind, datapath)
    else:
        known = dict(_rows(tables, datapath))
    policy = _policy(txn, known.values()) if work.lacking else None
    for zone in work.lacking:
        row = known.get(zone)
        if row is None:
            row = txn.insert(tables[ZONE])
            row.external_ids = {MARK: PORT}
            datapath.setkey("ct_zones", zone, row)
        row.timeout_policy = [policy]
    for zone in work.gone:
        datapath.delkey("ct_zones", zone)


def _policy(txn: Any, zones: Iterable[Any]) -> Any:
    """The row of the policy, which all zones share."""
    for zone in zones:
        if _right(zone):
            return zone.timeout_policy[0]
    made = txn.insert(txn.idl.tables[POLICY])
    made.timeouts = TIMEOUTS
    return made
