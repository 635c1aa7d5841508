"""Domain names as DNS and DHCP write them: labels with their lengths before them (RFC 1035, 3.1 and 4.1.4)."""

import re
from collections.abc import Iterable

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)
_MOST_BYTES = 255
_POINTER = 0xC000
_REACH = 0x3FFF
"""The last offset that a pointer can name."""


def labels(name: str) -> tuple[str, ...]:
    """The labels of a domain name, which may end with a dot; ValueError when it cannot be written down.

    Letters, digits, hyphens (not at an end) and underscores, 63 a label, 255 bytes in all (RFC 1035, 2.3.4).
    """
    found = tuple(name.removesuffix(".").split("."))
    if wrong := [label for label in found if not _LABEL.fullmatch(label)]:
        raise ValueError(f"{wrong[0]!r} is no label of a domain name: 1 to 63 letters, digits, '-' and '_'")
    if sum(len(label) + 1 for label in found) + 1 > _MOST_BYTES:
        raise ValueError(f"a domain name has at most {_MOST_BYTES} bytes")
    return found


def search_list(names: Iterable[str]) -> bytes:
    """Domain names one after the other, an end that was written before by a pointer to it (RFC 3397, 2)."""
    written: dict[tuple[str, ...], int] = {}
    data = bytearray()
    for name in names:
        rest = labels(name)
        while rest and rest not in written:
            if len(data) <= _REACH:
                written[rest] = len(data)
            data += bytes((len(rest[0]),)) + rest[0].encode()
            rest = rest[1:]
        data += (_POINTER | written[rest]).to_bytes(2, "big") if rest else b"\0"
    return bytes(data)
