"""All the commands of a tenant: what a client of the public API may do, in words."""

import typer

from sdnctl.cli import declare, elastic, networks, watch
from sdnctl.cli.resources import GROUPS

PARTS = (networks, elastic)  # each has declared its commands by being imported


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    for command, group in GROUPS.items():
        app.add_typer(group, name=command)
    declare.add_to(app)
    watch.add_to(app)
