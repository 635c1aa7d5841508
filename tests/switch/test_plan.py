"""A plan is the shortest way from what a switch has to what it should have."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sdnctl.engine.desired import Desired, Touched
from sdnctl.of.flow import Flow
from sdnctl.of.group import Group
from sdnctl.of.meter import Meter
from sdnctl.switch.plan import Installed, Plan, plan
from tests.toys import flow


def wanted(*flows: Flow, meters: tuple[Meter, ...] = (), groups: tuple[Group, ...] = ()) -> Desired:
    """The desired state of the switch."""
    return Desired({one.cookie: one for one in flows}, {m.id: m for m in meters}, {g.id: g for g in groups})


def has(*flows: Flow, meters: tuple[Meter, ...] = (), groups: tuple[Group, ...] = ()) -> Installed:
    """The installed state of the switch."""
    return Installed({one.cookie: one.key for one in flows}, {m.id: m for m in meters}, {g.id: g for g in groups})


def deleted(*flows: Flow) -> list[tuple[int, bytes]]:
    """As a plan deletes flows."""
    return [(one.cookie, one.key) for one in flows]


A1, A2, B, C = flow(1, 1), flow(1, 2), flow(2), flow(3)
SLOW, FAST, OTHER = Meter(17, 1, 1), Meter(17, 2, 2), Meter(18, 1, 1)
ALL, SOME = Group(1, "all", ()), Group(1, "select", ())


def test_nothing_to_do() -> None:
    """Equal is equal."""
    same = {"meters": (SLOW,), "groups": (ALL,)}
    assert plan(wanted(A1, B, **same), has(A1, B, **same)).empty
    assert plan(Desired(), Installed()).empty and Plan().empty


def test_added_deleted_and_replaced() -> None:
    """A key with a new body is an add alone: the switch replaces it and keeps its counters."""
    made = plan(wanted(A2, B), has(A1, C))
    assert {one.cookie for one in made.adds} == {A2.cookie, B.cookie}
    assert made.deletes == deleted(C) and made.replaced == [A1.cookie]


def test_meters_and_groups() -> None:
    """A changed one is modified, in place, never deleted and added."""
    made = plan(wanted(meters=(FAST,), groups=(SOME,)), has(meters=(SLOW, OTHER), groups=(ALL, Group(2, "all", ()))))
    assert made.meters == [("modify", FAST)] and made.drop_meters == [OTHER]
    assert made.groups == [("modify", SOME)] and made.drop_groups == [Group(2, "all", ())]
    assert plan(wanted(meters=(OTHER, SLOW)), has()).meters == [("add", SLOW), ("add", OTHER)]


def test_order_of_the_fields_is_the_order_of_sending() -> None:
    """Meters before the flows that use them, deletes of both after."""
    fields = list(Plan.__dataclass_fields__)
    assert fields == ["meters", "groups", "adds", "deletes", "drop_groups", "drop_meters", "replaced"]


def test_foreign_flows_go() -> None:
    """Whatever somebody else put there, except where a flow of ours takes the place anyway."""
    installed = has(B)
    installed.foreign = [(5, C.key), (6, A1.key)]
    made = plan(wanted(A1, B), installed)
    assert made.adds == [A1] and made.deletes == [(5, C.key)] and not made.empty
    made.apply(installed)
    assert installed.foreign == [] and plan(wanted(A1, B), installed).empty


def test_a_foreign_flow_in_the_place_of_one_of_ours() -> None:
    """Ours was overwritten: it is not there any more, so it is added and nothing deleted."""
    installed = has(B)
    installed.foreign = [(5, A2.key)]
    made = plan(wanted(A1, B), installed)
    assert made.adds == [A1] and made.deletes == []


def test_excluded_is_neither_added_nor_deleted_for() -> None:
    """A flow that the switch refused is left out; what it would have replaced goes all the same."""
    made = plan(wanted(A2, B), has(A1), excluded={A2.cookie})
    assert made.adds == [B] and made.deletes == deleted(A1) and made.replaced == []
    made = plan(wanted(A2), has(), excluded={A2.cookie})
    assert made.empty


def test_touched_looks_at_nothing_else() -> None:
    """One change among many is cheap by this."""
    everything = wanted(A1, B, C, meters=(SLOW, OTHER))
    made = plan(everything, has(), Touched({B.cookie}, {18}))
    assert made.adds == [B] and made.meters == [("add", OTHER)]
    assert plan(everything, has(), Touched()).empty


def test_touches_add_up() -> None:
    """Also those of announcements, the later last."""
    one, two = Touched({1}, {2}, set()), Touched({3}, set(), {4})
    one.merge(two)
    assert (one.cookies, one.meters, one.groups) == ({1, 3}, {2}, {4})
    assert one and not Touched() and Touched(groups={1}) and Touched(meters={1})


KEYS = st.dictionaries(st.integers(1, 6), st.integers(1, 3), max_size=6)
METERS = st.dictionaries(st.integers(17, 21), st.integers(1, 3), max_size=5)
KINDS = st.dictionaries(st.integers(1, 4), st.sampled_from(["all", "select"]), max_size=4)


def state(keys: dict[int, int], meters: dict[int, int], groups: dict[int, str]) -> Desired:
    """A desired state from small numbers."""
    flows = [flow(key, port) for key, port in keys.items()]
    made = tuple(Meter(id, rate, 1) for id, rate in meters.items())
    return wanted(*flows, meters=made, groups=tuple(Group(id, kind, ()) for id, kind in groups.items()))


def installed_of(desired: Desired) -> Installed:
    """A switch that has all of it."""
    flows = {cookie: one.key for cookie, one in desired.flows.items()}
    return Installed(flows, dict(desired.meters), dict(desired.groups))


def canonical(made: Plan) -> tuple[object, ...]:
    """A plan without the order of what has none."""
    adds = {one.cookie for one in made.adds}
    lists = (made.meters, made.groups, made.drop_groups, made.drop_meters)
    return (adds, set(made.deletes), set(made.replaced), *lists)


@settings(max_examples=200, deadline=None)
@given(before=st.tuples(KEYS, METERS, KINDS), after=st.tuples(KEYS, METERS, KINDS), noise=st.sets(st.integers(1, 6)))
def test_touched_and_whole_give_the_same(
    before: tuple[dict[int, int], dict[int, int], dict[int, str]],
    after: tuple[dict[int, int], dict[int, int], dict[int, str]],
    noise: set[int],
) -> None:
    """Touched parts that did not change make no difference either; applied, nothing is left to do."""
    old, new = state(*before), state(*after)
    cookies = old.flows.keys() ^ new.flows.keys()
    touched = Touched(
        set(cookies) | {flow(n).cookie for n in noise},
        {id for id in old.meters.keys() | new.meters.keys() if old.meters.get(id) != new.meters.get(id)} | noise,
        {id for id in old.groups.keys() | new.groups.keys() if old.groups.get(id) != new.groups.get(id)} | noise,
    )
    installed = installed_of(old)
    whole, part = plan(new, installed), plan(new, installed, touched)
    assert canonical(whole) == canonical(part)
    assert not {key for _, key in whole.deletes} & {one.key for one in whole.adds}
    part.apply(installed)
    assert installed == installed_of(new) and plan(new, installed).empty
