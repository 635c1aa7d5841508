"""Runs what features declare beside the flows, on each host, on gateways and once in the region.

One process a machine holds them all, each a task of its own: a fault of one starts that one again and no other.  See
docs/decisions/012-services.md.
"""
