"""Tuning of the machine for its NICs' sake: read, plan, apply, verify, roll back, watch."""
