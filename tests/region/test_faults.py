"""Any part of a region may die while tenants work and packets flow: no acknowledged change is lost, nor any packet.

Only a dead switch loses packets, and only its own.  What came of each fault is written to docs/reliability.md by
``pytest tests/region/test_faults.py --update-reliability --full-minute``.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.region import table
from tests.region.churn import Churn
from tests.region.conftest import whole_region
from tests.region.scratch import equal
from topologies.internet import SERVER
from topologies.process import wait_until
from topologies.region import CONTROL, SMALL, Region
from topologies.traffic import Pinger, PingResult

GRACE_S = 45.0
SHORT_CUT_S = 8
ROWS: dict[str, table.Row] = {}


@pytest.fixture(scope="module")
def broken() -> Iterator[Region]:
    """A region for this module alone; it is whole again after every test."""
    yield from whole_region()


# What is done. Each breaks something, waits, and makes it whole; the churn and the pings go on all the time.


def kill_follower(region: Region, _: float) -> None:
    kill_member(region, next(name for name in region.stores if name != region.leader()))


def kill_leader(region: Region, _: float) -> None:
    term = max(region.term(name) for name in region.stores)
    kill_member(region, region.leader())
    assert max(region.term(name) for name in region.stores) > term, "nobody else was elected"


def kill_member(region: Region, name: str) -> None:
    region.stores[name].kill()
    time.sleep(4)
    region.stores[name].start()
    caught_up(region, name)


def caught_up(region: Region, name: str) -> None:
    """Wait until a member has the whole log again."""
    late = region.log_end(region.leader())
    assert wait_until(lambda: region.log_end(name) >= late, 20, 0.2), region.stores[name].tail()


def kill_api(region: Region, _: float) -> None:
    region.apis["api1"].kill()
    time.sleep(2)
    region.apis["api1"].start()
    region.apis["api1"].first_line()


def kill_agent(region: Region, _: float) -> None:
    region.agents["hv2"].kill()
    time.sleep(2)
    changes = region.hosts["hv2"].count_changes()
    region.agents["hv2"].start()
    assert changes.read_back(60), region.agents["hv2"].tail()


def kill_switch(region: Region, _: float) -> None:
    region.hosts["hv3"].kill_vswitchd()
    time.sleep(1)
    region.hosts["hv3"].start_vswitchd()
    assert region.guests["red3"].reaches("10.0.0.11", 20)
    assert region.guests["red3"].reaches(SERVER, 20)


def cut_host(region: Region, seconds: float) -> None:
    region.fabric.cut(region.hosts["hv3"], CONTROL)
    time.sleep(seconds)
    region.fabric.mend(region.hosts["hv3"], CONTROL)


def lead_on_a_large_disk(region: Region) -> None:
    region.lead(next(name for name in region.stores if name != SMALL))


def lead_on_the_small_disk(region: Region) -> None:
    region.lead(SMALL)


def fill_disk(region: Region, _: float) -> None:
    """The third member has a small disk: whatever is left on it is taken by a file of somebody else.

    A member that went on without its disk would be caught here: what it has written is read at its next start.
    """
    member = region.stores[SMALL]
    ballast = str(region.directory / SMALL / "ballast")
    member.station.run("dd", "if=/dev/zero", f"of={ballast}", "bs=1k", check=False)
    time.sleep(4)
    member.station.run("rm", ballast)
    if not member.running:
        member.stop()
        member.start()  # as a service manager does again and again
    caught_up(region, SMALL)
    member.kill()
    member.start()
    caught_up(region, SMALL)


def as_it_is(region: Region) -> None:
    """Nothing is to be prepared."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A thing to do, in words, and how things must stand `before`.

    `through` says that it takes the data plane of hv3 away, so that the pings of hv3 are lost and not counted.
    """

    key: str
    words: str
    do: Callable[[Region, float], None]
    before: Callable[[Region], None] = as_it_is
    through: bool = False


FAULTS = (
    Fault("follower", "a follower of the store is killed", kill_follower),
    Fault("leader", "the leader of the store is killed", kill_leader),
    Fault("api", "one of two API servers is killed", kill_api),
    Fault("agent", "a host's agent is killed", kill_agent),
    Fault("switch", "a host's ovs-vswitchd is killed (pings: those of other hosts)", kill_switch, through=True),
    Fault("cut", "a host is cut from the store for {seconds:.0f} s", cut_host),
    Fault("disk", "the disk of a follower of the store is full", fill_disk, lead_on_a_large_disk),
    Fault("leaders-disk", "the disk of the leader of the store is full", fill_disk, lead_on_the_small_disk),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.key)
def test_nothing_is_lost(broken: Region, fault: Fault, request: pytest.FixtureRequest) -> None:
    seconds = 60.0 if request.config.getoption("--full-minute") else float(SHORT_CUT_S)
    # Pings that take every host but hv3 when the switch of hv3 is what dies, else also those that take it.
    pairs = [("red1", "10.0.0.12"), ("red2", "10.0.1.14")] + ([] if fault.through else [("red3", "10.0.0.11")])
    fault.before(broken)
    churn = Churn(broken)
    with ExitStack() as running:
        pings = [running.enter_context(Pinger(broken.guests[name], target)) for name, target in pairs]
        outside = running.enter_context(Pinger(broken.guests["red1"], SERVER))
        running.enter_context(churn)
        time.sleep(1)
        fault.do(broken, seconds)
        time.sleep(1)
    inside = total([one.result for one in pings])
    whole = time.monotonic()
    broken.cli("wait", "--timeout", "30")
    late = time.monotonic() - whole
    lost = churn.lost(0) + churn.lost(1)
    # A switch that has just started has the flows of its time of grace for half a minute.
    wait_until(lambda: not equal(broken), GRACE_S, 1.0)
    different = equal(broken)
    holds = not (lost or churn.refused or different or inside.lost or outside.result.lost)
    words = fault.words.format(seconds=seconds)
    ROWS[fault.key] = row = table.Row(
        fault.key,
        words,
        churn.acknowledged,
        len(lost),
        churn.silence(),
        inside,
        outside.result,
        late,
        not different,
        holds,
    )
    print(row.line())
    churn.clear()
    assert churn.acknowledged >= 40
    assert lost == []
    assert churn.refused == []
    assert different == {}
    assert inside.lost == 0, inside
    assert outside.result.lost == 0, outside.result


def total(results: list[PingResult]) -> PingResult:
    """Several pings as one."""
    return PingResult(
        sum(one.sent for one in results),
        sum(one.lost for one in results),
        max(one.gap for one in results),
        max(one.slowest for one in results),
    )


def test_agents_that_all_start_again_change_nothing(broken: Region) -> None:
    """Flows worked out from scratch are those that every switch has: no message, no packet lost."""
    broken.cli("wait", "--timeout", "20")
    changes = {name: host.count_changes() for name, host in broken.hosts.items()}
    with Pinger(broken.guests["red1"], "10.0.0.12") as ping, Pinger(broken.guests["red3"], SERVER) as outside:
        for agent in broken.agents.values():
            agent.kill()
            agent.start()
        for name, change in changes.items():
            assert change.read_back(60), broken.agents[name].tail()
        time.sleep(1)
    assert {name: change() for name, change in changes.items()} == dict.fromkeys(broken.hosts, 0)
    assert ping.result.lost == 0 and outside.result.lost == 0


def test_the_page_says_so(request: pytest.FixtureRequest) -> None:
    """docs/reliability.md has a row for every fault, and every one of them holds; it is written now if asked for."""
    if request.config.getoption("--update-reliability"):
        assert set(ROWS) == {fault.key for fault in FAULTS}, "the table wants every fault"
        table.write([ROWS[fault.key] for fault in FAULTS])
    found = table.shown()
    assert set(found) == {fault.words.format(seconds=60.0) for fault in FAULTS}
    assert set(found.values()) == {"holds"}
