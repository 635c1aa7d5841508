"""100 random networks with one VPC: each packet has the fate that the reference tells."""

import pytest

from tests.verify.networks import prove


@pytest.mark.timeout(600)
def test_every_packet_of_a_random_network_has_the_fate_that_the_reference_tells(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = prove(vpcs=1, examples=100)
    with capsys.disabled():
        print(f"\n{told}")
