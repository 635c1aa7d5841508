"""Counters of a host: totals never jump back, drops by reason, durations of changes; read from a real switch."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from scapy.layers.inet import ICMP, IP

from apps.eip.model import ElasticIp
from apps.eni.flows import interface
from apps.eni.tables import ORIGIN
from apps.pipeline import DROP
from sdnctl.agent.counters import REPORT_S, SOON_S, Histogram, SwitchCounters
from sdnctl.agent.owners import Owners
from sdnctl.agent.totals import Metered
from sdnctl.engine.desired import Touched
from sdnctl.engine.engine import Engine
from sdnctl.model.host import TUNNEL, LocalPort, LocalTunnel, TrafficCount
from sdnctl.of.flow import Flow, flow_add, flow_delete_strict
from sdnctl.of.message import MULTIPART_REPLY, flows_of, kind_of
from sdnctl.of.meter import ADD, DELETE, MODIFY, Meter, MeterStats, meter_mod
from sdnctl.program.feature import counts
from sdnctl.program.packets import Put
from sdnctl.store import Change
from tests.apps.live import Live
from tests.build import HERE
from tests.networks.eip import elastic


@pytest.fixture
def live() -> Iterator[Live]:
    with Live(elastic()) as made:
        yield made


def counting(engine: Engine) -> SwitchCounters:
    """The counters of an engine that has wanted its meters from the beginning."""
    made = SwitchCounters(engine, lambda: 1_800_000_000.0)
    desired = engine.desired
    made.named(Touched(cookies=set(desired.flows), meters=set(desired.meters)))
    return made


def read(live: Live, counters: SwitchCounters) -> None:
    """One reading, as the agent carries it."""
    with live.switch.connect() as wire:
        for reply in wire.ask(counters.ask(0.0)):
            assert kind_of(reply) == MULTIPART_REPLY and counters.answer(reply)


def ping(live: Live, source: str = "10.0.1.10") -> None:
    frame = bytes.fromhex("0e0000000001") + int(live.port("a1").mac).to_bytes(6, "big") + bytes.fromhex("0800")
    live.send("a1", frame + bytes(IP(src=source, dst="8.8.8.8", id=0) / ICMP()))


def test_a_change_is_timed_from_its_arrival_to_its_confirmation() -> None:
    counters = counting(elastic().engine())
    counters.arrived(4, 10.0)
    counters.arrived(5, 10.5)
    counters.arrived(6, 10.6)
    assert counters.confirmed(3, 10.7) is None
    assert counters.confirmed(5, 11.0) == 1.0
    assert counters.confirmed(6, 10.6015) == pytest.approx(0.0015)
    assert sum(counters.latency.counts) == 3 and counters.latency.total == pytest.approx(1.5015)


def test_a_histogram_counts_what_is_equal_to_a_bound_below_it() -> None:
    made = Histogram((1.0, 2.0))
    for seconds in (0.5, 1.0, 1.5, 9.0):
        made.observe(seconds)
    assert made.counts == [2, 1, 1]


def test_an_elastic_ip_is_counted_by_direction_through_changes_of_its_meter(live: Live) -> None:
    counters = counting(live.engine)
    eip = live.network.store.state.get(ElasticIp, "fip-a")
    assert eip is not None
    out = Metered("eip", "fip-a", "out")
    read(live, counters)
    assert counters.totals.shown[out] == (0, 0, 0, 0)
    for _ in range(3):
        ping(live)
    read(live, counters)
    packets, volume, *dropped = counters.totals.shown[out]
    assert (packets, dropped) == (3, [0, 0]) and volume == 3 * 42
    meter = Meter(eip.out_meter, 9000, 900)
    for commands in ((MODIFY,), (DELETE, ADD)):
        with live.switch.connect() as wire:
            assert wire.ask(*(meter_mod(command, meter, 1) for command in commands)) == []
        read(live, counters)
        assert counters.totals.shown[out][0] >= packets
    assert Metered("eip", "fip-a", "in") in counters.totals.shown
    assert live.engine.meter_unit(eip.in_meter) is live.engine.meter_unit(eip.out_meter)


def test_a_deleted_elastic_ip_is_forgotten(live: Live) -> None:
    counters = counting(live.engine)
    read(live, counters)
    eip = live.network.store.state.get(ElasticIp, "fip-a")
    live.take(Change(ElasticIp, "fip-a", eip, None))
    read(live, counters)
    assert "fip-a" not in {name.id for name in counters.totals.shown}
    assert "fip-b" in {name.id for name in counters.totals.shown}


def test_drops_are_counted_by_reason(live: Live) -> None:
    counters = counting(live.engine)
    for _ in range(2):
        ping(live, source="10.9.9.9")
    live.switch.appctl("revalidator/wait")
    read(live, counters)
    assert counters.drops["spoofed-ip"] == 2
    assert counters.dropped == {"spoofed-ip": "2"}


def test_an_answer_to_an_older_question_is_passed_over(live: Live) -> None:
    counters = counting(live.engine)
    with live.switch.connect() as wire:
        old = wire.ask(counters.ask(0.0))
    counters.ask(5.0)
    assert counters.due == 10.0
    assert all(counters.answer(reply) for reply in old)
    assert counters.totals.shown == {} and counters.drops == {}


def test_totals_are_told_in_one_go_and_only_when_they_changed(live: Live) -> None:
    counters = counting(live.engine)
    ping(live)
    read(live, counters)
    assert counters.report_due == REPORT_S
    reports = counters.reports(100.0)
    assert counters.report_due == 100.0 + REPORT_S
    told = {one.record.id: one.record for one in reports if isinstance(one, Put)}
    assert {(one.family, one.direction) for one in told.values()} == {("eip", "out"), ("eip", "in")}
    assert told[f"{HERE}/eip/fip-a/out"].packets == 1 and told[f"{HERE}/eip/fip-a/out"].bytes == 42
    live.engine.apply([Change(TrafficCount, id, None, one) for id, one in told.items()], strict=True)
    read(live, counters)
    assert counters.reports(130.0) == []
    ping(live)
    read(live, counters)
    assert [one.record.id for one in counters.reports(160.0) if isinstance(one, Put)] == [f"{HERE}/eip/fip-a/out"]


def test_an_end_is_told_soon(live: Live) -> None:
    counters = counting(live.engine)
    read(live, counters)
    eip = live.network.store.state.get(ElasticIp, "fip-a")
    assert eip is not None
    live.take(Change(ElasticIp, "fip-a", eip, None))
    counters.last(MeterStats(eip.out_meter, 7, 700, 0, 0, 1.0), 10.0)
    assert counters.report_due == 10.0 + SOON_S
    (told,) = (one.record for one in counters.reports(11.0) if isinstance(one, Put) and one.record.ended)
    assert told.id == f"{HERE}/eip/fip-a/out" and told.packets == 7


A1 = [(interface, "port-a1")]


@counts(interface, "port", ORIGIN)
def sent(port: LocalPort, flow: Flow) -> str:
    """From two of the interfaces."""
    return "sent" if port.id in ("port-a1", "port-a2") else ""


@pytest.fixture
def flows(live: Live) -> SwitchCounters:
    """Counters of a program that counts what interfaces send, by the flows where it comes in."""
    program = live.engine.program
    live.engine.program = replace(program, counted={**program.counted, interface: (sent,)})
    return counting(live.engine)


def test_flows_count_what_was_sent(live: Live, flows: SwitchCounters) -> None:
    name = Metered("port", "port-a1", "sent")
    for _ in range(5):
        ping(live)
    live.switch.appctl("revalidator/wait")
    read(live, flows)
    assert flows.totals.shown[name] == (5, 5 * 42, 0, 0)
    assert {one.id for one in flows.totals.shown if one.family == "port"} <= {"port-a1", "port-a2"}
    ping(live)
    live.switch.appctl("revalidator/wait")
    read(live, flows)
    assert flows.totals.shown[name][0] == 6
    (told,) = (one.record for one in flows.reports(0.0) if isinstance(one, Put) and one.record.resource == "port-a1")
    assert (told.family, told.direction, told.packets, told.bytes) == ("port", "sent", 6, 6 * 42)


def test_a_flow_in_the_place_of_another_goes_on_and_one_made_anew_begins_an_epoch(
    live: Live, flows: SwitchCounters
) -> None:
    ping(live)
    live.switch.appctl("revalidator/wait")
    read(live, flows)
    wanted = [flow for flow in live.engine.desired.flows.values() if flow.table == ORIGIN.id]
    (flow,) = (one for one in wanted if [(unit.feature, unit.id) for unit in live.engine.units(one.cookie)] == A1)
    with live.switch.connect() as wire:
        assert wire.ask(flow_add(flow, 1)) == []
    ping(live)
    live.switch.appctl("revalidator/wait")
    read(live, flows)
    (before,) = (one for one in flows.totals.records(HERE) if one.resource == "port-a1" and one.family == "port")
    assert before.packets == 2
    with live.switch.connect() as wire:
        assert wire.ask(flow_delete_strict(flow, flow.cookie, 1), flow_add(flow, 2)) == []
    flows.made([flow])
    for _ in range(3):
        ping(live)
    live.switch.appctl("revalidator/wait")
    read(live, flows)
    (after,) = (one for one in flows.totals.records(HERE) if one.resource == "port-a1" and one.family == "port")
    assert after.packets == 3 and after.epoch > before.epoch


def test_nothing_is_asked_of_flows_that_nobody_counts(live: Live) -> None:
    with live.switch.connect() as wire:
        asked = counting(live.engine).ask(0.0)
        tables = {flow.table for reply in wire.ask(asked) if reply[8:10] == b"\0\1" for flow in flows_of(reply)}
    assert tables == {DROP.id}


def test_what_comes_in_from_other_hosts_is_counted_where_it_comes_in() -> None:
    engine = elastic().engine()
    engine.apply([Change(LocalTunnel, TUNNEL, None, LocalTunnel(id=TUNNEL, ofport=7, mtu=1450))], strict=True)
    owners = Owners(engine)
    named = {flow.table: owners.of_flow(flow) for flow in engine.desired.flows.values() if owners.counts(flow)}
    flows = [flow for flow in engine.desired.flows.values() if owners.of_flow(flow) == Metered("tunnel", TUNNEL, "in")]
    assert named.keys() == {ORIGIN.id, DROP.id} and [flow.table for flow in flows] == [ORIGIN.id]


def test_a_flow_that_two_want_counts_for_neither_until_one_is_left(live: Live, flows: SwitchCounters) -> None:
    name, desired = Metered("port", "port-a1", "sent"), live.engine.desired.flows
    owned = {cookie: live.engine.units(cookie) for cookie, flow in desired.items() if flow.table == ORIGIN.id}
    (cookie,) = (one for one, units in owned.items() if [(unit.feature, unit.id) for unit in units] == A1)
    (unit,), (other,) = owned[cookie], next(units for one, units in owned.items() if one != cookie and len(units) == 1)
    read(live, flows)
    assert name in flows.totals.shown
    live.engine.units = lambda one: (unit, other) if one == cookie else owned.get(one, ())  # type: ignore[method-assign]
    read(live, flows)
    assert name not in flows.totals.shown
    live.engine.units = lambda one: owned.get(one, ())  # type: ignore[method-assign]
    ping(live)
    live.switch.appctl("revalidator/wait")
    read(live, flows)
    assert flows.totals.shown[name][0] == 1
