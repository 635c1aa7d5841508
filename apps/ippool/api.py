"""The operator gives public addresses to the region; tenants keep blocks of them for themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, model_validator

from apps.eip.model import ElasticIp
from apps.uplink.facts import reserved, usable
from apps.uplink.model import ElasticIpPool, GatewayNeighbour, Pool
from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer
from sdnctl.api.charge import USAGE, show_charge
from sdnctl.api.listing import Listing, answer, attribute, choose, constant, paged, reference, word
from sdnctl.api.operations import operation, operator
from sdnctl.api.schema import (
    Address,
    Block,
    Id,
    Json,
    MacAddress,
    Model,
    Name,
    Request,
    Tags,
    Text,
    Token,
    Whole,
    in_any_case,
    iso,
    show_tags,
    tag_dict,
)
from sdnctl.base.addresses import NEVER_FORWARDED, Cidr, Ip4, Mac
from sdnctl.base.errors import IntentError

PATH, ITEM = "/regions/{regionId}/elasticIpPool/", "/regions/{regionId}/elasticIpPool/{elasticIpPoolId}"
LARGEST, SMALLEST = 24, 30
Blocks = Annotated[tuple[Block, ...], Field(max_length=16)]
LEARNED = Mac(0)
LINES = {"bgp": "国际BGP", "cn-bgp": "BGP"}
quota.declare("ipAddressPool", 10, lambda view, _: view.count(ElasticIpPool, ("account",), view.caller.account))


class PoolCharge(Model):
    """A block is paid by what flows."""

    chargeMode: Literal["postpaid_by_usage"] = "postpaid_by_usage"


class CreatePool(Request):
    """A block to be kept: one that is named, or any of a size."""

    elasticIpPoolName: Name
    provider: Annotated[str, in_any_case(*LINES)]
    cidrMask: Annotated[Whole, Field(ge=LARGEST, le=SMALLEST)] | None = None
    cidrBlock: Block | None = None
    chargeSpec: PoolCharge = PoolCharge()
    userTags: Tags = ()
    description: Text = ""
    clientToken: Token | None = None
    dryRun: bool = False

    @model_validator(mode="after")
    def _one_of(self) -> "CreatePool":
        if (self.cidrMask is None) == (self.cidrBlock is None):
            raise ValueError("either cidrMask or cidrBlock is required")
        return self


class OnePool(Request):
    """A block."""

    elasticIpPoolId: Id


class ModifyPool(OnePool):
    """The fields of a block that may change."""

    elasticIpPoolName: Name | None = None
    description: Text | None = None


class NewPool(Request):
    """Public addresses to be given out, and the router on the uplink that leads from them."""

    cidr: Block
    gateway: Address
    gatewayMac: MacAddress | None = None
    privateInternet: Blocks = ()


class GivenPool(Request):
    """Public addresses that the operator gave."""

    pool: Id


class ChangedPool(GivenPool):
    """The fields of a pool that may change; where the gateway's MAC address is to be learned again, ``learn`` says."""

    gatewayMac: MacAddress | None = None
    learn: bool = False
    privateInternet: Blocks | None = None


KEYS = {
    "elasticIpPoolIds": reference("id"),
    "elasticIpPoolNames": attribute("name"),
    "cidrBlocks": attribute("cidr"),
    "providers": word("provider"),
}
PROVIDER_KEYS = {
    name: constant()
    for name in ("providers", "pointsOfAccess", "associationScope", "serviceTypes", "azs", "productCodes")
}


@operation("vpc", "describeElasticIpPools", "GET", PATH, Listing)
def describe_elastic_ip_pools(request: Listing, view: Reader) -> Json:
    """The caller's blocks of public addresses."""
    return answer(request, view, ElasticIpPool, KEYS, "elasticIpPools", show)


@operation("vpc", "createElasticIpPool", "POST", PATH, CreatePool)
def create_elastic_ip_pool(request: CreatePool, txn: Writer) -> Json:
    """Keep a block of public addresses that nobody uses yet."""
    quota.admit(txn, "ipAddressPool", 1)
    wanted = request.cidrBlock
    if wanted is not None and not LARGEST <= wanted.length <= SMALLEST:
        message = f"must have a mask of {LARGEST} to {SMALLEST} bits"
        raise IntentError("cidrBlock", message, 400, "OUT_OF_RANGE")
    source, block = _find(txn, request.cidrMask or 0, wanted)
    made = ElasticIpPool(
        id=txn.new_id(ElasticIpPool),
        account=txn.caller.account,
        pool=source.id,
        cidr=block,
        provider=request.provider,
        name=request.elasticIpPoolName,
        description=request.description,
        tags=tag_dict(request.userTags),
        created=txn.now,
    )
    txn.put(made)
    return {"elasticIpPoolId": made.id}


@operation("vpc", "describeElasticIpPool", "GET", ITEM, OnePool)
def describe_elastic_ip_pool(request: OnePool, view: Reader) -> Json:
    """One block of public addresses."""
    return {"elasticIpPool": show(view, view.own(ElasticIpPool, request.elasticIpPoolId, "elasticIpPoolId"))}


@operation("vpc", "modifyElasticIpPool", "PATCH", ITEM, ModifyPool)
def modify_elastic_ip_pool(request: ModifyPool, txn: Writer) -> Json:
    """Rename a block or describe it."""
    pool = txn.own(ElasticIpPool, request.elasticIpPoolId, "elasticIpPoolId")
    name = pool.name if request.elasticIpPoolName is None else request.elasticIpPoolName
    text = pool.description if request.description is None else request.description
    txn.put(replace(pool, name=name, description=text))
    return {}


@operation("vpc", "deleteElasticIpPool", "DELETE", ITEM, OnePool)
def delete_elastic_ip_pool(request: OnePool, txn: Writer) -> Json:
    """Give a block back of which no elastic IP is left."""
    pool = txn.own(ElasticIpPool, request.elasticIpPoolId, "elasticIpPoolId")
    for eip in sorted(txn.region.by(ElasticIp, ("reserved",), pool.id)):
        raise IntentError.precondition("elasticIpPoolId", f"{pool.id} still has elastic IP {eip}")
    txn.delete(ElasticIpPool, pool.id)
    return {}


@operation("vpc", "describeEdgeIpProviders", "GET", "/regions/{regionId}/edgeIpProviders/", Listing)
def describe_edge_ip_providers(request: Listing, view: Reader) -> Json:
    """The lines of edge zones: this region has no edge zone."""
    none: list[Json] = []
    chosen = choose(request, view, none, PROVIDER_KEYS)
    return paged(request, view, chosen, "edgeIpProviders", lambda _, provider: provider)


def show(view: Reader, pool: ElasticIpPool) -> Json:
    """A block as the API shows it."""
    used = view.count(ElasticIp, ("reserved",), pool.id)
    return {
        "elasticIpPoolId": pool.id,
        "elasticIpPoolName": pool.name,
        "cidr": str(pool.cidr),
        "provider": pool.provider,
        "providerNameCN": LINES[pool.provider.lower()],
        "usedIpNum": used,
        "availableIpNum": pool.cidr.size - used,
        "charge": show_charge(USAGE, pool.created, 0.0, view.now),
        "userTags": show_tags(pool.tags),
        "resourceGroupId": "",
        "status": "UP",
        "createdTime": iso(pool.created),
        "description": pool.description,
    }


def _find(txn: Writer, length: int, wanted: Cidr | None) -> tuple[Pool, Cidr]:
    """A free block of this length, or the one wanted, in the oldest pool that has it."""
    pools = sorted(txn.region.all(Pool).values(), key=lambda pool: (pool.created, pool.id))
    for pool in pools:
        for block in _free(txn, pool, length) if wanted is None else (wanted,):
            if block.within(pool.cidr):
                _check(txn, pool, block)
                return pool, block
    if wanted is not None:
        raise IntentError("cidrBlock", f"{wanted} is in no pool of the region")
    raise IntentError.precondition("cidrMask", f"no block of {length} bits is free")


def _check(txn: Writer, pool: Pool, block: Cidr) -> None:
    """Refuse a block of which anything is in use."""
    low, high = usable(pool.cidr)
    if not (low <= block.network and block.broadcast <= high):
        raise IntentError("cidrBlock", f"{block} has an end of {pool.cidr}, which is no address")
    for start, end in _taken(txn, pool):
        if start <= block.broadcast and block.network <= end:
            raise IntentError("cidrBlock", f"{block} is in use", 409, "ALREADY_EXISTS")


def _taken(txn: Writer, pool: Pool) -> Iterator[tuple[int, int]]:
    """The stretches of a pool that are in use: its gateway, blocks that are kept, and elastic IPs."""
    yield pool.gateway, pool.gateway
    for block in reserved(txn.txn, pool):
        yield block.cidr.network, block.cidr.broadcast
    for id in txn.region.by(ElasticIp, ("pool",), pool.id):
        eip = txn.region.get(ElasticIp, id)
        if eip is not None:
            yield eip.address, eip.address


def _free(txn: Writer, pool: Pool, length: int) -> Iterator[Cidr]:
    """The first free block of this length, aligned; what is in use is jumped over, so a large pool is no matter."""
    size = 1 << 32 - length
    low, high = usable(pool.cidr)
    at = -(-low // size) * size
    for start, end in sorted(_taken(txn, pool)):
        if at + size <= start:
            break
        at = max(at, -(-(end + 1) // size) * size)
    if at + size - 1 <= high:
        yield Cidr(Ip4(at), length)


@operator("createPool", "POST", "/pools", NewPool)
def create_pool(request: NewPool, txn: Writer) -> Json:
    """Give a block of public addresses to the region."""
    block = request.cidr
    if block.length < 8 or any(block.overlaps(other) for other in NEVER_FORWARDED):
        raise IntentError("cidr", f"{block} cannot be given out")
    for known in txn.region.all(Pool).values():
        if known.cidr.overlaps(block):
            raise IntentError("cidr", f"{block} overlaps {known.cidr} of {known.id}", 409, "ALREADY_EXISTS")
    low, high = usable(block)
    if block.contains(request.gateway) and not low <= request.gateway <= high:
        raise IntentError("gateway", f"{request.gateway} is an end of {block}")
    if low == high == request.gateway:
        raise IntentError("cidr", "leaves no address beside the gateway")
    for eip in txn.region.by(ElasticIp, ("address",), request.gateway):
        raise IntentError("gateway", f"{request.gateway} is the address of {eip}", 409, "ALREADY_EXISTS")
    pool = Pool(
        id=txn.new_id(Pool),
        cidr=block,
        gateway=request.gateway,
        key=txn.allocate(Pool, "key"),
        gateway_mac=request.gatewayMac or LEARNED,
        private_internet=_private(request.privateInternet),
        created=txn.now,
    )
    txn.put(pool)
    return show_pool(txn, pool)


def _private(blocks: Sequence[Cidr]) -> tuple[Cidr, ...]:
    """The blocks that are internet in a laboratory, each once; IntentError where a router may not forward to one."""
    for block in blocks:
        if never := [other for other in NEVER_FORWARDED if block.overlaps(other)]:
            raise IntentError("privateInternet", f"no router forwards to {never[0]}, which {block} overlaps (RFC 6890)")
    return tuple(sorted(set(blocks)))


@operator("listPools", "GET", "/pools", Request)
def list_pools(request: Request, view: Reader) -> Json:
    """The region's public addresses, oldest block first."""
    pools = sorted(view.region.all(Pool).values(), key=lambda pool: (pool.created, pool.id))
    return {"pools": [show_pool(view, pool) for pool in pools]}


@operator("modifyPool", "PATCH", "/pools/{pool}", ChangedPool)
def modify_pool(request: ChangedPool, txn: Writer) -> Json:
    """Say where the gateway of public addresses is, or have it learned; say what is internet in a laboratory."""
    pool = txn.region.get(Pool, request.pool)
    if pool is None:
        raise IntentError.missing("pool", f"pool {request.pool!r}")
    if request.learn and request.gatewayMac is not None:
        raise IntentError("gatewayMac", "is either given or learned")
    known = pool.private_internet if request.privateInternet is None else _private(request.privateInternet)
    mac = LEARNED if request.learn else request.gatewayMac or pool.gateway_mac
    changed = replace(pool, gateway_mac=mac, private_internet=known)
    txn.put(changed)
    return show_pool(txn, changed)


@operator("deletePool", "DELETE", "/pools/{pool}", GivenPool)
def delete_pool(request: GivenPool, txn: Writer) -> Json:
    """Take a block back that no elastic IP uses."""
    if txn.region.get(Pool, request.pool) is None:
        raise IntentError.missing("pool", f"pool {request.pool!r}")
    for block in sorted(txn.region.by(ElasticIpPool, ("pool",), request.pool)):
        raise IntentError.precondition("pool", f"a tenant keeps a block of {request.pool}: {block}")
    used = len(txn.region.by(ElasticIp, ("pool",), request.pool))
    if used:
        raise IntentError.precondition("pool", f"{used} elastic IPs are from {request.pool}")
    txn.delete(Pool, request.pool)
    return {}


def _seen(view: Reader, pool: Pool) -> Iterator[GatewayNeighbour]:
    """The places where hosts have found a pool's gateway by ARP."""
    for id in sorted(view.region.by(GatewayNeighbour, ("pool",), pool.id)):
        found = view.region.get(GatewayNeighbour, id)
        if found is not None:
            yield found


def show_pool(view: Reader, pool: Pool) -> Json:
    """A block as the operator sees it."""
    low, high = usable(pool.cidr)
    used = len(view.region.by(ElasticIp, ("pool",), pool.id))
    return {
        "pool": pool.id,
        "cidr": str(pool.cidr),
        "gateway": str(pool.gateway),
        "gatewayMac": str(pool.gateway_mac) if pool.gateway_mac else "",
        "gatewaySeen": [{"host": one.host, "mac": str(one.mac)} for one in _seen(view, pool)],
        "privateInternet": [str(block) for block in pool.private_internet],
        "total": high - low + 1 - (low <= pool.gateway <= high),
        "used": used,
        "created": iso(pool.created),
    }
