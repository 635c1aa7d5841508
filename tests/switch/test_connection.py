"""os-ken's connection with its repairs: nothing cut, nothing lost, no thread left behind."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from os_ken.controller.handler import DEAD_DISPATCHER, MAIN_DISPATCHER
from os_ken.lib import hub

from sdnctl.of import message
from sdnctl.switch import connection
from sdnctl.switch.connection import Datapath
from topologies.process import wait_until


class Line:
    """A connection whose other end is the test's."""

    def __init__(self) -> None:
        here, self.end = socket.socketpair()
        self.end.settimeout(10)
        self.got: list[bytes] = []
        self.datapath = Datapath(here, "test", lambda _, messages: self.got.extend(messages))
        self.datapath.socket.settimeout(0.05)
        self.thread = threading.Thread(target=self.datapath.serve)
        self.thread.start()
        assert self.end.recv(8)[1] == message.HELLO

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self.end.recv(min(size - len(data), 1 << 20))
        return data

    def over(self) -> bool:
        self.thread.join(5)
        return not self.thread.is_alive()


@pytest.fixture
def line() -> Iterator[Line]:
    before = threading.active_count()
    made = Line()
    yield made
    made.datapath.hang_up()
    assert made.over()
    made.end.close()
    assert threading.active_count() <= before, "a thread was left behind"  # one of another test may have ended


def test_a_slow_reader_gets_every_byte(line: Line) -> None:
    sent = bytes(range(256)) * 20000
    assert line.datapath.send(sent)
    time.sleep(0.3)  # several timeouts of the socket
    assert line.read(len(sent)) == sent


def test_sending_never_blocks(line: Line) -> None:
    start = time.monotonic()
    for _ in range(200):
        assert line.datapath.send(bytes(100_000))
    assert time.monotonic() - start < 1.0
    assert line.datapath.waiting() > 100
    assert len(line.read(200 * 100_000)) == 200 * 100_000


def test_what_the_switch_takes_at_once_waits_for_no_thread(line: Line) -> None:
    assert line.datapath.send(b"at once!")
    assert line.datapath.waiting() == 0
    assert line.read(8) == b"at once!"


def test_bytes_stay_in_order_whoever_sends_them(line: Line) -> None:
    """What is taken at once never overtakes what a slow reader has left waiting."""
    sent = [bytes([n]) * (100_000 if n % 2 else 8) for n in range(200)]
    for data in sent:
        assert line.datapath.send(data)
    assert line.datapath.waiting() > 0
    whole = b"".join(sent)
    assert line.read(len(whole) // 2) == whole[: len(whole) // 2]
    assert line.datapath.send(b"the last")
    assert line.read(len(whole) - len(whole) // 2 + 8) == whole[len(whole) // 2 :] + b"the last"
    assert wait_until(lambda: line.datapath.waiting() == 0, 10)


def test_a_reader_that_stopped_is_given_up(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALLED_S", 0.1)
    line.datapath.send(bytes(5_000_000))
    assert line.over()
    assert line.datapath.state == DEAD_DISPATCHER
    assert not line.datapath.send(b"more")


def test_messages_are_put_together_from_pieces(line: Line) -> None:
    line.datapath.state = MAIN_DISPATCHER
    whole = message.barrier(7)[:1] + bytes((message.BARRIER_REPLY,)) + message.barrier(7)[2:]
    stream = whole * 3
    for place in range(0, len(stream), 5):
        line.end.sendall(stream[place : place + 5])
        time.sleep(0.001)
    end = time.monotonic() + 5
    while len(line.got) < 3:
        assert time.monotonic() < end
        time.sleep(0.001)
    assert line.got == [whole] * 3


def test_nothing_is_diverted_before_the_handshake_is_over(line: Line) -> None:
    line.end.sendall(bytes((5, message.BARRIER_REPLY, 0, 8, 0, 0, 0, 1)))
    time.sleep(0.05)
    assert line.got == []


def test_a_stream_that_makes_no_sense_ends_the_connection(line: Line) -> None:
    line.end.sendall(bytes((5, message.BARRIER_REPLY, 0, 3, 0, 0, 0, 1)))
    assert line.over()
    assert line.datapath.state == DEAD_DISPATCHER


def test_the_other_end_hanging_up_ends_both_loops(line: Line) -> None:
    line.end.shutdown(socket.SHUT_RDWR)
    assert line.over()
    assert line.datapath.state == DEAD_DISPATCHER


def test_nobody_there_is_no_error() -> None:
    connection.dial("/nonexistent/br-int.mgmt", lambda link, messages: None)


def test_an_exception_of_a_handler_is_not_the_end_of_its_thread() -> None:
    connection.repair()
    assert not issubclass(hub.TaskExit, Exception)
