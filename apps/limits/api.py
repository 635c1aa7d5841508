"""Tenants see how much they may have of each thing, and how much they have."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from sdnctl.api import quota
from sdnctl.api.access import Reader
from sdnctl.api.listing import Filtered, attribute, choose
from sdnctl.api.operations import operation
from sdnctl.api.quota import Quota
from sdnctl.api.schema import Id, Json, Request
from sdnctl.base.errors import IntentError

# What the public API counts and this region has none of.
NOT_SERVED = frozenset(
    """acl aclRule propagatedRoute network_interface_cidr vpcNatGateway natGatewayNatIpCidr natGatewayNatIp
    trafficMirrorSession trafficMirrorFilter trafficMirrorFilterRule trafficMirrorSource prefixList
    eniIpv6Address ipv6PublicAddress eipPriorExcludeDestCidr""".split()  # noqa: SIM905
)


class OneQuota(Request):
    """A quota by its type, and the resource within which it is counted, if it is."""

    type: Annotated[str, Field(max_length=64)]
    parentResourceId: Id | None = None


class Quotas(Filtered):
    """The vm service's quotas."""

    imageId: str | None = None


KEYS = {"resourceTypes": attribute("name")}


def _of(service: str) -> Iterator[Quota]:
    return (known for _, known in sorted(quota.declared().items()) if known.service == service)


@operation("vpc", "describeQuota", "GET", "/regions/{regionId}/quotas/", OneQuota)
def describe_quota(request: OneQuota, view: Reader) -> Json:
    """The quota of the caller's account for one type of resource: how many it may have, and has."""
    known = {limit.name: limit for limit in _of("vpc")}
    if request.type in NOT_SERVED - known.keys():
        raise IntentError("type", f"there are no resources of type {request.type}", 501, "NOT_IMPLEMENTED")
    if request.type not in known:
        raise IntentError("type", f"{request.type!r} is not one of {', '.join(known)}")
    limit = known[request.type]
    within = ""
    if limit.parent is not None:
        if request.parentResourceId is None:
            raise IntentError("parentResourceId", f"is required: {limit.name} is counted within {limit.within}")
        parent: Any = view.own(limit.parent, request.parentResourceId, "parentResourceId")
        within = parent.id
    count = limit.count(view, within)
    return {"quota": {"type": limit.name, "parentResourceId": within, "maxLimit": limit.limit(view), "count": count}}


@operation("vm", "describeQuotas", "GET", "/regions/{regionId}/quotas", Quotas)
def describe_quotas(request: Quotas, view: Reader) -> Json:
    """The quotas of the caller's account for instances: how many it may have, and has."""
    chosen = choose(request, view, _of("vm"), KEYS)
    return {"quotas": [_show(view, limit) for limit in chosen]}


def _show(view: Reader, limit: Quota) -> Json:
    return {"resourceType": limit.name, "limit": limit.limit(view), "used": limit.count(view, "")}
