"""A command of ``sdnctl``, declared where it belongs: in a feature's ``cli.py``, or in one of this room's modules.

    NIC = Group("nic", "Queues of this machine's interfaces.")

    @command("nic", "show")
    def show_(data: Data = None, json: Json = False) -> None:
        '''Show queues as they are.'''

``@command`` declares what an operator runs on a machine of the region; ``@tenants`` what a client of the public API
runs, whose function gets an ``Invocation`` first.  A group has its commands wherever they are declared; a command of
the group ``""`` stands by itself (``sdnctl wait``).  The parameters are those of typer.
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from sdnctl.base.paths import data_directory
from sdnctl.cli.client import Client
from sdnctl.cli.invocation import PATIENCE, SHAPE, WHERE, invocation

Run = Callable[..., None]
Data = Annotated[str | None, typer.Option("--data", metavar="DIR", help="Data directory of the region (SDNCTL_DATA).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Commands under one word: ``sdnctl NAME …``."""

    name: str
    help: str


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """One command of a group (of none: ""), and the function that carries it out.

    ``tenants``: the function gets an Invocation first, and the command line the options that make one; ``waits``: among
    them ``--wait``.
    """

    group: str
    name: str
    run: Run
    tenants: bool = False
    waits: bool = False


def command(group: str, name: str) -> Callable[[Run], Command]:
    """Declare a command of the operator, or of this machine."""
    return lambda run: Command(group, name, run)


def tenants(group: str, name: str, waits: bool = False) -> Callable[[Run], Command]:
    """Declare a command of a tenant: the function's own parameters, then the common ones."""
    return lambda run: Command(group, name, run, tenants=True, waits=waits)


def operated(data: str | None) -> Client:
    """The operator API of the region with this data directory; raises NotRunning when none serves there."""
    return Client.at(data_directory(data))


def program(groups: Iterable[Group], commands: Iterable[Command], help: str | None) -> typer.Typer:
    """The command line of these groups and commands, in order of name; ValueError when two have one name."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=help)
    made = {"": app}
    for group in sorted(groups, key=lambda group: group.name):
        if group.name in made:
            raise ValueError(f"two groups of commands are called {group.name!r}")
        made[group.name] = typer.Typer(no_args_is_help=True, help=group.help)
        app.add_typer(made[group.name], name=group.name)
    seen = set()
    for one in commands:
        if (one.group, one.name) in seen:
            raise ValueError(f"two commands are called '{one.group} {one.name}'")
        seen.add((one.group, one.name))
        made[one.group].command(one.name)(_invoked(one) if one.tenants else one.run)
    return app


def _invoked(declared: Command) -> Run:
    """A function of all options of a tenant's command, which makes the Invocation out of the common ones."""
    common = {**SHAPE, **(PATIENCE if declared.waits else {}), **WHERE}

    def run(**given: Any) -> None:
        where = {key: given.pop(key) for key in WHERE}
        shape = {key: given.pop(key) for key in common if key in given}
        declared.run(invocation(**where, **shape), **given)

    own = list(inspect.signature(declared.run).parameters.values())[1:]
    added = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for key, (kind, default) in common.items()
    ]
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own] + added
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    run.__doc__ = declared.run.__doc__
    return run
