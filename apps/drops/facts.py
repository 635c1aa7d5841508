"""The reasons for which packets of a network interface are lost, in words: those to drop, and limits that it meets."""

from collections.abc import Mapping
from functools import cache

from apps.pipeline import PIPELINE
from sdnctl.base.discovery import modules
from sdnctl.program.declared import Reason

ASKING, LARGE, FRAGMENTS, BANDWIDTH = "limit-asking", "limit-large", "limit-fragments", "bandwidth"
LIMITS = (
    Reason(
        ASKING,
        "it asked the switch for more than 100 answers a second: ARP, DHCP, packets at the end of their hop limit",
        "look for a program on the instance that scans or loops",
    ),
    Reason(
        LARGE,
        "it sent more packets that are larger than the way there than are cut in a second",
        "have its applications send packets of the path's MTU, or set the MTU that DHCP announces",
    ),
    Reason(
        FRAGMENTS,
        "it sent more fragments than one interface may: 128 a second, 512 at once",
        "have its applications send packets of the path's MTU, or use TCP, which does by itself",
    ),
    Reason(
        BANDWIDTH,
        "its elastic IP carried more than the bandwidth that was ordered",
        "order more: sdnctl eip set-bandwidth",
    ),
)
"""Limits are meters: their drops have no flow, and are known by the meter."""


@cache
def reasons() -> Mapping[str, Reason]:
    """Every reason by its name."""
    list(modules("tables"))
    return {one.name: one for one in (*PIPELINE.reasons, *LIMITS)}
