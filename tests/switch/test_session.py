"""One switch as a state machine: scripted events, real bytes; and the same against a real Open vSwitch."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest

from sdnctl.engine.desired import Desired, Touched
from sdnctl.of import message
from sdnctl.of.actions import Action, Instruction, group, meter, output
from sdnctl.of.fields import IN_PORT, REG
from sdnctl.of.flow import OURS, VERSION, Flow, flow
from sdnctl.of.group import Group, bucket
from sdnctl.of.meter import Meter, MeterStats
from sdnctl.program.packets import Forget, PacketOut
from sdnctl.switch.commands import Command, Confirmed, LastCount, Note, Reconnect, Refused, SayNow, Send
from sdnctl.switch.session import DRAIN_S, Session
from sdnctl.testing.ovs import Connection, DummySwitch

FLOW_MOD, GROUP_MOD, METER_MOD = 14, 15, 29
HELLO = PacketOut(b"hello", (output(1),))


def a_flow(number: int, *actions: Action | Instruction) -> Flow:
    return flow(0, 100, {IN_PORT: number}, actions or (output(number + 1),))


def wanted(*things: Flow | Meter | Group) -> Desired:
    made = Desired()
    change(made, things)
    return made


def change(desired: Desired, new: Iterable[object] = (), old: Iterable[object] = ()) -> Touched:
    """Change what is wanted in place, as the engine does, and say what was touched."""
    touched = Touched()
    for things, alive in ((old, False), (new, True)):
        for thing in things:
            if isinstance(thing, Flow):
                touched.cookies.add(thing.cookie)
                desired.flows.pop(thing.cookie, None)
                if alive:
                    desired.flows[thing.cookie] = thing
            elif isinstance(thing, Meter):
                touched.meters.add(thing.id)
                desired.meters.pop(thing.id, None)
                if alive:
                    desired.meters[thing.id] = thing
            elif isinstance(thing, Group):
                touched.groups.add(thing.id)
                desired.groups.pop(thing.id, None)
                if alive:
                    desired.groups[thing.id] = thing
    return touched


def frames(commands: Iterable[Command]) -> list[bytes]:
    """The messages in every Send, one by one."""
    data = b"".join(buffer for command in commands if isinstance(command, Send) for buffer in command.buffers)
    out = []
    while data:
        length = int.from_bytes(data[2:4], "big")
        out.append(data[:length])
        data = data[length:]
    return out


def mods(commands: Iterable[Command]) -> list[tuple[str, int]]:
    """The changes that messages make, bundled or not: (kind and command, transaction id)."""
    names = {FLOW_MOD: "flow", GROUP_MOD: "group", METER_MOD: "meter"}
    verbs = {0: "add", 1: "modify", 2: "delete", 4: "delete"}
    out = []
    for one in frames(commands):
        inner = one[16:] if one[1] == message.BUNDLE_ADD else one
        if inner[1] in names:
            verb = inner[25] if inner[1] == FLOW_MOD else int.from_bytes(inner[8:10], "big")
            out.append((f"{names[inner[1]]} {verbs[verb]}", message.xid_of(inner)))
    return out


def names(commands: Iterable[Command]) -> list[str]:
    return [name for name, _ in mods(commands)]


def said(commands: Iterable[Command], *kinds: type) -> list[Command]:
    return [command for command in commands if isinstance(command, kinds)]


@dataclass
class Script:
    """The switch's half of the conversation, written down: each method is what it may say next."""

    session: Session
    sent: list[Command]

    def questions(self) -> dict[int, int]:
        """Multipart type to transaction id of the questions that the last commands asked."""
        asked = [one for one in frames(self.sent) if one[1] == message.MULTIPART_REQUEST]
        return {int.from_bytes(one[8:10], "big"): message.xid_of(one) for one in asked}

    def hear(self, *messages: bytes) -> list[Command]:
        self.sent = [command for one in messages for command in self.session.message(one)]
        return self.sent

    def answer(self, has: Desired, extra: Iterable[tuple[int, bytes]] = (), max_meter: int = 1000) -> list[Command]:
        """Say what the switch has, the flows in two messages."""
        asked = self.questions()
        entries = [entry(f.cookie, f.key) for f in has.flows.values()] + [entry(*pair) for pair in extra]
        meters = [
            struct.pack("!HHIHHII4x", 24, 13, m.id, 1, 16, m.rate_kbps, m.burst_kbits) for m in has.meters.values()
        ]
        groups = [
            struct.pack("!HBxI", 8 + sum(map(len, g.buckets)), 1, g.id) + b"".join(g.buckets)
            for g in has.groups.values()
        ]
        return self.hear(
            multipart(1, asked[1], b"".join(entries[:1]), more=True),
            multipart(10, asked[10], b"".join(meters)),
            multipart(7, asked[7], b"".join(groups)),
            multipart(11, asked[11], struct.pack("!IIIBB2x", max_meter, 2, 15, 8, 0)),
            multipart(1, asked[1], b"".join(entries[1:])),
        )

    def agree(self) -> list[Command]:
        """Commit and pass the barrier."""
        return self.hear(*self.replies())

    def replies(self, failed: bool = False) -> Iterator[bytes]:
        for one in frames(self.sent):
            if one[1] == message.BUNDLE_CONTROL:
                kind = int.from_bytes(one[12:14], "big")
                if kind == 4 and failed:
                    yield error(message.xid_of(one), 17, 13)
                else:
                    yield one[:12] + struct.pack("!HH", kind + 1, 0)
            elif one[1] == message.BARRIER_REQUEST:
                yield struct.pack("!BBHI", VERSION, message.BARRIER_REPLY, 8, message.xid_of(one))

    def refuse(self, xid: int, type: int, code: int) -> list[Command]:
        """Refuse one message, and with it the bundle."""
        return self.hear(error(xid, type, code), *self.replies(failed=True))


def entry(cookie: int, key: bytes) -> bytes:
    """One flow in a flow-stats reply (OpenFlow 1.4, 7.3.5.2), without instructions."""
    table, priority, match = key[0], key[1] << 8 | key[2], key[3:]
    head = struct.pack("!HBxIIHHHHH2xQQQ", 48 + len(match), table, 0, 0, priority, 0, 0, 0, 0, cookie, 0, 0)
    return head + match


def multipart(kind: int, xid: int, body: bytes, more: bool = False) -> bytes:
    return struct.pack("!BBHIHH4x", VERSION, message.MULTIPART_REPLY, 16 + len(body), xid, kind, int(more)) + body


def error(xid: int, type: int, code: int) -> bytes:
    return struct.pack("!BBHIHH", VERSION, message.ERROR, 12, xid, type, code)


def begin(desired: Desired, sequence: int = 1, audit_s: float = 60.0) -> Script:
    """A session that has asked the switch what it has."""
    session = Session(desired, sequence, audit_s)
    session.tick(0.0)
    return Script(session, session.connected())


def live(*things: Flow | Meter | Group, sequence: int = 1) -> tuple[Script, Desired]:
    """A session in agreement with a switch that has these things."""
    desired = wanted(*things)
    script = begin(desired, sequence)
    commands = script.answer(wanted(*things))
    assert commands == [Confirmed(sequence)]
    return script, desired


# Starting.


def test_connecting_turns_packet_ins_on_and_asks_for_everything() -> None:
    script = begin(wanted())
    kinds = [one[1] for one in frames(script.sent)]
    assert kinds == [message.SET_CONFIG, message.SET_ASYNC, *[message.MULTIPART_REQUEST] * 4]
    assert set(script.questions()) == {1, 7, 10, 11}
    assert script.session.state == "READING"


def test_restart_with_nothing_changed_sends_no_message_at_all() -> None:
    things = (a_flow(1), a_flow(2), Meter(1, 1000, 100), Group(1, "select", (bucket([output(1)], 1),)))
    script, _ = live(*things, sequence=7)
    assert script.session.state == "LIVE"
    counters = script.session.counters
    assert counters["flow_mods"] == counters["meter_mods"] == counters["group_mods"] == 0


def test_the_whole_difference_goes_out_in_order_in_one_write() -> None:
    kept, gone = a_flow(1), a_flow(2)
    limited = a_flow(3, meter(1), group(1))
    script = begin(wanted(kept, limited, Meter(1, 1000, 100), Group(1, "select", (bucket([output(1)], 1),))))
    commands = script.answer(wanted(kept, gone, Meter(9, 1, 1), Group(9, "all", ())))
    assert names(commands) == ["meter add", "group add", "flow add", "flow delete", "group delete"]
    assert frames(commands)[-1][1] == message.BARRIER_REQUEST
    assert script.session.state == "SYNCING"
    assert script.agree() == [Confirmed(1)]
    assert names(script.session.tick(DRAIN_S - 0.1)) == []
    script.sent = script.session.tick(DRAIN_S)
    assert names(script.sent) == ["meter delete"], "a meter goes only when no packet uses it any more"


def test_flows_of_somebody_else_are_deleted_even_when_they_share_a_cookie() -> None:
    alien = [(0, a_flow(5).key), (0, a_flow(6).key), (0x1234, a_flow(7).key)]
    mine = a_flow(1)
    script = begin(wanted(mine))
    commands = script.answer(wanted(mine), alien)
    assert names(commands) == ["flow delete"] * 3
    assert [note.fields for note in said(commands, Note) if isinstance(note, Note)] == [{"flows": 3}]
    assert said(script.agree(), Confirmed)
    assert script.session.installed.foreign == []


def test_a_copy_of_our_cookie_on_another_rule_is_found_out() -> None:
    mine = a_flow(1)
    for order in (0, 1):
        pairs = [(mine.cookie, mine.key), (mine.cookie, a_flow(2).key)]
        script = begin(wanted(mine))
        commands = script.answer(wanted(), pairs if order else pairs[::-1])
        assert names(commands) == ["flow delete"]
        deleted = next(one for one in frames(commands) if one[1] == message.BUNDLE_ADD)
        assert a_flow(2).key[3:] in deleted


def test_a_switch_without_meters_gets_no_flow_that_needs_one() -> None:
    plain, limited = a_flow(1), a_flow(2, meter(3), output(1))
    script = begin(wanted(plain, limited, Meter(3, 1000, 100)))
    commands = script.answer(wanted(), max_meter=0)
    assert names(commands) == ["flow add"]
    refused = said(commands, Refused)
    assert len(refused) == 1 and isinstance(refused[0], Refused) and refused[0].thing == Meter(3, 1000, 100)
    assert said(script.agree(), Confirmed) == [Confirmed(1)]


def test_a_switch_that_knows_no_meters_at_all_is_read_nevertheless() -> None:
    script = begin(wanted(a_flow(1)))
    asked = script.questions()
    script.hear(error(asked[11], 1, 2), error(asked[10], 1, 2), multipart(7, asked[7], b""))
    assert script.session.state == "READING"
    assert names(script.hear(multipart(1, asked[1], b""))) == ["flow add"]


def test_a_large_difference_is_sent_in_large_buffers() -> None:
    flows = [flow(0, 100, {REG[1]: n}, (output(1),)) for n in range(5000)]
    script = begin(wanted(*flows))
    (send,) = said(script.answer(wanted()), Send)
    assert isinstance(send, Send)
    assert len(send.buffers) > 1
    assert all(len(buffer) >= 256 * 1024 for buffer in send.buffers[:-1])
    assert len(mods([send])) == 5000


# Changing.


def test_one_change_is_one_bundle_and_a_barrier_in_one_write() -> None:
    script, desired = live(a_flow(1))
    new = a_flow(2)
    script.sent = script.session.update(change(desired, [new]), 2)
    (send,) = script.sent
    assert isinstance(send, Send) and len(send.buffers) == 1
    controls = [one[1] for one in frames(script.sent)]
    bundle = [message.BUNDLE_CONTROL, message.BUNDLE_ADD, message.BUNDLE_CONTROL]
    assert controls == [*bundle, message.BARRIER_REQUEST]
    assert script.agree() == [Confirmed(2)]
    assert new.cookie in script.session.installed.flows


def test_a_new_rate_is_one_meter_modify_and_read_just_before() -> None:
    script, desired = live(a_flow(1, meter(1), output(2)), Meter(1, 1000, 100))
    script.sent = script.session.update(change(desired, [Meter(1, 5000, 500)]), 2)
    assert names(script.sent) == ["meter modify"]
    assert [one[1] for one in frames(script.sent)] == [message.MULTIPART_REQUEST, METER_MOD, message.BARRIER_REQUEST]
    assert asks_for(script.sent) == [1]
    replies = list(script.replies())
    assert script.hear(counted(script.questions()[9], 1, 70)) == [LastCount(stats(1, 70))]
    assert script.hear(*replies) == [Confirmed(2)]


# Meters that go.


def asks_for(commands: Iterable[Command]) -> list[int]:
    """The meters whose counters are asked for."""
    asked = [one for one in frames(commands) if one[1] == message.MULTIPART_REQUEST]
    return [int.from_bytes(one[16:20], "big") for one in asked if int.from_bytes(one[8:10], "big") == 9]


def stats(id: int, packets: int) -> MeterStats:
    """The counters of a meter: packets of 100 bytes, none dropped."""
    return MeterStats(id, packets, 100 * packets, 0, 0, 3.0)


def counted(xid: int, id: int, packets: int) -> bytes:
    """The switch's answer to that question (OpenFlow 1.4, 7.3.5.13)."""
    return multipart(9, xid, struct.pack("!IH6xIQQIIQQ", id, 56, 1, packets, 100 * packets, 3, 0, 0, 0))


def gone() -> tuple[Script, Desired]:
    """A session whose meter 1, and the flow that used it, are wanted no more and confirmed to be out of the way."""
    limited = a_flow(1, meter(1), output(2))
    script, desired = live(limited, Meter(1, 1000, 100))
    script.sent = script.session.update(change(desired, old=[limited, Meter(1, 1000, 100)]), 2)
    assert names(script.sent) == ["flow delete"]
    assert script.agree() == [Confirmed(2)], "which waits for no meter"
    return script, desired


def test_a_meter_that_goes_is_read_when_the_data_path_has_let_go_and_then_deleted() -> None:
    script, _ = gone()
    assert script.session.deadline == DRAIN_S and not script.session.busy
    script.sent = script.session.tick(DRAIN_S)
    assert [one[1] for one in frames(script.sent)] == [message.MULTIPART_REQUEST, METER_MOD]
    assert asks_for(script.sent) == [1] and names(script.sent) == ["meter delete"]
    assert script.hear(counted(script.questions()[9], 1, 7)) == [LastCount(stats(1, 7))]
    assert names(script.session.tick(59.0)) == []


def test_a_meter_that_is_wanted_again_is_read_and_changed_not_deleted() -> None:
    script, desired = gone()
    script.session.tick(0.3)
    again = a_flow(1, meter(1), output(3))
    script.sent = script.session.update(change(desired, [again, Meter(1, 1000, 100)]), 3)
    assert names(script.sent) == ["meter modify", "flow add"] and asks_for(script.sent) == [1]
    assert script.agree() == [Confirmed(3)]
    assert names(script.session.tick(59.0)) == []
    script.sent = script.session.update(change(desired, old=[again, Meter(1, 1000, 100)]), 4)
    script.agree()
    assert names(script.session.tick(59.7)) == ["meter delete"]


def test_an_audit_finds_a_meter_that_is_about_to_go_in_its_place() -> None:
    script, _ = gone()
    script.session._audit_at = script.session._due = 0.2
    script.sent = script.session.tick(0.2)
    assert script.answer(wanted(Meter(1, 1000, 100))) == []
    assert script.session.counters["repaired"] == 0
    assert names(script.session.tick(DRAIN_S)) == ["meter delete"]


def test_a_meter_left_behind_by_an_earlier_session_goes_the_same_way() -> None:
    script = begin(wanted(a_flow(1)))
    script.answer(wanted(a_flow(1), Meter(1, 1000, 100)))
    assert script.agree() == [Confirmed(1)]
    script.sent = script.session.tick(DRAIN_S)
    assert asks_for(script.sent) == [1] and names(script.sent) == ["meter delete"]


def test_a_change_without_messages_is_confirmed_at_once() -> None:
    script, _ = live(a_flow(1))
    assert script.session.update(Touched(), 2) == [Confirmed(2)]


def test_changes_behind_one_in_flight_go_out_together_and_confirm_in_order() -> None:
    script, desired = live(a_flow(1))
    first = script.session.update(change(desired, [a_flow(2)]), 2)
    assert script.session.update(change(desired, [a_flow(3)]), 3) == []
    assert script.session.update(change(desired, [a_flow(4)], [a_flow(2)]), 4) == []
    assert script.session.update(Touched(), 5) == []
    script.sent = first
    commands = script.agree()
    assert said(commands, Confirmed) == [Confirmed(2)]
    assert sorted(names(commands)) == ["flow add", "flow add", "flow delete"]
    assert said(script.agree(), Confirmed) == [Confirmed(5)]
    assert script.session.installed.flows.keys() == desired.flows.keys()


def test_a_change_and_its_reverse_in_flight_leave_the_switch_as_wanted() -> None:
    script, desired = live(a_flow(1))
    first = script.session.update(change(desired, [a_flow(2)], [a_flow(1)]), 2)
    script.session.update(change(desired, [a_flow(1)], [a_flow(2)]), 3)
    script.sent = first
    assert sorted(names(script.agree())) == ["flow add", "flow delete"]
    script.agree()
    assert script.session.installed.flows == {a_flow(1).cookie: a_flow(1).key}


def test_an_announcement_waits_for_its_flow_and_is_made_only_when_that_is_new() -> None:
    script, desired = live(a_flow(1))
    touched = change(desired, [a_flow(2)])
    touched.announce = [(a_flow(2).cookie, HELLO), (a_flow(1).cookie, HELLO)]
    script.sent = script.session.update(touched, 2)
    assert not said(script.sent, SayNow)
    assert script.agree() == [Confirmed(2), SayNow([HELLO])]
    again = Touched(cookies={a_flow(2).cookie}, announce=[(a_flow(2).cookie, HELLO)])
    assert script.session.update(again, 3) == [Confirmed(3)]


def zones(commands: Iterable[Command]) -> list[int]:
    """The zones that these commands have forgotten."""
    wanted = [one for one in frames(commands) if one[1] == message.EXPERIMENTER]
    assert all(one[8:16] == struct.pack("!II", 0x2320, 29) and len(one) == 24 for one in wanted)
    return [int.from_bytes(one[22:24], "big") for one in wanted]


def test_a_zone_is_forgotten_when_its_flow_is_new_and_again_when_the_data_path_obeys() -> None:
    script, desired = live(a_flow(1))
    touched = change(desired, [a_flow(2), a_flow(3)])
    touched.announce = [(a_flow(2).cookie, Forget(7)), (a_flow(3).cookie, Forget(7)), (a_flow(1).cookie, Forget(8))]
    script.sent = script.session.update(touched, 2)
    assert zones(script.sent) == []
    assert zones(script.agree()) == [7]
    began = script.session._now
    assert script.session.deadline == began + DRAIN_S
    assert zones(script.session.tick(began + DRAIN_S / 2)) == []
    assert zones(script.session.tick(began + DRAIN_S)) == [7]
    assert script.session.deadline > began + DRAIN_S


def test_a_real_switch_forgets_a_zone() -> None:
    with DummySwitch() as switch, switch.connect() as wire:
        assert wire.ask(message.ct_flush_zone(16_384, 5)) == []


def test_changes_while_reading_are_part_of_the_whole_plan() -> None:
    desired = wanted(a_flow(1))
    script = begin(desired)
    touched = change(desired, [a_flow(2)])
    touched.announce = [(a_flow(2).cookie, HELLO)]
    assert script.session.update(touched, 2) == []
    assert names(script.answer(wanted())) == ["flow add", "flow add"]
    assert script.agree() == [Confirmed(2), SayNow([HELLO])]


# Failing.


def test_a_refused_flow_is_left_out_and_the_others_get_through() -> None:
    good, bad = a_flow(1), a_flow(2, meter(77))
    desired = wanted()
    script = begin(desired)
    script.answer(wanted())
    script.sent = script.session.update(change(desired, [good, bad]), 2)
    added: dict[int, int] = {}
    for one in frames(script.sent):
        if one[1] == message.BUNDLE_ADD:
            added[int.from_bytes(one[24:32], "big")] = message.xid_of(one)
    commands = script.refuse(added[bad.cookie], 12, 2)
    assert [type(command) for command in commands] == [Refused]
    assert script.session.state == "WAITING"
    assert script.session.tick(script.session.deadline - 0.01) == []
    script.sent = script.session.tick(script.session.deadline)
    commands = script.answer(wanted())
    assert names(commands) == ["flow add"]
    assert said(script.agree(), Confirmed) == [Confirmed(2)]
    mended = a_flow(2, output(9))
    script.sent = script.session.update(change(desired, [mended], [bad]), 3)
    assert names(script.sent) == ["flow add"], "it changed, so it has another chance"
    assert not script.session.refusals


def test_updates_go_on_while_a_flow_is_refused() -> None:
    bad = a_flow(2, meter(77))
    desired = wanted(a_flow(1), bad)
    script = begin(desired)
    commands = script.answer(wanted(a_flow(1)))
    script.refuse(mods(commands)[0][1], 12, 2)
    script.sent = script.session.tick(script.session.deadline)
    assert script.answer(wanted(a_flow(1))) == [Confirmed(1)]
    script.sent = script.session.update(change(desired, [a_flow(3)]), 2)
    assert names(script.sent) == ["flow add"]


def test_a_meter_that_exists_already_is_settled_by_reading_again() -> None:
    desired = wanted(a_flow(1, meter(4), output(1)), Meter(4, 1000, 100))
    script = begin(desired)
    commands = script.answer(wanted())
    by_name = dict(mods(commands))
    script.hear(error(by_name["meter add"], 12, 1), error(by_name["flow add"], 12, 2), *script.replies(failed=True))
    assert not script.session.refusals, "neither the meter nor its flow is blamed yet"
    script.sent = script.session.tick(script.session.deadline)
    assert names(script.answer(wanted(Meter(4, 500, 100)))) == ["meter modify", "flow add"]


def test_a_meter_refused_twice_is_left_out_with_the_flows_that_use_it() -> None:
    desired = wanted(a_flow(1), a_flow(2, meter(4), output(1)), Meter(4, 1000, 100))
    script = begin(desired)
    for _ in range(2):
        commands = script.answer(wanted())
        script.hear(error(dict(mods(commands))["meter add"], 12, 6), *script.replies(failed=True))
        script.sent = script.session.tick(script.session.deadline)
    assert names(script.answer(wanted())) == ["flow add"]
    assert said(script.agree(), Confirmed)
    script.sent = script.session.update(change(desired, [Meter(4, 2000, 200)]), 2)
    assert names(script.sent) == ["meter add", "flow add"]


def test_back_off_doubles_while_nothing_is_learned() -> None:
    script = begin(wanted(a_flow(1)))
    waits, now = [], 0.0
    for _ in range(9):
        script.answer(wanted())
        script.hear(*script.replies(failed=True))
        waits.append(round(script.session.deadline - now, 6))
        now = script.session.deadline
        script.sent = script.session.tick(now)
    assert waits[:3] == pytest.approx([0.1, 0.2, 0.4])
    assert all(a <= b for a, b in pairwise(waits)) and waits[-1] == pytest.approx(10.0)


def test_reconnecting_in_the_middle_of_a_bundle_reads_first() -> None:
    script, desired = live(a_flow(1))
    touched = change(desired, [a_flow(2)])
    touched.announce = [(a_flow(2).cookie, HELLO)]
    assert names(script.session.update(touched, 2)) == ["flow add"]
    script.session.disconnected()
    assert script.session.deadline == float("inf")
    session = Session(desired, 2)
    session.update(script.session.unsaid(), 2)
    script = Script(session, session.connected())
    assert names(script.answer(wanted(a_flow(1)))) == ["flow add"], "the bundle was lost"
    assert script.agree() == [Confirmed(2), SayNow([HELLO])]


def test_a_bundle_that_had_arrived_before_the_connection_broke_is_not_sent_again() -> None:
    script, desired = live(a_flow(1))
    script.session.update(change(desired, [a_flow(2)]), 2)
    script.session.disconnected()
    session = Session(desired, 2)
    script = Script(session, session.connected())
    assert script.answer(wanted(a_flow(1), a_flow(2))) == [Confirmed(2)]


def test_answers_to_questions_of_before_are_ignored() -> None:
    script, _ = live(a_flow(1))
    assert script.session.message(multipart(1, 2, b"")) == []
    assert script.session.message(struct.pack("!BBHI", VERSION, message.BARRIER_REPLY, 8, 3)) == []
    assert script.session.message(error(0, 1, 1)) == []
    assert script.session.counters["stray_errors"] == 1


def test_a_switch_that_does_not_answer_is_dialled_again() -> None:
    script, desired = live(a_flow(1))
    script.session.update(change(desired, [a_flow(2)]), 2)
    assert script.session.deadline == 60.0
    assert said(script.session.tick(60.0), Reconnect)


# Auditing.


def test_an_audit_that_finds_nothing_says_nothing() -> None:
    script, _ = live(a_flow(1))
    assert script.session.deadline == 60.0
    script.sent = script.session.tick(60.0)
    assert set(script.questions()) == {1, 7, 10, 11}
    assert script.answer(wanted(a_flow(1))) == []
    assert script.session.deadline == 120.0
    assert script.session.counters["audits"] == 1 and script.session.counters["repaired"] == 0


def test_an_audit_repairs_what_somebody_else_changed() -> None:
    script, _ = live(a_flow(1), a_flow(2), Meter(1, 1000, 100))
    script.sent = script.session.tick(60.0)
    commands = script.answer(wanted(a_flow(1), Meter(1, 9, 9)), [(0, a_flow(9).key)])
    assert sorted(names(commands)) == ["flow add", "flow delete", "meter modify"]
    assert script.session.counters["repaired"] == 4, "one flow missing, one foreign, one meter for another"
    assert said(script.agree(), Confirmed) == [Confirmed(1)]


def test_changes_wait_for_an_audit_and_follow_it() -> None:
    script, desired = live(a_flow(1))
    script.sent = script.session.tick(60.0)
    asked = script.sent
    assert script.session.update(change(desired, [a_flow(2)]), 2) == []
    script.sent = asked
    commands = script.answer(wanted(a_flow(1)))
    assert names(commands) == ["flow add"]
    assert script.session.counters["repaired"] == 0
    assert said(script.agree(), Confirmed) == [Confirmed(2)]


def test_an_audit_comes_even_when_changes_never_stop() -> None:
    script, desired = live(a_flow(1))
    for second in range(1, 61):
        script.session.tick(min(float(second), 59.9))
        script.sent = script.session.update(change(desired, [a_flow(second + 10)]), second)
        script.agree()
    script.sent = script.session.tick(60.0)
    assert set(script.questions()) == {1, 7, 10, 11}


def test_no_audit_while_a_plan_is_in_flight() -> None:
    script, desired = live(a_flow(1))
    script.session.tick(59.0)
    script.sent = script.session.update(change(desired, [a_flow(2)]), 2)
    sent = script.sent
    assert script.session.tick(60.5) == []
    script.sent = sent
    script.agree()
    assert script.session.tick(60.6)


# The same against the real thing.


class Pump:
    """Carries bytes between a session and a real switch until the session is quiet."""

    def __init__(self, session: Session, connection: Connection) -> None:
        self.session = session
        self._connection = connection

    def obey(self, commands: list[Command]) -> list[Command]:
        """Send what the session wants to say."""
        for command in commands:
            if isinstance(command, Send):
                self._connection.send(*command.buffers)
        return commands

    def until_confirmed(self) -> list[Command]:
        """Everything that the session said until it confirmed."""
        seen: list[Command] = []
        while not said(seen, Confirmed):
            seen += self.obey(self.session.message(self._connection.receive()))
            if self.session.state == "WAITING":
                seen += self.obey(self.session.tick(self.session.deadline))
        return seen


@pytest.fixture(scope="module")
def switch() -> Iterator[DummySwitch]:
    with DummySwitch() as running:
        yield running


def converse(switch: DummySwitch, desired: Desired) -> tuple[Session, list[Command]]:
    """A whole session, from connecting to the first confirmation."""
    session = Session(desired, 1)
    session.tick(0.0)
    with switch.connect() as connection:
        pump = Pump(session, connection)
        pump.obey(session.connected())
        seen = pump.until_confirmed()
        pump.obey(session.tick(DRAIN_S))
        connection.ask()
        return session, seen


def cookies(switch: DummySwitch) -> set[int]:
    lines = switch.ofctl("dump-flows").splitlines()
    return {int(line.split("cookie=")[1].split(",")[0], 16) for line in lines if "cookie=" in line}


def test_real_switch_takes_everything_and_a_restart_sends_nothing(switch: DummySwitch) -> None:
    buckets = (bucket([output(1)], 1), bucket([output(2)], 1))
    desired = wanted(
        *(flow(3, n % 7 + 1, {REG[n % 3]: n}, (output(1),)) for n in range(2000)),
        flow(4, 10, {IN_PORT: 1}, (meter(1), group(1))),
        Meter(1, 1000, 100),
        Group(1, "select", buckets),
    )
    session, _ = converse(switch, desired)
    assert session.counters["flow_mods"] == 2001
    assert cookies(switch) == desired.flows.keys()
    session, seen = converse(switch, desired)
    assert mods(seen) == []
    assert session.installed.flows.keys() == desired.flows.keys()
    session, _ = converse(switch, wanted())
    assert cookies(switch) == set()
    assert "meter=" not in switch.ofctl("dump-meters")


def test_real_switch_loses_foreign_flows(switch: DummySwitch) -> None:
    for port in (1, 2, 3):
        switch.ofctl("add-flow", f"table=9,priority=5,in_port={port},actions=drop")
    desired = wanted(a_flow(1))
    session, _ = converse(switch, desired)
    assert session.counters["foreign"] == 3
    assert cookies(switch) == {a_flow(1).cookie}


@pytest.mark.parametrize("when", ["decoding", "executing"])
def test_real_switch_refuses_a_flow_and_keeps_the_others(switch: DummySwitch, when: str) -> None:
    unknown = Action(struct.pack("!HHI8x", 0x77, 16, 1))
    bad = a_flow(3, unknown) if when == "decoding" else a_flow(3, meter(77), output(1))
    desired = wanted(a_flow(2), bad, a_flow(4))
    session, seen = converse(switch, desired)
    assert [refused.thing for refused in seen if isinstance(refused, Refused)] == [bad]
    assert cookies(switch) == {a_flow(2).cookie, a_flow(4).cookie}
    assert all(cookie & OURS for cookie in session.installed.flows)


def test_real_switch_is_repaired_by_an_audit(switch: DummySwitch) -> None:
    desired = wanted(a_flow(1), a_flow(2))
    session = Session(desired, 1)
    session.tick(0.0)
    with switch.connect() as connection:
        pump = Pump(session, connection)
        pump.obey(session.connected())
        pump.until_confirmed()
        switch.ofctl("del-flows", "in_port=1")
        switch.ofctl("add-flow", "in_port=9,actions=drop")
        pump.obey(session.tick(60.0))
        pump.until_confirmed()
    assert session.counters["repaired"] == 2
    assert cookies(switch) == desired.flows.keys()
