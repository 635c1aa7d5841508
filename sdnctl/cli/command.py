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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from sdnctl import __version__
from sdnctl.base.paths import data_directory
from sdnctl.base.problem import Problem
from sdnctl.cli.catalogue import catalogue
from sdnctl.cli.client import Client
from sdnctl.cli.exchange import Refused
from sdnctl.cli.invocation import PATIENCE, SHAPE, WHERE, invocation, quiet
from sdnctl.cli.kind import Kind
from sdnctl.cli.names import listed, scoped, told

Run = Callable[..., None]
Data = Annotated[str | None, typer.Option("--data", metavar="DIR", help="Data directory of the region (SDNCTL_DATA).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


START, LOOK, NETWORK = "Begin", "See what is there and what becomes of packets", "A tenant's network"
OPERATE, SEVERAL = "The operator's", "A region of several machines"
PANELS = (START, NETWORK, LOOK, OPERATE, SEVERAL)
"""The headings under which the help lists commands, in this order."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Commands under one word: ``sdnctl NAME …``; ``panel`` is the heading under which the help lists it."""

    name: str
    help: str
    panel: str = OPERATE


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """One command of a group (of none: ""), and the function that carries it out.

    The name "" stands for the group's own word: its function gets a typer.Context and does nothing when a command of
    the group was given.  ``tenants``: the function gets an Invocation first, and the command line the options that make
    one; ``waits``: among them ``--wait``.  ``panel`` is the heading under which the help lists a command of no group.
    """

    group: str
    name: str
    run: Run
    tenants: bool = False
    waits: bool = False
    panel: str = LOOK


@dataclass(frozen=True, slots=True, eq=False)
class Naming:
    """A parameter that names one resource of some kinds, by its id or name; the shell completes it.

    It is an option if it has a ``flag``, else an argument.
    """

    kinds: Callable[[], Iterable[str]]
    flag: str = ""
    help: str = ""
    metavar: str = ""


def one(kind: str, metavar: str = "", help: str = "") -> Naming:
    """An argument that names one resource of a kind."""
    return Naming(lambda: (kind,), help=help, metavar=metavar)


def one_of(kinds: Callable[[], Iterable[str]], metavar: str, help: str) -> Naming:
    """An argument that names one resource of several kinds."""
    return Naming(kinds, help=help, metavar=metavar)


def option(kind: str, flag: str, help: str) -> Naming:
    """An option that names one resource of a kind."""
    return Naming(lambda: (kind,), flag, help)


def command(group: str, name: str, *, panel: str = LOOK) -> Callable[[Run], Command]:
    """Declare a command of the operator, or of this machine."""
    return lambda run: Command(group, name, run, panel=panel)


def tenants(group: str, name: str, waits: bool = False, *, panel: str = NETWORK) -> Callable[[Run], Command]:
    """Declare a command of a tenant: the function's own parameters, then the common ones."""
    return lambda run: Command(group, name, run, tenants=True, waits=waits, panel=panel)


def _version(asked: bool) -> None:
    if asked:
        print(f"sdnctl {__version__}")
        raise typer.Exit


def operated(data: str | None) -> Client:
    """The operator API of the region with this data directory; raises NotRunning when none serves there."""
    return Client.at(data_directory(data))


def program(groups: Iterable[Group], commands: Iterable[Command], help: str | None) -> typer.Typer:
    """The command line of these groups and commands, in order of name; ValueError when two have one name."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=help)
    app.callback(help=help)(_general)
    made = {"": app}
    for group in sorted(groups, key=lambda group: (_place(group.panel), group.name)):
        if group.name in made:
            raise ValueError(f"two groups of commands are called {group.name!r}")
        made[group.name] = typer.Typer(no_args_is_help=True, help=group.help)
        app.add_typer(made[group.name], name=group.name, rich_help_panel=group.panel)
    seen = set()
    for one in sorted(commands, key=lambda one: _place(one.panel)):
        if (one.group, one.name) in seen:
            raise ValueError(f"two commands are called '{one.group} {one.name}'")
        seen.add((one.group, one.name))
        run = _invoked(one) if one.tenants else one.run
        if one.name:
            made[one.group].command(one.name, rich_help_panel=None if one.group else one.panel)(run)
        else:
            made[one.group].info.no_args_is_help = False
            made[one.group].callback(invoke_without_command=True)(run)
    return app


def _place(panel: str) -> int:
    """The place of a heading in the help; one that is not ours goes last."""
    return PANELS.index(panel) if panel in PANELS else len(PANELS)


def _general(
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that stand before every command."""


def _named(run: Run) -> list[inspect.Parameter]:
    """The parameters of a function, in which those that name resources are typer's."""
    return [one.replace(annotation=_parameter(one.annotation)) for one in inspect.signature(run).parameters.values()]


def _parameter(annotation: Any) -> Any:
    naming = next((one for one in getattr(annotation, "__metadata__", ()) if isinstance(one, Naming)), None)
    if naming is None:
        return annotation
    kinds = [catalogue().kinds[kind] for kind in naming.kinds()]
    also = f" (also {scoped(kinds[0])})" if kinds[0].inside else ""
    shown: dict[str, Any] = {
        "metavar": naming.metavar or kinds[0].word,
        "help": naming.help or f"Name or id of the {kinds[0].noun}{also}.",
        "autocompletion": completion(*kinds),
        "show_default": False,
    }
    made = typer.Option(naming.flag, **shown) if naming.flag else typer.Argument(**shown)
    return Annotated[annotation.__origin__, made]


def completion(*kinds: Kind) -> Callable[[typer.Context, str], Iterable[tuple[str, str]]]:
    """Names (and ids of what has none) of some kinds, for the shell; silent when no region can be asked."""

    def complete(context: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:
        try:
            tenant = quiet(context.params).tenant
            for kind in kinds:
                for shown in listed(tenant, kind):
                    known = shown[kind.name_key] or shown[kind.id_key]
                    if known.startswith(incomplete):
                        yield known, shown[kind.id_key]
        except Problem:
            return

    return complete


def _invoked(declared: Command) -> Run:
    """A function of all options of a tenant's command, which makes the Invocation out of the common ones."""
    common = {**SHAPE, **(PATIENCE if declared.waits else {}), **WHERE}

    def run(**given: Any) -> None:
        where = {key: given.pop(key) for key in WHERE}
        shape = {key: given.pop(key) for key in common if key in given}
        call = invocation(**where, **shape)
        try:
            declared.run(call, **given)
        except Refused as refused:
            raise refused.told(told(call.tenant, refused.message)) from None

    own = _named(declared.run)[1:]
    added = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for key, (kind, default) in common.items()
    ]
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own] + added
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    run.__doc__ = declared.run.__doc__
    return run
