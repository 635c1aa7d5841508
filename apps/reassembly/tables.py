"""The reason to drop a fragment that has waited too long; it has no table of its own."""

from apps.pipeline import PIPELINE

UNFINISHED = PIPELINE.reason(
    "unfinished",
    "the rest of a fragment's datagram has not come within 15 seconds",
    "look for what loses fragments on the way; send packets that need none",
)
