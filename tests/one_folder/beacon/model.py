"""A beacon is an address of a subnet that echoes UDP, whichever host presents it at the moment."""

from sdnctl.model.resource import field, label, number, ref, resource
from sdnctl.program.meters import POOL, POOL_HIGH, POOL_LOW


@resource(prefix="beacon", reach="vpc", indexes=(("vpc", "key"),))
class Beacon:
    """A beacon answers at most ``rate`` packets a second, at the addresses of its managed interface ``port``."""

    id: str
    account: str = ref("Account")
    vpc: str = ref("Vpc")
    subnet: str = ref("Subnet")
    port: str = ref("NetworkInterface")
    rate: int = field(default=100)
    key: int = number("beacon key", 1, 255)
    meter: int = number(POOL, POOL_LOW, POOL_HIGH)
    name: str = label(default="")
    created: float = label(default=0.0)


@resource(report=True, reach="host")
class BeaconWatch:
    """A host's watch over the beacons of its VPCs; the id is the host's.  ``seen`` counts them."""

    id: str
    host: str = ref("Host", on_delete="cascade")
    seen: int = field(default=0)


@resource()
class BeaconCensus:
    """The number of beacons in the region, as its one keeper has counted them; there is one record, "census"."""

    id: str
    number: int = field(default=0)


@resource(reach="vpc", leads=("vpc", "other"))
class BeaconLink:
    """Hosts that follow the VPC ``vpc`` follow ``other`` too."""

    id: str
    vpc: str = ref("Vpc", on_delete="cascade")
    other: str = ref("Vpc", on_delete="cascade")
