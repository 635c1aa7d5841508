"""Counters of a host: totals never jump back, drops by reason, durations of changes; read from a real switch."""

from collections.abc import Iterator

import pytest

from apps.eip.model import ElasticIp
from sdnctl.agent.counters import REPORT_S, SOON_S, Histogram, SwitchCounters, Tally
from sdnctl.agent.totals import Metered
from sdnctl.engine.engine import Engine
from sdnctl.model.host import TrafficCount
from sdnctl.of.message import MULTIPART_REPLY, kind_of
from sdnctl.of.meter import ADD, DELETE, MODIFY, Meter, MeterStats, meter_mod
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
    made.named(engine.desired.meters)
    return made


def read(live: Live, counters: SwitchCounters) -> None:
    """One reading, as the agent carries it."""
    with live.switch.connect() as wire:
        for reply in wire.ask(counters.ask(0.0)):
            assert kind_of(reply) == MULTIPART_REPLY and counters.answer(reply)


def ping(live: Live, source: str = "10.0.1.10") -> None:
    frame = bytes.fromhex("0e0000000001") + int(live.port("a1").mac).to_bytes(6, "big") + bytes.fromhex("0800")
    ip = bytes.fromhex("4500001c000000004001") + bytes(2) + bytes(map(int, source.split("."))) + bytes((8, 8, 8, 8))
    live.send("a1", frame + ip + bytes.fromhex("0800f7ff00000000"))


def test_a_tally_adds_up_what_begins_again() -> None:
    tally = Tally()
    tally.read([(1, "a", (5, 50)), (2, "b", (1, 10))])
    tally.read([(1, "a", (7, 70)), (2, "b", (1, 10))])
    assert tally.totals == {"a": (7, 70), "b": (1, 10)}
    tally.read([(1, "a", (2, 20))])  # made anew, and the other one is gone
    tally.read([(1, "a", (3, 30)), (2, "b", (4, 40))])
    assert tally.totals == {"a": (10, 100), "b": (5, 50)}
    tally.read([(1, "c", (9, 90))])  # the number went to somebody else
    assert tally.totals["c"] == (9, 90) and tally.totals["a"] == (10, 100)


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
    assert counters.meters.shown[out] == (0, 0, 0, 0)
    for _ in range(3):
        ping(live)
    read(live, counters)
    packets, volume, *dropped = counters.meters.shown[out]
    assert (packets, dropped) == (3, [0, 0]) and volume == 3 * 42
    meter = Meter(eip.out_meter, 9000, 900)
    for commands in ((MODIFY,), (DELETE, ADD)):
        with live.switch.connect() as wire:
            assert wire.ask(*(meter_mod(command, meter, 1) for command in commands)) == []
        read(live, counters)
        assert counters.meters.shown[out][0] >= packets
    assert Metered("eip", "fip-a", "in") in counters.meters.shown
    assert live.engine.meter_unit(eip.in_meter) is live.engine.meter_unit(eip.out_meter)


def test_a_deleted_elastic_ip_is_forgotten(live: Live) -> None:
    counters = counting(live.engine)
    read(live, counters)
    eip = live.network.store.state.get(ElasticIp, "fip-a")
    live.take(Change(ElasticIp, "fip-a", eip, None))
    read(live, counters)
    assert "fip-a" not in {name.id for name in counters.meters.shown}
    assert "fip-b" in {name.id for name in counters.meters.shown}


def test_drops_are_counted_by_reason(live: Live) -> None:
    counters = counting(live.engine)
    for _ in range(2):
        ping(live, source="10.9.9.9")
    live.switch.appctl("revalidator/wait")
    read(live, counters)
    assert counters.drops.totals["spoofed"] == (2,)
    assert counters.dropped == {"spoofed": "2"}


def test_an_answer_to_an_older_question_is_passed_over(live: Live) -> None:
    counters = counting(live.engine)
    with live.switch.connect() as wire:
        old = wire.ask(counters.ask(0.0))
    counters.ask(5.0)
    assert counters.due == 10.0
    assert all(counters.answer(reply) for reply in old)
    assert counters.meters.shown == {} and counters.drops.totals == {}


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
