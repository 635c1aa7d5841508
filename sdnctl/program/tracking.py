"""Connection tracking in a packet's path: it passes in a zone, and goes on at a table that looks at the outcome.

Of a datagram in fragments none goes on before all are there.  What is known in one zone does not concern another; the
shares of zones are in ``program.zones``.  Each function raises ValueError before the pipeline is settled.
"""

from sdnctl.of.actions import Action, ct, nat
from sdnctl.of.fields import RegisterField
from sdnctl.program.pipeline import Table, settled


def tracked(zone: int, change: Action, table: Table, *marks: Action) -> Action:
    """Remember the connection, translated by ``change`` (``nat``), with ``marks`` if any, and go on at ``table``.

    Connection tracking translates a datagram of several fragments whole; rewriting an address damages every fragment
    but the first.  It may also translate nothing, so ``table`` is to look at the address.
    """
    return ct(commit=True, zone=zone, nat=change, actions=marks, table=settled(table))


def translated(zone: int, table: Table) -> Action:
    """Go on at ``table``, where ct_state says what is known of the connection, translated as it was remembered."""
    return ct(zone=zone, nat=nat(), table=settled(table))


def recalled(zone: RegisterField, table: Table) -> Action:
    """Go on at ``table``, where ct_state says what is known of the connection in the zone that a field holds."""
    return ct(zone=(zone, 0, zone.width), table=settled(table))


def committed(zone: RegisterField, mark: Action, table: Table) -> Action:
    """Remember the connection in the zone that a field holds, with a mark that ``mark`` writes; go on at ``table``.

    A zone that has no room for one more lets the packet go on unremembered and unmarked, so ``table`` is to look at the
    mark.
    """
    return ct(commit=True, zone=(zone, 0, zone.width), actions=(mark,), table=settled(table))


def noted(zone: int, mark: Action) -> Action:
    """Remember the connection with a mark that ``mark`` writes, in a zone, and go on with the next action.

    The packet itself does not get to know; a zone that has no room for one more remembers nothing.
    """
    return ct(commit=True, zone=zone, actions=(mark,))


def looked_up(zone: int, table: Table) -> Action:
    """Go on at ``table``, where ct_state and ct_mark say what is known of the connection in a zone."""
    return ct(zone=zone, table=settled(table))
