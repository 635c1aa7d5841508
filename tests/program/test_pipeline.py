"""Declaring a pipeline fails on what would be wrong at run time, and a new table renumbers no other stage."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from apps.pipeline import PIPELINE, drop
from sdnctl.of.actions import check_pkt_larger, load, move, multipath, output, resubmit, set_field
from sdnctl.of.fields import ETH_TYPE, IP_DST, IP_PROTO, REG, UDP_DST, VLAN_VID, Field, Value
from sdnctl.of.flow import Flow, match_key
from sdnctl.of.group import Group, bucket
from sdnctl.of.meter import Meter
from sdnctl.of.text import text
from sdnctl.program.meters import MACHINE_LAST
from sdnctl.program.names import Names
from sdnctl.program.packets import PacketIn
from sdnctl.program.pipeline import (
    Pipeline,
    Priority,
    Stage,
    Table,
    dropper,
    enter,
    goto,
    onward,
)
from sdnctl.program.step import Step


class Shape:
    """Three stages, a field that lives in the first two, and a table in the first and the last."""

    def __init__(self) -> None:
        self.pipeline = Pipeline()
        self.one, self.two, self.three = map(self.pipeline.stage, ("one", "two", "three"))
        self.vpc = self.pipeline.field("vpc", since=self.one, until=self.two)
        self.why = self.pipeline.field("why", bits=8, since=self.one, until=self.three)
        self.reason = self.pipeline.reason("lost", "it got lost")
        self.last = self.three.table("last", "the end")
        self.table = self.one.table("first", "the start", matches=[self.vpc, IP_DST], miss=self.reason)

    def settle(self) -> "Shape":
        """The same, with numbers."""
        self.pipeline.settle()
        return self


@pytest.fixture
def shape() -> Shape:
    """A fresh pipeline."""
    return Shape()


Wrong = Callable[[Shape], object]
WRONG: dict[str, tuple[Wrong, str]] = {
    "more fields than registers": (lambda s: crowd(s.pipeline, s.one), "field why: no register has 8 bits left"),
    "a field that ends before it begins": (
        lambda s: s.pipeline.field("port", since=s.three, until=s.one),
        "field port ends in stage one, before it begins in three",
    ),
    "a field declared twice": (
        lambda s: s.pipeline.field("vpc", since=s.one, until=s.one),
        "field vpc is declared twice",
    ),
    "a field of 33 bits": (
        lambda s: s.pipeline.field("wide", bits=33, since=s.one, until=s.one),
        "field wide: a register has 32 bits, not 33",
    ),
    "a reason declared twice": (lambda s: s.pipeline.reason("lost", ""), "reason lost is declared twice"),
    "a table after one that does not exist": (
        lambda s: (s.one.table("x", "", after="nowhere"), s.settle()),
        "table x is to stand beside nowhere, which is no table of its stage",
    ),
    "a table after one of another stage": (
        lambda s: (s.one.table("x", "", before="last"), s.settle()),
        "table x is to stand beside last, which is no table of its stage",
    ),
    "tables in a circle": (
        lambda s: (s.one.table("x", "", after="y"), s.one.table("y", "", after="x"), s.settle()),
        "tables x, y are to stand after each other",
    ),
    "a table that is declared too late": (lambda s: s.settle().one.table("x", ""), "the pipeline is settled"),
    "a field that is declared too late": (
        lambda s: s.settle().pipeline.field("x", since=s.one, until=s.one),
        "the pipeline is settled",
    ),
    "a flow before there are numbers": (
        lambda s: s.table.flow(Priority.NORMAL, {IP_DST: 1}, []),
        "table first has no number before the pipeline is settled",
    ),
    "a goto before there are numbers": (lambda s: goto(s.table), "table first has no number"),
    "a value before there are bits": (lambda s: set_field(s.why, 1), "field why has no place in a register yet"),
    "onward from the last table": (lambda s: onward(s.settle().last), "nothing follows table last"),
    "entering a stage without tables": (lambda s: enter(s.settle().two), "stage two has no table to enter"),
    "a table declared twice": (lambda s: s.two.table("first", ""), "table first is declared twice"),
    "a seventeenth table": (lambda s: fill(s.two, 17), "stage two has no table number left for table-16"),
    "a table more than a stage has room for": (
        lambda s: fill(s.pipeline.stage("wide", room=20), 21),
        "stage wide has no table number left for table-20",
    ),
    "more stages than a switch has tables for": (
        lambda s: s.pipeline.stage("vast", room=207),
        "stage vast: a switch has 254 tables, and this would be number 255",
    ),
    "a match on a register that means nothing there": (
        lambda s: s.three.table("x", "", matches=[s.vpc]),
        "table x matches vpc, which means nothing in stage three",
    ),
    "a match that the table did not declare": (
        lambda s: s.settle().table.flow(Priority.NORMAL, {UDP_DST: 1}, []),
        "table first does not declare a match on udp_dst",
    ),
    "a prerequisite that is contradicted": (
        lambda s: s.settle().table.flow(Priority.NORMAL, {ETH_TYPE: 0x86DD, IP_DST: 1}, []),
        "eth_type",
    ),
    "a value too large for its field": (
        lambda s: s.settle().table.flow(Priority.NORMAL, {s.vpc: 1 << 32}, []),
        "does not fit",
    ),
    "a mask where none may be": (
        lambda s: flow_of(s.one.table("x", "", matches=[IP_PROTO]), s.settle(), {IP_PROTO: (1, 3)}),
        "cannot be matched under mask",
    ),
    "a backward goto": (
        lambda s: s.settle().last.flow(Priority.NORMAL, {}, [goto(s.table)]),
        r"table last \(32\) cannot go back to table 0",
    ),
    "a goto to itself": (
        lambda s: s.settle().table.flow(Priority.NORMAL, {}, [goto(s.table)]),
        "cannot go back to table 0",
    ),
    "two gotos": (
        lambda s: s.settle().table.flow(Priority.NORMAL, {}, [goto(s.last), goto(s.last)]),
        "at most one goto",
    ),
    "a priority of its own": (lambda s: s.settle().table.flow(123, {}, []), "table first: 123 is none of Priority"),
    "a value that does not fit the register set": (lambda s: set_field(s.settle().vpc, 1 << 32), "does not fit 32"),
    "a value that does not fit the bits set": (lambda s: set_field(s.settle().why, 256), "does not fit 8 bits"),
    "bits outside the register": (lambda s: load(s.settle().vpc, 1, 30, 4), "vpc"),
    "bits outside the field": (lambda s: load(s.settle().why, 1, 6, 4), "why"),
    "more copied than the field has": (lambda s: move(IP_DST, s.settle().why, nbits=9), "move of 9 bits"),
    "more ways than the field can tell": (lambda s: multipath(300, s.settle().why), "why: 0x12b does not fit 8 bits"),
    "one limit too many": (lambda s: limits(s.pipeline), "no meter is left for limit limit-16"),
    "more slots than a switch hashes to": (
        lambda s: s.pipeline.spread("x", "", s.pipeline.field("wide", bits=9, since=s.one, until=s.one), to=s.table),
        "spread x: a switch hashes to 256 slots at most",
    ),
    "a question declared twice": (
        lambda s: [s.pipeline.question("ask", "") for _ in range(2)],
        "question ask is declared twice",
    ),
}


def crowd(pipeline: Pipeline, stage: Stage) -> None:
    """Fields that fill the registers, and one more."""
    for number in range(15):
        pipeline.field(f"field-{number:02}", since=stage, until=stage)
    pipeline.settle()


def flow_of(table: Table, _: Shape, match: Mapping[Field, Value]) -> Flow:
    """A flow of a table, once the pipeline is settled."""
    return table.flow(Priority.NORMAL, match, [])


def fill(stage: Stage, count: int) -> None:
    """So many tables more."""
    for number in range(count):
        stage.table(f"table-{number}", "")


def limits(pipeline: Pipeline) -> None:
    """As many limits as there are machine meters, and one more."""
    for number in range(MACHINE_LAST + 1):
        pipeline.limit(f"limit-{number:02}", "", rate=1, burst=1)
    pipeline.settle()


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_declaring_fails(shape: Shape, case: tuple[Wrong, str]) -> None:
    """With a message that names the culprit."""
    wrong, message = case
    with pytest.raises(ValueError, match=message):
        wrong(shape)


def test_bits_are_used_again_where_the_field_is_dead(shape: Shape) -> None:
    """Fields that never live at once may share bits, and narrow ones share a register; no two ever meet."""
    port = shape.pipeline.field("port", since=shape.three, until=shape.three)
    kind = shape.pipeline.field("kind", bits=16, since=shape.one, until=shape.three)
    shape.three.table("x", "", matches=[port])
    shape.settle()
    assert (shape.vpc.home, port.home) == (REG[0], REG[0])
    assert [(field.home, field.shift) for field in (kind, shape.why)] == [(REG[1], 0), (REG[1], 16)]
    names = Names(shape.pipeline)
    found = [[bits.name for bits in names.register(table, 0, 0xFFFFFFFF)] for table in (0, 16, 32)]
    assert found == [["vpc"], ["vpc"], ["port"]] and [bits.name for bits in names.register(0, 1, 1)] == ["kind"]


def test_bits_do_not_depend_on_the_order_of_declaring() -> None:
    """Nor do the numbers of tables and reasons: only names count."""
    found = []
    for turn in (1, -1):
        pipeline = Pipeline()
        stage = pipeline.stage("one")
        fields = [pipeline.field(f"f{n}", bits=n, since=stage, until=stage) for n in (3, 9, 17, 32)[::turn]]
        for name in ("b", "a", "c")[::turn]:
            pipeline.reason(name, "")
            stage.table(name, "", after={"a": "c", "b": "", "c": ""}[name])
        pipeline.settle()
        numbers = {reason.name: reason.number for reason in pipeline.reasons}
        places = {field.name: (field.home.name, field.shift) for field in fields}
        found.append((places, numbers, {name: table.id for name, table in pipeline.tables.items()}))
    assert found[0] == found[1]
    assert found[0][2] == {"b": 0, "c": 1, "a": 2}


def test_fields_of_one_register_are_matched_together(shape: Shape) -> None:
    """Two fields of a register are one match under a mask; set, copied and read alone; and have their names."""
    kind = shape.pipeline.field("kind", bits=16, since=shape.one, until=shape.three)
    bit = shape.pipeline.field("bit", bits=1, since=shape.one, until=shape.three)
    table = shape.one.table("kinds", "", matches=[kind, shape.why, bit, IP_DST])
    shape.settle()
    assert {field.home for field in (kind, shape.why, bit)} == {REG[1]}
    actions = [
        set_field(bit, 1),
        move(IP_DST, kind, nbits=16),
        move(kind, IP_DST, nbits=16, dst_ofs=16),
        multipath(8, shape.why),
        check_pkt_larger(1500, bit, 0),
        goto(shape.last),
    ]
    made = table.flow(Priority.NORMAL, {kind: 0x1234, IP_DST: 1, shape.why: 7, bit: 1}, actions)
    expected = Flow(0, match_key(table.id, Priority.NORMAL, {REG[1]: (0x1071234, 0x1FFFFFF), IP_DST: 1}), made.body)
    assert made.key == expected.key
    same = table.flow(Priority.NORMAL, {bit: 1, shape.why: 7, kind: 0x1234, IP_DST: 1}, actions)
    assert same.cookie == made.cookie
    said = text(made, Names(shape.pipeline))
    assert "kind=4660, why=7, bit=1, " in said or all(part in said for part in ("kind=4660", "why=7", "bit=1")), said
    assert "load:1->bit,move:ip_dst[0..15]->kind,move:kind->ip_dst[16..31]," in said
    assert said.endswith("0,why),check_pkt_larger(1500)->bit,goto_table:last")
    masked = table.flow(Priority.NORMAL, {kind: (0x10, 0xF0)}, [])
    assert "kind=0x10/0xf0" in text(masked, Names(shape.pipeline))
    packet = PacketIn(0, 0, b"", 0, {1: 0x1071234})
    step = Step(0, 0, {REG[1]: 0x1071234}, {})
    for field, value in ((kind, 0x1234), (shape.why, 7), (bit, 1), (REG[1], 0x1071234), (shape.vpc, 0)):
        assert packet.value(field) == step.value(field) == value


def test_numbers_are_stable() -> None:
    """Each stage owns sixteen numbers, so a table more changes no number of another stage."""
    before, after = Shape().settle(), Shape()
    after.one.table("new", "", after="first")
    after.settle()
    assert {name: table.id for name, table in before.pipeline.tables.items()} == {"first": 0, "last": 32}
    assert {name: table.id for name, table in after.pipeline.tables.items()} == {"first": 0, "last": 32, "new": 1}
    assert [after.pipeline.by_id(id).name for id in (0, 1, 32)] == ["first", "new", "last"]
    for id in (2, 16, 33, 48, 99, 255):
        with pytest.raises(KeyError):
            after.pipeline.by_id(id)
        assert Names(after.pipeline).table(id) == str(id)


def test_a_wide_stage_has_as_many_numbers_as_it_says() -> None:
    pipeline = Pipeline()
    wide, next_one = pipeline.stage("wide", room=20), pipeline.stage("next")
    fill(wide, 20)
    next_one.table("first", "")
    bit = pipeline.field("bit", bits=1, since=next_one, until=next_one)
    pipeline.settle()
    assert [wide.tables[-1].id, next_one.tables[0].id] == [19, 20]
    assert [pipeline.by_id(id) for id in (0, 19, 20)] == [wide.tables[0], wide.tables[19], next_one.tables[0]]
    assert [pipeline.stage_of(id) for id in (0, 19, 20, 35)] == [wide, wide, next_one, next_one]
    with pytest.raises(KeyError):
        pipeline.stage_of(36)
    names, register = Names(pipeline), REG.index(bit.home)
    assert [[one.name for one in names.register(id, register, 1)] for id in (19, 20, 36)] == [[], ["bit"], []]


def test_a_table_put_between_two_others_changes_no_flow_of_theirs() -> None:
    """The flow says onward; where that leads follows from what is declared, aside or on the path."""

    def ways(*more: dict[str, Any]) -> list[int]:
        shape = Shape()
        for given in more:
            shape.one.table(purpose="", **given)
        shape.settle()
        return [table.next.id for table in shape.one.tables if table.next]

    assert ways() == [32]
    assert ways({"name": "b", "after": "first"}) == [1, 32]
    assert ways({"name": "b", "after": "first"}, {"name": "a", "after": "first", "before": "b"}) == [1, 2, 32]
    assert ways({"name": "b", "after": "first"}, {"name": "a", "after": "first", "aside": True, "before": "b"}) == [
        2,
        2,
        32,
    ]
    shape = Shape()
    shape.two.table("aside", "", aside=True)
    inner = shape.two.table("inner", "", after="aside", miss="onward")
    shape.settle()
    assert enter(shape.two) == onward(shape.table) == goto(inner)
    assert enter(shape.three) == onward(inner) == goto(shape.last)


def test_prerequisites_are_implied(shape: Shape) -> None:
    """A declared match allows what it needs; given or implied, it is the same flow."""
    shape.settle()
    implied = shape.table.flow(Priority.NORMAL, {IP_DST: 1}, [])
    assert shape.table.flow(Priority.NORMAL, {ETH_TYPE: 0x0800, IP_DST: 1}, []).cookie == implied.cookie
    with pytest.raises(ValueError, match="does not declare a match on vlan_vid"):
        shape.table.flow(Priority.NORMAL, {VLAN_VID: 0}, [])


def test_priorities() -> None:
    """The classes stand in order; a longer prefix wins, then a lower preference; nothing collides with a class."""
    assert list(Priority) == sorted(Priority) and len(set(Priority)) == 5
    prefixes = [Priority.prefix(length, least) for length in range(33) for least in range(255, -1, -1)]
    assert prefixes == sorted(set(prefixes)) and max(Priority) < prefixes[0] and prefixes[-1] <= 0xFFFF


def test_a_spread_is_a_group_with_a_bucket_a_slot(shape: Shape) -> None:
    """Numbered after the barriers; each bucket writes its slot and goes on at the table."""
    slot = shape.pipeline.field("slot", bits=2, since=shape.one, until=shape.one)
    spread = shape.pipeline.spread("apart", "", slot, to=shape.table)
    shape.pipeline.barrier("wall", "", to=shape.table)
    shape.settle()
    buckets = [bucket([set_field(slot, number), resubmit(shape.table.id)], weight=1) for number in range(4)]
    assert spread.slots == 4 and spread.group == Group(2, "select", tuple(buckets))
    items = shape.pipeline.items(dropper(shape.why, shape.last))
    assert [one for one in items if isinstance(one, Group)][-1] == spread.group
    through = shape.last.flow(Priority.NORMAL, {}, [spread.through()])
    assert through.groups == (2,) and "group:apart" in text(through, Names(shape.pipeline))


def test_misses_limits_and_barriers_follow_from_the_declaration(shape: Shape) -> None:
    """A reason is noted and counted, the path is gone on, a limit is a meter and a barrier a group."""
    between = shape.two.table("between", "", miss="onward")
    limit = shape.pipeline.limit("askers", "", rate=7, burst=32)
    barrier = shape.pipeline.barrier("wall", "", to=shape.table)
    shape.settle()
    items = list(shape.pipeline.items(dropper(shape.why, shape.last)))
    flows = [item for item in items if isinstance(item, Flow)]
    assert Meter(1, 7, 32, packets=True) in items and limit.number == 1
    assert Group(1, "select", (bucket([resubmit(shape.table.id)], 1),)) in items
    assert {one.table for one in flows} == {shape.table.id, between.id}
    assert all(one.priority == Priority.MISS for one in flows)
    noted = [set_field(shape.why, shape.reason.number), goto(shape.last)]
    assert shape.table.flow(Priority.MISS, {}, noted) in flows
    assert between.flow(Priority.MISS, {}, [goto(shape.last)]) in flows
    past = shape.last.flow(Priority.NORMAL, {}, [limit.within(), barrier.through()])
    assert text(past, Names(shape.pipeline)) == "table=last, priority=200 actions=meter:1,group:wall"


def test_what_is_asked_is_in_the_packet(shape: Shape) -> None:
    """By the number of the question in its field; other registers ask nothing."""
    one, two = shape.pipeline.question("one", ""), shape.pipeline.question("two", "")
    assert shape.pipeline.question_of({}) is None
    shape.pipeline.desk(shape.why, shape.last)
    shape.settle()
    for question in (one, two):
        assert shape.pipeline.question_of({shape.why.home: question.number << shape.why.shift}) is question
    for number in (0, 3, 255):
        assert shape.pipeline.question_of({shape.why.home: number << shape.why.shift}) is None


def test_nothing_follows_a_stage_that_ends_the_path() -> None:
    pipeline = Pipeline()
    one, two = pipeline.stage("one", ends=True), pipeline.stage("two")
    out = one.table("out", "")
    two.table("more", "")
    pipeline.settle()
    with pytest.raises(ValueError, match="nothing follows table out"):
        onward(out)


SILENT = """
asker behind account shared answer own_arp claims remote switch hop_limit local_route equal kept quoted_out
dnat quoted_in fits cut cut_out drop drop_in drop_out own_mac receiver acl_leaves acl_enters acl_crossed
in_allowed in_peer out_allowed out_peer
"""
"""The tables of the product that end every packet by flows of their own."""


def test_the_real_one_ends_every_packet() -> None:
    """Every table of the product says what becomes of a packet that it does not match."""
    from sdnctl.program.feature import discover

    discover()
    declared = {one.table for one in PIPELINE.items(drop) if isinstance(one, Flow)}
    ends = set(SILENT.split())
    there = ends & PIPELINE.tables.keys()  # a leaf may have been taken away
    assert {table.name for table in PIPELINE.tables.values() if table.id not in declared} == there


def test_an_action_list_is_whole(shape: Shape) -> None:
    """Actions come before the goto whatever their order, so a flow is its content."""
    shape.settle()
    one = shape.table.flow(Priority.NORMAL, {}, [output(1), goto(shape.last)])
    assert one.cookie != shape.table.flow(Priority.NORMAL, {}, [output(2), goto(shape.last)]).cookie
    assert one == shape.table.flow(Priority.NORMAL, {}, [output(1), goto(shape.last)])
