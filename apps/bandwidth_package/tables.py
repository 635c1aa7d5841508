"""The reason for which a bandwidth package drops a packet."""

from apps.pipeline import PIPELINE

BLOCKED_MEMBER = PIPELINE.reason(
    "package-blocked",
    "the elastic IP's limit within its bandwidth package is 0",
    "give it another one, -1 for none: sdnctl package limit",
)
