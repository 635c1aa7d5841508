"""The note of a transaction that a public address is to lead to another port."""

from apps.eni.model import NetworkInterface
from apps.gateway.facts import server_in
from apps.holder.writes import intend
from sdnctl.base.addresses import Ip4
from sdnctl.store import Txn


def lead_to(txn: Txn, address: Ip4, port: NetworkInterface) -> None:
    """A public address is to lead to a port: the hosts of the port's VPC learn who answers for it (see ``intend``)."""
    intend(txn, str(address), port.vpc, server_in(txn, port.id))
