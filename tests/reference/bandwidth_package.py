"""A bandwidth package: an elastic IP with the limit 0 within it carries nothing, either way."""

from hypothesis import strategies as st

from apps.bandwidth_package.model import BLOCKED, PackageMember
from apps.eip.model import ElasticIp
from tests.build import Network
from tests.reference import World


def blocked(world: World, eip: ElasticIp) -> bool:
    """True for an elastic IP that may carry nothing within its package."""
    return any(one.eip == eip.id and one.limit == BLOCKED for one in world.all(PackageMember))


def share(draw: st.DrawFn, network: Network) -> None:
    """Some elastic IPs share a package."""
    eips = sorted(network.store.state.all(ElasticIp))
    limits = {id.removeprefix("fip-"): draw(st.sampled_from((-1, 0, 10))) for id in eips if draw(st.booleans())}
    if limits:
        network.package("grown", 50, **limits)
