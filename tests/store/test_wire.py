"""JSON values follow one another on the socket without any mark between them; each is found, however it is cut."""

import json
import socket
from collections.abc import Iterator

import pytest

from sdnctl.store.ovsdb.pace import (
    FIRST_S,
    FORGIVEN_S,
    LONGEST_S,
    PATIENCE_S,
    SILENCE_HERE_S,
    SILENCE_S,
    SILENCE_WITH_OTHERS_S,
    Pace,
)
from sdnctl.store.ovsdb.tls import connect
from sdnctl.store.ovsdb.wire import Message, Wire

MESSAGES: list[Message] = [
    {"id": 1, "result": [], "error": None},
    {"id": None, "method": "update3", "params": [None, "x", {"T": {"u": {"modify": {"name": '}{"}\\"ü'}}}}]},
    {"id": "echo", "result": [{}, {}]},
]


@pytest.fixture
def pair() -> Iterator[tuple[Wire, socket.socket]]:
    """A wire and its other end."""
    near, far = socket.socketpair()
    with near, far:
        yield Wire(near), far


def test_messages_are_found_wherever_they_are_cut(pair: tuple[Wire, socket.socket]) -> None:
    wire, far = pair
    data = "".join(json.dumps(message, ensure_ascii=False) for message in MESSAGES).encode()
    for cut in range(1, len(data)):
        far.sendall(data[:cut])
        found = wire.receive()
        far.sendall(data[cut:])
        assert found + wire.receive() == MESSAGES


def test_what_is_sent_is_what_arrives(pair: tuple[Wire, socket.socket]) -> None:
    wire, far = pair
    for message in MESSAGES:
        wire.send(message)
    assert far.recv(4096).decode() == "".join(json.dumps(message, separators=(",", ":")) for message in MESSAGES)


def test_the_end_is_an_error(pair: tuple[Wire, socket.socket]) -> None:
    wire, far = pair
    far.close()
    with pytest.raises(ConnectionError):
        wire.receive()


def test_an_abort_ends_both_sides(pair: tuple[Wire, socket.socket]) -> None:
    wire, far = pair
    wire.abort()
    assert far.recv(1) == b""
    with pytest.raises(OSError):
        wire.send(MESSAGES[0])


def test_an_address_must_be_one() -> None:
    with pytest.raises(ValueError, match="tcp:HOST:PORT"):
        connect("/run/store.sock", 1.0)


def test_waits_double_and_a_lasting_connection_forgives() -> None:
    pace = Pace()
    assert pace.until_attempt(100.0) == 0
    waits = []
    for _ in range(7):
        pace.failed(100.0)
        waits.append(pace.until_attempt(100.0))
    assert waits == pytest.approx([min(FIRST_S * 2**n, LONGEST_S) for n in range(7)])
    pace.connected(200.0)
    pace.dropped(200.1)
    assert pace.until_attempt(200.1) == pytest.approx(LONGEST_S)
    pace.connected(300.0)
    pace.dropped(301.0)
    assert pace.until_attempt(301.0) == pytest.approx(FIRST_S)


def test_silence_is_probed_once_and_then_believed() -> None:
    pace = Pace()
    pace.connected(100.0)
    assert pace.until_doubt(101.0) == pytest.approx(SILENCE_S - 1)
    assert pace.until_doubt(100 + SILENCE_S) == 0
    assert pace.doubt()
    assert pace.until_doubt(100 + SILENCE_S) == pytest.approx(SILENCE_S)
    assert not pace.doubt()
    pace.heard(120.0)
    assert pace.until_doubt(120.0) == pytest.approx(SILENCE_S * 2)
    assert pace.doubt()


def test_several_servers_are_tried_in_a_round() -> None:
    pace = Pace(servers=3)
    waits = []
    for _ in range(7):
        pace.failed(100.0)
        waits.append(pace.until_attempt(100.0))
    assert waits == pytest.approx([FIRST_S] * 3 + [FIRST_S * 2] * 3 + [FIRST_S * 4])
    pace.connected(200.0)
    assert pace.until_doubt(200.0) == pytest.approx(SILENCE_WITH_OTHERS_S)


def test_silence_that_ends_connections_is_borne_longer() -> None:
    pace = Pace(servers=3)
    for n in range(6):
        pace.connected(100.0)
        assert pace.until_doubt(100.0) == pytest.approx(min(SILENCE_WITH_OTHERS_S * 2**n, PATIENCE_S))
        assert [pace.doubt(), pace.doubt()] == [True, False]
    here = Pace(here=True)  # nothing ends there
    for _ in range(3):
        here.heard(100.0)
        assert here.until_doubt(100.0) == pytest.approx(SILENCE_HERE_S)
        assert [here.doubt(), here.doubt()] == [True, False]
    pace.connected(100.0)
    pace.heard(100 + FORGIVEN_S + 1)
    assert pace.until_doubt(100 + FORGIVEN_S + 1) == pytest.approx(SILENCE_WITH_OTHERS_S)
