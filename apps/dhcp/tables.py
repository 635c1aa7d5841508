"""DHCP's question to the controller."""

from apps.pipeline import PIPELINE

ASK_DHCP = PIPELINE.question("ask_dhcp", "a DHCP message to answer")
