"""Reasons to drop packets from and to addresses that nobody on the internet has."""

from apps.pipeline import PIPELINE

MARTIAN_SOURCE = PIPELINE.reason(
    "martian-source",
    "a packet from the public network says that it comes from an address that nobody there has",
    "nothing: whoever sent it lies about where it is",
)
MARTIAN = PIPELINE.reason(
    "martian",
    "the destination is an address that nobody on the internet has",
    "send to an address that is in use on the internet, or add a route for a private one: sdnctl route-table add-rule",
)
