"""A cloud's network on Open vSwitch: what tenants ask for becomes flows in the switches of the hosts."""

__version__ = "0.1.0"
