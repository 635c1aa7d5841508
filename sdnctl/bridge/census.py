"""The connections of some zones, as ovs-vswitchd lists them (ovs-vswitchd(8), dpctl/dump-conntrack)."""

import re
from collections.abc import Collection
from functools import lru_cache

from sdnctl.base.addresses import Ip4
from sdnctl.bridge import control
from sdnctl.program.connections import KnownConnection

PATIENCE_S = 10.0
PROTOCOLS = {"tcp": 6, "udp": 17}
_SIDE = r"=\(src=([\d.]+),dst=([\d.]+),sport=(\d+),dport=(\d+)\)"
_address = lru_cache(4096)(Ip4.parse)
_LINE = re.compile(rf"^(tcp|udp),orig{_SIDE},reply{_SIDE},zone=(\d+)(?:.*\bstate=(\w+))?", re.MULTILINE)


def connections(rundir: str, datapath: str, zones: Collection[int]) -> dict[int, list[KnownConnection]]:
    """The TCP and UDP connections over IPv4 that a datapath knows in zones; SwitchError when it does not say.

    It looks through all that it knows for each answer: several zones are one question.
    """
    one = [f"zone={zone}" for zone in zones] if len(zones) == 1 else []
    said = control.call(rundir, "dpctl/dump-conntrack", datapath, *one, patience=PATIENCE_S)
    return listed(said, zones)


def listed(said: str, zones: Collection[int]) -> dict[int, list[KnownConnection]]:
    """The connections of some zones in what the switch says."""
    known: dict[int, list[KnownConnection]] = {zone: [] for zone in zones}
    for found in _LINE.finditer(said):
        name, src, dst, src_port, dst_port, _, reply_to, _, reply_port, zone, state = found.groups()
        if int(zone) in known:
            ends = (_address(src), _address(dst), int(src_port), int(dst_port), _address(reply_to), int(reply_port))
            known[int(zone)].append(KnownConnection(PROTOCOLS[name], *ends, state or ""))
    return known
