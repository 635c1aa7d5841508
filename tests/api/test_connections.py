"""Connections: who says half of something, or too much, or does not listen, is ended, and others are served."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sdnctl.api.guests import Bounds, Guests
from tests.api.raw import Call
from tests.api.region import Region, Tenant
from tests.waiting import eventually

HALF = b"GET /v1/a HTTP/1.1\r\nhost: a\r\nx: "
BOUNDS = Bounds(head_s=1.0, body_s=1.0, answer_s=1.0, linger_s=0.5, peer=12, total=20)


@pytest.fixture
def strict() -> Iterator[Region]:
    """A region with short patience and room for few."""
    with Region(bounds=BOUNDS) as served:
        yield served


def dial(region: Region, said: bytes = b"") -> socket.socket:
    """A connection that has said something."""
    host, port = region.endpoint.split(":")
    made = socket.create_connection((host, int(port)), timeout=20)
    made.sendall(said)
    return made


def heard(connection: socket.socket) -> bytes:
    """All that comes until the other side ends it."""
    try:
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))
    except ConnectionError:
        return b""


def error(said: bytes) -> dict[str, Any]:
    """The error of an answer in the API's own form, whose id is in its header too."""
    head, _, body = said.partition(b"\r\n\r\n")
    document = json.loads(body)
    assert f"x-jdcloud-request-id: {document['requestId']}".encode() in head.lower()
    found: dict[str, Any] = document["error"]
    assert int(head.split()[1]) == found["code"]
    return found


def serves(region: Region) -> bool:
    """True when a call is answered, with whatever."""
    return Call().sign(region.tenant(f"t{time.monotonic_ns()}")).send(region.endpoint)[0] == 200


@pytest.mark.parametrize(
    "said",
    [
        HALF,
        b"GET /v1/a HT",
        b"POST /v1/a HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc",
        b"POST /v1/a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ],
)
def test_half_a_request_has_its_time(strict: Region, said: bytes) -> None:
    assert error(heard(dial(strict, said)))["status"] == "DEADLINE_EXCEEDED"


def test_who_says_nothing_is_ended_and_so_is_who_drips(strict: Region) -> None:
    silent, dripping = dial(strict), dial(strict, HALF)
    dripping.settimeout(0.2)
    end = time.monotonic() + 15
    answer = b""
    while not answer:
        assert time.monotonic() < end
        try:
            dripping.sendall(b"x")
            answer = dripping.recv(1 << 16)
        except TimeoutError:
            continue
    assert error(answer)["code"] == 408
    heard(silent)


def test_many_half_requests_do_not_keep_others_out(strict: Region) -> None:
    flood = [dial(strict, HALF) for _ in range(60)]
    assert serves(strict)
    eventually(lambda: len(strict.server.guests) < 3, 20)
    assert strict.server.guests.turned_away >= 40
    for one in flood:
        one.close()


def test_what_is_too_large_is_refused_unread(strict: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    host = b"host: a\r\n"
    for said, code in [
        (b"GET /" + b"A" * 70_000 + b" HTTP/1.1\r\n" + host + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + host + b"x: " + b"A" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + host + b"".join(b"x%d: y\r\n" % n for n in range(9000)) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + host + b"x: " + b"A" * 400_000, 431),
        (b"POST / HTTP/1.1\r\n" + host + b"content-length: 9000000000\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\n" + host + b"expect: 100-continue\r\ncontent-length: 4000000\r\n\r\n", 413),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 300, 400),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
    ]:
        assert error(heard(dial(strict, said)))["code"] == code, said[:80]


def test_a_body_without_end_is_ended(strict: Region) -> None:
    connection = dial(strict, b"POST /v1/a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
    end = time.monotonic() + 20
    with pytest.raises(ConnectionError):
        while time.monotonic() < end:
            connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
    assert serves(strict)


def test_requests_in_a_row_are_answered_in_order(strict: Region) -> None:
    tenant = strict.tenant("row")
    calls = [Call(target=f"/v1/regions/cn-test-1/vpcs/vpc-{n:010d}".encode()).sign(tenant) for n in range(50)]
    said = b""
    for call in calls:
        lines = [f"{name}: {value}" for name, value in call.headers.items()]
        said += b"GET " + call.target + b" HTTP/1.1\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n"
    answers = heard(dial(strict, said + b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"))
    told = [json.loads(part.partition(b"\r\n\r\n")[2])["error"]["message"] for part in answers.split(b"HTTP/1.1 ")[1:]]
    assert [f"vpc-{n:010d}" in text for n, text in enumerate(told[:-1])] == [True] * 50


def test_who_does_not_take_answers_is_ended(strict: Region) -> None:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = strict.endpoint.split(":")
    connection.connect((host, int(port)))
    connection.settimeout(2)
    try:
        for _ in range(400):  # the document is large; nobody reads it
            connection.sendall(b"GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n")
    except OSError:
        pass
    eventually(lambda: len(strict.server.guests) == 0, 20)
    assert serves(strict)


def test_what_was_asked_before_something_unreadable_is_answered(region: Region, tenant: Tenant) -> None:
    body = b'{"vpcName":"v"}'
    call = Call("POST", b"/v1/regions/cn-test-1/vpcs/", body).sign(tenant)
    lines = [f"{name}: {value}" for name, value in call.headers.items()] + [f"content-length: {len(body)}"]
    head = b"POST " + call.target + b" HTTP/1.1\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n"
    answers = heard(dial(region, head + body + b"garbage garbage\r\n\r\n"))
    assert answers.count(b"HTTP/1.1 ") == 1 and b'"vpcId"' in answers


class Someone:
    """A guest of a test."""

    def __init__(self, peer: str, busy: bool = False) -> None:
        self.peer, self.busy, self.left = peer, busy, False

    def look(self, now: float) -> None:
        """See Guest."""

    def leave(self) -> None:
        """See Guest."""
        self.left = True


def test_the_oldest_of_the_same_peer_makes_room_and_busy_ones_stay() -> None:
    guests = Guests(Bounds(peer=3, total=8))
    first, busy, third, fourth = Someone("a"), Someone("a", busy=True), Someone("a"), Someone("a")
    assert all(guests.admit(one) for one in (busy, first, third, fourth))
    assert (first.left, busy.left, third.left, len(guests)) == (True, False, False, 3)
    third.busy = fourth.busy = True
    assert not guests.admit(Someone("a")) and len(guests) == 3
    others = [Someone(peer, busy=peer == "b") for peer in "bbbcde"]
    assert all(guests.admit(one) for one in others[:5])
    fourth.busy = False
    assert guests.admit(others[5]) and fourth.left, "of the peer with the most"
    for guest in list(guests):
        guests.gone(guest)
    assert len(guests) == 0


@pytest.mark.parametrize(
    "piece",
    [b"".join(b"x%d: %s\r\n" % (n, b"y" * 500) for n in range(100)), b"y" * 50_000],
    ids=["many", "one without end"],
)
def test_what_comes_after_a_body_is_neither_kept_nor_endless(strict: Region, piece: bytes) -> None:
    said = b"POST /v1/a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: "
    assert error(heard(dial(strict, said + piece * 20)))["code"] == 413
    assert serves(strict)


def test_a_body_in_the_smallest_chunks_is_taken(region: Region) -> None:
    call = Call("POST", body=b'{"vpcName": "small", "description": "%s"}' % (b"x" * 200))
    call.sign(region.tenant("tenant"))
    lines = "".join(f"{name}: {value}\r\n" for name, value in call.headers.items())
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in call.body) + b"0\r\nx: y\r\n\r\n"
    said = f"POST {call.target.decode()} HTTP/1.1\r\n{lines}transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    assert heard(dial(region, said.encode() + chunks)).startswith(b"HTTP/1.1 200 ")
