"""Tenants light beacons, list them and put them out."""

from typing import Annotated

from pydantic import Field

from apps.eni import api as eni
from apps.eni.model import NetworkInterface
from apps.vpc.model import Subnet
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.extend import shows
from sdnctl.api.listing import Listing, answer, attribute, reference
from sdnctl.api.operations import operation
from sdnctl.api.schema import Address, Id, Json, Name, Request, Whole
from sdnctl.base.addresses import Ip4
from tests.one_folder.beacon.model import Beacon, BeaconLink
from tests.one_folder.beacon.writes import new_beacon

PATH, ITEM = "/regions/{regionId}/beacons/", "/regions/{regionId}/beacons/{beaconId}"
Rate = Annotated[Whole, Field(ge=1, le=10_000)]
quota.declare("beacon", 5, lambda view, subnet: view.count(Beacon, ("subnet",), subnet), "the subnet", parent=Subnet)


class NewBeacon(Request):
    """A beacon to be lit."""

    subnetId: Id
    beaconName: Name
    rate: Rate = 100
    address: Address | None = None


class OneBeacon(Request):
    """A beacon."""

    beaconId: Id


class Link(OneBeacon):
    """Another VPC that hosts of the beacon's VPC are to know."""

    vpcId: Id


KEYS = {"beaconIds": reference("id"), "beaconNames": attribute("name"), "vpcId": reference("vpc")}


@operation("vpc", "describeBeacons", "GET", PATH, Listing)
def describe_beacons(request: Listing, view: Reader) -> Json:
    """The caller's beacons."""
    return answer(request, view, Beacon, KEYS, "beacons", show)


@operation("vpc", "createBeacon", "POST", PATH, NewBeacon)
def create_beacon(request: NewBeacon, txn: Writer) -> Json:
    """Light a beacon in a subnet."""
    subnet = txn.own(Subnet, request.subnetId, "subnetId")
    quota.admit(txn, "beacon", 1, parent=subnet.id)
    address = Ip4(request.address) if request.address is not None else None
    return {"beaconId": new_beacon(txn.txn, subnet, request.beaconName, request.rate, address).id}


@operation("vpc", "describeBeacon", "GET", ITEM, OneBeacon)
def describe_beacon(request: OneBeacon, view: Reader) -> Json:
    """One beacon."""
    return {"beacon": show(view, view.own(Beacon, request.beaconId, "beaconId"))}


@operation("vpc", "deleteBeacon", "DELETE", ITEM, OneBeacon)
def delete_beacon(request: OneBeacon, txn: Writer) -> Json:
    """Put a beacon out that no route and no elastic IP leads to."""
    beacon = txn.own(Beacon, request.beaconId, "beaconId")
    port = txn.own(NetworkInterface, beacon.port, "beaconId")
    txn.remove(beacon, "beaconId")
    txn.remove(port, "beaconId")
    return {}


@operation("vpc", "linkBeacon", "POST", f"{ITEM}:link", Link)
def link_beacon(request: Link, txn: Writer) -> Json:
    """Let the hosts of a beacon's VPC know another VPC of the caller."""
    beacon = txn.own(Beacon, request.beaconId, "beaconId")
    txn.put(BeaconLink(id=f"{beacon.vpc}/{request.vpcId}", vpc=beacon.vpc, other=request.vpcId))
    return {}


def show(view: Reader, beacon: Beacon) -> Json:
    """A beacon as the API shows it."""
    port = view.get(NetworkInterface, beacon.port)
    return {
        "beaconId": beacon.id,
        "beaconName": beacon.name,
        "vpcId": beacon.vpc,
        "subnetId": beacon.subnet,
        "networkInterfaceId": beacon.port,
        "networkInterface": eni.show(view, port) if port is not None else {},
        "address": str(port.addresses[0]) if port is not None else "",
        "rate": beacon.rate,
    }


@shows(Subnet)
def lights(view: Reader, subnet: Subnet) -> Json:
    """The number of beacons of a subnet."""
    return {"beacons": view.count(Beacon, ("subnet",), subnet.id)}
