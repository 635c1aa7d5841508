"""A real Open vSwitch takes our bytes, and reads back the same."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdnctl.of import actions as a
from sdnctl.of import fields as f
from sdnctl.of import group, message, meter
from sdnctl.of.fields import OxmField, Value
from sdnctl.of.flow import OURS, OURS_MASK, Flow, flow, flow_add, flow_delete_strict
from sdnctl.of.group import Group, bucket
from sdnctl.of.meter import Meter
from sdnctl.of.text import text
from sdnctl.testing.ovs import Connection, DummySwitch
from tests.of.matches import BESIDE, MATCHABLE, example, matches

FRAME = bytes.fromhex("ffffffffffff 020202020202 88b5") + bytes(range(256)) * 5
IP_FRAME = bytes.fromhex("ffffffffffff020202020202080045000014000000000111b5d90a0000010a0000020000")


@pytest.fixture(scope="module")
def switch() -> Iterator[DummySwitch]:
    """One switch for all tests here, with a tunnel option mapped and two ports."""
    with DummySwitch() as dummy:
        dummy.ofctl("add-tlv-map", "{class=0x0102,type=0x80,len=4}->tun_metadata0")
        dummy.add_port("p1", 1)
        dummy.add_port("p2", 2)
        yield dummy


@pytest.fixture
def wire(switch: DummySwitch) -> Iterator[Connection]:
    """A connection; no flow, group or meter is left behind."""
    with switch.connect() as connection:
        yield connection
    switch.ofctl("del-flows")
    switch.ofctl("del-groups")
    switch.ofctl("del-meters")


def commit(wire: Connection, messages: list[bytes]) -> None:
    """All messages in one bundle; the switch's refusal is an assertion error."""
    framed = message.bundle(messages, 1, 1)
    answers = wire.ask(*framed)
    assert [message.kind_of(answer) for answer in answers] == [message.BUNDLE_CONTROL] * 2, answers[0].hex()


def read_back(wire: Connection) -> dict[int, bytes]:
    """Cookie to key of all flows that are ours."""
    replies = wire.ask(message.flow_stats_request(3, OURS, OURS_MASK))
    assert [message.more_follow(reply) for reply in replies] == [True] * (len(replies) - 1) + [False]
    return {cookie: key for reply in replies for cookie, key in message.cookies_of(reply)}


def added(flows: list[Flow]) -> list[bytes]:
    return [flow_add(rule, 100 + number) for number, rule in enumerate(flows)]


def one_of_each() -> Iterator[tuple[OxmField, Value]]:
    for field in MATCHABLE:
        yield field, example(field)
        if field is f.CT_STATE:
            yield field, (f.CT_TRACKED, f.CT_TRACKED | f.CT_INVALID)
        elif field.maskable and field.width > 5:
            yield field, (example(field) & 0x1E, 0x1E)


def test_every_field_reads_back_as_the_same_key(wire: Connection) -> None:
    cases = [{**BESIDE.get(field, {}), field: value} for field, value in one_of_each()]
    flows = [flow(1, 100 + number, match, [a.goto(2)]) for number, match in enumerate(cases)]
    commit(wire, added(flows))
    assert read_back(wire) == {rule.cookie: rule.key for rule in flows}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(matches(), st.integers(0, 250), st.integers(0, 0xFFFF)), min_size=1, max_size=40))
def test_random_flows_read_back_and_go_by_key_and_cookie(
    wire: Connection, rules: list[tuple[dict[OxmField, Value], int, int]]
) -> None:
    commit(wire, [flow_delete_strict(key, cookie, 7) for cookie, key in read_back(wire).items()])
    flows = {rule.key: rule for rule in (flow(table, priority, match, []) for match, table, priority in rules)}
    commit(wire, added(list(flows.values())))
    found = read_back(wire)
    assert found == {rule.cookie: rule.key for rule in flows.values()}
    commit(wire, [flow_delete_strict(key, cookie, 7) for cookie, key in found.items()])
    assert read_back(wire) == {}


def test_delete_with_another_cookie_deletes_nothing(wire: Connection) -> None:
    rule = flow(1, 2, {f.REG[0]: 3}, [a.output(1)])
    commit(wire, [flow_add(rule, 1), flow_delete_strict(rule, rule.cookie ^ 1, 2)])
    assert read_back(wire) == {rule.cookie: rule.key}


def test_new_body_replaces_the_old_and_keeps_its_counters(switch: DummySwitch, wire: Connection) -> None:
    before, after = flow(0, 2, {f.IN_PORT: 1}, []), flow(0, 2, {f.IN_PORT: 1}, [a.load(f.REG[0], 1), a.goto(1)])
    wire.ask(flow_add(before, 1))
    switch.receive("p1", FRAME)
    wire.ask(flow_add(after, 2))
    switch.appctl("revalidator/purge")
    (reply,) = wire.ask(message.flow_stats_request(3, OURS, OURS_MASK))
    (stats,) = message.flows_of(reply)
    assert (stats.cookie, stats.key, stats.instructions) == (after.cookie, after.key, after.instructions)
    assert (stats.table, stats.priority, stats.packets, stats.bytes) == (0, 2, 1, len(FRAME))


def test_bundle_with_a_bad_message_changes_nothing(wire: Connection) -> None:
    good, bad = flow(1, 2, {}, [a.goto(5)]), flow(7, 2, {}, [a.group(99)])
    answers = wire.ask(*message.bundle([flow_add(good, 11), flow_add(bad, 12)], 1, 20))
    errors = [message.xid_of(answer) for answer in answers if message.kind_of(answer) == message.ERROR]
    assert errors == [12, 21]
    assert read_back(wire) == {}


def test_message_that_cannot_be_read_does_not_stop_its_bundle(wire: Connection) -> None:
    """Open vSwitch leaves it out and commits the rest, so whoever commits looks for errors first."""
    good, bad = flow(1, 2, {}, [a.goto(5)]), flow(7, 2, {}, [a.goto(5)])
    *adding, committing = message.bundle([flow_add(good, 11), flow_add(bad, 12)], 1, 20)
    assert [message.xid_of(answer) for answer in wire.ask(*adding) if answer[1] == message.ERROR] == [12]
    discarding = message.bundle_control(message.DISCARD, 1, 21)
    assert [message.kind_of(answer) for answer in wire.ask(discarding)] == [message.BUNDLE_CONTROL]
    assert read_back(wire) == {}
    wire.ask(*adding, committing)
    assert list(read_back(wire)) == [good.cookie]


def test_meters_read_back_by_value(wire: Connection) -> None:
    wanted = [Meter(1, 1000, 100), Meter(2, 50, 5, packets=True), Meter(3, 4_000_000, 800_000)]
    assert wire.ask(*(meter.meter_mod(meter.ADD, one, 1) for one in wanted)) == []
    (reply,) = wire.ask(message.meter_config_request(2))
    assert sorted(meter.meters_of(reply), key=lambda one: one.id) == wanted
    changed = Meter(2, 60, 6, packets=True)
    wire.ask(meter.meter_mod(meter.MODIFY, changed, 1), meter.meter_mod(meter.DELETE, wanted[0], 1))
    (reply,) = wire.ask(message.meter_config_request(2))
    assert sorted(meter.meters_of(reply), key=lambda one: one.id) == [changed, wanted[2]]


def test_meter_counts_what_passed(switch: DummySwitch, wire: Connection) -> None:
    wire.ask(meter.meter_mod(meter.ADD, Meter(9, 1, 1, packets=True), 1))
    wire.ask(flow_add(flow(0, 2, {}, [a.meter(9), a.output(2)]), 1))
    for _ in range(5):
        switch.receive("p1", FRAME)
    (reply,) = wire.ask(message.meter_stats_request(2))
    (stats,) = meter.meter_stats_of(reply)
    assert (stats.id, stats.packets, stats.bytes) == (9, 5, 5 * len(FRAME))
    assert stats.dropped_packets > 0
    assert stats.dropped_bytes == stats.dropped_packets * len(FRAME)


def test_groups_read_back_by_value(wire: Connection) -> None:
    backends = tuple(bucket([a.load(f.REG[1], 4), a.set_field(f.IP_DST, n), a.resubmit(3)], n) for n in (1, 7))
    wanted = [
        Group(1, "select", backends),
        Group(2, "all", (bucket([a.output(1)]), bucket([a.load(f.REG[1], 4), a.output(2)]))),
        Group(3, "indirect", (bucket([a.dec_ttl()]),)),
        Group(4, "select", ()),
    ]
    assert wire.ask(*(group.group_mod(group.ADD, one, 1) for one in wanted)) == []
    (reply,) = wire.ask(message.group_desc_request(2))
    assert sorted(group.groups_of(reply), key=lambda one: one.id) == wanted
    changed = Group(1, "select", backends[:1])
    commit(wire, [group.group_mod(group.MODIFY, changed, 3), group.group_mod(group.DELETE, wanted[3], 4)])
    (reply,) = wire.ask(message.group_desc_request(2))
    assert sorted(group.groups_of(reply), key=lambda one: one.id) == [changed, *wanted[1:3]]


def test_nothing_arrives_unasked(switch: DummySwitch, wire: Connection) -> None:
    wire.ask(flow_add(flow(0, 1, {}, [a.output(a.CONTROLLER)]), 1))
    switch.receive("p1", FRAME)
    assert wire.ask() == []


def test_packet_in_is_whole_and_has_registers(switch: DummySwitch, wire: Connection) -> None:
    ask = flow(3, 7, {}, [a.output(a.CONTROLLER)])
    way = flow(0, 1, {}, [a.load(f.REG[5], 77), a.load(f.REG[2], 1), a.load(f.REG[15], 9), a.goto(3)])
    assert wire.ask(message.set_async(1), message.set_config(2), flow_add(ask, 1), flow_add(way, 2)) == []
    switch.receive("p1", FRAME)
    packet = message.packet_in_of(wire.receive())
    assert (packet.table, packet.cookie, packet.in_port) == (3, ask.cookie, 1)
    assert packet.registers == {5: 77, 2: 1, 15: 9}
    assert packet.data == FRAME
    assert 1 << packet.reason == message.APPLY_ACTION


def test_other_news_is_off(switch: DummySwitch, wire: Connection) -> None:
    drop = flow(0, 1, {f.ETH_TYPE: 0x0800}, [a.dec_ttl(), a.output(2)])
    wire.ask(message.set_async(1), message.set_config(2), flow_add(drop, 1))
    switch.receive("p1", IP_FRAME)
    switch.add_port("p3", 3)
    assert wire.ask(flow_delete_strict(drop, drop.cookie, 3)) == []
    switch.vsctl("del-port", "p3")


def test_packet_out_leaves_a_port(switch: DummySwitch, wire: Connection) -> None:
    count = len(switch.sent("p2"))
    assert wire.ask(message.packet_out(FRAME, a.CONTROLLER, [a.output(2)], 9)) == []
    assert switch.sent("p2")[count:] == [FRAME]


def test_packet_out_through_the_tables_comes_in_again(wire: Connection) -> None:
    ask = flow(0, 7, {}, [a.output(a.CONTROLLER)])
    wire.ask(message.set_async(1), message.set_config(2), flow_add(ask, 1))
    wire.send(message.packet_out(FRAME, 1, [a.load(f.REG[0], 5), a.resubmit(0)], 9))
    packet = message.packet_in_of(wire.receive())
    assert (packet.cookie, packet.in_port, packet.registers, packet.data) == (ask.cookie, 1, {0: 5}, FRAME)


def line_set(dump: str) -> set[str]:
    """The flows of a dump without their cookies."""
    lines = [line.strip() for line in dump.splitlines() if "actions=" in line]
    return {line.split(", ", 1)[1] if line.startswith("cookie=") else line for line in lines}


def every_action() -> Iterator[Flow]:
    """A flow for every action and for every field that can be changed, in a context where it may be."""
    ip: dict[OxmField, Value] = {f.ETH_TYPE: f.ETH_TYPE_IP}
    mark, label = a.load(f.CT_MARK, 3, 0, 8), a.set_field(f.CT_LABEL, 5)
    zone = (f.REG[3], 0, 16)
    v6 = a.nat(src=(1 << 100, (1 << 100) + 4), ipv6=True, ports=(1, 2))
    yield flow(20, 1, {f.IP_DST: 3}, [a.conjunction(5, 1, 2), a.conjunction(6, 2, 2)])
    yield flow(20, 2, {f.ETH_TYPE: f.ETH_TYPE_IPV6}, [a.ct(commit=True, nat=v6)])
    yield flow(20, 3, {f.TCP_DST: 21}, [a.ct(commit=True, alg=21)])
    yield flow(20, 4, {}, [])
    yield flow(20, 5, {}, [a.goto(30)])
    yield flow(20, 6, {f.TCP_DST: 1}, [a.meter(1), a.set_field(f.TCP_DST, 7), a.load(f.TCP_SRC, 7), a.goto(30)])
    yield flow(20, 7, {f.UDP_DST: 1}, [a.set_field(f.UDP_DST, 7), a.set_field(f.UDP_SRC, 7)])
    yield flow(20, 8, {f.ICMP_TYPE: 1}, [a.set_field(f.ICMP_TYPE, 7), a.set_field(f.ICMP_CODE, 7)])
    yield flow(20, 9, {f.ICMPV6_TYPE: 135}, [a.set_field(f.ICMPV6_TYPE, 136), a.set_field(f.ND_OPTIONS_TYPE, 2)])
    advert = [a.set_field(f.ND_TLL, 7), a.set_field(f.ND_TARGET, 9), a.load(f.ND_RESERVED, 0xE0000000)]
    yield flow(20, 10, {f.ICMPV6_TYPE: 136}, advert)
    arp = [a.set_field(f.ARP_OP, 2), a.move(f.ARP_SPA, f.ARP_TPA), a.move(f.ARP_SHA, f.ARP_THA)]
    yield flow(20, 11, {f.ARP_OP: 1}, [*arp, a.move(f.ETH_SRC, f.ETH_DST), a.output(a.IN_PORT)])
    yield flow(20, 12, {f.CT_NW_PROTO: 6}, [a.move(f.CT_NW_DST, f.IP_DST), a.move(f.CT_TP_DST, f.REG[0], 16)])
    for number, action in enumerate(
        [
            *(
                a.output(1),
                a.output(a.CONTROLLER, 99),
                a.output(a.IN_PORT),
                a.output(a.LOCAL),
                a.dec_ttl(),
                a.set_ttl(9),
            ),
            *(a.group(1), a.resubmit(7), a.ct(), a.ct(zone=4, table=9), a.ct(table=1, nat=a.nat()), a.ct_clear()),
            a.ct(commit=True, zone=zone, nat=a.nat(dst=0x0A000001, ports=(80, 80)), actions=[mark, label]),
            a.ct(commit=True, force=True, zone=1, table=3, nat=a.nat(src=(1, 9), ports=(1, 2), random=True)),
            a.ct(commit=True, nat=a.nat(src=1, persistent=True, hashed=True)),
            a.ct(commit=True, actions=[a.load(f.CT_LABEL, 9, 8, 60), a.move(f.REG[0], f.CT_MARK)]),
            *(a.check_pkt_larger(1514, f.REG[1], 4), a.load(f.IN_PORT, 0), a.load(f.IP_SRC, 5, 8, 8)),
            *(a.move(f.REG[1], f.TUN_ID, 24), a.move(f.TUN_METADATA0, f.REG[2]), a.load(f.TUN_METADATA0, 4)),
            *(a.load(f.XREG[1], 1 << 40), a.load(f.XREG[1], 3, 32, 8), a.set_field(f.XREG[2], 9)),
            *(a.load(field, field.limit // 3) for field in (*f.REG, f.PKT_MARK, f.TUN_ID, f.TUN_DST, f.ETH_DST)),
            *(a.set_field(field, field.limit // 3) for field in (f.IP_SRC, f.IP_DST, f.ETH_SRC, f.TUN_SRC, f.REG[9])),
            *(
                a.set_field(f.IP_TTL, 3),
                a.load(f.METADATA, 5),
                a.move(f.IN_PORT, f.REG[0]),
                a.move(f.IP_TTL, f.REG[0], 8),
            ),
        ]
    ):
        yield flow(21, number, ip, [action])


def test_text_says_to_ovs_ofctl_what_the_bytes_say(switch: DummySwitch, wire: Connection) -> None:
    wire.ask(meter.meter_mod(meter.ADD, Meter(1, 9, 9), 1), group.group_mod(group.ADD, Group(1, "all", ()), 1))
    matched = [{**BESIDE.get(field, {}), field: value} for field, value in one_of_each()]
    flows = [*every_action(), *(flow(22, number, match, []) for number, match in enumerate(matched))]
    commit(wire, added(flows))
    ours = line_set(switch.ofctl("dump-flows", "--no-stats", "--no-names"))
    switch.ofctl("del-flows")
    switch.ofctl("add-flows", "-", text="\n".join(map(text, flows)))
    assert line_set(switch.ofctl("dump-flows", "--no-stats", "--no-names")) == ours
    assert len(ours) == len(flows)
    (reply, *more) = wire.ask(message.flow_stats_request(3))
    keys = {key for answer in (reply, *more) for _, key in message.cookies_of(answer)}
    assert keys == {rule.key for rule in flows}


def test_wide_load_is_one_masked_set_field(switch: DummySwitch, wire: Connection) -> None:
    """ovs-ofctl itself writes OpenFlow 1.4 loads of at most 64 bits instead, so its text cannot be compared."""
    rule = flow(1, 1, {f.ETH_TYPE: 0x0800}, [a.ct(commit=True, actions=[a.load(f.CT_LABEL, 9, 8, 80)])])
    commit(wire, [flow_add(rule, 1)])
    said = "ct(commit,exec(set_field:0x900/0xffffffffffffffffffff00->ct_label))"
    assert text(rule).endswith(said)
    assert said in switch.ofctl("dump-flows", "--no-stats")
