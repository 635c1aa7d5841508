"""A beacon, told from the resources alone: it answers UDP to the echo port and drops everything else."""

from hypothesis import strategies as st

from apps.eni.model import NetworkInterface
from apps.vpc.model import Subnet
from tests.build import Network
from tests.one_folder.beacon.writes import KIND, new_beacon
from tests.reference import Fate, Frame, World, rule


@rule("handed")
def at_a_beacon(world: World, port: NetworkInterface, frame: Frame) -> Fate | None:
    """No frame of the tests is for the echo port."""
    return Fate(dropped="beacon-silent") if port.managed == KIND else None


def grow(draw: st.DrawFn, network: Network) -> None:
    """Some subnets have a beacon at their tenth address."""
    for subnet in sorted(network.store.state.all(Subnet).values(), key=lambda subnet: subnet.key):
        if draw(st.booleans()):
            network.store.transact(lambda txn, subnet=subnet: new_beacon(txn, subnet, "light", 10, None))
