"""Tenants make, change, list and delete their VPCs and the subnets in them."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from apps.vpc.model import ANYTHING, RESERVED, Subnet, Vpc
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.extend import shown
from sdnctl.api.listing import Listing, answer, attribute, constant, reference, shown_all
from sdnctl.api.operations import operation
from sdnctl.api.schema import Addresses, Block, Id, Json, Name, Request, Tags, Text, iso, show_tags, tag_dict
from sdnctl.base.addresses import Cidr
from sdnctl.base.errors import IntentError
from sdnctl.packet.names import labels

PRIVATE = tuple(Cidr.parse(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
SHORTEST, LONGEST = 16, 28
MAX_DNS, MAX_DOMAINS = 5, 254
quota.declare("vpc", 10, lambda view, _: view.count(Vpc, ("account",), view.caller.account))
quota.declare("subnet", 100, lambda view, vpc: view.count(Subnet, ("vpc",), vpc), within="the VPC", parent=Vpc)


def _private(block: Cidr) -> Cidr:
    if block == ANYTHING:
        return block
    if not any(block.within(private) for private in PRIVATE):
        raise ValueError("must lie in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
    if not SHORTEST <= block.length <= LONGEST:
        raise ValueError(f"must have a mask of {SHORTEST} to {LONGEST} bits")
    return block


def _not_anything(block: Cidr) -> Cidr:
    if block == ANYTHING:
        raise ValueError("must lie in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
    return block


def _or_anything(value: Any) -> Any:
    return str(ANYTHING) if value == "" else value


def _domains(value: Any) -> Any:
    return [part for part in value.replace(",", " ").split() if part] if isinstance(value, str) else value


def _short(domains: tuple[str, ...]) -> tuple[str, ...]:
    if len(" ".join(domains)) > MAX_DOMAINS:
        raise ValueError(f"must have at most {MAX_DOMAINS} characters together")
    return domains


def _domain(name: str) -> str:
    labels(name)
    return name


VpcBlock = Annotated[Block, AfterValidator(_private), BeforeValidator(_or_anything)]
SubnetBlock = Annotated[Block, AfterValidator(_private), AfterValidator(_not_anything)]
Servers = Annotated[Addresses, Field(max_length=MAX_DNS)]
Domain = Annotated[str, AfterValidator(_domain)]
Domains = Annotated[tuple[Domain, ...], AfterValidator(_short), BeforeValidator(_domains)]


class CreateVpc(Request):
    """A VPC to be made; without a prefix its subnets may be anywhere in RFC 1918."""

    vpcName: Name
    addressPrefix: VpcBlock | None = None
    description: Text = ""
    userTags: Tags = ()


class OneVpc(Request):
    """A VPC."""

    vpcId: Id


class ModifyVpc(OneVpc):
    """The fields of a VPC that may change; the prefix can only be lifted."""

    vpcName: Name | None = None
    description: Text | None = None
    addressPrefix: str | None = None


class CreateSubnet(OneVpc):
    """A subnet to be made."""

    subnetName: Name
    addressPrefix: SubnetBlock
    description: Text = ""
    ipMaskLen: Literal[0, "0"] = 0
    domainNames: Domains = ()
    domainNameServers: Servers = ()
    dryRun: bool = False
    userTags: Tags = ()


class OneSubnet(Request):
    """A subnet."""

    subnetId: Id


class ModifySubnet(OneSubnet):
    """The fields of a subnet that may change."""

    subnetName: Name | None = None
    description: Text | None = None
    domainNames: Domains | None = None
    domainNameServers: Servers | None = None


VPC_KEYS = {
    "vpcIds": reference("id"),
    "vpcNames": attribute("name"),
    "azType": constant("all", "standard"),
    "azs": constant(""),
    "resourceTag": constant(""),
}
SUBNET_KEYS = {
    "subnetIds": reference("id"),
    "subnetNames": attribute("name"),
    "routeTableId": reference("route_table"),
    "aclId": constant(),
    "vpcId": reference("vpc"),
    "subnetType": constant("all", "standard"),
    "azs": constant(""),
    "types": constant("all", "normal"),
    "hpcClusterIds": constant(),
    "azType": constant("all", "standard"),
    "shareType": constant("NORMAL"),
}


@operation("vpc", "describeVpcs", "GET", "/regions/{regionId}/vpcs/", Listing)
def describe_vpcs(request: Listing, view: Reader) -> Json:
    """The caller's VPCs."""
    return answer(request, view, Vpc, VPC_KEYS, "vpcs", show_vpc)


@operation("vpc", "createVpc", "POST", "/regions/{regionId}/vpcs/", CreateVpc)
def create_vpc(request: CreateVpc, txn: Writer) -> Json:
    """Make a VPC and its default route table."""
    account = txn.caller.account
    quota.admit(txn, "vpc", 1)
    vpc = Vpc(
        id=txn.new_id(Vpc),
        account=account,
        cidr=request.addressPrefix or ANYTHING,
        key=txn.allocate(Vpc, "key"),
        meter=txn.allocate(Vpc, "meter"),
        name=request.vpcName,
        description=request.description,
        tags=tag_dict(request.userTags),
        created=txn.now,
    )
    txn.create(vpc)
    return {"vpcId": vpc.id}


@operation("vpc", "describeVpc", "GET", "/regions/{regionId}/vpcs/{vpcId}", OneVpc)
def describe_vpc(request: OneVpc, view: Reader) -> Json:
    """One VPC with its subnets."""
    return {"vpc": show_vpc(view, view.own(Vpc, request.vpcId, "vpcId"))}


@operation("vpc", "modifyVpc", "PATCH", "/regions/{regionId}/vpcs/{vpcId}", ModifyVpc)
def modify_vpc(request: ModifyVpc, txn: Writer) -> Json:
    """Rename a VPC, describe it, or lift its prefix."""
    vpc = txn.own(Vpc, request.vpcId, "vpcId")
    block = vpc.cidr
    if request.addressPrefix == "":
        block = ANYTHING
    elif request.addressPrefix is not None and request.addressPrefix != str(vpc.cidr):
        raise IntentError("addressPrefix", "can only be changed to empty, which means unrestricted")
    name = vpc.name if request.vpcName is None else request.vpcName
    text = vpc.description if request.description is None else request.description
    txn.change(vpc, replace(vpc, cidr=block, name=name, description=text))
    return {}


@operation("vpc", "deleteVpc", "DELETE", "/regions/{regionId}/vpcs/{vpcId}", OneVpc)
def delete_vpc(request: OneVpc, txn: Writer) -> Json:
    """Delete a VPC without subnets, and its route tables with it."""
    vpc = txn.own(Vpc, request.vpcId, "vpcId")
    for subnet in txn.region.by(Subnet, ("vpc",), vpc.id):
        raise IntentError.precondition("vpcId", f"{vpc.id} still has subnet {subnet}")
    txn.remove(vpc, "vpcId")
    return {}


@operation("vpc", "describeSubnets", "GET", "/regions/{regionId}/subnets/", Listing)
def describe_subnets(request: Listing, view: Reader) -> Json:
    """The caller's subnets."""
    return answer(request, view, Subnet, SUBNET_KEYS, "subnets", show_subnet)


@operation("vpc", "createSubnet", "POST", "/regions/{regionId}/subnets/", CreateSubnet, orders=Subnet)
def create_subnet(request: CreateSubnet, txn: Writer) -> Json:
    """Make a subnet in a VPC; it overlaps none of its siblings and uses the default route table if none is named."""
    vpc = txn.own(Vpc, request.vpcId, "vpcId")
    block = request.addressPrefix
    if not block.within(vpc.cidr):
        raise IntentError("addressPrefix", f"{block} is not within the VPC's {vpc.cidr}")
    quota.admit(txn, "subnet", 1, parent=vpc.id)
    for sibling in txn.of(Subnet, ("vpc",), vpc.id):
        if block.overlaps(sibling.cidr):
            raise IntentError("addressPrefix", f"{block} overlaps {sibling.cidr} of {sibling.id}", 409, "CONFLICT")
    subnet = Subnet(
        id=txn.new_id(Subnet),
        account=vpc.account,
        vpc=vpc.id,
        route_table="",  # as ordered: the routing says which
        cidr=block,
        key=txn.allocate(Subnet, "key"),
        dns=request.domainNameServers,
        domains=request.domainNames,
        name=request.subnetName,
        description=request.description,
        tags=tag_dict(request.userTags),
        created=txn.now,
    )
    txn.create(subnet, request)
    return {"subnetId": subnet.id}


@operation("vpc", "describeSubnet", "GET", "/regions/{regionId}/subnets/{subnetId}", OneSubnet)
def describe_subnet(request: OneSubnet, view: Reader) -> Json:
    """One subnet."""
    return {"subnet": show_subnet(view, view.own(Subnet, request.subnetId, "subnetId"))}


@operation("vpc", "modifySubnet", "PATCH", "/regions/{regionId}/subnets/{subnetId}", ModifySubnet)
def modify_subnet(request: ModifySubnet, txn: Writer) -> Json:
    """Rename a subnet, describe it, or change the names and name servers that its DHCP server announces."""
    subnet = txn.own(Subnet, request.subnetId, "subnetId")
    changed = replace(
        subnet,
        name=subnet.name if request.subnetName is None else request.subnetName,
        description=subnet.description if request.description is None else request.description,
        dns=subnet.dns if request.domainNameServers is None else request.domainNameServers,
        domains=subnet.domains if request.domainNames is None else request.domainNames,
    )
    txn.put(changed)
    return {}


@operation("vpc", "deleteSubnet", "DELETE", "/regions/{regionId}/subnets/{subnetId}", OneSubnet)
def delete_subnet(request: OneSubnet, txn: Writer) -> Json:
    """Delete a subnet without network interfaces."""
    subnet = txn.own(Subnet, request.subnetId, "subnetId")
    txn.remove(subnet, "subnetId")
    return {}


def show_vpc(view: Reader, vpc: Vpc) -> Json:
    """A VPC as the API shows it."""
    subnets = sorted(view.of(Subnet, ("vpc",), vpc.id), key=lambda subnet: subnet.cidr)
    own = {
        "vpcId": vpc.id,
        "vpcName": vpc.name,
        "addressPrefix": "" if vpc.cidr == ANYTHING else str(vpc.cidr),
        "description": vpc.description,
        "aclIds": [],
        "routeTableIds": [],
        "subnets": shown_all(view, subnets, show_subnet),
        "createdTime": iso(vpc.created),
        "tags": show_tags(vpc.tags),
    }
    return shown(view, vpc, own)


def show_subnet(view: Reader, subnet: Subnet) -> Json:
    """A subnet as the API shows it."""
    own = {
        "subnetId": subnet.id,
        "subnetName": subnet.name,
        "vpcId": subnet.vpc,
        "addressPrefix": str(subnet.cidr),
        "availableIpCount": subnet.cidr.size - RESERVED,
        "availableCidrIpCount": 0,
        "ipMaskLen": 0,
        "description": subnet.description,
        "routeTableId": subnet.route_table,
        "aclId": "",
        "startIp": str(subnet.first),
        "endIp": str(subnet.last),
        "createdTime": iso(subnet.created),
        "subnetType": "standard",
        "type": "normal",
        "az": "",
        "publicSubnet": False,
        "domainNames": list(subnet.domains),
        "domainNameServers": [str(server) for server in subnet.dns],
        "tags": show_tags(subnet.tags),
    }
    return shown(view, subnet, own)
