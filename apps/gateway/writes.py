"""What a transaction tells the hosts of a public address that is to lead elsewhere."""

from apps.eni.model import NetworkInterface
from apps.gateway.facts import server_in
from apps.gateway.model import EipHolder
from sdnctl.base.addresses import Ip4
from sdnctl.store import Txn


def intend(txn: Txn, address: Ip4, port: NetworkInterface) -> None:
    """A public address is to lead to a port: whoever answers for it now is made known to the hosts of the port's VPC.

    When nobody does, whoever will is noted already, so that the next change finds who must let go.
    """
    known, server = txn.get(EipHolder, str(address)), server_in(txn, port.id)
    host = known.host if known is not None else server
    if host:
        txn.put(EipHolder(id=str(address), vpc=port.vpc, host=host, turn=txn.sequence))
