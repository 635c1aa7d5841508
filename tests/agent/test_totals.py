"""Totals of metered traffic: without gaps through changes of a meter, a new epoch only where a count was lost."""

from dataclasses import dataclass, field

from sdnctl.agent.totals import KEPT_S, Metered, Totals
from sdnctl.model.host import TrafficCount
from sdnctl.of.meter import MeterStats

OUT = Metered("eip", "fip-1", "out")
OTHER = Metered("eip", "fip-2", "out")


def stats(meter: int, packets: int, dropped: int = 0) -> MeterStats:
    """A meter that has counted so many packets of 100 bytes."""
    return MeterStats(meter, packets, 100 * packets, dropped, 100 * dropped, 0.0)


@dataclass
class Host:
    """The totals of a host, its clock, and the meters that it wants."""

    now: float = 1000.0
    wanted: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.totals = Totals(lambda: self.now)

    def want(self, meter: int, owner: Metered = OUT) -> None:
        """A meter is wanted by somebody."""
        self.wanted.add(meter)
        self.totals.name(meter, owner)

    def read(self, *found: MeterStats) -> None:
        """A second later the switch says what all meters show."""
        self.now += 1
        self.totals.read(found, self.wanted.__contains__)

    def told(self, name: Metered = OUT) -> TrafficCount:
        """The report of one of them."""
        (found,) = (one for one in self.totals.records("h") if (one.family, one.resource) == (name.family, name.id))
        return found


def test_what_passed_is_what_came_less_what_was_dropped() -> None:
    host = Host()
    host.want(1)
    host.read(stats(1, 10, 4))
    told = host.told()
    assert (told.packets, told.bytes, told.dropped_packets, told.dropped_bytes) == (6, 600, 4, 400)
    assert told.id == "h/eip/fip-1/out" and told.epoch == 1_001_000 and told.meter == 1 and not told.ended


def test_a_total_goes_on_through_a_new_rate() -> None:
    host = Host()
    host.want(1)
    host.read(stats(1, 10))
    epoch = host.told().epoch
    host.totals.last(stats(1, 17), wanted=True)
    host.read(stats(1, 2))
    host.totals.last(stats(1, 5), wanted=True)
    host.totals.last(stats(1, 9), wanted=True)
    host.read(stats(1, 1))
    assert host.told().packets == 17 + 5 + 9 + 1 and host.told().epoch == epoch


def test_a_count_that_was_lost_begins_a_new_epoch() -> None:
    """The switch started again: what was told of the old epoch stays true, the new one begins with what is there."""
    host = Host()
    host.want(1)
    host.read(stats(1, 10))
    before = host.told()
    host.read(stats(1, 3))
    assert host.told().packets == 3 and host.told().epoch > before.epoch
    assert host.totals.shown == {OUT: (13, 1300, 0, 0)}, "Prometheus' own never fall"


def test_a_meter_that_goes_ends_its_total_and_coming_back_begins_another() -> None:
    host = Host()
    host.want(1)
    host.read(stats(1, 10))
    host.wanted.clear()
    host.totals.last(stats(1, 12), wanted=False)
    first = host.told()
    assert first.packets == 12 and first.ended == host.now and host.totals.shown == {}
    host.want(1)
    host.read(stats(1, 4))
    assert host.told().packets == 4 and host.told().epoch > first.epoch and not host.told().ended
    assert host.totals.shown == {OUT: (16, 1600, 0, 0)}


def test_a_meter_between_two_readings_is_counted_whole() -> None:
    host = Host()
    host.want(1)
    host.wanted.clear()
    host.totals.last(stats(1, 5), wanted=False)
    assert host.told().packets == 5 and host.told().ended


def test_a_meter_that_changes_hands_counts_for_the_old_owner_until_it_is_read() -> None:
    host = Host()
    host.want(1)
    host.read(stats(1, 10))
    host.want(1, OTHER)
    host.totals.last(stats(1, 14), wanted=True)
    host.read(stats(1, 3))
    assert host.told().packets == 14 and host.told().ended
    assert host.told(OTHER).packets == 3 and not host.told(OTHER).ended


def test_a_restart_goes_on_where_it_was_told() -> None:
    first = Host()
    first.want(1)
    first.want(2, OTHER)
    first.read(stats(1, 10, 1), stats(2, 5))
    told = [first.told(), first.told(OTHER)]
    again = Host(now=2000.0)
    again.want(1)
    again.totals.restore(told)
    again.totals.last(stats(2, 8), wanted=False)  # it went meanwhile, and was left in the switch
    again.read(stats(1, 25, 2))
    assert again.told().packets == 23 and again.told().dropped_packets == 2 and again.told().epoch == told[0].epoch
    assert again.told(OTHER).packets == 8 and again.told(OTHER).ended == 2000.0


def test_a_restart_of_the_switch_meanwhile_is_a_new_epoch() -> None:
    first = Host()
    first.want(1)
    first.read(stats(1, 10))
    again = Host(now=2000.0)
    again.want(1)
    again.totals.restore([first.told()])
    again.read(stats(1, 4))
    assert again.told().packets == 4 and again.told().epoch > first.told().epoch


def test_a_meter_that_went_without_a_last_count_ends_as_it_was_last_seen() -> None:
    host = Host()
    host.want(1)
    host.read(stats(1, 10))
    host.wanted.clear()
    host.read()
    assert host.told().packets == 10 and host.told().ended == host.now


def test_an_ended_total_can_be_read_for_an_hour() -> None:
    host = Host()
    host.want(1)
    host.totals.last(stats(1, 5), wanted=False)
    host.now += KEPT_S - 1
    host.totals.forget()
    assert host.told().packets == 5
    host.now += 1
    host.totals.forget()
    assert list(host.totals.records("h")) == []


def test_a_meter_that_nobody_is_known_to_own_is_passed_over() -> None:
    host = Host()
    host.read(stats(9, 5))
    host.totals.last(stats(9, 6), wanted=False)
    assert list(host.totals.records("h")) == []
