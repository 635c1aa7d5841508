"""Tenants make route tables, give them rules, and say which subnets follow them.

A rule leads to what a type of next hop names. A tenant cannot touch the rule `local`: within the VPC all is direct.
"""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from apps.routing.facts import hop_id, precedence
from apps.routing.model import INTERNET, LOCAL, Route, RouteTable
from apps.routing.targets import known_type, next_hops
from apps.routing.writes import check_prefix, check_together, new_route
from apps.vpc.model import Subnet, Vpc
from sdnctl.api import quota, schema
from sdnctl.api.access import Reader, Writer
from sdnctl.api.extend import accepts, shows
from sdnctl.api.listing import Key, Listing, answer, attribute, choose, constant, paged, reference
from sdnctl.api.operations import operation
from sdnctl.api.schema import Block, Id, Ids, Json, Model, Name, Request, Tags, Text, Whole, iso, show_tags, tag_dict
from sdnctl.base.errors import IntentError
from sdnctl.model.resource import named
from sdnctl.program.lifecycle import change

PATH, ITEM = "/regions/{regionId}/routeTables/", "/regions/{regionId}/routeTables/{routeTableId}"
MOST_AT_ONCE = 100
quota.declare("routeTable", 10, lambda view, vpc: view.count(RouteTable, ("vpc",), vpc), within="the VPC", parent=Vpc)
quota.declare("staticRoute", 50, lambda view, table: len(_own_rules(view, table)), "the route table", parent=RouteTable)


def _block(value: Any) -> Any:
    """A single address is a block of one."""
    return f"{value}/32" if isinstance(value, str) and value and "/" not in value else value


Destination = Annotated[Block, BeforeValidator(_block)]
Preference = Annotated[Whole, Field(ge=1, le=255)]
HopType = Annotated[str, Field(max_length=64), AfterValidator(known_type)]
HopId = Annotated[str, Field(max_length=64)]
Kind = Literal["CIDR", "PREFIXLIST"]


class OneTable(Request):
    """A route table."""

    routeTableId: Id


class CreateTable(Request):
    """A route table to be made; it starts with the rule `local` only."""

    vpcId: Id
    routeTableName: Name
    associateType: Literal["subnet", "gateway"] = "subnet"
    description: Text = ""
    userTags: Tags = ()


class ModifyTable(OneTable):
    """The fields of a route table that may change."""

    routeTableName: Name | None = None
    description: Text | None = None


class NewRule(Model):
    """A rule to be added; `nextHopId` is the id of the instance or interface, or `internet`."""

    addressPrefix: Destination
    nextHopType: HopType
    nextHopId: HopId = ""
    addressPrefixType: Kind = "CIDR"
    priority: Preference = 100
    description: Text = ""


class ChangedRule(Model):
    """A rule to be changed; what is not given stays."""

    ruleId: Id
    addressPrefix: Annotated[Destination | None, schema.SAID] = None
    nextHopType: HopType | None = None
    nextHopId: HopId | None = None
    addressPrefixType: Kind = "CIDR"
    priority: Preference | None = None
    description: Text | None = None


class AddRules(OneTable):
    """Rules to be added, all or none."""

    routeTableRuleSpecs: Annotated[tuple[NewRule, ...], Field(min_length=1, max_length=MOST_AT_ONCE)]


class ModifyRules(OneTable):
    """Rules to be changed, all or none."""

    modifyRouteTableRuleSpecs: Annotated[tuple[ChangedRule, ...], Field(min_length=1, max_length=MOST_AT_ONCE)]


class RemoveRules(OneTable):
    """Rules to be removed, all or none."""

    ruleIds: Annotated[Ids, Field(min_length=1, max_length=MOST_AT_ONCE)]


class Rules(Listing):
    """The rules of a table, page by page."""

    routeTableId: Id


class Follows(Model):
    """The route table of a subnet to be made; without one it follows the default table of its VPC."""

    routeTableId: Id | None = None


class Associate(OneTable):
    """Subnets that are to follow a table."""

    subnetIds: Annotated[Ids, Field(min_length=1, max_length=MOST_AT_ONCE)]


class Disassociate(OneTable):
    """A subnet that is to follow its VPC's default table again."""

    subnetId: Id


KEYS = {
    "routeTableIds": reference("id"),
    "routeTableNames": attribute("name"),
    "vpcId": reference("vpc"),
    "associateType": constant("subnet"),
    "azType": constant("all", "standard"),
    "azs": constant(""),
}
RULE_KEYS = {
    "ruleIds": attribute("id"),
    "origins": attribute("origin"),
    "nextHopTypes": attribute("next_hop_type"),
    "addressPrefix": attribute("prefix"),
    "description": attribute("description"),
    "nextHopId": Key(lambda view, rule: (hop_id(rule),)),
}


@operation("vpc", "describeRouteTables", "GET", PATH, Listing)
def describe_route_tables(request: Listing, view: Reader) -> Json:
    """The caller's route tables."""
    return answer(request, view, RouteTable, KEYS, "routeTables", show)


@operation("vpc", "createRouteTable", "POST", PATH, CreateTable)
def create_route_table(request: CreateTable, txn: Writer) -> Json:
    """Make a route table that knows its VPC and nothing beyond."""
    vpc = txn.own(Vpc, request.vpcId, "vpcId")
    if request.associateType != "subnet":
        raise IntentError("associateType", "route tables of gateways are not served", 501, "NOT_IMPLEMENTED")
    quota.admit(txn, "routeTable", 1, parent=vpc.id)
    table = RouteTable(
        id=txn.new_id(RouteTable),
        account=vpc.account,
        vpc=vpc.id,
        key=txn.allocate(RouteTable, "key"),
        name=request.routeTableName,
        description=request.description,
        tags=tag_dict(request.userTags),
        created=txn.now,
    )
    txn.put(table)
    txn.put(new_route(txn.txn, table, vpc.cidr, LOCAL))
    return {"routeTableId": table.id}


@operation("vpc", "describeRouteTable", "GET", ITEM, OneTable)
def describe_route_table(request: OneTable, view: Reader) -> Json:
    """One route table with its rules."""
    return {"routeTable": show(view, view.own(RouteTable, request.routeTableId, "routeTableId"))}


@operation("vpc", "modifyRouteTable", "PATCH", ITEM, ModifyTable)
def modify_route_table(request: ModifyTable, txn: Writer) -> Json:
    """Rename a route table or describe it."""
    table = txn.own(RouteTable, request.routeTableId, "routeTableId")
    name = table.name if request.routeTableName is None else request.routeTableName
    text = table.description if request.description is None else request.description
    txn.put(replace(table, name=name, description=text))
    return {}


@operation("vpc", "deleteRouteTable", "DELETE", ITEM, OneTable)
def delete_route_table(request: OneTable, txn: Writer) -> Json:
    """Delete a route table that no subnet follows; the VPC's default one stays."""
    table = txn.own(RouteTable, request.routeTableId, "routeTableId")
    if table.default:
        raise IntentError.precondition("routeTableId", f"{table.id} is the default table of {table.vpc}")
    for subnet in sorted(txn.region.by(Subnet, ("route_table",), table.id)):
        raise IntentError.precondition("routeTableId", f"{table.id} is still followed by {subnet}: disassociate it")
    txn.delete(RouteTable, table.id)
    return {}


@operation("vpc", "describeRouteTableRules", "GET", f"{ITEM}/routeTableRules", Rules)
def describe_route_table_rules(request: Rules, view: Reader) -> Json:
    """The rules of a route table, in the order in which they are tried."""
    table = view.own(RouteTable, request.routeTableId, "routeTableId")
    rules = choose(request, view, _rules(view, table.id), RULE_KEYS)
    return paged(request, view, rules, "routeTableRules", lambda _, rule: show_rule(rule))


@operation("vpc", "addRouteTableRules", "POST", f"{ITEM}:addRouteTableRules", AddRules)
def add_route_table_rules(request: AddRules, txn: Writer) -> Json:
    """Add rules to a route table."""
    table = txn.own(RouteTable, request.routeTableId, "routeTableId")
    quota.admit(txn, "staticRoute", len(request.routeTableRuleSpecs), parent=table.id)
    for spec in request.routeTableRuleSpecs:
        _check_kind(spec.addressPrefixType)
        txn.create(
            replace(
                new_route(txn.txn, table, check_prefix(txn.txn, table, spec.addressPrefix), spec.nextHopType),
                next_hop=_next_hop(txn, table, spec.nextHopType, spec.nextHopId),
                priority=spec.priority,
                description=spec.description,
            )
        )
    check_together(_own_rules(txn, table.id))
    return {}


@operation("vpc", "modifyRouteTableRules", "POST", f"{ITEM}:modifyRouteTableRules", ModifyRules)
def modify_route_table_rules(request: ModifyRules, txn: Writer) -> Json:
    """Change rules of a route table."""
    table = txn.own(RouteTable, request.routeTableId, "routeTableId")
    for spec in request.modifyRouteTableRuleSpecs:
        _check_kind(spec.addressPrefixType)
        rule = _static(txn, table, spec.ruleId, "ruleId")
        changed = replace(
            rule,
            priority=rule.priority if spec.priority is None else spec.priority,
            description=rule.description if spec.description is None else spec.description,
        )
        if spec.addressPrefix is not None:
            changed = replace(changed, prefix=check_prefix(txn.txn, table, spec.addressPrefix))
        if spec.nextHopType is not None or spec.nextHopId is not None:
            kind = spec.nextHopType or rule.next_hop_type
            same = spec.nextHopId is None and kind == rule.next_hop_type
            hop = rule.next_hop if same else _next_hop(txn, table, kind, spec.nextHopId or "")
            changed = replace(changed, next_hop_type=kind, next_hop=hop)
        txn.change(rule, changed)
    check_together(_own_rules(txn, table.id))
    return {}


@operation("vpc", "removeRouteTableRules", "POST", f"{ITEM}:removeRouteTableRules", RemoveRules)
def remove_route_table_rules(request: RemoveRules, txn: Writer) -> Json:
    """Remove rules from a route table."""
    table = txn.own(RouteTable, request.routeTableId, "routeTableId")
    for id in request.ruleIds:
        txn.delete(Route, _static(txn, table, id, "ruleIds").id)
    return {}


@operation("vpc", "associateRouteTable", "POST", f"{ITEM}:associateRouteTable", Associate)
def associate_route_table(request: Associate, txn: Writer) -> Json:
    """Let subnets of the table's VPC follow it instead of the table that they followed."""
    table = txn.own(RouteTable, request.routeTableId, "routeTableId")
    for id in request.subnetIds:
        subnet = txn.own(Subnet, id, "subnetIds")
        if subnet.vpc != table.vpc:
            raise IntentError.precondition("subnetIds", f"{subnet.id} is not in the table's VPC {table.vpc}")
        change(txn.txn, subnet, replace(subnet, route_table=table.id))
    return {}


@operation("vpc", "disassociateRouteTable", "POST", f"{ITEM}:disassociateRouteTable", Disassociate)
def disassociate_route_table(request: Disassociate, txn: Writer) -> Json:
    """Let a subnet follow its VPC's default route table again."""
    table = txn.own(RouteTable, request.routeTableId, "routeTableId")
    subnet = txn.own(Subnet, request.subnetId, "subnetId")
    if subnet.route_table != table.id:
        raise IntentError.precondition("subnetId", f"{subnet.id} follows {subnet.route_table}, not {table.id}")
    if table.default:
        raise IntentError.precondition("routeTableId", f"{table.id} is the default table: associate another one")
    (default,) = txn.region.by(RouteTable, ("vpc", "default"), (table.vpc, True))
    change(txn.txn, subnet, replace(subnet, route_table=default))
    return {}


def _check_kind(kind: Kind) -> None:
    if kind != "CIDR":
        raise IntentError("addressPrefixType", "prefix lists are not served", 501, "NOT_IMPLEMENTED")


def _static(txn: Writer, table: RouteTable, id: str, field: str) -> Route:
    """A rule of this table that a tenant may change."""
    rule = txn.own(Route, id, field)
    if rule.table != table.id:
        raise IntentError.missing(field, f"rule {id!r} of {table.id}")
    if rule.next_hop_type == LOCAL:
        raise IntentError.precondition(field, f"{id} is the rule local, which is read-only")
    return rule


def _next_hop(txn: Writer, table: RouteTable, kind: str, id: str) -> str:
    """The id to be stored: checked for what its type names, empty where that needs none."""
    if kind == LOCAL:
        raise IntentError.precondition("nextHopType", "the rule local is made with the table and read-only")
    known = next_hops().get(kind)
    if known is None:
        *others, last = sorted(next_hops(), key=lambda served: (next_hops()[served].of != "", len(served)))
        text = f"next hops of type {kind} are not served, only {', '.join(others)} and {last}"
        raise IntentError.precondition("nextHopType", text)
    if not known.of:
        if id not in ("", kind):
            raise IntentError("nextHopId", f"must be {kind!r} when nextHopType is")
        return ""
    hop: Any = txn.own(named(known.of), id, "nextHopId")
    if hop.vpc != table.vpc:
        raise IntentError.precondition("nextHopId", f"{id} is not in the table's VPC {table.vpc}")
    reason = known.refuses(hop)
    if reason:
        raise IntentError.precondition("nextHopId", reason)
    return id


def _rules(view: Reader, table: str) -> list[Route]:
    return sorted(view.of(Route, ("table",), table), key=precedence)


def _own_rules(view: Reader, table: str) -> list[Route]:
    """The rules that tenants put into a table: all but the rule local."""
    return [rule for rule in _rules(view, table) if rule.next_hop_type != LOCAL]


def show(view: Reader, table: RouteTable) -> Json:
    """A route table as the API shows it; rules in the order in which they are tried."""
    return {
        "routeTableId": table.id,
        "routeTableName": table.name,
        "routeTableType": "default" if table.default else "custom",
        "associateType": "subnet",
        "description": table.description,
        "vpcId": table.vpc,
        "routeTableRules": [show_rule(rule) for rule in _rules(view, table.id)],
        "routePropagations": [],
        "subnetIds": sorted(view.region.by(Subnet, ("route_table",), table.id)),
        "createdTime": iso(table.created),
        "tags": show_tags(table.tags),
    }


def show_rule(rule: Route) -> Json:
    """A rule as the API shows it; `local` and `internet` are their own next hop."""
    return {
        "ruleId": rule.id,
        "priority": rule.priority,
        "nextHopType": rule.next_hop_type,
        "nextHopId": hop_id(rule),
        "addressPrefixType": "CIDR",
        "addressPrefix": str(rule.prefix),
        "origin": rule.origin,
        "description": rule.description,
    }


@accepts(Subnet, Follows)
def follow(subnet: Subnet, asked: Follows, txn: Writer) -> Subnet:
    """A new subnet follows the table that is named, or the default one of its VPC."""
    if asked.routeTableId is None:
        (default,) = txn.region.by(RouteTable, ("vpc", "default"), (subnet.vpc, True))
        return replace(subnet, route_table=default)
    table = txn.own(RouteTable, asked.routeTableId, "routeTableId")
    if table.vpc != subnet.vpc:
        raise IntentError("routeTableId", f"{table.id} belongs to another VPC")
    return replace(subnet, route_table=table.id)


@shows(Vpc)
def tables(view: Reader, vpc: Vpc) -> Json:
    """The route tables of a VPC."""
    return {"routeTableIds": sorted(view.region.by(RouteTable, ("vpc",), vpc.id))}


@shows(Subnet)
def public(view: Reader, subnet: Subnet) -> Json:
    """A subnet is public when its route table leads to the internet."""
    return {"publicSubnet": view.count(Route, ("table", "next_hop_type"), (subnet.route_table, INTERNET)) > 0}
