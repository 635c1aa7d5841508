"""The options of a DHCP message (RFC 2132), read from and written into its three fields.

A value of more than 255 bytes comes in parts, to be put together again (RFC 3396).  Where the options do not fit, the
message's fields for a file and a server name take the rest (option overload, RFC 2131, 4.1).
"""

from collections.abc import Sequence

FILE_BYTES, SERVER_NAME_BYTES = 128, 64
PAD, OVERLOAD, END = 0, 52, 255
_PART = 255
Option = tuple[int, bytes]


class DhcpError(ValueError):
    """A message that is no DHCP, that is broken, or that cannot be answered in the size that its client takes."""


def unpacked(options: bytes, file: bytes, server_name: bytes) -> dict[int, bytes]:
    """Option -> value, the parts of a long one put together; DhcpError when one is cut short."""
    found: dict[int, bytes] = {}
    _collect(options, found)
    overload = found.pop(OVERLOAD, b"\0")
    if len(overload) != 1 or overload[0] > 3:
        raise DhcpError(f"no such overload: {overload.hex()}")
    for bit, field in ((1, file), (2, server_name)):
        if overload[0] & bit:
            _collect(field, found)
    return found


def _collect(data: bytes, found: dict[int, bytes]) -> None:
    offset = 0
    while offset < len(data) and data[offset] != END:
        code = data[offset]
        if code == PAD:
            offset += 1
            continue
        begin = offset + 2
        offset = begin + data[begin - 1] if begin <= len(data) else begin
        if offset > len(data):
            raise DhcpError(f"option {code} is cut short")
        found[code] = found.get(code, b"") + data[begin:offset]


def packed(needed: Sequence[Option], more: Sequence[Option], room: int, most: int) -> tuple[bytes, bytes, bytes]:
    """The three fields with these options, those without a value left out.

    The first field has at most ``room`` bytes, or as many as are ``needed``, but never more than ``most``: DhcpError
    when that does not suffice.  What fits nowhere of the others, in order, is left out.
    """
    first = b"".join(_written(option) for option in needed)
    others = [written for written in map(_written, more) if written]
    if len(first) + 1 > most:
        raise DhcpError(f"an answer of {len(first)} bytes of options is more than the client can take")
    room = min(max(room, len(first) + 1), most)
    if len(first) + sum(map(len, others)) + 1 <= room:
        return first + b"".join(others) + bytes((END,)), b"", b""
    return _overloaded(first, others, room, most)


def _overloaded(first: bytes, others: Sequence[bytes], room: int, most: int) -> tuple[bytes, bytes, bytes]:
    """The fields when one is not enough, each with an end of its own."""
    flag = bytes((OVERLOAD, 1, 0))
    fields = [bytearray(first), bytearray(), bytearray()]
    rooms = (min(max(room, len(first) + len(flag) + 1), most) - len(flag), FILE_BYTES, SERVER_NAME_BYTES)
    if len(first) + 1 > rooms[0]:
        return first + bytes((END,)), b"", b""
    for written in _order(others, rooms[0] - len(first)):
        for field, size in zip(fields, rooms, strict=True):
            if len(field) + len(written) + 1 <= size:
                field += written
                break
    used = bool(fields[1]) | bool(fields[2]) << 1
    if used:
        fields[0] += flag[:2] + bytes((used,))
    main, file, name = (bytes(field) + bytes((END,)) if field else b"" for field in fields)
    return main, file, name


def _order(others: Sequence[bytes], left: int) -> Sequence[bytes]:
    """The order in which most fits: as given, but the large ones first where each then has a field."""
    large = sorted(others, key=len, reverse=True)
    rest = (left, FILE_BYTES, SERVER_NAME_BYTES)
    fits = len(others) <= len(rest) and all(len(one) < size for one, size in zip(large, rest, strict=False))
    return large if fits else others


def _written(option: Option) -> bytes:
    """An option as bytes, in parts if it is long; nothing without a value."""
    code, value = option
    parts = (value[start : start + _PART] for start in range(0, len(value), _PART))
    return b"".join(bytes((code, len(part))) + part for part in parts)
