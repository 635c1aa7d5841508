"""Totals of metered traffic: without gaps through changes of a meter, a new epoch only where a count was lost."""

from dataclasses import dataclass, field

from sdnctl.agent.totals import FLOW, KEPT_S, Amounts, Metered, Totals, flow_counter
from sdnctl.model.host import TrafficCount

Shown = tuple[int, Amounts]

OUT = Metered("eip", "fip-1", "out")
OTHER = Metered("eip", "fip-2", "out")


def stats(meter: int, packets: int, dropped: int = 0) -> Shown:
    """A meter that has counted so many packets of 100 bytes."""
    return meter, (packets, 100 * packets, dropped, 100 * dropped)


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

    def read(self, *found: Shown) -> None:
        """A second later the switch says what all meters show."""
        self.now += 1
        self.totals.read(dict(found), self.wanted.__contains__)

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
    assert told.id == "h/eip/fip-1/out" and told.epoch == 1_001_000 and told.read[0] == 1 and not told.ended


def test_a_total_goes_on_through_a_new_rate() -> None:
    host = Host()
    host.want(1)
    host.read(stats(1, 10))
    epoch = host.told().epoch
    host.totals.last(*stats(1, 17), wanted=True)
    host.read(stats(1, 2))
    host.totals.last(*stats(1, 5), wanted=True)
    host.totals.last(*stats(1, 9), wanted=True)
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
    host.totals.last(*stats(1, 12), wanted=False)
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
    host.totals.last(*stats(1, 5), wanted=False)
    assert host.told().packets == 5 and host.told().ended


def test_a_meter_that_changes_hands_counts_for_the_old_owner_until_it_is_read() -> None:
    host = Host()
    host.want(1)
    host.read(stats(1, 10))
    host.want(1, OTHER)
    host.totals.last(*stats(1, 14), wanted=True)
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
    again.totals.last(*stats(2, 8), wanted=False)  # it went meanwhile, and was left in the switch
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
    host.totals.last(*stats(1, 5), wanted=False)
    host.now += KEPT_S - 1
    host.totals.forget()
    assert host.told().packets == 5
    host.now += 1
    host.totals.forget()
    assert list(host.totals.records("h")) == []


def test_a_meter_that_nobody_is_known_to_own_is_passed_over() -> None:
    host = Host()
    host.read(stats(9, 5))
    host.totals.last(*stats(9, 6), wanted=False)
    assert list(host.totals.records("h")) == []


def test_a_total_adds_up_what_begins_again() -> None:
    host = Host()
    host.want(1)
    host.want(2, OTHER)
    host.read(stats(1, 5), stats(2, 1))
    host.read(stats(1, 7), stats(2, 1))
    assert host.totals.shown == {OUT: (7, 700, 0, 0), OTHER: (1, 100, 0, 0)}
    host.read(stats(1, 2))  # made anew, and the other one is gone for a while
    host.read(stats(1, 3), stats(2, 4))
    assert host.totals.shown == {OUT: (10, 1000, 0, 0), OTHER: (4, 400, 0, 0)}


# Flows.

KEY, OTHER_KEY = flow_counter(b"one"), flow_counter(b"two")


def test_a_flow_is_known_by_its_key_above_all_meters() -> None:
    assert flow_counter(b"one") == KEY != OTHER_KEY
    assert min(KEY, OTHER_KEY) >= FLOW > 0xFFFF_FFFF and max(KEY, OTHER_KEY) < 1 << 63, "a signed column has it"


def test_a_total_is_the_sum_of_its_flows_and_goes_on_when_one_takes_the_place_of_another() -> None:
    host = Host()
    host.want(KEY)
    host.want(OTHER_KEY)
    host.read(stats(KEY, 10), stats(OTHER_KEY, 5))
    epoch = host.told().epoch
    assert host.told().packets == 15
    host.wanted.remove(KEY)
    host.read(stats(OTHER_KEY, 7))
    assert (host.told().packets, host.told().epoch, host.told().ended) == (17, epoch, 0.0)
    third = flow_counter(b"three")
    host.want(third)
    host.wanted.remove(OTHER_KEY)
    host.totals.made(third)
    host.read(stats(third, 4))
    assert (host.told().packets, host.told().epoch, host.told().ended) == (21, epoch, 0.0)


def test_a_flow_that_was_deleted_and_made_anew_begins_an_epoch_however_much_it_shows() -> None:
    host = Host()
    host.want(KEY)
    host.totals.made(KEY)
    host.read(stats(KEY, 10))
    before = host.told()
    host.totals.made(KEY)
    host.read(stats(KEY, 500))
    assert host.told().packets == 500 and host.told().epoch > before.epoch
    assert host.totals.shown == {OUT: (510, 51_000, 0, 0)}


def test_two_flows_lost_at_once_begin_one_epoch() -> None:
    host = Host()
    host.want(KEY)
    host.want(OTHER_KEY)
    host.read(stats(KEY, 10), stats(OTHER_KEY, 10))
    before = host.told()
    host.read(stats(KEY, 3), stats(OTHER_KEY, 4))
    assert host.told().packets == 7 and host.told().epoch > before.epoch


def test_a_flow_that_changes_hands_without_beginning_again_counts_for_each_what_passed_meanwhile() -> None:
    host = Host()
    host.want(KEY)
    host.read(stats(KEY, 10))
    host.want(KEY, OTHER)
    host.read(stats(KEY, 14))
    host.read(stats(KEY, 20))
    assert host.told().packets == 14 and host.told().ended
    assert host.told(OTHER).packets == 6 and not host.told(OTHER).ended


def test_what_a_flow_counts_while_it_is_nobodys_is_nobodys() -> None:
    host = Host()
    host.want(KEY)
    host.read(stats(KEY, 10))
    host.totals.release(KEY)
    assert host.told().ended
    host.read(stats(KEY, 30))
    host.want(KEY)
    host.read(stats(KEY, 31))
    assert host.told().packets == 1 and not host.told().ended


def test_a_restart_goes_on_with_each_flow_and_knows_which_was_made_anew() -> None:
    first = Host()
    first.want(KEY)
    first.want(OTHER_KEY, OTHER)
    first.read(stats(KEY, 10), stats(OTHER_KEY, 5))
    told = [first.told(), first.told(OTHER)]
    again = Host(now=2000.0)
    again.want(KEY)
    again.want(OTHER_KEY, OTHER)
    again.totals.restore(told)
    again.totals.made(OTHER_KEY)
    again.read(stats(KEY, 12), stats(OTHER_KEY, 50))
    assert (again.told().packets, again.told().epoch) == (12, told[0].epoch)
    assert again.told(OTHER).packets == 50 and again.told(OTHER).epoch > told[1].epoch
