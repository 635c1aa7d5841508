"""The quota `flow`: how many flows an account's records may need on a host, whatever those records are.

What one tenant can make every host of its networks work out is bounded by this, and not by how cleverly few records are
put together. It is judged at the end of each call that would need more than before.
"""

from collections.abc import Iterable

from sdnctl.api import quota
from sdnctl.api.access import Writer
from sdnctl.api.cost import FLOW, WRITE
from sdnctl.base.errors import IntentError
from sdnctl.model.resource import meta
from sdnctl.program.weight import Weighed, weights
from sdnctl.store import Change

QUOTA = quota.declare("flow", 50_000, lambda view, _: sum(_needed(view.region, view.caller.account).values()))


def admit(view: Writer) -> None:
    """Refuse with 429 QUOTA_EXCEEDED, by the classes, when more flows are needed than before and than there may be.

    They are counted one by one only as far as there may be too many.
    """
    changes, account, limit = view.txn.changes(), view.caller.account, QUOTA.limit(view)
    if not any(_grows(change) for change in changes):
        return
    now = at_most(view.txn, account, limit)
    total = sum(now.values())
    if total <= limit or total <= sum(_needed(view.txn.before, account).values()):
        return
    text = ", ".join(f"{meta(cls).name} {flows}" for cls, flows in now.items() if flows)
    message = f"the quota {QUOTA.name} of {QUOTA.within} is {limit}, and with this call {total} are needed: {text}"
    raise IntentError(None, message, 429, "QUOTA_EXCEEDED")


def _grows(change: Change) -> bool:
    """True when there may be more flows of a class than before the change."""
    known = weights().get(change.cls)
    if known is None or change.new is None:
        return False
    return change.old is None or (known.exactly is not None and _felt(change))


def steps(changes: Iterable[Change]) -> int:
    """The cost of a transaction, in steps: its records, and the flows of those whose change is felt."""
    cost = 0
    for change in changes:
        cost += WRITE
        known = weights().get(change.cls)
        if known is not None and _felt(change):
            cost += FLOW * known.each
    return cost


def _felt(change: Change) -> bool:
    identity = meta(change.cls).identity
    return change.old is None or change.new is None or identity(change.old) != identity(change.new)


def at_most(records: Weighed, account: str, limit: int) -> dict[type, int]:
    """The flows that an account's records may need, by class: exactly those that they need, where that is too many.

    Looking at all records of a class takes a large account's call a millisecond, in which nobody else writes. So the
    class that may need the most is counted first, and no other as soon as there are few enough.
    """
    flows = {cls: one.most(records, account) for cls, one in weights().items()}
    for cls in sorted(flows, key=flows.__getitem__, reverse=True):
        if sum(flows.values()) <= limit:
            break
        flows[cls] = weights()[cls].count(records, account)
    return flows


def _needed(records: Weighed, account: str) -> dict[type, int]:
    """The flows that an account's records need, by class."""
    return {cls: one.count(records, account) for cls, one in weights().items()}
