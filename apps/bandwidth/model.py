"""The bandwidth of an elastic IP is two meters, one for each direction, whose rate is changed in place.

Outbound it is what the tenant ordered, inbound at least 10 Mbit/s.  A meter counts whole Ethernet frames.
"""

from apps.eip.model import INBOUND_FLOOR_MBPS, ElasticIp
from sdnctl.of.meter import Meter
from sdnctl.pipeline import FIRST_TENANT_METER

BURST_SECONDS = 0.3
"""Less starves TCP (0.2 s: 84 % of the rate at 100 Mbit/s, 0.1 s: 50 %), more lets UDP exceed its rate for long."""


def outbound_id(eip: ElasticIp) -> int:
    """The meter of what leaves by the elastic IP."""
    return FIRST_TENANT_METER + 2 * (eip.key - 1)


def inbound_id(eip: ElasticIp) -> int:
    """The meter of what arrives for the elastic IP."""
    return outbound_id(eip) + 1


def meters(eip: ElasticIp) -> tuple[Meter, Meter]:
    """Outbound and inbound meter; rates in kbit/s, bursts in kbit."""
    inbound = max(eip.bandwidth, INBOUND_FLOOR_MBPS)
    return _meter(outbound_id(eip), eip.bandwidth), _meter(inbound_id(eip), inbound)


def _meter(id: int, mbps: int) -> Meter:
    kbps = mbps * 1000
    return Meter(id, kbps, int(kbps * BURST_SECONDS))
