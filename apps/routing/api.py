"""Tenants read their route tables: the default one of each VPC and the rules in it."""

from apps.routing.model import INTERNET, LOCAL, Route, RouteTable
from apps.vpc.model import Subnet
from sdnctl.api.listing import Listing, answer, attribute, constant
from sdnctl.api.registry import operation
from sdnctl.api.schema import Id, Json, Request, iso, show_tags
from sdnctl.api.view import View

KEYS = {
    "routeTableIds": attribute("id"),
    "routeTableNames": attribute("name"),
    "vpcId": attribute("vpc"),
    "associateType": constant("subnet"),
    "azType": constant("all", "standard"),
    "azs": constant(""),
}


class OneTable(Request):
    """A route table."""

    routeTableId: Id


@operation("vpc", "describeRouteTables", "GET", "/regions/{regionId}/routeTables/", Listing)
def describe_route_tables(request: Listing, view: View) -> Json:
    """The caller's route tables."""
    return answer(request, view, view.mine(RouteTable), KEYS, "routeTables", show)


@operation("vpc", "describeRouteTable", "GET", "/regions/{regionId}/routeTables/{routeTableId}", OneTable)
def describe_route_table(request: OneTable, view: View) -> Json:
    """One route table with its rules."""
    return {"routeTable": show(view, view.own(RouteTable, request.routeTableId, "routeTableId"))}


def show(view: View, table: RouteTable) -> Json:
    """A route table as the API shows it; rules in the order in which they are tried."""
    rules = sorted(view.of(Route, ("table",), table.id), key=_order)
    return {
        "routeTableId": table.id,
        "routeTableName": table.name,
        "routeTableType": "default" if table.default else "custom",
        "associateType": "subnet",
        "description": table.description,
        "vpcId": table.vpc,
        "routeTableRules": [show_rule(rule) for rule in rules],
        "routePropagations": [],
        "subnetIds": sorted(view.region.by(Subnet, ("route_table",), table.id)),
        "createdTime": iso(table.created),
        "tags": show_tags(table.tags),
    }


def show_rule(rule: Route) -> Json:
    """A rule as the API shows it; `local` and `internet` have no next hop to name."""
    return {
        "ruleId": rule.id,
        "priority": rule.priority,
        "nextHopType": rule.next_hop_type,
        "nextHopId": rule.next_hop or (rule.next_hop_type if rule.next_hop_type in (LOCAL, INTERNET) else ""),
        "addressPrefixType": "CIDR",
        "addressPrefix": str(rule.prefix),
        "origin": rule.origin,
        "description": "",
    }


def _order(rule: Route) -> tuple[bool, int, int, str]:
    return rule.next_hop_type != LOCAL, -rule.prefix.length, rule.priority, rule.id
