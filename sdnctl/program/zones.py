"""The shares of connection tracking's zones, 1 to 65535; what is known in one does not concern another.

The first are a host's own: each port that is plugged in there has one of them.  The rest are the pool, from which
records get theirs, so that hosts agree on them; the last one is for looking only: nothing is ever committed in it.
"""

from dataclasses import dataclass

PORTS_LOW, PORTS_HIGH = 1, 16_383
POOL = "zone"
POOL_LOW, POOL_HIGH = 16_384, 65_534
SCRATCH = 65_535


Times = tuple[tuple[str, int], ...]
"""Seconds of silence after which a connection is forgotten, by state (CT_Timeout_Policy of ovs-vswitchd.conf.db(5))."""


@dataclass(frozen=True, slots=True)
class ZoneLimit:
    """The most connections that are tracked in a zone of the pool; the ports' own zones have the host's limit.

    ``times`` says when they are forgotten, where that is not as the switch has it.
    """

    zone: int
    limit: int
    times: Times = ()
