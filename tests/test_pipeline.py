"""Declaring a pipeline fails on what would be wrong at run time, and a new table renumbers no other stage."""

from collections.abc import Callable

import pytest

from apps.pipeline import PIPELINE, drop
from sdnctl.of.actions import load, output, set_field
from sdnctl.of.fields import ETH_TYPE, IP_DST, IP_PROTO, REG, UDP_DST, VLAN_VID
from sdnctl.of.meter import Meter
from sdnctl.program.pipeline import (
    FIRST_TENANT_METER,
    TABLES_PER_STAGE,
    Names,
    Pipeline,
    Priority,
    Stage,
    dropper,
    goto,
)


class Shape:
    """Three stages, a field that lives in the first two, and a table."""

    def __init__(self) -> None:
        self.pipeline = Pipeline()
        self.one, self.two, self.three = map(self.pipeline.stage, ("one", "two", "three"))
        self.vpc = self.pipeline.field("vpc", REG[0], self.one, self.two)
        self.reason = self.pipeline.reason("lost", "it got lost")
        self.last = self.three.table("last", "the end")
        self.table = self.one.table("first", "the start", matches=[self.vpc, IP_DST], miss=self.reason)


@pytest.fixture
def shape() -> Shape:
    """A fresh pipeline."""
    return Shape()


Wrong = Callable[[Shape], object]
WRONG: dict[str, tuple[Wrong, str]] = {
    "two fields in one live register": (
        lambda s: s.pipeline.field("port", REG[0], s.two, s.three),
        "fields vpc and port both live in reg0",
    ),
    "a field that ends before it begins": (
        lambda s: s.pipeline.field("port", REG[1], s.three, s.one),
        "field port ends in stage one, before it begins in three",
    ),
    "a table declared twice": (lambda s: s.two.table("first", ""), "table first is declared twice"),
    "a ninth table": (lambda s: fill(s.two, 9), "stage two has no table number left for table-8"),
    "a backward miss": (lambda s: s.one.table("x", "", miss=s.table), "table x cannot miss backward to first"),
    "a match on a register that means nothing there": (
        lambda s: s.three.table("x", "", matches=[s.vpc]),
        "table x matches reg0, which means nothing in stage three",
    ),
    "a match that the table did not declare": (
        lambda s: s.table.flow(Priority.NORMAL, {UDP_DST: 1}, []),
        "table first does not declare a match on udp_dst",
    ),
    "a prerequisite that is contradicted": (
        lambda s: s.table.flow(Priority.NORMAL, {ETH_TYPE: 0x86DD, IP_DST: 1}, []),
        "eth_type",
    ),
    "a value too large for its field": (lambda s: s.table.flow(Priority.NORMAL, {s.vpc: 1 << 32}, []), "does not fit"),
    "a mask where none may be": (
        lambda s: s.one.table("x", "", matches=[IP_PROTO]).flow(Priority.NORMAL, {IP_PROTO: (1, 3)}, []),
        "cannot be matched under mask",
    ),
    "a backward goto": (
        lambda s: s.last.flow(Priority.NORMAL, {}, [goto(s.table)]),
        r"table last \(16\) cannot go back to table 0",
    ),
    "a goto to itself": (lambda s: s.table.flow(Priority.NORMAL, {}, [goto(s.table)]), "cannot go back to table 0"),
    "two gotos": (lambda s: s.table.flow(Priority.NORMAL, {}, [goto(s.last), goto(s.last)]), "at most one goto"),
    "a priority of its own": (lambda s: s.table.flow(123, {}, []), "table first: 123 is none of Priority"),
    "a value that does not fit the register set": (lambda s: set_field(s.vpc, 1 << 32), "does not fit 32 bits"),
    "bits outside the register": (lambda s: load(s.vpc, 1, 30, 4), "reg0"),
    "one punt too many": (lambda s: punts(s.pipeline), "no machine meter is left"),
}


def fill(stage: Stage, count: int) -> None:
    """So many tables more."""
    for number in range(count):
        stage.table(f"table-{number}", "")


def punts(pipeline: Pipeline) -> None:
    """As many punt tables as there are machine meters, and one more."""
    for number in range(FIRST_TENANT_METER):
        if number % TABLES_PER_STAGE == 0:
            stage = pipeline.stage(f"stage-{number}")
        stage.punt(f"ask-{number}", "", packets_per_second=1)


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_declaring_fails(shape: Shape, case: tuple[Wrong, str]) -> None:
    """With a message that names the culprit."""
    wrong, message = case
    with pytest.raises(ValueError, match=message):
        wrong(shape)


def test_a_register_may_be_used_again_where_the_field_is_dead(shape: Shape) -> None:
    """By another field, and by tables of its stages."""
    port = shape.pipeline.field("port", REG[0], shape.three, shape.three)
    shape.three.table("x", "", matches=[port])
    names = Names(shape.pipeline)
    found = [[bits.name for bits in names.register(table, 0, 0xFFFFFFFF)] for table in (0, 8, 16)]
    assert found == [["vpc"], ["vpc"], ["port"]] and names.register(0, 1, 1) == ()


def test_numbers_are_stable() -> None:
    """Each stage owns eight numbers, so a table more changes no number of another stage; order is source order."""
    before, after = Shape(), Shape()
    after.one.table("new", "")
    assert {name: table.id for name, table in before.pipeline.tables.items()} == {"first": 0, "last": 16}
    assert {name: table.id for name, table in after.pipeline.tables.items()} == {"first": 0, "last": 16, "new": 1}
    assert [after.pipeline.by_id(id).name for id in (0, 1, 16)] == ["first", "new", "last"]
    for id in (2, 8, 17, 24, 99):
        with pytest.raises(KeyError):
            after.pipeline.by_id(id)
        assert Names(after.pipeline).table(id) == str(id)


def test_prerequisites_are_implied(shape: Shape) -> None:
    """A declared match allows what it needs; given or implied, it is the same flow."""
    implied = shape.table.flow(Priority.NORMAL, {IP_DST: 1}, [])
    assert shape.table.flow(Priority.NORMAL, {ETH_TYPE: 0x0800, IP_DST: 1}, []).cookie == implied.cookie
    with pytest.raises(ValueError, match="does not declare a match on vlan_vid"):
        shape.table.flow(Priority.NORMAL, {VLAN_VID: 0}, [])


def test_priorities() -> None:
    """The classes stand in order; a longer prefix wins, then a lower preference; nothing collides with a class."""
    assert list(Priority) == sorted(Priority) and len(set(Priority)) == 5
    prefixes = [Priority.prefix(length, least) for length in range(33) for least in range(255, -1, -1)]
    assert prefixes == sorted(set(prefixes)) and max(Priority) < prefixes[0] and prefixes[-1] <= 0xFFFF


def test_misses_and_punts_follow_from_the_declaration(shape: Shape) -> None:
    """A reason is noted and counted, a table is gone on to, a question is asked within a rate."""
    asking = shape.three.punt("ask", "a question", packets_per_second=7)
    onward = shape.two.table("onward", "", miss=shape.last)
    flows, meters = shape.pipeline.misses(dropper(REG[7], shape.last))
    assert meters == [asking.punt_meter] == [Meter(1, 7, 7, packets=True)]
    assert {one.table for one in flows} == {shape.table.id, onward.id, asking.id}
    assert all(one.priority == Priority.MISS for one in flows)
    noted = [set_field(REG[7], shape.reason.number), goto(shape.last)]
    assert shape.table.flow(Priority.MISS, {}, noted) in flows
    assert onward.flow(Priority.MISS, {}, [goto(shape.last)]) in flows


def test_the_real_one_ends_every_packet() -> None:
    """Every table of the product says what becomes of a packet that it does not match."""
    from sdnctl.program.feature import discover

    discover()
    flows, _ = PIPELINE.misses(drop)
    declared = {one.table for one in flows}
    ends = {"own_arp", "remote", "switch", "hop_limit", "local_route", "quoted_out", "dnat", "quoted_in", "drop"}
    assert {table.name for table in PIPELINE.tables.values() if table.id not in declared} == ends


def test_an_action_list_is_whole(shape: Shape) -> None:
    """Actions come before the goto whatever their order, so a flow is its content."""
    one = shape.table.flow(Priority.NORMAL, {}, [output(1), goto(shape.last)])
    assert one.cookie != shape.table.flow(Priority.NORMAL, {}, [output(2), goto(shape.last)]).cookie
    assert one == shape.table.flow(Priority.NORMAL, {}, [output(1), goto(shape.last)])
