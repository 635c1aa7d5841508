"""Values and matches to try fields with: one example of each, and random ones that a switch accepts."""

from hypothesis import strategies as st

from sdnctl.of import fields as f
from sdnctl.of.fields import FIELDS, OxmField, Value

MATCHABLE = [field for field in FIELDS if field.matchable]
SPECIAL = {f.IN_PORT: 77, f.ETH_TYPE: 0x88CC, f.VLAN_VID: 0x1ABC, f.ARP_OP: 1, f.CT_STATE: f.CT_TRACKED | f.CT_NEW}
BESIDE: dict[OxmField, dict[OxmField, Value]] = {
    f.ND_TARGET: {f.ICMPV6_TYPE: f.ND_SOLICIT},
    f.CT_TP_SRC: {f.CT_NW_PROTO: f.IP_PROTO_TCP},
    f.CT_TP_DST: {f.CT_NW_PROTO: f.IP_PROTO_UDP},
}
"""The fields that a match must name beside another, because they cannot be guessed."""

ANYWHERE = [f.IN_PORT, f.ETH_SRC, f.ETH_DST, f.TUN_ID, f.TUN_SRC, f.TUN_DST, f.TUN_METADATA0, *f.REG, f.PKT_MARK]
ANYWHERE += [f.CT_ZONE, f.CT_MARK, f.CT_LABEL, f.METADATA, f.CONJ_ID]
IPV4 = [f.IP_SRC, f.IP_DST, f.IP_FRAG, f.IP_TTL]
IPV6 = [f.IPV6_SRC, f.IPV6_DST, f.IP_FRAG, f.IP_TTL]
TRACKED = [f.CT_NW_SRC, f.CT_NW_DST, f.CT_TP_SRC, f.CT_TP_DST]
FAMILIES: list[tuple[dict[OxmField, Value], list[OxmField]]] = [
    ({}, []),
    ({}, [f.VLAN_VID]),
    ({f.ETH_TYPE: f.ETH_TYPE_ARP}, [f.ARP_OP, f.ARP_SPA, f.ARP_TPA, f.ARP_SHA, f.ARP_THA]),
    ({f.ETH_TYPE: f.ETH_TYPE_IP}, [*IPV4, f.IP_PROTO]),
    ({}, [*IPV4, f.TCP_SRC, f.TCP_DST, f.TCP_FLAGS]),
    ({}, [*IPV4, f.UDP_SRC, f.UDP_DST]),
    ({}, [*IPV4, f.ICMP_TYPE, f.ICMP_CODE]),
    ({f.CT_NW_PROTO: f.IP_PROTO_TCP}, [*IPV4, *TRACKED]),
    ({f.ETH_TYPE: f.ETH_TYPE_IPV6}, [*IPV6, f.IP_PROTO]),
    ({f.ETH_TYPE: f.ETH_TYPE_IPV6}, [*IPV6, f.TCP_SRC, f.UDP_DST][:-1]),
    ({f.ETH_TYPE: f.ETH_TYPE_IPV6}, [*IPV6, f.UDP_SRC, f.UDP_DST]),
    ({f.ICMPV6_TYPE: f.ND_SOLICIT}, [*IPV6, f.ICMPV6_CODE, f.ND_TARGET, f.ND_SLL]),
    ({f.ICMPV6_TYPE: f.ND_ADVERT}, [*IPV6, f.ND_TARGET, f.ND_TLL]),
]

PORTS = {f.TCP_SRC, f.TCP_DST, f.UDP_SRC, f.UDP_DST}
LATER = f.FRAGMENT_ANY | f.FRAGMENT_LATER


def example(field: OxmField) -> int:
    """A value with ones and zeros that a switch takes for this field."""
    return SPECIAL.get(field, field.limit // 3)


def _value(field: OxmField) -> st.SearchStrategy[Value]:
    if field is f.IN_PORT:
        return st.integers(1, 0xFEFF)
    if field is f.IP_FRAG:
        return st.sampled_from([0, 1, 3, (1, 1), (0, 2)])
    if field is f.VLAN_VID:
        return st.integers(0x1000, 0x1FFF)
    if field is f.ARP_OP:
        return st.integers(0, 255)  # Open vSwitch keeps no more of it
    if field is f.ICMPV6_CODE:
        return st.just(0)
    if field is f.IP_PROTO:
        return st.sampled_from([2, 47, 50, 132])
    numbers = st.integers(0, field.limit)
    masked = st.tuples(numbers, st.integers(1, field.limit))
    return st.one_of(numbers, masked) if field.maskable else numbers


@st.composite
def matches(draw: st.DrawFn) -> dict[OxmField, Value]:
    """A match that a switch accepts, its fields in any order."""
    fixed, choice = draw(st.sampled_from(FAMILIES))
    fields = draw(st.lists(st.sampled_from([*ANYWHERE, *choice]), unique=True, max_size=8))
    match = {**fixed, **{field: draw(_value(field)) for field in fields}}
    if match.get(f.IP_FRAG) == LATER and PORTS & match.keys():
        match[f.IP_FRAG] = f.FRAGMENT_ANY  # a later fragment has no ports to match (ovs-fields(7))
    return dict(draw(st.permutations(list(match.items()))))
