"""An elastic IP is a public address that a tenant owns and binds to one private address, at any time, anywhere."""

from sdnctl.base.addresses import Ip4
from sdnctl.model.resource import field, label, number, ref, resource
from sdnctl.program.meters import POOL as METERS
from sdnctl.program.meters import POOL_HIGH, POOL_LOW
from sdnctl.program.zones import POOL as ZONES
from sdnctl.program.zones import POOL_HIGH as ZONES_HIGH
from sdnctl.program.zones import POOL_LOW as ZONES_LOW

INBOUND_FLOOR_MBPS = 10


@resource(prefix="fip", reach="vpc", indexes=(("address",), ("port", "private")))
class ElasticIp:
    """A public address bound one to one to ``private`` of ``port``, or to nothing (``""``, 0).

    ``vpc`` repeats that of ``port``, for the hosts that follow it.  ``reserved`` names the tenant's block that it is
    from.
    ``bandwidth`` is the outbound limit in Mbit/s, which ``out_meter`` keeps; ``in_meter`` is that of
    what arrives, ``meter`` that of what is asked from outside, ``piece_meter`` that of fragments, whose addresses
    connection tracking translates in ``out_zone`` and ``in_zone``.  ``sequence`` is the transaction that last touched
    it, which the switch must confirm before the state is UP.
    """

    id: str
    account: str = ref("Account")
    pool: str = ref("Pool")
    reserved: str = ref("ElasticIpPool", default="")
    address: Ip4 = field()
    bandwidth: int = field(default=1)
    port: str = ref("NetworkInterface", default="", on_delete="clear")
    private: Ip4 = field(default=Ip4(0))
    vpc: str = field(default="")
    out_meter: int = number(METERS, POOL_LOW, POOL_HIGH)
    in_meter: int = number(METERS, POOL_LOW, POOL_HIGH)
    meter: int = number(METERS, POOL_LOW, POOL_HIGH)
    piece_meter: int = number(METERS, POOL_LOW, POOL_HIGH)
    out_zone: int = number(ZONES, ZONES_LOW, ZONES_HIGH)
    in_zone: int = number(ZONES, ZONES_LOW, ZONES_HIGH)
    sequence: int = label(default=0)
    provider: str = label(default="bgp")
    ip_type: str = label(default="standard")
    charge_mode: str = label(default="postpaid_by_duration")
    charge_start: float = label(default=0.0)
    charge_expiry: float = label(default=0.0)
    name: str = label(default="")
    tags: dict[str, str] = label(default={})
    created: float = label(default=0.0)
