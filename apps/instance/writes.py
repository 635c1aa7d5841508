"""Obstacles to deleting an instance."""

from apps.instance.model import Instance
from apps.routing.writes import routed
from sdnctl.program.lifecycle import blocks
from sdnctl.store import Txn


@blocks(Instance)
def instance_routed(instance: Instance, txn: Txn) -> str:
    """A route that leads to the instance."""
    return routed(instance.id, txn)
