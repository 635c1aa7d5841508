"""Fragments wait in connection tracking until their datagram is whole: how many may, and what has waited too long."""
