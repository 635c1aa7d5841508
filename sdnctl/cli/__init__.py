"""The command ``sdnctl``: run a region, make accounts and public addresses, and ask why a flow is there.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage or nothing running.  ``--json`` prints one document for programs.
"""

import sys

import typer

from sdnctl.base import log
from sdnctl.base.errors import StoreError
from sdnctl.base.problem import Problem
from sdnctl.cli import hosts, machine, region, services, show, waiting, watch
from sdnctl.cli.catalogue import catalogue
from sdnctl.cli.command import Command, Group, program
from sdnctl.cli.intent import commands as intent
from sdnctl.cli.resources import common

OWN = (machine, hosts, services, region, waiting, intent, watch)


def build() -> typer.Typer:
    """The whole command line: this room's own commands, and what the features declare."""
    found, own = catalogue(), [value for module in OWN for value in vars(module).values()]
    kinds = found.kinds.values()
    groups = [*found.of(Group), *(Group(kind.command, kind.help) for kind in kinds)]
    commands = dict.fromkeys((*(one for one in own if isinstance(one, Command)), *found.of(Command)))
    said = {(one.group, one.name) for one in commands}
    groups += dict.fromkeys(one for one in own if isinstance(one, Group))
    general = [one for kind in kinds for one in common(kind) if (one.group, one.name) not in said]
    return program(groups, [*commands, *general], __doc__)


def main() -> None:
    """Run the command line; every failure that is not a defect of ours ends in one line that says what to do."""
    log.to_stderr()
    try:
        build()(prog_name="sdnctl")
    except Problem as problem:
        show.error(str(problem))
        sys.exit(problem.code)
    except StoreError as error:
        show.error(str(error))
        sys.exit(Problem.code)
