"""Interfaces on two hosts: a packet meets the groups of its sender on one and those of its receiver on the other."""

import pytest

from tests.networks import NETWORKS
from tests.verify.proof import ALIKE, Proof
from tests.verify.regions import joined


@pytest.mark.parametrize("name", ["grouped", "routed"])
def test_every_packet_between_hosts_has_the_fate_that_the_reference_tells(name: str) -> None:
    network = NETWORKS[name]()
    proof = Proof(network, hosts=joined(network))
    assert len({entry.host for entry in proof.entries}) == 2
    for entry in proof.entries:
        proof.check(entry, ALIKE)
