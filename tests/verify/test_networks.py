"""Proved, not sampled: in every network each packet that anybody may send has the fate that the reference tells.

So it is whatever its connection is: new, going on, a reply, an ICMP error about one, or none at all.
"""

import pytest

from tests.networks import NETWORKS
from tests.verify.proof import ALIKE, check


@pytest.mark.parametrize("name", NETWORKS)
def test_every_packet_has_the_fate_that_the_reference_tells(name: str) -> None:
    check(NETWORKS[name](), states=ALIKE)
