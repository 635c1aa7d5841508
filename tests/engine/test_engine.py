"""The engine runs what a change concerns and nothing else, and a unit that fails harms no other."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sdnctl.base.errors import FeatureError
from sdnctl.engine.engine import Engine
from sdnctl.model.resource import meta
from sdnctl.model.service import Lease
from sdnctl.of.actions import output
from sdnctl.of.flow import Flow
from sdnctl.of.group import Group
from sdnctl.of.meter import Meter
from sdnctl.program.feature import Announce, Item, Reported, View, always, assemble, counts, feature, packet_in
from sdnctl.program.packets import Drop, Forget, PacketIn, PacketOut, Put
from sdnctl.store import Change
from sdnctl.switch.plan import Installed, plan
from tests.toys import (
    ASK,
    ASK_NOBODY,
    SHAPE,
    WITHIN,
    Toy,
    ToyGroup,
    ToySeen,
    answer,
    asks,
    bench,
    came,
    flow,
    toy,
    went,
)


def by_size(toy: Toy, view: View) -> Iterator[Item]:
    """The toy's flow goes out at the port that its size says."""
    if toy.size < 0:
        raise FeatureError("no such size")
    yield flow(toy.key, toy.size)


def shared(toy: Toy, view: View) -> Iterator[Item]:
    """Every toy of a size wants the same flow."""
    yield flow(toy.size)


def clashing(toy: Toy, view: View) -> Iterator[Item]:
    """Every toy wants the same key for itself, beside a flow of its own."""
    yield flow(10 + toy.key)
    if toy.size:
        yield flow(1, toy.key)


def changed(old: Toy, **given: Any) -> Change:
    """A toy before and after."""
    return Change(Toy, old.id, old, toy(old.key, **given))


def test_a_unit_that_raises_keeps_its_last_good_flows_and_recovers() -> None:
    """The other units go on; the error is told until the unit runs well again."""
    made = bench(by_size)
    made.take(*came(toy(1), toy(2)))
    touched, _ = made.take(changed(toy(1), size=-1), changed(toy(2), size=7))
    assert made.flows() == {flow(1, 0), flow(2, 7)}
    assert touched.cookies == {flow(2, 0).cookie, flow(2, 7).cookie}
    assert made.errors == {"toys.by_size toy-1": "no such size"}
    made.take(changed(toy(1, size=-1), size=5))
    assert made.flows() == {flow(1, 5), flow(2, 7)} and made.errors == {}


@pytest.mark.parametrize("fault", [ValueError, KeyError, TypeError, AttributeError, FeatureError])
def test_a_unit_that_never_ran_well_has_nothing(fault: type[Exception]) -> None:
    """Not even what it yielded before it failed; gone, its error goes too."""

    def broken(toy: Toy, view: View) -> Iterator[Item]:
        yield flow(toy.key)
        raise fault("broken")

    made = bench(broken)
    made.take(*came(toy(1)))
    assert made.flows() == set() and list(made.errors) == ["toys.broken toy-1"]
    made.take(*went(toy(1)))
    assert made.errors == {}


def test_strict_raises_what_a_unit_raises() -> None:
    """For tests, which want to know."""
    made = bench(by_size)
    with pytest.raises(FeatureError, match="no such size"):
        made.engine.apply(came(toy(1, size=-1)), strict=True)


def test_a_failed_unit_is_tried_again_with_the_next_change() -> None:
    """Whatever the change is about."""
    broken = True

    def moody(toy: Toy, view: View) -> Iterator[Item]:
        if broken:
            raise LookupError("in a mood")
        yield flow(toy.key)

    made = bench(moody)
    made.take(*came(toy(1)))
    broken = False
    made.take(*came(ToyGroup(id="g")))
    assert made.flows() == {flow(1)} and made.errors == {}


def test_a_conflict_names_both_and_the_later_keeps_its_last_good_flows() -> None:
    """The one that was there first keeps the key; when it gives it up the other one gets it."""
    made = bench(clashing)
    made.take(*came(toy(2, size=1), toy(1)))
    assert made.flows() == {flow(11), flow(12), flow(1, 2)}
    touched, _ = made.take(changed(toy(1), size=1))
    assert not touched.cookies - {flow(11).cookie, flow(12).cookie, flow(1, 2).cookie}
    assert made.flows() == {flow(11), flow(12), flow(1, 2)}
    ((unit, error),) = made.errors.items()
    assert unit == "toys.clashing toy-1" and "toy-1 and toys.clashing toy-2 want the same flow key" in error
    made.take(changed(toy(2, size=1), size=0))
    assert made.flows() == {flow(11), flow(12), flow(1, 1)} and made.errors == {}


def test_the_first_stays_first_when_it_runs_again() -> None:
    """A unit in conflict does not take the key while its holder changes something else."""

    def growing(toy: Toy, view: View) -> Iterator[Item]:
        yield from clashing(toy, view)
        yield flow(100 + toy.size, toy.key)

    made = bench(growing)
    made.take(*came(toy(2, size=1)))
    made.take(*came(toy(1, size=1)))
    assert list(made.errors) == ["toys.growing toy-1"]
    made.take(changed(toy(2, size=1), size=3))
    assert made.flows() == {flow(12), flow(1, 2), flow(103, 2)}
    assert list(made.errors) == ["toys.growing toy-1"]


def test_the_loser_of_a_conflict_keeps_what_nobody_else_took() -> None:
    """A unit that gives up one key for another that is taken falls back to its old flows, less what was taken of them.

    Here toy-1 takes the key that toy-2 lets go in the same batch.
    """

    def swapping(toy: Toy, view: View) -> Iterator[Item]:
        yield flow(10 + toy.key)
        yield flow(toy.size, toy.key)

    made = bench(swapping)
    made.take(*came(toy(1, size=1), toy(2, size=2), toy(3, size=3)))
    made.take(changed(toy(1, size=1), size=2), changed(toy(2, size=2), size=3))
    assert made.flows() == {*map(flow, (11, 12, 13)), flow(2, 1), flow(3, 3)}
    assert list(made.errors) == ["toys.swapping toy-2"]
    made.take(changed(toy(3, size=3), size=4))
    assert made.flows() == {*map(flow, (11, 12, 13)), flow(2, 1), flow(3, 2), flow(4, 3)} and made.errors == {}


def test_in_conflict_with_itself() -> None:
    """One unit that wants a key twice is told so."""

    def torn(toy: Toy, view: View) -> Iterator[Item]:
        yield flow(1, 1)
        yield flow(1, 2)

    made = bench(torn)
    made.take(*came(toy(1)))
    assert made.flows() == set()
    assert "toys.torn toy-1 and toys.torn toy-1" in made.errors["toys.torn toy-1"]


def test_equal_flows_are_shared() -> None:
    """Both own it, and it stays until the last one goes; nothing is touched between."""
    made = bench(shared)
    made.take(*came(toy(1), toy(2)))
    cookie = flow(0).cookie
    assert made.engine.owners(cookie) == ["toys.shared toy-1", "toys.shared toy-2"]
    touched, _ = made.take(*went(toy(1)))
    assert not touched and made.flows() == {flow(0)}
    touched, _ = made.take(*went(toy(2)))
    assert touched.cookies == {cookie} and made.flows() == set()
    assert made.engine.owners(cookie) == []


def test_meters_and_groups_conflict_too() -> None:
    """Two owners of one number: the later is told who has it."""

    def metered(toy: Toy, view: View) -> Iterator[Item]:
        yield Meter(20, toy.size, 1)

    def grouped(toy: Toy, view: View) -> Iterator[Item]:
        yield Group(3, "all", ())

    for run, kind in ((metered, "meter 20"), (grouped, "group 3")):
        made = bench(run)
        made.take(*came(toy(1)))
        made.take(*came(toy(2, size=5)))
        assert made.errors == {f"toys.{run.__name__} toy-2": f"toys.{run.__name__} toy-2 and "
                               f"toys.{run.__name__} toy-1 both want {kind}"}  # fmt: skip


def test_a_changed_meter_touches_no_flow() -> None:
    """Its number is touched, which a plan turns into a modify."""

    def metered(toy: Toy, view: View) -> Iterator[Item]:
        yield flow(toy.key)
        yield Meter(20, toy.size, 1)

    made = bench(metered)
    made.take(*came(toy(1, size=1)))
    touched, _ = made.take(changed(toy(1, size=1), size=2))
    assert touched.meters == {20} and made.engine.desired.meters[20] == Meter(20, 2, 1)
    assert made.flows() == {flow(1)}


def test_labels_run_nothing() -> None:
    """A name is in the state at once, and no unit has run for it."""

    def named(toy: Toy, view: View) -> Iterator[Item]:
        group = view.get(ToyGroup, toy.group)
        yield flow(toy.key, 1 if group is None else 2)

    made = bench(named)
    made.take(*came(toy(1), ToyGroup(id="g")))
    new = toy(1, name="bear")
    touched, ran = made.take(Change(Toy, "toy-1", toy(1), new), Change(ToyGroup, "g", None, ToyGroup(id="g", name="x")))
    assert not touched and ran == []
    assert made.engine.state.get(Toy, "toy-1") == new


def test_placement_flips_run_only_members() -> None:
    """Its group becomes of interest here: its toys run, no others; and go without running when it is no more."""
    made = bench(by_size, within=WITHIN)
    made.take(*came(ToyGroup(id="g", here=False), ToyGroup(id="h"), toy(1), toy(2), toy(3, group="h")))
    assert made.flows() == {flow(3, 0)}
    touched, ran = made.take(Change(ToyGroup, "g", None, ToyGroup(id="g")))
    assert ran == ["by_size toy-1", "by_size toy-2"] and len(touched.cookies) == 2
    touched, ran = made.take(Change(ToyGroup, "g", None, ToyGroup(id="g", here=False)))
    assert ran == [] and made.flows() == {flow(3, 0)} and len(touched.cookies) == 2


def test_a_resource_moves_between_placements() -> None:
    """From a group that is here to one that is not, to one that is."""
    made = bench(by_size, within=WITHIN)
    made.take(*came(ToyGroup(id="g"), ToyGroup(id="h", here=False), ToyGroup(id="i"), toy(1)))
    for group, flows in (("h", set()), ("i", {flow(1, 0)}), ("nowhere", set()), ("g", {flow(1, 0)})):
        made.take(Change(Toy, "toy-1", None, toy(1, group=group)))
        assert made.flows() == flows


def test_an_equal_derived_value_cuts_the_wave_off() -> None:
    """A thousand small steps below a limit run nobody who only asks whether the limit is passed."""

    def is_big(id: str, here: str, view: View) -> bool:
        found = view.get(Toy, id)
        return found is not None and found.size > 10

    def also_big(id: str, here: str, view: View) -> bool:
        return view.derived(is_big, id)

    def asking(group: ToyGroup, view: View) -> Iterator[Item]:
        yield flow(1, 1 + view.derived(also_big, "toy-1"))

    made = bench(asking, each=ToyGroup)
    made.take(*came(toy(1, size=0), *(ToyGroup(id=f"g{n}") for n in range(3))))
    assert made.take(changed(toy(1), size=9)) and made.ran == []
    _, ran = made.take(changed(toy(1, size=9), size=11))
    assert ran == ["asking g0", "asking g1", "asking g2"] and made.flows() == {flow(1, 2)}
    assert made.take(changed(toy(1, size=11), size=12)) and made.ran == []


def test_reads_are_felt_as_finely_as_they_were_made() -> None:
    """``by`` by membership, ``any`` by the first and the last member, ``all`` by coming and going."""

    def member(group: ToyGroup, view: View) -> Iterator[Item]:
        yield flow(1, len(view.by(Toy, ("group", "colours"), (group.id, "red"))))

    def some(group: ToyGroup, view: View) -> Iterator[Item]:
        yield flow(2, view.any(Toy, ("group", "colours"), (group.id, "red")))

    def every(group: ToyGroup, view: View) -> Iterator[Item]:
        yield flow(3, len(view.all(Toy)))

    made = bench(member, some, every, each=ToyGroup)
    made.take(*came(ToyGroup(id="g")))
    steps: list[tuple[list[Change], list[str]]] = [
        (came(toy(1)), ["every g"]),
        ([changed(toy(1), colours=("red", "blue"))], ["member g", "some g"]),
        (came(toy(2, colours=("red",))), ["every g", "member g"]),
        ([changed(toy(2, colours=("red",)), size=4, colours=("red",))], []),
        ([changed(toy(1, colours=("red", "blue")), colours=("red", "green"))], []),
        ([changed(toy(1, colours=("red",)), colours=())], ["member g"]),
        (came(toy(3, colours=("red",), group="h")), ["every g"]),
        (went(toy(2, colours=("red",))), ["every g", "member g", "some g"]),
    ]
    for changes, expected in steps:
        assert made.take(*changes)[1] == expected


def test_a_batch_that_comes_to_nothing_touches_nothing() -> None:
    """A record that came and went within one batch leaves no trace, in either order."""
    made = bench(by_size, within=WITHIN)
    made.take(*came(ToyGroup(id="g"), toy(1)))
    assert not made.take(*came(toy(2)), *went(toy(2)))[0]
    assert not made.take(*went(toy(1)), *came(toy(1)))[0]
    assert made.flows() == {flow(1, 0)}


def test_reports() -> None:
    """A unit's report is put when the store has another, dropped when no unit reports it any more, told once."""

    def seeing(toy: Toy, view: View) -> Iterator[Item]:
        if toy.size:
            yield Reported(ToySeen(id=toy.id, host="here", size=toy.size))

    made = bench(seeing, reports=(ToySeen,))
    reported = ToySeen(id="toy-1", host="here", size=2)
    made.take(*came(toy(1, size=2)))
    assert made.engine.take_reports() == [Put(reported)] and made.engine.take_reports() == []
    assert made.engine.take_reports(reconcile=True) == [Put(reported)]
    made.take(*came(reported))
    assert made.engine.take_reports(reconcile=True) == []
    made.take(changed(toy(1, size=2), size=0))
    assert made.engine.take_reports() == [Drop(ToySeen, "toy-1")]
    stale = ToySeen(id="toy-9", host="here")
    made.take(*went(reported), *came(stale, ToySeen(id="toy-8", host="elsewhere")))
    assert made.engine.take_reports() == []
    assert made.engine.take_reports(reconcile=True) == [Drop(ToySeen, "toy-9")]


def test_what_another_host_reports_now_is_not_dropped() -> None:
    """The toy moved: the store has the other host's report already when this one loses it."""

    def seeing(toy: Toy, view: View) -> Iterator[Item]:
        yield Reported(ToySeen(id=toy.id, host="here"))

    made = bench(seeing, reports=(ToySeen,))
    made.take(*came(toy(1), ToySeen(id="toy-1", host="here")))
    made.engine.take_reports()
    moved = ToySeen(id="toy-1", host="elsewhere")
    made.take(*went(toy(1)), Change(ToySeen, "toy-1", None, moved))
    assert made.engine.take_reports(reconcile=True) == []


def packet(registers: dict[int, int]) -> PacketIn:
    """A packet with these registers."""
    return PacketIn(0, 0, b"\x07rest", 5, registers)


def test_packet_in() -> None:
    """The question's own function answers; where there is none nothing happens."""
    made = bench(by_size, more=[answer])
    seen = Put(ToySeen(id="seen", host="here", size=7))
    assert made.engine.handle(packet(asks(ASK))) == [PacketOut(b"\x07rest", (output(5),)), seen]
    assert made.engine.handle(packet(asks(ASK_NOBODY))) == [] and made.engine.handle(packet({})) == []
    assert made.engine.tick("no.such") == []


def test_a_feature_above_answers_first() -> None:
    """The question's own function is asked when the one above has nothing to say; whichever was declared first."""

    @packet_in(ASK, first=True)
    def above(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut]:
        if packet.in_port == 6:
            yield PacketOut(b"above", ())

    for more in ([answer, above], [above, answer]):
        made = bench(by_size, more=more)
        assert made.engine.handle(replace(packet(asks(ASK)), in_port=6)) == [PacketOut(b"above", ())]
        assert made.engine.handle(packet(asks(ASK)))[0] == PacketOut(b"\x07rest", (output(5),))
    with pytest.raises(ValueError, match="ask has two packet-in functions"):
        assemble([above, packet_in(ASK, first=True)(answer.run)], SHAPE)


def test_one_function_says_what_the_meters_of_a_feature_count_and_one_what_its_flows_of_a_table_do() -> None:
    each = feature(each=Toy)(by_size)
    place = next(iter(SHAPE.tables.values()))

    @counts(each, "toy")
    def meters(toy: Toy, meter: Meter) -> str:
        return "in"

    @counts(each, "toy", place)
    def flows(toy: Toy, flow: Flow) -> str:
        return "in"

    assert assemble([each, meters, flows], SHAPE).counted == {each: (meters, flows)}
    for twice in (meters, flows):
        with pytest.raises(ValueError, match="two functions that say what it counts"):
            assemble([each, meters, flows, replace(twice, family="other")], SHAPE)


def test_announcements_come_with_new_flows_only() -> None:
    """Once when the flow is new; not for a run that comes out equal, nor when another flow of the unit changes."""
    hello = PacketOut(b"hello", (output(1),))

    def heralded(toy: Toy, view: View) -> Iterator[Item]:
        yield Announce(flow(toy.key), hello)
        yield flow(toy.key)
        yield Meter(20, toy.size, 1)
        if toy.size > 1:
            yield flow(100 + toy.size)

    made, installed = bench(heralded), Installed()

    def said(*changes: Change) -> list[PacketOut | Forget]:
        touched, ran = made.take(*changes)
        assert ran
        todo = plan(made.engine.desired, installed, touched)
        todo.apply(installed)
        added = {one.cookie for one in todo.adds}
        return [packet for cookie, packet in touched.announce if cookie in added]

    assert said(*came(toy(1))) == [hello]
    for before, after in ((0, 1), (1, 2), (2, 3)):
        assert said(changed(toy(1, size=before), size=after)) == []
    made.take(*went(toy(1, size=3)))
    plan(made.engine.desired, installed).apply(installed)
    assert said(*came(toy(1))) == [hello]


def test_a_clash_of_static_flows_stops_everything() -> None:
    """It is a programming error that no intent can mend."""

    @always
    def one() -> Iterator[Item]:
        yield flow(1, 1)

    @always
    def two() -> Iterator[Item]:
        yield flow(1, 2)

    with pytest.raises(FeatureError, match=r"one always and .*two always|two always and .*one always"):
        Engine(assemble([one, two], SHAPE), "here")


def test_what_no_host_follows_cannot_be_reported() -> None:
    """A class without reach could be reported once: its host would not hear of it, and insert it again."""
    assert meta(Lease).report and not meta(Lease).reach
    with pytest.raises(ValueError, match="Lease could be reported once only: it has no reach"):
        feature(each=ToySeen, reports=(Lease,))
