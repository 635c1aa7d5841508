"""The rule by which a host may hold a load balancer with an elastic IP."""

from apps.gateway.writes import may_translate
from apps.holder.model import Holder
from apps.load_balancer.model import KIND, LoadBalancer
from sdnctl.program.lifecycle import arbitrates
from sdnctl.store import Txn


@arbitrates(Holder, keys=lambda key: key.startswith(f"{KIND}-"))
def chosen_by(known: Holder | None, wanted: Holder, txn: Txn) -> Holder | None:
    """A load balancer is on the active gateway; in a region without gateways on a host that has an uplink."""
    there = txn.get(LoadBalancer, wanted.id) is not None
    return wanted if there and may_translate(txn, wanted.host) else None
