"""``sdnctl apply`` and ``sdnctl export``: a network from a file, and a file from a network."""

import sys
from typing import Annotated, Any

import typer

from sdnctl.base.problem import Problem, Usage
from sdnctl.cli import show
from sdnctl.cli.command import tenants
from sdnctl.cli.exchange import Refused
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.names import told

Json = dict[str, Any]


class Halted(Problem):
    """A call was refused on the way; what was done before it stays."""


@tenants("", "apply", waits=True)
def apply(
    call: Invocation,
    file: Annotated[str, typer.Option("-f", "--file", metavar="FILE", help="What there shall be; - reads stdin.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show and check the difference, change nothing.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete what the sections of the file do not name; else it stays.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Make the network what a file says: shows the difference, has it checked, asks, and carries it out.

    What the file leaves out stays as it is.  Applying the same file again changes nothing.
    """
    from sdnctl.cli.intent import difference as compared
    from sdnctl.cli.intent.live import Live
    from sdnctl.cli.intent.order import schema
    from sdnctl.cli.intent.rehearsal import check
    from sdnctl.cli.intent.text import load

    intent, live = load(file), Live(call.tenant, schema())
    found = compared.difference(intent, live, prune)
    unchecked = check(call.tenant, intent.source, found.changes, live) if found.changes else ""
    if not call.json:
        _tell(found)
        if unchecked:
            show.line(unchecked)
    if found.changes and not dry_run:
        _agree(yes, file, call.json)
        _carry_out(call, found, live)
        if not call.json:
            show.line(f"{len(found.changes)} done")
    if call.json:
        show.document(
            {"changes": [_row(change) for change in found.changes], "applied": not dry_run, "kept": found.kept}
        )


@tenants("", "export")
def export(call: Invocation) -> None:
    """Write what the account has as an intent file: applying it here changes nothing."""
    from sdnctl.cli.intent import export as written
    from sdnctl.cli.intent.live import Live
    from sdnctl.cli.intent.order import schema

    live = Live(call.tenant, schema())
    if call.json:
        show.document(written.tree(live))
    else:
        print(written.text(live, f"region {call.tenant.region}: sdnctl apply -f FILE"), end="")


def _row(change: Any) -> Json:
    return {
        "action": change.action,
        "kind": change.item.command,
        "name": change.item.name,
        "details": change.details,
    }


def _tell(found: Any) -> None:
    """The difference as a table."""
    from sdnctl.cli.intent.edit import SIGNS

    rows = [{**_row(change), "sign": SIGNS[change.action]} for change in found.changes]
    colours = {"+": "green", "~": "yellow", "-": "red"}
    columns = {"sign": "", "kind": "kind", "name": "name", "details": "what"}
    show.table(rows, columns, "nothing to do: everything is as the file says", False, "", ("sign", colours))
    if found.kept:
        show.line(f"{found.kept} more that the file does not name stay (--prune deletes them)")


def _agree(yes: bool, file: str, json: bool) -> None:
    """Ask whoever sits there; raises Usage when nobody does."""
    if yes:
        return
    if json or file == "-" or not sys.stdin.isatty():
        raise Usage("nobody can be asked here: add --yes to carry this out, or --dry-run to look only")
    if not typer.confirm("Carry this out?"):
        raise Problem("nothing was changed")


def _carry_out(call: Invocation, found: Any, live: Any) -> None:
    from sdnctl.cli.intent.tasks import Run, tasks

    run, planned = Run(call.tenant, live), tasks(found.changes, live)
    for number, task in enumerate(planned):
        try:
            task.run(run)
        except Refused as refused:
            item, said = task.edit.item, refused.told(told(call.tenant, refused.message))
            raise Halted(
                f"{item.kind.noun} {item.name}: {said}\n{number} of {len(planned)} steps are done and stay: "
                "put this right and apply again, it goes on from there"
            ) from None
    call.settle((one.item.kind, run.own(one.item)) for one in found.changes if one.action != "delete")
