"""os-ken as the independent judge of our bytes: its own encoder, asked without any connection."""

from typing import Any

from os_ken.ofproto import ofproto_v1_4_parser as parser
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

DATAPATH: Any = ProtocolDesc(version=5)

NAMES = {
    "ip_src": "ipv4_src",
    "ip_dst": "ipv4_dst",
    "icmp_type": "icmpv4_type",
    "icmp_code": "icmpv4_code",
    "nd_target": "ipv6_nd_target",
    "nd_sll": "ipv6_nd_sll",
    "nd_tll": "ipv6_nd_tll",
    "tun_id": "tunnel_id",
    "tun_src": "tun_ipv4_src",
    "tun_dst": "tun_ipv4_dst",
}
"""The fields that os-ken calls differently; it has no ct_nw_*, ct_tp_*, tun_metadata* and nd_reserved at all."""

UNKNOWN = {"ct_nw_src", "ct_nw_dst", "ct_nw_proto", "ct_tp_src", "ct_tp_dst", "tun_metadata0"}
UNKNOWN |= {"nd_reserved", "nd_options_type"}


def name(field: object) -> str:
    """The field as os-ken calls it."""
    return NAMES.get(str(field), str(field))


def serialized(thing: Any) -> bytes:
    """The bytes of an action, an instruction or a match.

    os-ken counts a nat's padding in the length but leaves it out when nothing follows; it is added here.
    """
    buffer = bytearray()
    thing.serialize(buffer, 0)
    return bytes(buffer).ljust(int.from_bytes(buffer[2:4], "big"), b"\0")


def message(thing: Any, xid: int) -> bytes:
    """The bytes of a whole message."""
    thing.set_xid(xid)
    thing.serialize()
    return bytes(thing.buf)


__all__ = ["DATAPATH", "NAMES", "UNKNOWN", "message", "name", "parser", "serialized"]
