"""Packets that the controller makes or rewrites; scapy is the judge: its parser, its checksums."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dns import dns_get_str
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet as Judge
from scapy.packet import Raw

from sdnctl.base.addresses import Ip4, Mac
from sdnctl.packet import (
    BROADCAST,
    DhcpError,
    DhcpType,
    arp_reply,
    arp_request,
    checksum,
    dhcp_reply,
    gratuitous_arp,
    icmp_error,
    nat_icmp_error,
    parse,
    parse_dhcp,
)
from sdnctl.packet.names import labels, search_list
from sdnctl.packet.options import unpacked

GUEST, ROUTER = Mac.parse("fa:16:3e:00:00:01"), Mac.parse("fa:16:3e:00:00:fe")
ETHER = Ether(src=str(GUEST), dst=str(ROUTER))
addresses = st.integers(1 << 24, 0xDF_FF_FF_FF).filter(lambda number: number >> 24 != 127)


def right(frame: bytes) -> bytes:
    """The frame with every checksum outside a quote computed anew by scapy."""
    packet = Ether(frame)
    for layer in (IP, ICMP, UDP):
        if layer in packet:
            del packet[layer].chksum
    return bytes(packet)


# ARP


def test_arp_frames_are_scapys() -> None:
    me, other = Ip4.parse("10.0.0.1"), Ip4.parse("10.0.0.2")
    asked = Ether(src=str(ROUTER), dst="ff:ff:ff:ff:ff:ff") / ARP(
        op=1, hwsrc=str(ROUTER), psrc=str(me), hwdst="00:00:00:00:00:00", pdst=str(other)
    )
    assert arp_request(ROUTER, me, other) == bytes(asked)
    told = Ether(src=str(ROUTER), dst=str(GUEST)) / ARP(
        op=2, hwsrc=str(ROUTER), psrc=str(me), hwdst=str(GUEST), pdst=str(other)
    )
    assert arp_reply(ROUTER, me, GUEST, other) == bytes(told)
    announced = parse(gratuitous_arp(GUEST, me))
    assert announced.arp is not None
    assert (announced.eth_dst, announced.arp.spa, announced.arp.tpa, announced.arp.sha) == (BROADCAST, me, me, GUEST)


# Reading


@given(st.binary(min_size=14, max_size=200))
def test_anything_can_be_read(frame: bytes) -> None:
    for kind in (frame[12:14], b"\x08\x00", b"\x08\x06"):
        other = frame[:12] + kind + frame[14:]
        parse(other)
        parse_dhcp(other)
        nat_icmp_error(other, inner_src=1, outer_dst=2)
        icmp_error(other, 3, 1, 1, ROUTER)


@given(st.data())
def test_cut_and_damaged_packets_can_be_read(data: st.DataObject) -> None:
    whole = bytearray(data.draw(errors(quotes()))[0])
    for _ in range(data.draw(st.integers(0, 3))):
        whole[data.draw(st.integers(14, len(whole) - 1))] = data.draw(st.integers(0, 255))
    frame = bytes(whole[: data.draw(st.integers(14, len(whole)))])
    parse(frame)
    icmp_error(frame, 3, 1, 1, ROUTER)
    changed = nat_icmp_error(frame, inner_src=1, inner_dst=2, outer_src=3, outer_dst=4)
    assert changed is None or len(changed) == len(frame)


def test_short_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="no Ethernet header"):
        parse(bytes(13))


@given(addresses, addresses, st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 255), st.integers(0, 10))
def test_udp_reads_as_scapy_wrote_it(src: int, dst: int, sport: int, dport: int, ttl: int, options: int) -> None:
    inner = IP(src=str(Ip4(src)), dst=str(Ip4(dst)), ttl=ttl, options=[IPOption(b"\x01")] * options)
    frame = bytes(ETHER / inner / UDP(sport=sport, dport=dport) / b"data") + bytes(20)
    packet = parse(frame)
    assert packet.ip is not None
    assert packet.udp is not None
    assert (packet.eth_src, packet.eth_dst, packet.eth_type) == (GUEST, ROUTER, 0x0800)
    assert (packet.ip.src, packet.ip.dst, packet.ip.ttl, packet.ip.proto) == (src, dst, ttl, 17)
    assert (packet.udp.src, packet.udp.dst) == (sport, dport)
    assert frame[packet.ip.payload + 8 : packet.ip.end] == b"data"


def test_later_fragment_has_no_ports() -> None:
    packet = parse(bytes(ETHER / IP(src="10.0.0.1", dst="10.0.0.2", frag=3, proto=17) / UDP()))
    assert packet.ip is not None
    assert (packet.udp, packet.ip.fragment) == (None, 24)


@given(st.binary(max_size=64))
def test_checksum_of_data_with_its_checksum_is_zero(data: bytes) -> None:
    even = data + bytes(len(data) % 2)
    assert checksum(even + checksum(even).to_bytes(2, "big")) == 0


# ICMP errors


@given(st.binary(max_size=1400), addresses, addresses, st.integers(0, 10), st.integers(0, 1500))
def test_error_quotes_what_it_is_about(data: bytes, src: int, dst: int, options: int, mtu: int) -> None:
    header = IP(src=str(Ip4(src)), dst=str(Ip4(dst)), options=[IPOption(b"\x01")] * options)
    original = bytes(ETHER / header / UDP(sport=1, dport=2) / data)
    frame = icmp_error(original + bytes(7), 3, 4, 0x0A0000FE, ROUTER, mtu=mtu)
    assert frame is not None
    assert frame == right(frame)
    error = Ether(frame)
    assert (error.src, error.dst) == (str(ROUTER), str(GUEST))
    assert (error[IP].src, error[IP].dst, len(error[IP]) <= 576) == ("10.0.0.254", str(Ip4(src)), True)
    assert (error[ICMP].type, error[ICMP].code, error[ICMP].nexthopmtu) == (3, 4, mtu)
    assert bytes(error[ICMP].payload) == original[14 : 14 + 548]


NO_ERROR_ABOUT = [
    IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type=3) / b"quote of something",
    IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type=11) / b"quote of something",
    IP(src="10.0.0.1", dst="10.0.0.2", proto=1),
    IP(src="10.0.0.1", dst="10.0.0.2", frag=2) / b"rest",
    IP(src="10.0.0.1", dst="224.0.0.5") / UDP(),
    IP(src="10.0.0.1", dst="255.255.255.255") / UDP(),
    IP(src="0.0.0.0", dst="10.0.0.2") / UDP(),
    IP(src="127.0.0.1", dst="10.0.0.2") / UDP(),
    IP(src="224.0.0.1", dst="10.0.0.2") / UDP(),
    ARP(),
]


@pytest.mark.parametrize("payload", NO_ERROR_ABOUT, ids=lambda payload: payload.summary())
def test_some_packets_get_no_error(payload: Judge) -> None:
    assert icmp_error(bytes(ETHER / payload), 3, 1, 1, ROUTER) is None


def test_broadcast_frames_get_no_error_and_pings_do() -> None:
    ping = IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type=8)
    assert icmp_error(bytes(Ether(src=str(GUEST), dst="ff:ff:ff:ff:ff:ff") / ping), 3, 1, 1, ROUTER) is None
    assert icmp_error(bytes(Ether(src=str(GUEST), dst="01:00:5e:00:00:01") / ping), 3, 1, 1, ROUTER) is None
    assert icmp_error(bytes(ETHER / ping), 11, 0, 1, ROUTER) is not None


# Errors across a translated address


@st.composite
def quotes(draw: st.DrawFn) -> Judge:
    """A whole packet to be quoted: TCP, UDP with or without checksum, ping, another protocol, a later fragment."""
    inner = IP(src=str(Ip4(draw(addresses))), dst=str(Ip4(draw(addresses))), id=draw(st.integers(0, 65535)))
    inner.options = [IPOption(b"\x01")] * draw(st.integers(0, 10))
    inner.frag = draw(st.sampled_from([0, 0, 0, 5]))
    ports: dict[str, Any] = {"sport": draw(st.integers(0, 65535)), "dport": draw(st.integers(0, 65535))}
    transport = draw(st.sampled_from([TCP(**ports), UDP(**ports), UDP(**ports, chksum=0), ICMP(type=8), None]))
    data = Raw(draw(st.binary(max_size=64)))
    if transport is None:
        inner.proto = 50
        return inner / data
    return inner / transport / data


@st.composite
def errors(draw: st.DrawFn, quoted: st.SearchStrategy[Judge]) -> tuple[bytes, bytes, int]:
    """(frame, the packet it quotes, how many bytes of it)."""
    whole = bytes(draw(quoted))
    length = draw(st.integers(20, len(whole)) | st.just(len(whole)) | st.just(min(len(whole), 28)))
    kind = draw(st.sampled_from([3, 4, 5, 11, 12]))
    # scapy reads what follows an error as an IP packet, so the quote goes in as mere bytes.
    outer = IP(src=str(Ip4(draw(addresses))), dst=str(Ip4(draw(addresses))), proto=1)
    message = bytes([kind, draw(st.integers(0, 15)), 0, 0]) + draw(st.binary(min_size=4, max_size=4)) + whole[:length]
    message = message[:2] + checksum(message).to_bytes(2, "big") + message[4:]
    return bytes(ETHER / outer / Raw(message)), whole, length


def rewritten(whole: bytes, src: int | None, dst: int | None) -> bytes:
    """The quoted packet as if it had been sent with these addresses: scapy computes its checksums."""
    packet = IP(whole)
    packet.src = packet.src if src is None else str(Ip4(src))
    packet.dst = packet.dst if dst is None else str(Ip4(dst))
    del packet.chksum
    if not packet.frag:
        for layer in (TCP, UDP):
            if layer in packet and packet[layer].chksum:
                del packet[layer].chksum
    return bytes(packet)


maybe = st.none() | addresses


@given(errors(quotes()), maybe, maybe, maybe, maybe)
def test_translated_error_is_what_it_would_have_been(
    case: tuple[bytes, bytes, int], outer_src: Any, outer_dst: Any, inner_src: Any, inner_dst: Any
) -> None:
    frame, whole, length = case
    changed = nat_icmp_error(frame, outer_src=outer_src, outer_dst=outer_dst, inner_src=inner_src, inner_dst=inner_dst)
    assert changed is not None
    # A checksum cut in its middle can be neither checked nor adjusted.
    seen = length - 1 if length == 4 * (whole[0] & 15) + {6: 17, 17: 7}.get(whole[9], 0) else length
    assert changed[42 : 42 + seen] == rewritten(whole, inner_src, inner_dst)[:seen]
    assert changed == right(changed)
    before, after = parse(frame), parse(changed)
    assert before.ip is not None
    assert after.ip is not None
    assert after.ip.src == (before.ip.src if outer_src is None else outer_src)
    assert after.ip.dst == (before.ip.dst if outer_dst is None else outer_dst)
    assert (changed[:14], changed[34:36], changed[38:42]) == (frame[:14], frame[34:36], frame[38:42])


@given(errors(quotes()), addresses)
def test_translation_back_restores_the_frame(case: tuple[bytes, bytes, int], other: int) -> None:
    frame, whole, _ = case
    src = int.from_bytes(whole[12:16], "big")
    there = nat_icmp_error(frame, inner_src=other, outer_dst=other)
    assert there is not None
    outer = parse(frame).ip
    assert outer is not None
    assert nat_icmp_error(there, inner_src=src, outer_dst=outer.dst) == frame


@given(errors(quotes()), addresses, st.integers(1, 0xFFFF))
def test_damage_stays_visible(case: tuple[bytes, bytes, int], other: int, damage: int) -> None:
    frame = bytearray(case[0])
    frame[36:38] = (int.from_bytes(frame[36:38], "big") ^ damage).to_bytes(2, "big")
    changed = nat_icmp_error(bytes(frame), inner_src=other)
    assert changed is not None
    # As a receiver sees it: 0x0000 and 0xffff are the same sum.
    assert (checksum(changed[34:]) == 0) == (checksum(bytes(frame[34:])) == 0)


def test_only_errors_with_a_quote_are_translated() -> None:
    ping = bytes(ETHER / IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type=8) / bytes(40))
    assert nat_icmp_error(ping, inner_src=1) is None
    short = bytes(ETHER / IP(src="10.0.0.1", dst="10.0.0.2", proto=1) / Raw(b"\x03\x01\0\0\0\0\0\0" + b"\x45" * 19))
    assert nat_icmp_error(short, inner_src=1) is None
    assert nat_icmp_error(bytes(ETHER / ARP()), inner_src=1) is None


# DHCP


def dhcp(kind: str, *options: Any, flags: int = 0, ciaddr: str = "0.0.0.0", **ip: Any) -> bytes:
    """A client's frame as scapy writes it."""
    header = BOOTP(chaddr=bytes.fromhex("fa163e000001"), xid=0x1234, flags=flags, ciaddr=ciaddr)
    addressed = IP(src=ip.get("src", "0.0.0.0"), dst=ip.get("dst", "255.255.255.255"))
    known = DHCP(options=[("message-type", kind), *options, "end"])
    return bytes(Ether(src=str(GUEST), dst="ff:ff:ff:ff:ff:ff") / addressed / UDP(sport=68, dport=67) / header / known)


def answer(frame: bytes, kind: DhcpType, **more: Any) -> Judge:
    """The reply, read by scapy, its checksums checked."""
    request = parse_dhcp(frame)
    assert request is not None
    offer: dict[str, Any] = {
        "your_ip": Ip4.parse("10.0.0.9"),
        "server_ip": Ip4.parse("10.0.0.1"),
        "server_mac": ROUTER,
        "mask": 0xFFFFFF00,
        "router": Ip4.parse("10.0.0.1"),
        "dns": [Ip4.parse("103.224.222.222"), Ip4.parse("103.224.222.223")],
        "mtu": 1450,
        "lease_s": 3600,
        "domains": ["jdcloud.internal"],
    }
    reply = dhcp_reply(request, kind, **offer | more)
    assert reply == right(reply)
    return Ether(reply)


def options_of(reply: Judge) -> dict[str, Any]:
    """The options by scapy's names; a list stays a tuple."""
    pairs = [option for option in reply[DHCP].options if isinstance(option, tuple)]
    return {name: values[0] if len(values) == 1 else tuple(values) for name, *values in pairs}


def test_discover_is_offered_everything() -> None:
    frame = dhcp(
        "discover",
        ("param_req_list", [1, 3, 6]),
        ("client_id", b"\x01\xfa\x16\x3e\0\0\x01"),
        "pad",
    )
    request = parse_dhcp(frame)
    assert request is not None
    assert (request.type, request.xid, request.chaddr) == (DhcpType.DISCOVER, 0x1234, GUEST)
    assert (request.parameters, request.client_id) == ((1, 3, 6), b"\x01\xfa\x16\x3e\0\0\x01")
    reply = answer(frame, DhcpType.OFFER)
    assert (reply.src, reply.dst) == (str(ROUTER), str(GUEST))
    assert (reply[IP].src, reply[IP].dst, reply[UDP].sport, reply[UDP].dport) == ("10.0.0.1", "10.0.0.9", 67, 68)
    assert (reply[BOOTP].op, reply[BOOTP].xid, reply[BOOTP].yiaddr) == (2, 0x1234, "10.0.0.9")
    assert reply[BOOTP].chaddr[:6] == bytes.fromhex("fa163e000001")
    assert options_of(reply) == {
        "message-type": 2,
        "server_id": "10.0.0.1",
        "subnet_mask": "255.255.255.0",
        "router": "10.0.0.1",
        "name_server": ("103.224.222.222", "103.224.222.223"),
        "domain": b"jdcloud.internal",
        "interface-mtu": 1450,
        "lease_time": 3600,
        "renewal_time": 1800,
        "rebinding_time": 3150,
        "client_id": b"\x01\xfa\x16\x3e\0\0\x01",
    }


def test_request_is_acknowledged_where_the_client_is() -> None:
    selecting = dhcp("request", ("requested_addr", "10.0.0.9"), ("server_id", "10.0.0.1"), flags=0x8000)
    request = parse_dhcp(selecting)
    assert request is not None
    assert (request.requested_ip, request.server_id, request.flags) == (Ip4.parse("10.0.0.9"), 0x0A000001, 0x8000)
    reply = answer(selecting, DhcpType.ACK)
    assert (reply.dst, reply[IP].dst, reply[BOOTP].flags.value) == ("ff:ff:ff:ff:ff:ff", "255.255.255.255", 0x8000)
    renewing = answer(dhcp("request", ciaddr="10.0.0.9", src="10.0.0.9", dst="10.0.0.1"), DhcpType.ACK)
    assert (renewing.dst, renewing[IP].dst, renewing[BOOTP].ciaddr) == (str(GUEST), "10.0.0.9", "10.0.0.9")


def test_refusal_says_nothing_else() -> None:
    reply = answer(dhcp("request", ("requested_addr", "10.9.9.9"), ciaddr="10.9.9.9"), DhcpType.NAK)
    assert options_of(reply) == {"message-type": 6, "server_id": "10.0.0.1"}
    assert (reply.dst, reply[IP].dst) == ("ff:ff:ff:ff:ff:ff", "255.255.255.255")
    assert (reply[BOOTP].yiaddr, reply[BOOTP].ciaddr) == ("0.0.0.0", "0.0.0.0")


def test_inform_gets_no_lease() -> None:
    reply = answer(dhcp("inform", ciaddr="10.0.0.9", src="10.0.0.9"), DhcpType.ACK, router=0, dns=[], domains=[])
    assert reply[BOOTP].yiaddr == "0.0.0.0"
    assert set(options_of(reply)) == {"message-type", "server_id", "subnet_mask", "interface-mtu"}


@pytest.mark.parametrize(
    "frame",
    [
        bytes(ETHER / IP() / UDP(sport=68, dport=67) / bytes(100)),
        bytes(ETHER / IP() / UDP(sport=68, dport=67) / BOOTP(op=2) / DHCP(options=[("message-type", 2), "end"])),
        bytes(ETHER / IP() / UDP(sport=68, dport=67) / BOOTP() / DHCP(options=["end"])),
        bytes(ETHER / IP() / UDP(sport=68, dport=67) / BOOTP() / DHCP(options=[("message-type", 99), "end"])),
        bytes(ETHER / IP() / UDP(sport=68, dport=53) / BOOTP() / DHCP(options=[("message-type", 1), "end"])),
        dhcp("discover")[:281],
        bytes(ETHER / ARP()),
    ],
)
def test_what_is_no_request_is_none(frame: bytes) -> None:
    assert parse_dhcp(frame) is None


BROKEN_OPTIONS = {
    "cut within its length": b"\x35\x01\x01\x3d",
    "cut within its value": b"\x35\x01\x01\x3d\x20abc",
    "two types": b"\x35\x01\x01\x35\x01\x01\xff",
    "an address of three bytes": b"\x35\x01\x03\x32\x03\x0a\x00\x00\xff",
    "a server of five bytes": b"\x35\x01\x03\x36\x05\x0a\x00\x00\x01\x02\xff",
    "a size of one byte": b"\x35\x01\x01\x39\x01\x05\xff",
    "no such overload": b"\x35\x01\x01\x34\x01\x04\xff",
    "an overload of two bytes": b"\x35\x01\x01\x34\x02\x01\x01\xff",
    "nothing": b"",
}


def raw_dhcp(options: bytes, *, file: bytes = b"", name: bytes = b"", size: int | None = None) -> bytes:
    """A client's frame with options byte by byte."""
    header = BOOTP(chaddr=bytes.fromhex("fa163e000001"), xid=0x1234, file=file, sname=name)
    data = bytes(header) + b"\x63\x82\x53\x63" + options
    datagram = UDP(sport=68, dport=67, len=8 + len(data) if size is None else size)
    return bytes(Ether(src=str(GUEST), dst="ff:ff:ff:ff:ff:ff") / IP(dst="255.255.255.255") / datagram / Raw(data))


@pytest.mark.parametrize("options", BROKEN_OPTIONS.values(), ids=BROKEN_OPTIONS)
def test_broken_options_are_no_request(options: bytes) -> None:
    assert parse_dhcp(raw_dhcp(options)) is None


@pytest.mark.parametrize("size", [0, 7, 8, 100, 250, 1000, 65535])
def test_a_datagram_whose_length_is_wrong_is_no_request(size: int) -> None:
    assert parse_dhcp(raw_dhcp(b"\x35\x01\x01\xff", size=size)) is None


def test_a_long_option_comes_in_parts() -> None:
    """RFC 3396: put together in order, whatever stands between; also from the fields that options overload."""
    first, second = b"\x3d\xc8" + b"a" * 200, b"\x3d\x64" + b"b" * 100
    request = parse_dhcp(raw_dhcp(first + b"\x35\x01\x01\x00" + second + b"\xff"))
    assert request is not None and request.client_id == b"a" * 200 + b"b" * 100
    file, name = b"\x3d\x02cd\xff\x3d\x01x", b"\x3d\x02ef\xff"
    for overload, more in enumerate((b"", b"cd", b"ef", b"cdef")):
        flag = bytes((0x34, 1, overload))
        request = parse_dhcp(raw_dhcp(b"\x35\x01\x01" + flag + b"\x3d\x02ab\xff", file=file, name=name))
        assert request is not None and request.client_id == b"ab" + more


def given_back(reply: Judge, code: int) -> bytes:
    """The value of an option in all three fields, its parts put together."""
    fields = [bytes(reply[DHCP])]
    found = unpacked(fields[0], bytes(reply[BOOTP].file), bytes(reply[BOOTP].sname))
    return found.get(code, b"")


def test_a_long_identifier_is_sent_back_in_parts() -> None:
    """RFC 6842, with everything that the client needs in the first field."""
    frame = raw_dhcp(b"\x35\x01\x01\x3d\xc8" + b"a" * 200 + b"\x3d\x64" + b"b" * 100 + b"\xff")
    reply = answer(frame, DhcpType.OFFER)
    assert given_back(reply, 61) == b"a" * 200 + b"b" * 100
    assert [size for code, size in _numbers(bytes(reply[DHCP])) if code == 61] == [255, 45]
    assert {"subnet_mask", "router", "name_server", "lease_time"} <= set(options_of(reply))


def test_an_identifier_that_fits_into_no_answer_has_none() -> None:
    longest = 1450 - 28 - 240 - 66
    part = b"\x3d\xff" + b"x" * 255
    for parts, fits in ((4, True), (5, False)):
        request = parse_dhcp(raw_dhcp(b"\x35\x01\x01" + part * parts + b"\xff"))
        assert request is not None and (255 * parts <= longest) == fits
        frame = raw_dhcp(b"\x35\x01\x01" + part * parts + b"\xff")
        if fits:
            assert len(answer(frame, DhcpType.OFFER)) <= 1450 + 14
            continue
        with pytest.raises(DhcpError):
            answer(frame, DhcpType.OFFER)


def test_the_answer_is_no_larger_than_the_client_takes() -> None:
    """576 bytes, unless it says more; names go into the fields for file and server name before they are left out."""
    names = [f"sub-{n}.department.example" for n in range(9)]
    asks = b"\x35\x01\x01\x37\x02\x0f\x77"
    sizes = ((576, b""), (576, b"\x00\x10"), (1000, b"\x03\xe8"), (1450, b"\xff\xff"))
    for most, extra in ((most, b"\x39\x02" + size if size else b"") for most, size in sizes):
        frame = raw_dhcp(asks + b"\x3d\x96" + b"i" * 150 + extra + b"\xff")
        reply = answer(frame, DhcpType.OFFER, domains=names)
        assert reply[IP].len <= most
        assert given_back(reply, 15) == b"sub-0.department.example"
        assert given_back(reply, 119) == search_list(names)
        assert (52 in dict(_numbers(bytes(reply[DHCP])))) == (most == 576)
    for asked, told in ((b"\x0f", b""), (b"\x77", search_list(names))):
        frame = raw_dhcp(b"\x35\x01\x01\x37\x01" + asked + b"\xff")
        assert given_back(answer(frame, DhcpType.OFFER, domains=names), 119) == told


def test_the_largest_option_gets_the_largest_field() -> None:
    """A client that takes 576 bytes gets its own name and a long search list, though not both in the first field."""
    names = ["one.two.three.four.five.department.example", *(f"{letter * 59}.net" for letter in "abc")]
    reply = answer(raw_dhcp(b"\x35\x01\x01\x37\x02\x0f\x77\xff"), DhcpType.OFFER, domains=names)
    assert reply[IP].len <= 576
    assert (given_back(reply, 15), given_back(reply, 119)) == (names[0].encode(), search_list(names))


def _numbers(data: bytes) -> list[tuple[int, int]]:
    found, at = [], 0
    while data[at] != 255:
        found.append((data[at], data[at + 1]))
        at += 2 + data[at + 1]
    return found


@given(st.binary(max_size=400), st.binary(max_size=128), st.binary(max_size=64))
@settings(max_examples=400)
def test_no_message_makes_another_error(options: bytes, file: bytes, name: bytes) -> None:
    for begin in (b"", b"\x35\x01\x01", b"\x35\x01\x03\x34\x01\x03"):
        request = parse_dhcp(raw_dhcp(begin + options, file=file, name=name))
        if request is not None:
            with contextlib.suppress(DhcpError):
                dhcp_reply(request, DhcpType.ACK, your_ip=1, server_ip=2, server_mac=3, mask=4, router=5, dns=[6],
                           mtu=1450, lease_s=7, domains=["a.example", "b.example"])  # fmt: skip


@given(st.data())
def test_cut_and_damaged_dhcp_can_be_read(data: st.DataObject) -> None:
    whole = bytearray(dhcp("discover", ("client_id", b"\x01abcdef"), ("param_req_list", [1, 3, 6, 15, 119])))
    for _ in range(data.draw(st.integers(0, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    parse_dhcp(bytes(whole[: data.draw(st.integers(0, len(whole)))]))


# Names

labels_of_dns = st.from_regex(r"[a-z0-9_]([a-z0-9_-]{0,8}[a-z0-9_])?", fullmatch=True)
names_of_dns = st.lists(labels_of_dns, min_size=1, max_size=4).map(".".join)


def expanded(data: bytes) -> list[str]:
    """The names of a search list, read by scapy's reader of compressed names."""
    names, left = [], data
    while left:
        name, left = dns_get_str(left, full=data)
        names.append(name.decode().rstrip("."))
    return names


@given(st.lists(names_of_dns, max_size=12))
def test_a_search_list_reads_as_scapy_reads_it(names: list[str]) -> None:
    data = search_list(names)
    assert expanded(data) == names
    assert len(data) <= sum(len(name) + 2 for name in names)


def test_an_end_that_was_written_before_is_a_pointer() -> None:
    data = search_list(["shop.example", "corp.example.", "example"])
    assert data == b"\x04shop\x07example\x00\x04corp\xc0\x05\xc0\x05"


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", ".a", "a..", "x" * 64, "-a.b", "a-.b", "a b", "名.cn", ".".join(["x" * 63] * 4), "a/b"]
)
def test_names_that_dns_has_no_form_for(name: str) -> None:
    with pytest.raises(ValueError, match="domain name"):
        labels(name)
    assert labels("_tcp.Shop-1.example.") == ("_tcp", "Shop-1", "example")


def test_importing_needs_no_event_loop() -> None:
    import subprocess
    import sys

    said = "import sys, sdnctl.packet; print([name for name in sys.modules if name.startswith(('eventlet', 'os_ken'))])"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
