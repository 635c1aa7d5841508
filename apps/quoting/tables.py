"""Reasons to drop ICMP messages that come to an elastic IP, or leave by one."""

from apps.pipeline import PIPELINE

FOREIGN_QUOTE = PIPELINE.reason(
    "foreign-quote",
    "an ICMP error quotes a packet that its receiver never sent",
    "nothing: the error is about a packet that the receiver never sent",
)
NEIGHBOURS_ONLY = PIPELINE.reason(
    "neighbours-only",
    "an ICMP message that is for neighbours only, such as a redirect",
    "switch ICMP redirects off on whoever sends them",
)
