"""Live migration: the same interface appears on a second host, and traffic follows within a second."""

import time

import pytest

from tests.region.arp import Asked, holder
from tests.region.conftest import is_echo_to
from topologies.process import wait_until
from topologies.region import Region
from topologies.traffic import Pinger

FOLLOWS_S = 1.0


@pytest.mark.parametrize(("source", "target"), [("hv2", "hv3"), ("hv3", "hv4"), ("hv4", "hv1"), ("hv1", "hv2")])
def test_a_machine_moves(region: Region, source: str, target: str) -> None:
    """red2 goes round all hosts: within its VPC, and with its public address, also where there is no uplink."""
    assert region.homes["red2"] is region.hosts[source]
    old, new = region.guests["red2"], region.copy("red2", target)
    private, public = region.address("red2"), region.public("red2")
    gateway = {"hv4": holder(region, region.public("red4"))}  # it answers for hosts without uplink
    with (
        Pinger(region.guests["red1"], private) as near,
        Pinger(region.guests["red4"], private) as routed,
        Pinger(region.internet.server, public) as outside,
        Asked(region, public) as asked,
    ):
        with old.sniff() as before, new.sniff() as after:
            time.sleep(0.5)
            plugged = time.monotonic()
            region.plug("red2", new, target)
            time.sleep(FOLLOWS_S)
            moved = time.monotonic()
            time.sleep(0.7)
        late = [one for one in before.seen(lambda frame: is_echo_to(private, frame)) if one.at > moved]
        first = min((one.at for one in after.seen(lambda frame: is_echo_to(private, frame))), default=moved + 60)
        region.leave("red2", new, target)
        time.sleep(0.7)
    gaps = [one.result.gap for one in (near, routed, outside)]
    print(f"{source} to {target}: followed after {first - plugged:.3f} s; longest gaps {gaps}; {list(asked.holders)}")
    assert first - plugged < FOLLOWS_S
    assert late == []
    assert max(gaps) < 2 * FOLLOWS_S, "on two cores that others use too"
    there, here = gateway.get(source, source), gateway.get(target, target)
    assert list(asked.holders) == ([there, here] if there != here else [here])
    assert region.guests["red2"].ping("10.0.1.13", count=3) == 3


def test_a_machine_that_came_back_is_where_it_was(region: Region) -> None:
    """The migration is given up: the second half goes, and the first one, still plugged in, has the port again."""
    old, home = region.guests["red3"], region.homes["red3"]
    new = region.copy("red3", "hv1")
    region.plug("red3", new, "hv1")
    with new.sniff() as wire:
        assert wait_until(lambda: region.guests["red1"].ping("10.0.1.13", count=1, wait=1) and wire.received(), 5)
    new.detach(region.net, region.hosts["hv1"], 0)
    assert region.guests["red1"].reaches("10.0.1.13", 3)
    with old.sniff() as wire:
        assert region.guests["red1"].ping("10.0.1.13", count=3) == 3
        assert wire.received(lambda frame: is_echo_to("10.0.1.13", frame))
    assert region.homes["red3"] is home
