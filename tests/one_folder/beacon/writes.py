"""Changes of beacons within a transaction."""

from apps.eni.writes import new_managed
from apps.holder.model import Holder
from apps.routing.writes import routed
from apps.vpc.model import Subnet
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import Binding
from sdnctl.program.lifecycle import arbitrates, blocks
from sdnctl.program.weight import weighs
from sdnctl.store import Txn
from tests.one_folder.beacon.model import Beacon

KIND = "beacon"
FLOWS = weighs(Beacon, 6)


def new_beacon(txn: Txn, subnet: Subnet, name: str, rate: int, address: Ip4 | None) -> Beacon:
    """A beacon with a managed interface of its own; IntentError when it can have no address."""
    id = txn.new_id(Beacon)
    port = new_managed(txn, subnet, KIND, id, address)
    made = Beacon(
        id=id,
        account=subnet.account,
        vpc=subnet.vpc,
        subnet=subnet.id,
        port=port.id,
        rate=rate,
        key=txn.allocate(Beacon, "key"),
        meter=txn.allocate(Beacon, "meter"),
        name=name,
        created=txn.now,
    )
    txn.put(made)
    return made


@blocks(Subnet)
def lit(subnet: Subnet, txn: Txn) -> str:
    """A beacon in the subnet."""
    found = sorted(txn.by(Beacon, ("subnet",), subnet.id))
    return f"{subnet.id} has beacon {found[0]}" if found else ""


@blocks(Beacon)
def led_to(beacon: Beacon, txn: Txn) -> str:
    """A route that leads to the beacon."""
    return routed(beacon.id, txn)


@arbitrates(Holder, keys=lambda key: key.startswith("beacon-"))
def presented_by(known: Holder | None, wanted: Holder, txn: Txn) -> Holder | None:
    """A beacon is presented by a host that has its VPC."""
    beacon = txn.get(Beacon, wanted.id)
    there = beacon is not None and txn.by(Binding, ("vpc", "host"), (beacon.vpc, wanted.host))
    return wanted if there else None
