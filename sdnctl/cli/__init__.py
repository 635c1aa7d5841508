"""The command ``sdnctl``: run a region, make accounts and public addresses, and ask why a flow is there.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage or nothing running.  ``--json`` prints one document for programs.
"""

import sys

from sdnctl.base import log
from sdnctl.base.errors import StoreError
from sdnctl.base.problem import Problem
from sdnctl.cli import show
from sdnctl.cli.catalogue import catalogue
from sdnctl.cli.command import Command, Group, program


def main() -> None:
    """Run the command line; every failure that is not a defect of ours ends in one line that says what to do."""
    log.to_stderr()
    found = catalogue()
    try:
        program(found.of(Group), found.of(Command), __doc__)(prog_name="sdnctl")
    except Problem as problem:
        show.error(str(problem))
        sys.exit(problem.code)
    except StoreError as error:
        show.error(str(error))
        sys.exit(Problem.code)
