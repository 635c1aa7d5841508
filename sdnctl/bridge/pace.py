"""The times for which connections are known in the zones of features that say so; ports' zones are in ``timeouts``.

Policies are rows of the switch's database, which outlive ovs-vswitchd.  Only rows that were made here are changed.
"""

from collections.abc import Mapping
from typing import Any

from sdnctl.bridge.timeouts import POLICY, ZONE
from sdnctl.program.zones import Times

MINE = "sdnctl-feature"
"""The mark of our rows; those of ports have another."""
KERNEL = "system"


def right(switch: Any, kind: str, wanted: Mapping[int, Times]) -> bool:
    """True when each zone of a datapath's type has the policy that is wanted.

    One that is wanted no more goes along with the next change: a controller that starts wants none yet.
    """
    found = _found(_datapath(switch, kind))
    return all(found.get(zone) == dict(times) for zone, times in wanted.items())


def write(txn: Any, tables: Any, switch: Any, kind: str, wanted: Mapping[int, Times]) -> None:
    """Give the zones their policies, and take away ours that are not wanted."""
    datapath = _datapath(switch, kind)
    if datapath is None:
        datapath = txn.insert(tables["Datapath"])
        switch.setkey("datapaths", kind or KERNEL, datapath)
    found = _found(datapath)
    for zone in found.keys() - wanted.keys():
        datapath.delkey("ct_zones", zone)
    for zone, times in wanted.items():
        if found.get(zone) != dict(times):
            policy, made = txn.insert(tables[POLICY]), txn.insert(tables[ZONE])
            policy.timeouts = dict(times)
            made.timeout_policy = [policy]
            made.external_ids = {MINE: "1"}
            datapath.setkey("ct_zones", zone, made)


def _datapath(switch: Any, kind: str) -> Any:
    return getattr(switch, "datapaths", {}).get(kind or KERNEL)


def _found(datapath: Any) -> dict[int, dict[str, int]]:
    """The policies of our zones."""
    zones = getattr(datapath, "ct_zones", {}) if datapath is not None else {}
    ours = {zone: row.timeout_policy for zone, row in zones.items() if MINE in row.external_ids}
    return {zone: dict(policy[0].timeouts) if policy else {} for zone, policy in ours.items()}
