"""The rehearsal of a difference: every call that would carry it out is checked by the region, and none is done."""

import uuid
from collections.abc import Sequence
from dataclasses import replace

from sdnctl.base.problem import Problem
from sdnctl.cli.exchange import Refused
from sdnctl.cli.intent.edit import Edit
from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.tasks import Run, Unmade, tasks
from sdnctl.cli.names import told
from sdnctl.cli.signed import Tenant

NOT_SERVED = "NOT_IMPLEMENTED"
CUT_SHORT = frozenset({"QUOTA_EXCEEDED", "FAILED_PRECONDITION"})
"""The refusals that end a rehearsal: it has had too many calls, or the server that answers does not know it."""


class Unfit(Problem):
    """The region would refuse what a file wants."""


def check(tenant: Tenant, source: str, changes: Sequence[Edit], live: Live) -> str:
    """Have the region check all changes, one on top of the other; what could not be checked, in words, "" for nothing.

    Raises Unfit with all that it would refuse, each with its line in ``source``.
    """
    token, kind = uuid.uuid4().hex, changes[0].item.kind
    try:
        replace(tenant, rehearsal=f"new-{token}").get(kind.service, kind.path)
    except Refused as fault:
        if fault.status == NOT_SERVED:
            return "this region cannot check beforehand: its API is of an older version"
        raise
    run = Run(replace(tenant, rehearsal=token), live)
    refused: dict[int, str] = {}
    planned = tasks(changes, live)
    with live.unchanged():
        for number, task in enumerate(planned):
            if id(task.edit) in refused:
                continue
            try:
                task.run(run)
            except Unmade:
                refused[id(task.edit)] = ""  # what it needs is refused, and said to be
            except Refused as fault:
                if fault.status in CUT_SHORT and "rehearsal" in fault.message:
                    return f"only {number} of {len(planned)} steps could be checked beforehand"
                refused[id(task.edit)] = _line(source, task.edit, fault.told(told(run.tenant, fault.message)))
    lines = [line for line in refused.values() if line]
    if lines:
        raise Unfit("\n".join([*lines, "nothing was changed: put this right and apply again"]))
    return ""


def _line(source: str, edit: Edit, fault: Refused) -> str:
    item = edit.item
    where = f"{source}:{item.line()}" if item.line() else source
    return f"{where}: {item.kind.noun} {item.name}: {fault}"
