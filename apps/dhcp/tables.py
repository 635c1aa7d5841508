"""DHCP's question to the controller, and what becomes of one that is none."""

from apps.pipeline import PIPELINE

MALFORMED = PIPELINE.reason(
    "dhcp-malformed",
    "a DHCP message that is broken, or has no answer that fits",
    "see to the DHCP client of the instance",
)
ASK_DHCP = PIPELINE.question("ask_dhcp", "a DHCP message to answer")
