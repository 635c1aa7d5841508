"""Random networks for the proof: 200 of them, in two files so that they go to two workers."""

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sdnctl.verify.sets import Sets
from tests.build import Network
from tests.reference import parts
from tests.test_reference import SUBNETS, VPCS, interfaces
from tests.verify.proof import check

MOST_NODES = 1000000
"""Nodes after which sets are begun anew."""


@st.composite
def networks(draw: st.DrawFn, vpcs: int) -> Network:
    """A VPC of one or two subnets, or two of one, up to four interfaces, and what the parts add."""
    net = Network()
    net.uplink()
    subnets = draw(st.integers(1, 2)) if vpcs == 1 else 1
    for name in "ab"[:vpcs]:
        vpc = net.vpc(name, draw(st.sampled_from(VPCS)))
        for cidr in draw(st.lists(st.sampled_from(SUBNETS), min_size=subnets, max_size=subnets, unique=True)):
            draw(interfaces(net, net.subnet(vpc, f"{name}-{cidr[5]}", cidr), f"{name}{cidr[5]}"))
    for part in parts():
        if hasattr(part, "grow"):
            part.grow(draw, net)
    return net


def prove(vpcs: int, examples: int) -> None:
    """Check so many random networks; the sets of one serve the next: most of their flows are the same."""
    shared = Sets()

    @settings(
        max_examples=examples,
        deadline=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        database=None,
    )
    @given(network=networks(vpcs))
    def each(network: Network) -> None:
        nonlocal shared
        if len(shared) > MOST_NODES:
            shared = Sets()
        check(network, shared)

    each()
