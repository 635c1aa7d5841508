"""The note of a transaction that something is to lead elsewhere, for the hosts that hand it over."""

from apps.eni.model import NetworkInterface
from apps.holder.facts import holder_of
from apps.holder.model import Holder
from sdnctl.model.host import Binding
from sdnctl.program.lifecycle import arbitrates
from sdnctl.store import Txn


def intend(txn: Txn, key: str, vpc: str, host: str) -> None:
    """A key is to lead to a VPC: its present holder is made known to the hosts of that VPC.

    Where nobody holds it, ``host`` ("": none is known), which will, is noted already, so that the next change finds who
    must let go.
    """
    known = txn.get(Holder, key)
    holder = known.host if known is not None else host
    if holder:
        txn.put(Holder(id=key, vpc=vpc, host=holder, turn=txn.sequence))


@arbitrates(Binding)
def owners(known: Binding | None, wanted: Binding, txn: Txn) -> Binding | None:
    """A managed interface is where its owner is held, unless it is behind another one."""
    port = txn.get(NetworkInterface, wanted.port)
    if port is not None and port.managed and not wanted.behind and holder_of(port.owner, txn) != wanted.host:
        return None
    return wanted
