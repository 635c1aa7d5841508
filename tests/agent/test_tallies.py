"""What somebody looks at now is read often and told at once: the drops of a watched interface, each way."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from apps.drops.flows import counted
from apps.drops.model import DropCount, DropWatch
from apps.drops.tables import DROP_IN, DROP_OUT
from apps.eip.model import ElasticIp
from apps.eni.tables import NOT_HERE
from apps.pipeline import DROP, OUT_PORT, PORT, dropped
from sdnctl.agent.counters import EVERY_S, SwitchCounters
from sdnctl.of.actions import set_field
from sdnctl.of.message import MULTIPART_REPLY, flows_of, kind_of
from sdnctl.program.feature import Reading
from sdnctl.program.packets import PacketOut, Put
from sdnctl.store import Change
from tests.agent.test_counters import counting, ping
from tests.apps.live import Live
from tests.build import HERE
from tests.networks.eip import elastic

ID = f"{HERE}/dw-1"


@pytest.fixture
def live() -> Iterator[Live]:
    with Live(elastic()) as made:
        yield made


def watch(live: Live, port: str, number: int = 1, until: float = 1.9e9) -> DropWatch:
    """A watch over the drops of an interface, in the switch."""
    made = DropWatch(id=f"dw-{number}", account="acc", vpc="vpc-a", port=f"port-{port}", until=until)
    live.take(Change(DropWatch, made.id, None, made))
    return made


def read(live: Live, counters: SwitchCounters, now: float = 0.0) -> dict[str, DropCount]:
    """One reading, as the agent carries it: what is told of it, and known from then on."""
    live.switch.appctl("revalidator/wait")
    with live.switch.connect() as wire:
        for reply in wire.ask(counters.ask(now)):
            assert kind_of(reply) == MULTIPART_REPLY and counters.answer(reply)
    told = {one.record.id: one.record for one in counters.tallied() if isinstance(one, Put)}
    known = live.engine.state.all(DropCount)
    live.engine.apply([Change(DropCount, id, known.get(id), one) for id, one in told.items()], strict=True)
    return told


def packets(live: Live, id: str = ID) -> dict[str, str]:
    return dict(live.engine.state.all(DropCount)[id].packets)


def drop(live: Live, sender: str, receiver: str) -> None:
    """A packet from one interface to another is dropped when it is about to be delivered."""
    ports = set_field(PORT, live.port(sender).key), set_field(OUT_PORT, live.port(receiver).key)
    live.say(PacketOut(bytes(60), (*ports, *dropped(NOT_HERE))))


def test_what_a_watched_interface_sends_in_vain_is_counted_by_the_reason(live: Live) -> None:
    watch(live, "a1")
    counters = counting(live.engine)
    assert read(live, counters)[ID].packets == {}
    for _ in range(3):
        ping(live, source="10.9.9.9")
    assert read(live, counters)[ID].packets == {"out spoofed-ip": "3"}
    assert read(live, counters) == {}, "nothing new is nothing to tell"
    ping(live, source="10.9.9.9")
    read(live, counters)
    assert packets(live) == {"out spoofed-ip": "4"}


def test_the_drops_of_a_host_count_what_is_watched_too(live: Live) -> None:
    counters = counting(live.engine)
    ping(live, source="10.9.9.9")
    read(live, counters, 10.0)
    assert counters.drops["spoofed-ip"] == 1
    made = watch(live, "a1")
    counters = counting(live.engine)
    ping(live, source="10.9.9.9")
    ping(live, source="10.9.9.9")
    read(live, counters, 20.0)
    assert counters.drops["spoofed-ip"] == 3
    live.take(Change(DropWatch, made.id, made, None))
    ping(live, source="10.9.9.9")
    read(live, counters, 30.0)
    assert not any(flow.table in (DROP_IN.id, DROP_OUT.id) for flow in live.engine.desired.flows.values())


def test_a_packet_between_two_that_are_watched_counts_for_both(live: Live) -> None:
    watch(live, "a1", 1)
    watch(live, "a2", 2)
    counters = counting(live.engine)
    drop(live, "a1", "a2")
    drop(live, "a1", "a-far")
    drop(live, "a-far", "a2")
    read(live, counters)
    assert packets(live) == {"out not-here": "2"}
    assert packets(live, f"{HERE}/dw-2") == {"in not-here": "2"}
    assert counters.drops["not-here"] == 3


def test_what_is_looked_at_is_read_more_often_and_the_rest_as_always(live: Live) -> None:
    counters = counting(live.engine)
    read(live, counters, 100.0)
    assert counters.due == 100.0 + EVERY_S
    watch(live, "a1")
    counters = counting(live.engine)
    assert counters.due == 0.0, "at once"

    def tables(now: float) -> set[int]:
        with live.switch.connect() as wire:
            asked = wire.ask(counters.ask(now))
        return {flow.table for reply in asked if reply[8:10] == b"\0\1" for flow in flows_of(reply)}

    assert tables(200.0) == {DROP.id, DROP_IN.id, DROP_OUT.id}
    assert counters.due == 200.0 + 2.0
    assert tables(202.0) == {DROP_IN.id, DROP_OUT.id}
    assert tables(204.0) == {DROP_IN.id, DROP_OUT.id} and counters.due == 205.0
    assert tables(205.0) == {DROP.id, DROP_IN.id, DROP_OUT.id}


def test_what_a_limit_drops_counts_from_the_beginning_of_the_watch(live: Live) -> None:
    made = watch(live, "a1")
    eip = live.network.store.state.get(ElasticIp, "fip-a")
    assert eip is not None

    def told(**dropped: int) -> DropCount:
        meters = {eip.out_meter: dropped["out"], eip.in_meter: dropped["into"]}
        one: DropCount = counted.report(made, Reading(0.0, (), meters), HERE, live.engine.view())
        live.engine.apply([Change(DropCount, ID, live.engine.state.get(DropCount, ID), one)], strict=True)
        return one

    assert told(out=7, into=0).packets == {}
    assert told(out=9, into=5).packets == {"in bandwidth": "5", "out bandwidth": "2"}
    assert told(out=1, into=6).packets == {"in bandwidth": "6"}, "a new rate: the meter begins again"
    assert told(out=3, into=6).packets == {"in bandwidth": "6", "out bandwidth": "2"}


def test_a_host_ends_a_watch_at_its_time_and_goes_on_when_it_is_prolonged(live: Live) -> None:
    made = watch(live, "a1", until=1_799_999_999.0)
    counters = counting(live.engine)
    ping(live, source="10.9.9.9")
    assert read(live, counters)[ID].over == made.until
    live.sync()

    def watching() -> int:
        return sum(flow.table in (DROP_IN.id, DROP_OUT.id) for flow in live.engine.desired.flows.values())

    assert watching() == 0
    assert packets(live) == {"out spoofed-ip": "1"}, "what was counted is still there"
    live.take(Change(DropWatch, made.id, made, replace(made, until=1.9e9)))
    assert watching() > 0
