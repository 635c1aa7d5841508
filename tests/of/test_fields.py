"""Every field byte for byte as os-ken writes it, and what a match presupposes."""

import pytest
from hypothesis import given

from sdnctl.of import fields as f
from sdnctl.of.fields import FIELDS, OxmField, Value, complete
from sdnctl.of.flow import match_key
from sdnctl.of.oxm import oxms
from sdnctl.of.values import value_text
from tests.of import osken
from tests.of.matches import BESIDE, MATCHABLE, example, matches

KNOWN = [field for field in MATCHABLE if field.name not in osken.UNKNOWN]


def tlvs(match: bytes) -> set[bytes]:
    """The fields of a match, in whatever order."""
    found, offset, end = set(), 4, int.from_bytes(match[2:4], "big")
    while offset < end:
        length = 4 + match[offset + 3]
        found.add(match[offset : offset + length])
        offset += length
    return found


def user_value(field: OxmField, value: int) -> object:
    """A value as os-ken wants it: addresses as text."""
    plain = value_text(field, value)
    return plain if ":" in plain or plain.count(".") == 3 else value


def judged(match: dict[OxmField, Value]) -> bytes:
    """The match as os-ken encodes it."""
    fields = {}
    for field, value in match.items():
        pair = value if isinstance(value, tuple) else (value, field.limit) if field.size else (value,)
        user = tuple(user_value(field, number) for number in pair)
        fields[osken.name(field)] = user if len(user) > 1 else user[0]
    return osken.serialized(osken.parser.OFPMatch(**fields))


@pytest.mark.parametrize("field", KNOWN, ids=str)
def test_field_is_encoded_as_by_osken(field: OxmField) -> None:
    match = complete({**BESIDE.get(field, {}), field: example(field)})
    assert tlvs(match_key(1, 1, match)[3:]) == tlvs(judged(match))


@pytest.mark.parametrize("field", [field for field in KNOWN if field.maskable and field.width >= 16], ids=str)
def test_masked_field_is_encoded_as_by_osken(field: OxmField) -> None:
    value = (0x21, 0x31) if field is f.CT_STATE else (0x0A50, 0x0FF0)
    match = complete({**BESIDE.get(field, {}), field: value})
    assert tlvs(match_key(1, 1, match)[3:]) == tlvs(judged(match))


def test_fields_are_distinct() -> None:
    assert len({field.header >> 9 for field in FIELDS}) == len({field.name for field in FIELDS}) == len(FIELDS)


@given(matches())
def test_match_reads_back_as_the_values_that_went_in(match: dict[OxmField, Value]) -> None:
    key = match_key(3, 7, match)
    read = {field: (value, mask) for field, value, mask in oxms(key[7 : 3 + int.from_bytes(key[5:7], "big")])}
    assert len(key) % 8 == 3
    for field, value in complete(match).items():
        number, mask = value if isinstance(value, tuple) else (value, field.limit)
        assert read.pop(field) == (number & mask, None if mask == field.limit and not field.size else mask)
    assert not read


@given(matches())
def test_key_does_not_depend_on_the_order_of_fields(match: dict[OxmField, Value]) -> None:
    assert match_key(0, 0, match) == match_key(0, 0, dict(reversed(match.items())))


@pytest.mark.parametrize(
    ("match", "implied"),
    [
        ({f.IP_DST: 1}, {f.ETH_TYPE: 0x0800}),
        ({f.UDP_DST: 1}, {f.ETH_TYPE: 0x0800, f.IP_PROTO: 17}),
        ({f.IPV6_DST: 1, f.TCP_DST: 1}, {f.ETH_TYPE: 0x86DD, f.IP_PROTO: 6}),
        ({f.TCP_DST: 1, f.IPV6_DST: 1}, {f.ETH_TYPE: 0x86DD, f.IP_PROTO: 6}),
        ({f.ARP_TPA: 1}, {f.ETH_TYPE: 0x0806}),
        ({f.ICMP_TYPE: 8}, {f.ETH_TYPE: 0x0800, f.IP_PROTO: 1}),
        ({f.ND_SLL: 1}, {f.ETH_TYPE: 0x86DD, f.IP_PROTO: 58, f.ICMPV6_TYPE: 135}),
        ({f.CT_NW_SRC: 1}, {f.ETH_TYPE: 0x0800, f.CT_STATE: (0x20, 0x30)}),
        ({f.CT_NW_SRC: 1, f.CT_STATE: (0x22, 0x22)}, {f.ETH_TYPE: 0x0800}),
        ({f.IP_TTL: 1, f.ETH_TYPE: 0x86DD}, {}),
    ],
    ids=str,
)
def test_prerequisites_are_implied(match: dict[OxmField, Value], implied: dict[OxmField, Value]) -> None:
    assert complete(match) == match | implied


@pytest.mark.parametrize(
    "match",
    [
        {f.IP_DST: 1, f.ETH_TYPE: 0x0806},
        {f.IP_DST: 1, f.IPV6_DST: 1},
        {f.IP_DST: 1, f.ARP_TPA: 1},
        {f.UDP_DST: 1, f.TCP_DST: 1},
        {f.UDP_DST: 1, f.IP_PROTO: 6},
        {f.ND_TARGET: 1},
        {f.ND_SLL: 1, f.ND_TLL: 1},
        {f.ND_TLL: 1, f.ICMPV6_TYPE: 135},
        {f.CT_TP_DST: 1},
        {f.CT_NW_SRC: 1, f.CT_STATE: (0, 0x20)},
        {f.ETH_TYPE: (0x0800, 0xFF00)},
        {f.IP_PROTO: (6, 7)},
        {f.ETH_TYPE: 1 << 16},
        {f.CT_STATE: (0x100, 0xFF)},
        {f.XREG[0]: 1},
        {f.REG[0]: 1 << 32},
        {f.REG[0]: -1},
        {f.VLAN_VID: 1 << 13},
        {f.REG[0]: (1 << 32, 0xFF)},
        {f.REG[0]: (1, 1 << 32)},
        {f.IP_TTL: (1, 1)},
    ],
    ids=str,
)
def test_impossible_match_is_refused(match: dict[OxmField, Value]) -> None:
    with pytest.raises(ValueError, match=r"must be|cannot be|can be set|does not fit"):
        match_key(0, 0, match)
