"""One packet of a set, and its way in words: what a trace would tell of it, without asking a switch."""

from collections.abc import Callable, Iterable, Mapping

from sdnctl.engine.engine import Engine
from sdnctl.of import fields as f
from sdnctl.of.fields import FIELDS, OxmField
from sdnctl.program.step import Packet, Step
from sdnctl.trace.model import Leg
from sdnctl.trace.words import tell
from sdnctl.verify.conntrack import Connection
from sdnctl.verify.header import HOPS, INPUT, SENT, Header, known, number, place, read
from sdnctl.verify.places import Region, Seen
from sdnctl.verify.sets import Sets
from sdnctl.verify.walk import Walk

_PORTS = {
    (f.ETH_TYPE_IP, f.IP_PROTO_TCP): (f.TCP_SRC, f.TCP_DST, f.TCP_FLAGS),
    (f.ETH_TYPE_IP, f.IP_PROTO_UDP): (f.UDP_SRC, f.UDP_DST),
    (f.ETH_TYPE_IP, f.IP_PROTO_ICMP): (f.ICMP_TYPE, f.ICMP_CODE),
}
_IPV4 = (f.IP_PROTO, f.IP_SRC, f.IP_DST, f.IP_TTL, f.IP_FRAG)
_ARP = (f.ARP_OP, f.ARP_SPA, f.ARP_TPA, f.ARP_SHA, f.ARP_THA)


def packet(bits: Mapping[int, int], header: Header | None = None) -> dict[OxmField, int]:
    """The fields of a packet that was sent with these bits, now or after the changes of ``header``."""
    now = header or {}
    told = {field: number(read(now, field), bits) for field in (f.ETH_SRC, f.ETH_DST, f.ETH_TYPE, f.VLAN_VID)}
    kind = told[f.ETH_TYPE]
    inner: Iterable[OxmField] = _ARP if kind == f.ETH_TYPE_ARP else _IPV4 if kind == f.ETH_TYPE_IP else ()
    told |= {field: number(read(now, field), bits) for field in inner}
    for field in _PORTS.get((kind, told.get(f.IP_PROTO, 0)), ()):
        told[field] = number(read(now, field), bits)
    if f.IP_TTL in told:
        told[f.IP_TTL] -= known(read(now, HOPS)) or 0
    return {field: value for field, value in told.items() if value or field not in (f.VLAN_VID, f.IP_FRAG)}


def story(
    region: Region,
    engines: Mapping[str, Engine],
    host: str,
    port: int,
    bits: Mapping[int, int],
    *,
    to: str = "",
    connection: Connection = Connection.NEW,
    zones: Mapping[tuple[str, int], Connection] | None = None,
) -> list[Leg]:
    """The way of the packet with these bits that comes in at a port of a host, host by host.

    ``zones`` has the states of its connection in some zones of hosts, ``connection`` is that in all others.
    Where the network has a choice it is one of the ways, the one out to the port ``to`` where that is named.
    """
    sets = Sets()
    sent = [bit for field in SENT for bit in INPUT[field]]
    walk = Walk(region, sets, record=True, connection=connection, zones=zones)
    walk.enter(host, port, sets.cube({bit: bits.get(bit, 0) for bit in sent}))
    walk.run()
    legs: list[Leg] = []
    steps: list[Step] = []
    path = way(walk.seen, lambda one: not to or to in {region.switches[one.host].ports.get(out) for out in one.outputs})
    for at, seen in enumerate(path):
        steps.append(_step(seen, bits))
        if at == len(path) - 1 or path[at + 1].host != seen.host:
            legs.append(tell(steps, engines[seen.host]))
            steps = []
    return legs


def way(seen: list[Seen], ends: Callable[[Seen], bool]) -> list[Seen]:
    """The flows that the last packet of a record with such an end met, in order; the very last one's without any."""
    found: list[Seen] = []
    at = next((at for at in range(len(seen) - 1, -1, -1) if ends(seen[at])), len(seen) - 1)
    while at >= 0:
        found.append(seen[at])
        at = seen[at].parent
    return found[::-1]


def _step(seen: Seen, bits: Mapping[int, int]) -> Step:
    cookie = seen.rule.cookie if seen.rule is not None else 0
    return Step(seen.table, cookie, _whole(seen.before, bits), _whole(seen.after, bits), seen.outputs)


def _whole(header: Header, bits: Mapping[int, int]) -> Packet:
    """A packet with its registers, as a trace has it."""
    told = packet(bits, header)
    homes = {place(field)[0] for field in told}
    rest = (field for field in header if field in FIELDS and field not in homes)
    return {**told, **{field: number(header[field], bits) for field in rest}}
