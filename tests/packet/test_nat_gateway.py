"""NAT gateways with real packets: what leaves by one, what comes back, and that nothing leaves with its own address."""

from collections.abc import Iterator

import pytest

from topologies.cloud import Cloud
from topologies.internet import SERVER
from topologies.natgw import Natted, behind_a_gateway, private, sources
from topologies.scenarios import machine


@pytest.fixture(scope="module")
def natted() -> Iterator[Natted]:
    machines = (machine("one", "front", "10.0.0.10"), machine("two", "front", "10.0.0.11"))
    with Cloud() as cloud:
        cloud.build(behind_a_gateway(machines))
        made = Natted(cloud)
        assert cloud.guests["one"].reaches(SERVER, 10)
        yield made


def test_machines_reach_the_internet_by_the_elastic_ip(natted: Natted) -> None:
    with natted.cloud.internet.gateway.sniff("public") as wire:
        for name in ("one", "two"):
            assert natted.cloud.guests[name].ping(SERVER) == 3
        assert sources(wire.received()) == set(natted.publics())
        assert not wire.received(private)
