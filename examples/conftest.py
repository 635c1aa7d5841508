"""Tests of this folder use sdnctl's fixtures; in conftest.py pytest also hears of ``--update-golden`` in time."""

pytest_plugins = ["sdnctl.testing"]
