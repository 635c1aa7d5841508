"""An elastic IP is as fast as it was ordered, in both directions, from the moment the API says so."""

from collections.abc import Iterator

from apps.bandwidth.facts import meters
from apps.bandwidth_package.facts import member_of
from apps.eip.model import ElasticIp
from apps.gateway.facts import served_here
from sdnctl.of.meter import Meter
from sdnctl.program.feature import Item, View, counts, feature, placed


@feature(each=ElasticIp, within=placed("port", test=served_here))
def bandwidth(eip: ElasticIp, here: str, view: View) -> Iterator[Item]:
    """The elastic IP's two meters; a new rate modifies them, so that flows and counters stay.

    In a bandwidth package it is that one's share that they keep.
    """
    if not view.derived(member_of, eip.id):
        yield from meters(eip)


@counts(bandwidth, "eip")
def direction(eip: ElasticIp, meter: Meter) -> str:
    """Outbound or inbound, seen from the instance."""
    return "out" if meter.id == eip.out_meter else "in"
