"""A run of the engine in slices: packets are answered in between, and nothing else is done."""

from collections.abc import Iterator

import pytest

from sdnctl.program.feature import Feature, Item, View, packet_in
from sdnctl.program.packets import PacketIn, PacketOut, Put
from tests.toys import ASK, Toy, ToyNote, asks, bench, came, flow, toy


def by_size(toy: Toy, view: View) -> Iterator[Item]:
    """A flow for each size."""
    yield flow(toy.size)


def test_between_two_slices_packets_are_answered_from_the_new_records() -> None:
    """What one of them notes for its host is collected when the run is over."""

    @packet_in(ASK)
    def counting(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut | Put]:
        known = len(view.by(Toy, ("group",), "g"))
        yield PacketOut(bytes((known,)), ())
        yield Put(ToyNote(id="asked", size=packet.data[0]))

    def reading(note: ToyNote, here: str, view: View) -> Iterator[Item]:
        yield flow(50 + note.size)

    made = bench(by_size, more=[counting, Feature("toys.reading", ToyNote, run=reading)])
    run = made.engine.slices(came(*(toy(number, group="g", size=number) for number in range(1, 33))))
    answers = []
    for place, _ in enumerate(run):
        answers += made.engine.handle(PacketIn(0, 0, bytes((place,)), 5, asks(ASK)))
        with pytest.raises(RuntimeError, match="inside another"):
            made.engine.apply(())
        assert made.engine.slicing and not made.engine.state.all(ToyNote)
    assert len(answers) >= 8 and set(answers) == {PacketOut(b"\x20", ())}, "all records are there from the first slice"
    assert made.engine.stirred and not made.engine.slicing
    made.engine.apply(())
    assert made.flows() == {flow(number) for number in range(1, 33)} | {flow(50 + len(answers) - 1)}
