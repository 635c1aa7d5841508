"""Whatever a wrong feature raises stays with it: the others go on, and the error says whose it is and where."""

import struct
from collections.abc import Iterator
from typing import Any

import pytest

from sdnctl.base.errors import FeatureError
from sdnctl.engine.border import guarded
from sdnctl.engine.engine import Engine
from sdnctl.of.actions import output
from sdnctl.program.feature import Feature, Item, Reported, View, always, assemble, every, packet_in, placed
from sdnctl.program.packets import PacketIn, PacketOut, Put
from sdnctl.store import Change
from tests.toys import ASK, SHAPE, Toy, ToyGroup, ToyNote, asks, bench, came, flow, toy, went

ANYTHING = [RuntimeError, AssertionError, RecursionError, struct.error, OSError, MemoryError, StopAsyncIteration]


def good(toy: Toy, view: View) -> Iterator[Item]:
    """A unit that harms nobody."""
    yield flow(toy.key)


@pytest.mark.parametrize("fault", ANYTHING)
def test_a_unit_may_raise_anything(fault: type[Exception]) -> None:
    def broken(toy: Toy, view: View) -> Iterator[Item]:
        yield flow(100)
        raise fault("broken")

    made = bench(good, broken)
    made.take(*came(toy(1)))
    assert made.flows() == {flow(1)}
    ((unit, error),) = made.engine.errors.items()
    assert str(unit) == "toys.broken toy-1" and str(error) == f"{fault.__name__}: broken"
    assert (error.feature, error.resource) == ("toys.broken", "toy-1")
    assert error.line.startswith("tests/") and isinstance(error.__cause__, fault)


def test_a_unit_that_yields_what_is_nothing_fails() -> None:
    def odd(toy: Toy, view: View) -> Iterator[Any]:
        yield "a flow"

    made = bench(good, odd)
    made.take(*came(toy(1)))
    assert made.flows() == {flow(1)}
    assert made.errors == {
        "toys.odd toy-1": "TypeError: yields 'a flow', which is nothing that a switch or the region can have"
    }


def test_the_line_is_the_features_own() -> None:
    """The feature's line is told, where the machine raises because of what a feature gave it."""
    with pytest.raises(FeatureError, match="ValueError: ") as caught:
        guarded(good, "x", lambda: list(good(Toy(id="x", group="g", key=2**40), None)))  # type: ignore[arg-type]
    assert (
        caught.value.line.startswith("engine/test_border.py:")
        and caught.value.feature == "tests.engine.test_border.good"
    )


def doubled(group: str, here: str, view: View) -> int:
    """A derived value that fails for groups that are not here."""
    found = view.get(ToyGroup, group)
    if found is None or not found.here:
        raise ZeroDivisionError("no group")
    return 2


def test_a_derived_value_that_fails_fails_its_readers_only_and_recovers() -> None:
    def reading(toy: Toy, view: View) -> Iterator[Item]:
        yield flow(10 + toy.key, view.derived(doubled, toy.group))

    made = bench(good, reading)
    made.take(*came(ToyGroup(id="g", here=True), toy(1), toy(2)))
    assert made.flows() == {flow(1), flow(2), flow(11, 2), flow(12, 2)}
    made.take(*went(ToyGroup(id="g", here=True)), *came(toy(3)))
    assert made.flows() == {flow(1), flow(2), flow(3), flow(11, 2), flow(12, 2)}, "the last good ones stay"
    assert made.errors == dict.fromkeys(
        [f"toys.reading toy-{number}" for number in (1, 2, 3)], "ZeroDivisionError: no group"
    )
    error = next(iter(made.engine.errors.values()))
    assert (error.feature, error.resource) == ("tests.engine.test_border.doubled", "g")
    made.take(*came(ToyGroup(id="g", here=True)))
    assert made.errors == {} and len(made.flows()) == 6


def picky(group: str, here: str, view: View) -> bool:
    """A placement test that fails while its group is unknown."""
    found = view.get(ToyGroup, group)
    if found is None:
        raise KeyError(group)
    return found.here


def test_a_placement_that_fails_stays_as_it_was() -> None:
    made = bench(good, within=placed("group", test=picky))
    made.take(*came(toy(1), toy(2, group="h"), ToyGroup(id="h", here=True)))
    assert made.flows() == {flow(2)}
    assert made.errors == {"tests.engine.test_border.picky g": "KeyError: 'g'"}
    made.take(*went(ToyGroup(id="h", here=True)))
    assert made.flows() == {flow(2)} and len(made.errors) == 2
    made.take(*came(ToyGroup(id="g", here=True), ToyGroup(id="h", here=False)))
    assert made.flows() == {flow(1)} and made.errors == {}
    made.take(*went(toy(1), toy(2, group="h"), ToyGroup(id="g", here=True), ToyGroup(id="h", here=False)))
    assert made.errors == {} and not made.engine._placements


@packet_in(ASK)
def answering(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut]:
    """Answers no packet that starts with 0."""
    yield PacketOut(packet.data, (output(100 // packet.data[0]),))


@every(1.0)
def ticking(here: str, view: View) -> Iterator[PacketOut]:
    """Fails until a group is there."""
    yield PacketOut(str(next(iter(view.all(ToyGroup)))).encode(), ())


def test_handlers_and_tickers_that_fail_are_told_until_they_answer_again() -> None:
    made = bench(good, more=[answering, ticking])
    assert made.engine.handle(PacketIn(0, 0, b"\0", 5, asks(ASK))) == [] and made.engine.tick(ticking.name) == []
    assert made.engine.unanswered == 2
    assert {name: text.partition(":")[0] for name, text in made.errors.items()} == {
        f"packet-in {__name__}.answering": "ZeroDivisionError",
        f"every {__name__}.ticking": "RuntimeError",  # a StopIteration inside a generator
    }
    made.take(*came(toy(1)))
    assert len(made.errors) == 2, "no change mends them"
    assert made.engine.handle(PacketIn(0, 0, b"\x64", 5, asks(ASK))) == [PacketOut(b"\x64", (output(1),))]
    made.take(*came(ToyGroup(id="g")))
    assert made.engine.tick(ticking.name) == [PacketOut(b"g", ())]
    assert made.errors == {}


def noting(toy: Toy, view: View) -> Iterator[Item]:
    """A unit that notes a toy of size, for this host's own use."""
    if toy.size:
        yield Reported(ToyNote(id=toy.id, size=toy.size))


def reading_notes(note: ToyNote, here: str, view: View) -> Iterator[Item]:
    """A unit for each note."""
    yield flow(50 + note.size)


READS_NOTES = Feature("toys.reading_notes", ToyNote, run=reading_notes)


def test_local_reports_are_changes_of_the_same_batch() -> None:
    made = bench(noting, reports=(ToyNote,), more=[READS_NOTES])
    touched, _ = made.take(*came(toy(1, size=3)))
    assert made.flows() == {flow(53)} and touched.local == {ToyNote}
    assert made.engine.take_reports(reconcile=True) == []
    touched, _ = made.take(Change(Toy, "toy-1", toy(1, size=3), toy(1, size=4)))
    assert made.flows() == {flow(54)} and touched.cookies == {flow(53).cookie, flow(54).cookie}
    touched, _ = made.take(*went(toy(1, size=4)))
    assert made.flows() == set() and touched.local == {ToyNote}


def test_what_a_handler_notes_for_its_host_is_collected_with_the_next_apply() -> None:
    @packet_in(ASK)
    def keeping(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut | Put]:
        yield Put(ToyNote(id="seen", size=packet.data[0]))
        yield PacketOut(b"", ())

    made = bench(good, more=[keeping, READS_NOTES])
    made.take()
    assert not made.engine.stirred
    assert made.engine.handle(PacketIn(0, 0, b"\x05", 5, asks(ASK))) == [PacketOut(b"", ())]
    assert made.engine.stirred
    touched = made.engine.apply(())
    assert touched.cookies == {flow(55).cookie} and touched.local == {ToyNote} and not made.engine.stirred


def test_a_unit_whose_own_record_changes_itself_is_told_and_not_for_ever() -> None:
    def restless(toy: Toy, view: View) -> Iterator[Item]:
        note = view.get(ToyNote, toy.id)
        yield Reported(ToyNote(id=toy.id, size=note.size + 1 if note is not None else 0))

    made = bench(good, restless, reports=(ToyNote,))
    made.take(*came(toy(1)))
    assert made.flows() == {flow(1)}
    assert made.errors == {"toys.restless toy-1": "goes round: what it reports of ToyNote toy-1 changes itself"}
    made.take(*came(toy(2)))
    assert sorted(made.errors) == ["toys.restless toy-1", "toys.restless toy-2"] and flow(2) in made.flows()
    made.take(*went(toy(1), toy(2)))
    assert made.errors == {} and made.engine.state.all(ToyNote) == {}
    with pytest.raises(FeatureError, match="goes round"):
        made.engine.apply(came(toy(1)), strict=True)


def test_what_a_feature_says_beside_its_flows_may_fail_too() -> None:
    made = bench(good)
    assert made.engine.ask("counts", "toy-1", good, lambda: 1 // 0) is None
    ((unit, error),) = made.engine.errors.items()
    assert str(unit) == f"counts {__name__}.good" and error.resource == "toy-1"
    assert made.engine.ask("counts", "toy-1", good, lambda: 1) == 1 and made.errors == {}


def test_statics_that_fail_stop_the_start() -> None:
    """No intent can mend them, and no host works without them."""

    @always
    def wrong() -> Iterator[Item]:
        raise LookupError("wrong")
        yield

    with pytest.raises(FeatureError, match="LookupError: wrong"):
        Engine(assemble([wrong], SHAPE), "here")
