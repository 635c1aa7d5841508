"""The note of a transaction that a public address is to lead to another port, and the hosts that may be gateways."""

from apps.eni.model import NetworkInterface
from apps.gateway.facts import server_in
from apps.gateway.model import GATEWAY
from apps.holder.facts import holder_of
from apps.holder.model import Holder
from apps.holder.writes import intend
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import Host
from sdnctl.program.lifecycle import arbitrates
from sdnctl.store import Txn


def lead_to(txn: Txn, address: Ip4, port: NetworkInterface) -> None:
    """A public address is to lead to a port: the hosts of the port's VPC learn who answers for it (see ``intend``)."""
    intend(txn, str(address), port.vpc, server_in(txn, port.id))


@arbitrates(Holder, keys=lambda key: key == GATEWAY)
def fit(known: Holder | None, wanted: Holder, txn: Txn) -> Holder | None:
    """The active gateway is a host that can be one."""
    host = txn.get(Host, wanted.host)
    return wanted if host is not None and host.gateway and host.encap_ip and host.uplink else None


def may_translate(txn: Txn, host: str) -> bool:
    """True for the active gateway; in a region without gateways for any host that has an uplink."""
    found = txn.get(Host, host)
    return found is not None and bool(found.uplink) and holder_of(GATEWAY, txn) in ("", host)
