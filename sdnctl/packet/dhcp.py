"""DHCP messages: a client's question, and the answer that gives it the address the region has for it.

DHCP over UDP ports 67 and 68 (RFC 2131, options RFC 2132); a client on the same network only, no relay.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from sdnctl.base.addresses import Ip4, Mac
from sdnctl.packet.frame import BROADCAST, ETH_TYPE_IP, UDP, checksum, ethernet, ipv4, parse

SERVER_PORT = 67
CLIENT_PORT = 68
EVERYBODY = Ip4(0xFFFFFFFF)
"""The address that a client without one sends its question to (RFC 2131, 4.1)."""

_BOOTP = struct.Struct("!BBBBIHHIIII16s64s128s4s")
_COOKIE = b"\x63\x82\x53\x63"
_REQUEST = 1
_REPLY = 2
_BROADCAST_FLAG = 0x8000
_LEAST = 300
"""Bytes that some clients expect at least (RFC 1542, 2.1)."""

_PAD, _END = 0, 255
_MASK, _ROUTER, _DNS, _DOMAIN, _MTU = 1, 3, 6, 15, 26
_REQUESTED, _LEASE, _TYPE, _SERVER, _PARAMETERS, _RENEW, _REBIND, _CLIENT = 50, 51, 53, 54, 55, 58, 59, 61


class DhcpType(IntEnum):
    """The type of a DHCP message (RFC 2132, 9.6)."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


@dataclass(frozen=True, slots=True)
class DhcpRequest:
    """A client's DHCP message; an address that it did not give is 0."""

    eth_src: Mac
    op: int
    xid: int
    chaddr: Mac
    ciaddr: Ip4
    type: DhcpType
    requested_ip: Ip4
    server_id: Ip4
    parameters: tuple[int, ...]
    flags: int
    client_id: bytes


def parse_dhcp(frame: bytes) -> DhcpRequest | None:
    """The request in a frame, None when there is none or it is broken."""
    packet = parse(frame)
    ip, udp = packet.ip, packet.udp
    if ip is None or udp is None or udp.dst != SERVER_PORT:
        return None
    data = frame[ip.payload + 8 : ip.end]
    if len(data) < _BOOTP.size:
        return None
    op, hardware, length, _, xid, _, flags, ciaddr, _, _, _, chaddr, _, _, cookie = _BOOTP.unpack_from(data)
    if (op, hardware, length, cookie) != (_REQUEST, 1, 6, _COOKIE):
        return None
    options: dict[int, bytes] = {}
    for code, value in _options(data[_BOOTP.size :]):
        options[code] = options.get(code, b"") + value
    kind = options.get(_TYPE, b"")
    if len(kind) != 1 or kind[0] not in set(DhcpType):
        return None
    return DhcpRequest(
        packet.eth_src,
        op,
        xid,
        Mac(int.from_bytes(chaddr[:6], "big")),
        Ip4(ciaddr),
        DhcpType(kind[0]),
        _address(options, _REQUESTED),
        _address(options, _SERVER),
        tuple(options.get(_PARAMETERS, b"")),
        flags,
        options.get(_CLIENT, b""),
    )


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(code, value) up to the end or to the first option that is cut short; a long value comes in parts (RFC 3396)."""
    offset = 0
    while offset < len(data) and data[offset] != _END:
        if data[offset] == _PAD:
            offset += 1
            continue
        value = data[offset + 2 : offset + 2 + (data[offset + 1] if offset + 1 < len(data) else 0)]
        if offset + 1 >= len(data) or len(value) < data[offset + 1]:
            return
        yield data[offset], value
        offset += 2 + len(value)


def _address(options: Mapping[int, bytes], code: int) -> Ip4:
    value = options.get(code, b"")
    return Ip4(int.from_bytes(value, "big")) if len(value) == 4 else Ip4(0)


def dhcp_reply(
    request: DhcpRequest,
    kind: DhcpType,
    *,
    your_ip: int,
    server_ip: int,
    server_mac: int,
    mask: int,
    router: int,
    dns: Sequence[int],
    mtu: int,
    lease_s: int,
    domain: str = "",
) -> bytes:
    """The frame that answers a request with OFFER, ACK or NAK: lease in seconds, MTU in bytes; router 0: none.

    A NAK says no more than that; an INFORM is answered without address and lease (RFC 2131, 4.3.1, 4.3.2 and 4.3.5).
    """
    offered: list[tuple[int, bytes]] = []
    if kind != DhcpType.NAK:
        configured = ((_MASK, _words(mask)), (_ROUTER, _words(router) if router else b""), (_DNS, _words(*dns)))
        offered += [*configured, (_DOMAIN, domain.encode("idna")), (_MTU, struct.pack("!H", mtu))]
    leased = kind != DhcpType.NAK and request.type != DhcpType.INFORM
    if leased:
        offered += [(_LEASE, _words(lease_s)), (_RENEW, _words(lease_s // 2)), (_REBIND, _words(lease_s * 7 // 8))]
    options = [(_TYPE, bytes((kind,))), (_SERVER, _words(server_ip)), *offered, (_CLIENT, request.client_id)]
    packed = b"".join(bytes((code, len(value))) + value for code, value in options if value)
    bootp = _BOOTP.pack(
        *(_REPLY, 1, 6, 0, request.xid, 0, request.flags),
        *(0 if kind == DhcpType.NAK else request.ciaddr, your_ip if leased else 0, 0, 0),
        *(request.chaddr.to_bytes(6, "big"), b"", b"", _COOKIE),
    )
    message = (bootp + packed + bytes((_END,))).ljust(_LEAST, b"\0")
    eth_dst, ip_dst = _destination(request, kind, your_ip)
    return ethernet(server_mac, eth_dst, ETH_TYPE_IP, ipv4(server_ip, ip_dst, UDP, _udp(server_ip, ip_dst, message)))


def _words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in numbers)


def _destination(request: DhcpRequest, kind: DhcpType, your_ip: int) -> tuple[int, int]:
    """(MAC, IP) the reply goes to (RFC 2131, 4.1): where the client is, or everyone when it cannot be told alone."""
    if kind == DhcpType.NAK:
        return BROADCAST, 0xFFFFFFFF
    if request.ciaddr:
        return request.chaddr, request.ciaddr
    if request.flags & _BROADCAST_FLAG or not your_ip:
        return BROADCAST, 0xFFFFFFFF
    return request.chaddr, your_ip


def _udp(src: int, dst: int, data: bytes) -> bytes:
    """A datagram from server to client port with its checksum, 0 being written as all ones (RFC 768)."""
    length = 8 + len(data)
    header = struct.pack("!HHHH", SERVER_PORT, CLIENT_PORT, length, 0)
    total = checksum(struct.pack("!IIHH", src, dst, UDP, length) + header + data) or 0xFFFF
    return header[:6] + total.to_bytes(2, "big") + data
