"""The command ``sdnctl``: a cloud's network on Open vSwitch, run and asked from the command line.

Every failure that is not a defect of ours ends in one line on stderr that says what to do; with ``--json`` that line is
a JSON document, too.
"""

import sys

import typer

from sdnctl.base import log
from sdnctl.base.errors import StoreError
from sdnctl.base.problem import Problem, Usage
from sdnctl.cli import doctor, hosts, machine, region, reports, services, show, verify, waiting, watch
from sdnctl.cli.catalogue import catalogue
from sdnctl.cli.command import NETWORK, Command, Group, program
from sdnctl.cli.intent import commands as intent
from sdnctl.cli.resources import common

OWN = (machine, doctor, hosts, reports, services, region, verify, waiting, intent, watch)
HELP = """Run a cloud's network on Open vSwitch, make networks in it, and see what becomes of each packet.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage or nothing running.  With --json, answers are one JSON document
on stdout, and errors one on stderr.
"""
WrongUsage: type[Exception] = typer.BadParameter.__mro__[1]
"""The error of a command line that cannot be understood: click's, for which typer has no public name."""


def build() -> typer.Typer:
    """The whole command line: this room's own commands, and what the features declare."""
    found, own = catalogue(), [value for module in OWN for value in vars(module).values()]
    kinds = found.kinds.values()
    groups = [*found.of(Group), *(Group(kind.command, kind.help, NETWORK) for kind in kinds)]
    commands = dict.fromkeys((*(one for one in own if isinstance(one, Command)), *found.of(Command)))
    said = {(one.group, one.name) for one in commands}
    groups += dict.fromkeys(one for one in own if isinstance(one, Group))
    general = [one for kind in kinds for one in common(kind) if (one.group, one.name) not in said]
    return program(groups, [*commands, *general], HELP)


def main() -> None:
    """Run the command line, and exit with its code."""
    as_json = "--json" in sys.argv[1:]
    try:
        _check_text(sys.argv[1:])
        log.to_stderr()
        sys.exit(build()(prog_name="sdnctl", standalone_mode=not as_json))
    except Problem as problem:
        _fail(problem, problem.code, as_json)
    except (StoreError, OSError) as error:
        _fail(error, Problem.code, as_json)
    except WrongUsage as error:
        _fail(Usage(getattr(error, "message", "") or str(error)), Usage.code, as_json)
    except typer.Abort:
        _fail(Problem("given up"), Problem.code, as_json)


def _fail(error: Exception, code: int, as_json: bool) -> None:
    show.error(error, as_json)
    sys.exit(code)


def _check_text(words: list[str]) -> None:
    """Refuse bytes that are no text, which no call and no file name of ours has."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise Usage(f"{word.encode(errors='backslashreplace').decode()!r} is not UTF-8: write it as text") from None
