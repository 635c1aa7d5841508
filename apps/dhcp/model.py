"""DHCP tells an instance what its interface already is; nothing is leased that the API did not assign."""

from sdnctl.addresses import Ip4

LEASE_SECONDS = 24 * 3600
MTU = 1500
DEFAULT_DNS = (Ip4.parse("114.114.114.114"), Ip4.parse("8.8.8.8"))

CLIENT_PORT, SERVER_PORT = 68, 67
EVERYBODY = Ip4(0xFFFFFFFF)
"""Where a client without an address sends its question (RFC 2131, 4.1)."""
