"""Declarations of a feature: tables and fields, flows, questions, services, counters, and words for a trace."""
