"""Declarations of resources, and the records of the machine itself: hosts, bindings, accounts, leases."""
