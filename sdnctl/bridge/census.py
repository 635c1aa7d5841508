"""The connections of one zone, as ovs-vswitchd lists them (ovs-vswitchd(8), dpctl/dump-conntrack)."""

import re
from collections.abc import Iterator

from sdnctl.base.addresses import Ip4
from sdnctl.bridge import control
from sdnctl.program.connections import KnownConnection

PATIENCE_S = 10.0
PROTOCOLS = {"tcp": 6, "udp": 17}
_SIDE = r"=\(src=([\d.]+),dst=([\d.]+),sport=(\d+),dport=(\d+)\)"
_LINE = re.compile(rf"^(tcp|udp),orig{_SIDE},reply{_SIDE},zone=(\d+)(?:.*\bstate=(\w+))?", re.MULTILINE)


def connections(rundir: str, datapath: str, zone: int) -> tuple[KnownConnection, ...]:
    """The TCP and UDP connections over IPv4 that a datapath knows in a zone; SwitchError when it does not say."""
    said = control.call(rundir, "dpctl/dump-conntrack", datapath, f"zone={zone}", patience=PATIENCE_S)
    return tuple(listed(said, zone))


def listed(said: str, zone: int) -> Iterator[KnownConnection]:
    """The connections of a zone in what the switch says."""
    for found in _LINE.finditer(said):
        name, src, dst, src_port, dst_port, _, reply_to, _, reply_port, where, state = found.groups()
        if int(where) == zone:
            yield KnownConnection(
                PROTOCOLS[name],
                Ip4.parse(src),
                Ip4.parse(dst),
                int(src_port),
                int(dst_port),
                Ip4.parse(reply_to),
                int(reply_port),
                state or "",
            )
