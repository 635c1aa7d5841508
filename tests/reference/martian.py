"""Addresses that nobody on the internet has, and the region's own, which nobody else there has."""

from apps.uplink.model import Pool
from sdnctl.base.addresses import Cidr
from tests.reference import Fate, Frame, World, rule

NOT_GLOBAL = tuple(
    Cidr.parse(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
"""What the registry of special addresses calls not globally reachable (RFC 6890, 2.2.2), and groups of receivers.

The blocks for documentation are not among them: the pools of these tests are of these, so they are the internet here.
"""


def nobody(address: int) -> bool:
    """True for an address that is not globally reachable."""
    return any(block.contains(address) for block in NOT_GLOBAL)


@rule("outside")
def from_within(world: World, frame: Frame) -> Fate | None:
    """From an address of a pool, unless it is the gateway's."""
    assert world.uplink is not None
    own = any(pool.cidr.contains(frame.src) and frame.src != pool.gateway for pool in world.all(Pool))
    return Fate(dropped="own-source") if frame.ip and frame.eth_dst == world.uplink.mac and own else None


@rule("outside", after=("from_within",))
def from_nobody(world: World, frame: Frame) -> Fate | None:
    """From an address that nobody there has."""
    assert world.uplink is not None
    ours = frame.ip and frame.eth_dst == world.uplink.mac
    return Fate(dropped="martian-source") if ours and nobody(frame.src) else None


@rule("leaving")
def to_nobody(world: World, frame: Frame) -> Fate | None:
    """To an address that nobody there has."""
    return Fate(dropped="martian") if world.uplink is not None and nobody(frame.dst) else None
