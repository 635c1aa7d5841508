"""Every part may be killed at any moment: traffic goes on, and what comes back changes nothing that was right."""

import time
from collections.abc import Iterator

import pytest

from topologies import scenarios
from topologies.cloud import Cloud
from topologies.internet import SERVER
from topologies.process import wait_until
from topologies.traffic import Pinger


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as made:
        made.build(scenarios.elastic_ip())
        assert made.guests["web"].reaches(SERVER, 10)
        assert made.guests["web"].reaches("10.0.1.10", 10)
        yield made


def works(cloud: Cloud) -> None:
    """The whole chain is alive again: a change through the API reaches the switch."""
    owner, eip = cloud.owners["api"], cloud.elastic["api", "10.0.1.10"]["elasticIpId"]
    now = owner.elastic_ip(eip)["bandwidthMbps"]
    changes = cloud.host.count_changes()
    owner.set_bandwidth(eip, 51 if now == 50 else 50, 20)
    assert changes() > 0


@pytest.mark.parametrize("part", ["controller", "api", "store"])
def test_a_killed_part_comes_back_unnoticed(cloud: Cloud, part: str) -> None:
    """SIGKILL; a ping of 100 a second across subnets and one through the public address lose nothing."""
    changes = cloud.host.count_changes()
    with Pinger(cloud.guests["web"], "10.0.1.10") as inside, Pinger(cloud.guests["web"], SERVER) as outside:
        time.sleep(0.3)
        back = cloud.service.kill_part(part)
        assert part != "controller" or changes.read_back()
        # A process more is not yet a part that works again.
        assert wait_until(cloud.service.serves, 20, 0.1)
        time.sleep(2.0)
    print(f"{part}: back after {back:.2f} s, inside {inside.result}, outside {outside.result}")
    assert inside.result.lost == 0 and inside.result.sent >= 200
    assert outside.result.lost == 0
    assert changes() == 0
    works(cloud)


def test_everything_killed_and_started_again(cloud: Cloud) -> None:
    changes = cloud.host.count_changes()
    with Pinger(cloud.guests["web"], "10.0.1.10") as inside, Pinger(cloud.guests["web"], SERVER) as outside:
        time.sleep(0.3)
        cloud.service.kill()
        time.sleep(1.0)
        took = cloud.service.up()
        assert changes.read_back()
        time.sleep(1.0)
    print(f"all: served again after {took:.2f} s, inside {inside.result}, outside {outside.result}")
    assert inside.result.lost == 0 and outside.result.lost == 0
    assert changes() == 0
    works(cloud)


def test_an_orderly_end_and_start_change_nothing(cloud: Cloud) -> None:
    changes = cloud.host.count_changes()
    with Pinger(cloud.guests["web"], "10.0.1.10") as inside:
        cloud.service.down()
        time.sleep(0.5)
        cloud.service.up()
        assert changes.read_back()
        time.sleep(1.0)
    assert inside.result.lost == 0
    assert changes() == 0
    works(cloud)


def test_a_killed_switch_gets_everything_again(cloud: Cloud) -> None:
    """ovs-vswitchd forgets every flow, group and meter; the controller installs them all as they were."""
    flows, meters = cloud.host.flows(), cloud.host.meters()
    assert flows and meters
    with Pinger(cloud.guests["web"], "10.0.1.10") as inside, Pinger(cloud.guests["web"], SERVER) as outside:
        time.sleep(0.3)
        cloud.host.kill_vswitchd()
        started = time.monotonic()
        cloud.host.start_vswitchd()
        assert cloud.guests["web"].reaches("10.0.1.10", 20)
        assert cloud.guests["web"].reaches(SERVER, 20)
        took = time.monotonic() - started
        time.sleep(0.5)
    print(f"switch: traffic again {took:.2f} s after its restart, inside {inside.result}, outside {outside.result}")
    # The flows of a switch's time of grace go after half a minute.
    assert wait_until(lambda: cloud.host.flows() == flows, 45, 0.5)
    assert cloud.host.meters() == meters
    works(cloud)


def test_what_someone_else_did_to_the_switch_is_repaired_on_return(cloud: Cloud) -> None:
    """With the controller dead someone deletes flows; on return they are there again."""
    before = cloud.host.flows()
    cloud.service.kill()
    cloud.host.ofctl("del-flows", "ip")
    assert len(cloud.host.flows()) < len(before)
    cloud.service.up()
    assert wait_until(lambda: cloud.host.flows() == before, 15, 0.2)
    assert cloud.guests["web"].reaches(SERVER, 5)
