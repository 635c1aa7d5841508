"""DHCP messages: a client's question, and the answer that gives it the address the region has for it.

DHCP over UDP ports 67 and 68 (RFC 2131, options RFC 2132 and 3397); a client on the same network only, no relay.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from sdnctl.base.addresses import Ip4, Mac
from sdnctl.packet.frame import BROADCAST, ETH_HEADER, ETH_TYPE_IP, IP_HEADER, UDP, checksum, ethernet, ipv4, parse
from sdnctl.packet.names import labels, search_list
from sdnctl.packet.options import DhcpError, Option, packed, unpacked

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
_UDP_HEADER = 8
_TAKEN_BY_ALL = 576
"""Bytes of a datagram that every client takes; for more it has to say so (RFC 2131, 2)."""

_MASK, _ROUTER, _DNS, _DOMAIN, _MTU, _SEARCH = 1, 3, 6, 15, 26, 119
_REQUESTED, _LEASE, _TYPE, _SERVER, _PARAMETERS, _MOST, _RENEW, _REBIND, _CLIENT = 50, 51, 53, 54, 55, 57, 58, 59, 61
_LENGTHS = {_REQUESTED: 4, _TYPE: 1, _SERVER: 4, _MOST: 2}


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
    """A client's DHCP message; an address that it did not give is 0.

    ``most`` is the size in bytes of the largest datagram that it takes.
    """

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
    most: int


def parse_dhcp(frame: bytes) -> DhcpRequest | None:
    """The client's message in a frame, None when there is none or it is broken."""
    try:
        return _request(frame)
    except DhcpError:
        return None


def _request(frame: bytes) -> DhcpRequest:
    eth_src, data = _datagram(frame)
    if len(data) < _BOOTP.size:
        raise DhcpError(f"{len(data)} bytes are no DHCP message")
    op, hardware, length, _, xid, _, flags, ciaddr, _, _, _, chaddr, name, file, cookie = _BOOTP.unpack_from(data)
    if (op, hardware, length, cookie) != (_REQUEST, 1, 6, _COOKIE):
        raise DhcpError("no client's message on Ethernet")
    options = unpacked(data[_BOOTP.size :], file, name)
    for code, size in _LENGTHS.items():
        if len(options.get(code, bytes(size))) != size:
            raise DhcpError(f"option {code} has {len(options[code])} bytes")
    kind = options.get(_TYPE, b"\0")[0]
    if kind not in set(DhcpType):
        raise DhcpError(f"no such message type: {kind}")
    return DhcpRequest(
        eth_src,
        op,
        xid,
        Mac(int.from_bytes(chaddr[:6], "big")),
        Ip4(ciaddr),
        DhcpType(kind),
        _address(options, _REQUESTED),
        _address(options, _SERVER),
        tuple(options.get(_PARAMETERS, b"")),
        flags,
        options.get(_CLIENT, b""),
        max(_TAKEN_BY_ALL, int.from_bytes(options.get(_MOST, b""), "big")),
    )


def _datagram(frame: bytes) -> tuple[Mac, bytes]:
    """The sender of a datagram to the server's port, and what is in it."""
    if len(frame) < ETH_HEADER:
        raise DhcpError("no Ethernet frame")
    packet = parse(frame)
    ip, udp = packet.ip, packet.udp
    if ip is None or udp is None or udp.dst != SERVER_PORT:
        raise DhcpError("no datagram to a DHCP server")
    size = int.from_bytes(frame[ip.payload + 4 : ip.payload + 6], "big")
    if not _UDP_HEADER <= size <= ip.end - ip.payload:
        raise DhcpError(f"a datagram that says it has {size} bytes")
    return packet.eth_src, frame[ip.payload + _UDP_HEADER : ip.payload + size]


def _address(options: Mapping[int, bytes], code: int) -> Ip4:
    return Ip4(int.from_bytes(options.get(code, b""), "big"))


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
    domains: Sequence[str] = (),
) -> bytes:
    """The frame that answers a request with OFFER, ACK or NAK: lease in seconds, MTU in bytes; router 0: none.

    A NAK says no more than that; an INFORM is answered without address and lease (RFC 2131, 4.3.1, 4.3.2 and 4.3.5).
    The first of the ``domains`` is the client's own, all are its search list.  What the client sent as its identifier
    is sent back (RFC 6842): DhcpError where that is too long for an answer that fits into the MTU.
    """
    offered: list[Option] = []
    if kind != DhcpType.NAK:
        configured = ((_MASK, _words(mask)), (_ROUTER, _words(router) if router else b""), (_DNS, _words(*dns)))
        offered += [*configured, (_MTU, struct.pack("!H", mtu))]
    leased = kind != DhcpType.NAK and request.type != DhcpType.INFORM
    if leased:
        offered += [(_LEASE, _words(lease_s)), (_RENEW, _words(lease_s // 2)), (_REBIND, _words(lease_s * 7 // 8))]
    needed = [(_TYPE, bytes((kind,))), (_SERVER, _words(server_ip)), *offered, (_CLIENT, request.client_id)]
    around = IP_HEADER + _UDP_HEADER + _BOOTP.size
    names = _names(request, domains) if kind != DhcpType.NAK else []
    options, file, name = packed(needed, names, min(request.most, mtu) - around, mtu - around)
    bootp = _BOOTP.pack(
        *(_REPLY, 1, 6, 0, request.xid, 0, request.flags),
        *(0 if kind == DhcpType.NAK else request.ciaddr, your_ip if leased else 0, 0, 0),
        *(request.chaddr.to_bytes(6, "big"), name, file, _COOKIE),
    )
    message = (bootp + options).ljust(_LEAST, b"\0")
    eth_dst, ip_dst = _destination(request, kind, your_ip)
    return ethernet(server_mac, eth_dst, ETH_TYPE_IP, ipv4(server_ip, ip_dst, UDP, _udp(server_ip, ip_dst, message)))


def _names(request: DhcpRequest, domains: Sequence[str]) -> list[Option]:
    """The client's domain name, and its search list where it asks for one or does not say what it asks for."""
    if not domains:
        return []
    wanted = not request.parameters or _SEARCH in request.parameters
    own = ".".join(labels(domains[0])).encode()
    return [(_DOMAIN, own), (_SEARCH, search_list(domains) if wanted else b"")]


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
