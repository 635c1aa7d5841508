"""Events wait in lanes: packets first, the store's changes last and all together."""

import itertools

from bench.fleet import snapshot
from sdnctl.agent.events import Disconnected, Gathered, Received
from sdnctl.agent.mailbox import PACKETS, Backlog, Mailbox
from sdnctl.agent.waiting import SHARE
from sdnctl.of import message
from sdnctl.of.flow import VERSION
from sdnctl.store import Batch, Change
from tests.agent.test_waiting import packet_in
from tests.toys import Toy, toy

BARRIER = bytes((VERSION, message.BARRIER_REPLY, 0, 8, 0, 0, 0, 1))


class Link:
    """A connection on which nothing is sent."""

    def send(self, buf: bytes) -> bool:
        return True

    def waiting(self) -> int:
        return 0

    def hang_up(self) -> None:
        pass


def sized(key: int, *sizes: int) -> list[Change]:
    """A toy that grows: one change from each size to the next."""
    made = [toy(key, size=size) for size in sizes]
    return [Change(Toy, new.id, old, new) for old, new in itertools.pairwise(made)]


def test_changes_that_wait_are_one() -> None:
    now = 10.0
    box = Mailbox(lambda: now)
    assert box.backlog == Backlog(0, 0.0)
    for sequence, change in enumerate(sized(1, 0, 1, 2, 3), 5):
        box.put(Batch([change], sequence, followed=sequence - 4))
        now += 1
    box.put(Batch(sized(2, 7, 8), 8, followed=3))
    assert box.backlog == Backlog(2, 3.0) and box.merged == 3
    packets, event = box.take(0)
    first, second = Change(Toy, "toy-1", toy(1, size=0), toy(1, size=3)), sized(2, 7, 8)[0]
    assert packets == [] and event == Gathered(
        Batch([first, second], 8, followed=3), ((5, 10.0), (6, 11.0), (7, 12.0), (8, 13.0))
    )
    assert box.take(0) == ([], None) and box.backlog == Backlog(0, 0.0)


def test_a_record_that_came_and_went_is_told_as_gone() -> None:
    box = Mailbox()
    box.put(Batch([Change(Toy, "toy-1", None, toy(1))], 1))
    box.put(Batch([], 2))
    box.put(Batch([Change(Toy, "toy-1", toy(1), None)], 3))
    _, event = box.take(0)
    assert isinstance(event, Gathered) and event.batch == Batch([Change(Toy, "toy-1", None, None)], 3)


def test_what_waits_is_never_more_than_the_records_that_there_are() -> None:
    box = Mailbox()
    for sequence in range(5000):
        box.put(Batch(sized(sequence % 10, 0, 1), sequence))
    assert box.backlog.records == 10 and box.merged == 4999
    _, event = box.take(0)
    assert isinstance(event, Gathered) and len(event.batch.changes) == 10 and event.batch.sequence == 4999


def test_packets_go_first_and_changes_last() -> None:
    box, link = Mailbox(), Link()
    box.put(Batch(sized(1, 0, 1), 1))
    box.put(Disconnected(link))
    box.received(link, [packet_in(1, 1), BARRIER, packet_in(1, 2)])
    packets, event = box.take(0)
    assert [one.message for one in packets] == [packet_in(1, 1), packet_in(1, 2)] and event == Disconnected(link)
    assert box.take(0)[1] == Received(link, [BARRIER])
    box.received(link, [packet_in(1, 3)])
    assert [one.message for one in box.packets()] == [packet_in(1, 3)] and box.packets() == []
    assert isinstance(box.take(0)[1], Gathered)


def test_packets_of_one_asker_are_bounded_and_so_are_those_of_a_turn() -> None:
    box, link = Mailbox(), Link()
    box.received(link, [packet_in(1, 1)] * (SHARE + 9))
    assert box.packets_dropped == 9
    box.put(Batch(sized(1, 0, 1), 1))
    packets, event = box.take(0)
    assert len(packets) == PACKETS and isinstance(event, Gathered), "the change has its turn though packets wait"


def test_of_snapshots_the_last_one_waits() -> None:
    box, link = Mailbox(), Link()
    for number in (1, 2, 3):
        box.put(snapshot(number, ["port-1"]))
        box.put(Disconnected(link))
    found = [box.take(0)[1] for _ in range(5)]
    assert found == [*[Disconnected(link)] * 2, snapshot(3, ["port-1"]), Disconnected(link), None]


def test_who_waits_is_woken_by_the_end() -> None:
    box = Mailbox()
    box.end()
    assert box.take(60) == ([], None) and box.ended
