"""OXM fields as a switch writes them, read back: a list of fields with their values.

The TLVs are OXM (OpenFlow 1.4, section 7.2.3.2).
"""

import struct
from collections.abc import Iterator

from sdnctl.of.fields import FIELDS, OxmField

_BY_CODE = {field.header >> 9: field for field in FIELDS}


def oxms(data: bytes) -> Iterator[tuple[OxmField, int, int | None]]:
    """(field, value, mask or None) for each TLV; fields this program never uses are left out."""
    offset = 0
    while offset < len(data):
        header = int.from_bytes(data[offset : offset + 4], "big")
        length = header & 0xFF
        field = field_of(header)
        owned = field.owned if field is not None else b""
        payload = data[offset + 4 + len(owned) : offset + 4 + length]
        if not data.startswith(owned, offset + 4):
            field = None  # somebody else's, of the same number
        if field is not None and header & 0x100:
            half = len(payload) // 2
            yield field, int.from_bytes(payload[:half], "big"), int.from_bytes(payload[half:], "big")
        elif field is not None:
            yield field, int.from_bytes(payload, "big"), None
        offset += 4 + length


def field_of(header: int) -> OxmField | None:
    """The field of a 32-bit OXM header, None for one this program never uses."""
    return _BY_CODE.get(header >> 9)


def known_field(header: int) -> OxmField:
    """The field of a 32-bit OXM header; ValueError for one this program never uses."""
    field = field_of(header)
    if field is None:
        raise ValueError(f"no field with OXM header {header:#010x}")
    return field


def tlvs(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, whole TLV) of a list of actions or instructions."""
    offset = 0
    while offset < len(data):
        kind, length = struct.unpack_from("!HH", data, offset)
        yield kind, data[offset : offset + length]
        offset += length
