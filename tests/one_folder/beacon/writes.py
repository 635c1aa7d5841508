"""Changes of beacons within a transaction."""

from apps.eni.writes import new_managed
from apps.routing.writes import routed
from apps.vpc.model import Subnet
from sdnctl.base.addresses import Ip4
from sdnctl.program.lifecycle import blocks
from sdnctl.store import Txn
from tests.one_folder.beacon.model import Beacon

KIND = "beacon"


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
