"""Benchmarks of speed and size, measured with the real programs; README.md has the figures."""
