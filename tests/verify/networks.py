"""Random networks for the proof: 200 of them, in two files so that they go to two workers."""

from collections import Counter

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sdnctl.verify.conntrack import Connection
from sdnctl.verify.sets import Sets
from tests.build import Network
from tests.reference import parts
from tests.test_reference import SUBNETS, VPCS, interfaces
from tests.verify.proof import FIRST, Known, check

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


def traits(network: Network) -> dict[str, bool]:
    """What a network has, or has not, of that which the parts judge by."""
    return {
        trait: bool(having)
        for part in parts()
        if hasattr(part, "traits")
        for trait, having in part.traits(network).items()
    }


FEWEST = 2
"""Networks of a hundred that have each trait at least: else the draw has lost it."""
STATES = st.builds(Known, st.sampled_from(Connection), st.sampled_from(Connection))


def prove(vpcs: int, examples: int) -> str:
    """Check so many random networks, each for first packets and in one more state of connections; what they had.

    The sets of one network serve the next: most of their flows are the same.
    """
    shared = Sets()
    seen: Counter[str] = Counter()

    @settings(
        max_examples=examples,
        deadline=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        database=None,
    )
    @given(network=networks(vpcs), known=STATES)
    def each(network: Network, known: Known) -> None:
        nonlocal shared
        if len(shared) > MOST_NODES:
            shared = Sets()
        seen.update(traits(network))  # a trait that it has counts as 1
        check(network, shared, (FIRST, known))

    each()
    told = "\n".join(f"  {count:3} with {trait}" for trait, count in sorted(seen.items()))
    assert min(seen.values()) >= FEWEST, told
    return f"{examples} random networks:\n{told}"
