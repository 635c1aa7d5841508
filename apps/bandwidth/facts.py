"""The bandwidth of an elastic IP is two meters, one for each direction, whose rate is changed in place.

Outbound it is what the tenant ordered, inbound at least 10 Mbit/s, counted as on a line of that speed.
"""

from apps.eip.facts import METERED_KBPS_PER_MBPS
from apps.eip.model import INBOUND_FLOOR_MBPS, ElasticIp
from sdnctl.of.meter import Meter

BURST_SECONDS = 0.25
"""Longer than TCP's smallest retransmission timeout of 0.2 s (RFC 6298, as Linux has it): a sender that lost its whole
window is silent for that long, and a bucket that overflows meanwhile gives the rate away (0.1 s: half of it)."""


def meters(eip: ElasticIp) -> tuple[Meter, Meter]:
    """Outbound and inbound meter; rates in kbit/s, bursts in kbit."""
    inbound = max(eip.bandwidth, INBOUND_FLOOR_MBPS)
    return _meter(eip.out_meter, eip.bandwidth), _meter(eip.in_meter, inbound)


def _meter(id: int, mbps: int) -> Meter:
    kbps = mbps * METERED_KBPS_PER_MBPS
    return Meter(id, kbps, int(kbps * BURST_SECONDS))
