"""Addresses that the public network of a region's pools does not have."""

from collections.abc import Iterable
from functools import cache

from apps.uplink.model import Pool
from sdnctl.base.addresses import NEVER_FORWARDED, Cidr, without
from sdnctl.program.feature import View

DOCUMENTATION = tuple(map(Cidr.parse, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")))
SPECIAL = (
    *NEVER_FORWARDED,
    *map(Cidr.parse, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "192.0.0.0/24")),
    *(Cidr.parse("198.18.0.0/15"), *DOCUMENTATION),
)
"""Blocks of addresses that nobody on the internet has, not globally reachable in RFC 6890 and multicast."""


def martians(pools: Iterable[Pool]) -> tuple[Cidr, ...]:
    """The blocks that the public network of these pools does not have, none of which overlap.

    Not among them are the pools' own addresses and gateways, what the operator says that a laboratory has, and, where
    a pool is for documentation (RFC 5737), all that is for documentation.
    """
    known = list(pools)
    there = {block for pool in known for block in (pool.cidr, Cidr(pool.gateway, 32), *pool.private_internet)}
    if any(block.overlaps(pool.cidr) for pool in known for block in DOCUMENTATION):
        there |= set(DOCUMENTATION)
    return _without(frozenset(there))


@cache
def _without(there: frozenset[Cidr]) -> tuple[Cidr, ...]:
    return without(SPECIAL, there)


def nowhere(_: None, here: str, view: View) -> tuple[Cidr, ...]:
    """The blocks that the public network of the region's pools does not have."""
    pools = (view.get(Pool, id) for id in sorted(view.all(Pool)))
    return martians(pool for pool in pools if pool is not None)
