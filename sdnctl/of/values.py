"""Addresses, ports and states as people write them: 10.0.0.0/24, fa:16:3e:00:00:01, +trk-new.

The forms are those of ovs-fields(7), so that `ovs-ofctl` reads them.
"""

from collections.abc import Callable
from ipaddress import IPv6Address

from sdnctl.of import fields
from sdnctl.of.actions import CONTROLLER, IN_PORT, LOCAL
from sdnctl.of.fields import OxmField

_PORTS = {IN_PORT: "IN_PORT", CONTROLLER: "CONTROLLER", LOCAL: "LOCAL"}
_STATES = ("new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat")
_FRAGMENTS = {(0, 3): "no", (1, 1): "yes", (1, 3): "first", (3, 3): "later", (0, 2): "not_later"}
_DECIMAL = {
    *(fields.CONJ_ID, fields.IP_TTL, fields.IP_PROTO, fields.TCP_SRC, fields.TCP_DST, fields.UDP_SRC, fields.UDP_DST),
    *(fields.ICMP_TYPE, fields.ICMP_CODE, fields.ICMPV6_TYPE, fields.ICMPV6_CODE, fields.ARP_OP),
    *(fields.CT_ZONE, fields.CT_NW_PROTO, fields.CT_TP_SRC, fields.CT_TP_DST),
}
_SHORT = {
    (fields.ETH_TYPE_ARP, None): "arp",
    (fields.ETH_TYPE_IP, None): "ip",
    (fields.ETH_TYPE_IP, fields.IP_PROTO_ICMP): "icmp",
    (fields.ETH_TYPE_IP, fields.IP_PROTO_TCP): "tcp",
    (fields.ETH_TYPE_IP, fields.IP_PROTO_UDP): "udp",
    (fields.ETH_TYPE_IPV6, None): "ipv6",
    (fields.ETH_TYPE_IPV6, fields.IP_PROTO_ICMPV6): "icmp6",
    (fields.ETH_TYPE_IPV6, fields.IP_PROTO_TCP): "tcp6",
    (fields.ETH_TYPE_IPV6, fields.IP_PROTO_UDP): "udp6",
}


def ip_text(address: int) -> str:
    """10.0.0.1"""
    return ".".join(map(str, address.to_bytes(4, "big")))


def ipv6_text(address: int) -> str:
    """fd00::1"""
    return str(IPv6Address(address))


def mac_text(address: int) -> str:
    """fa:16:3e:00:00:01"""
    return address.to_bytes(6, "big").hex(":")


def port_text(port: int) -> str:
    """A switch port: its number, or the name of a reserved one."""
    return _PORTS.get(port, str(port))


_FORMS: dict[OxmField, Callable[[int], str]] = {
    **dict.fromkeys((fields.IP_SRC, fields.IP_DST, fields.ARP_SPA, fields.ARP_TPA), ip_text),
    **dict.fromkeys((fields.TUN_SRC, fields.TUN_DST, fields.CT_NW_SRC, fields.CT_NW_DST), ip_text),
    **dict.fromkeys((fields.IPV6_SRC, fields.IPV6_DST, fields.ND_TARGET), ipv6_text),
    **dict.fromkeys((fields.ETH_SRC, fields.ETH_DST, fields.ARP_SHA, fields.ARP_THA), mac_text),
    **dict.fromkeys((fields.ND_SLL, fields.ND_TLL), mac_text),
    fields.IN_PORT: port_text,
}


def value_text(field: OxmField, value: int, mask: int | None = None) -> str:
    """A field's value as text, the mask after a slash."""
    if field is fields.CT_STATE and mask is not None:
        return "".join(("+" if value >> bit & 1 else "-") + name for bit, name in enumerate(_STATES) if mask >> bit & 1)
    if field is fields.IP_FRAG and (value, mask or field.limit) in _FRAGMENTS:
        return _FRAGMENTS[value, mask or field.limit]
    form = _FORMS.get(field, hex)
    if mask is None:
        return str(value) if field in _DECIMAL else form(value)
    prefix = mask.bit_count()
    if form in (ip_text, ipv6_text) and mask == field.limit ^ field.limit >> prefix:
        return f"{form(value)}/{prefix}"
    return f"{form(value)}/{form(mask)}"


def protocol_text(eth_type: int | None, ip_proto: int | None) -> list[str]:
    """The kind of packet in one word where there is one: tcp, arp, udp6."""
    if (eth_type, ip_proto) in _SHORT:
        return [_SHORT[eth_type or 0, ip_proto]]
    if (eth_type, None) in _SHORT:
        return [_SHORT[eth_type or 0, None], f"ip_proto={ip_proto}"]
    return [] if eth_type is None else [f"eth_type={eth_type:#06x}"]
