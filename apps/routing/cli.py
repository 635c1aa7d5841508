"""Route tables and their rules on the command line and in an intent file."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

from sdnctl.base.problem import Usage
from sdnctl.cli.catalogue import catalogue
from sdnctl.cli.command import one, option, tenants
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.edit import Edit, Phase, Task
from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.reading import Mistake, Node, line_of
from sdnctl.cli.intent.schema import Item, Key, Mentions, Rename, Section, description, post_inside, tags
from sdnctl.cli.intent.tasks import Run
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Column, Kind, given, key
from sdnctl.cli.names import Ambiguous, Unknown, described, tagged
from sdnctl.cli.resources import Description, NewName, made

Json = dict[str, Any]
DEFAULT_PRIORITY = 100
DEFAULT_TABLE, LOCAL, STATIC = "default", "local", "static"
PLAIN_HOPS = ("internet",)


@dataclass(frozen=True, slots=True, eq=False)
class Hop:
    """A kind of resource (its command) that a rule may lead to, and what the API calls such a next hop.

    A feature declares one for each of its kinds that are next hops.
    """

    kind: str
    type: str


INSTANCE_HOP, ENI_HOP = Hop("instance", "instance"), Hop("eni", "elastic_network_interface")


def hop_types() -> dict[str, str]:
    """The API's next hop types, by the commands of the kinds that they are of."""
    return {hop.kind: hop.type for hop in catalogue().of(Hop)}


def hop_text(rule: Json) -> str:
    """The next hop of a rule, as ``--via`` takes it."""
    type, id = rule["nextHopType"], rule["nextHopId"]
    tags = {of: kind for kind, of in hop_types().items()}
    return type if id in (type, "") else f"{tags.get(type, type)}:{id}"


def rule_text(rule: Json) -> str:
    """A rule of a route table in a line."""
    priority = f" (priority {rule['priority']})" if rule["priority"] != DEFAULT_PRIORITY else ""
    return f"{rule['addressPrefix']} → {hop_text(rule)}{priority}"


ROUTE_TABLE = Kind(
    "route-table", "route table", "Where a subnet's packets go.",
    resource="RouteTable", path="routeTables/", plural="routeTables", singular="routeTable", prefix="rtb",
    name_filter="routeTableNames", inside="vpc",
    columns=(
        Column("vpc", key("vpcId")),
        Column("type", key("routeTableType")),
        Column("rules", lambda shown: [rule_text(rule) for rule in shown["routeTableRules"]]),
        Column("subnets", key("subnetIds")),
    ),
    lines={"routeTableRules": lambda rule: f"{rule['ruleId']}: {rule_text(rule)}"},
)  # fmt: skip

InVpc = Annotated[str, option("vpc", "--vpc", "Name or id of its VPC.")]
Table = Annotated[str, one("route-table")]


@tenants("route-table", "create", waits=True)
def create(call: Invocation, name: NewName, vpc: InVpc, description: Description = None) -> None:
    """Make a route table; at first it has the local rule only."""
    body = given(vpcId=call.id("vpc", vpc), routeTableName=name, description=description)
    result = call.tenant.post("vpc", ROUTE_TABLE.path, body)
    made(call, ROUTE_TABLE, [result["routeTableId"]], result)


def next_hop(call: Invocation, via: str, vpc: str) -> Json:
    """A next hop as the API wants it: ``internet``, ``instance:NAME``, ``eni:NAME``, an id, or ``TYPE:ID``.

    A plain name is one of this VPC (an id).  Raises Usage.
    """
    if via in PLAIN_HOPS:
        return {"nextHopType": via, "nextHopId": via}
    hops = hop_types()
    kind, name = tagged(via, [catalogue().kinds[kind] for kind in hops])
    if kind is not None:
        return {"nextHopType": hops[kind.command], "nextHopId": call.id(kind.command, name, vpc)}
    type, colon, id = via.partition(":")
    if not (colon and type and id):
        raise Usage(f"a next hop is internet, instance:NAME, eni:NAME or TYPE:ID, not {via!r}")
    return {"nextHopType": type, "nextHopId": id}


@tenants("route-table", "add-rule", waits=True)
def add_rule(
    call: Invocation,
    table: Table,
    prefix: Annotated[str, typer.Argument(metavar="CIDR", help="Where the packets go to.", show_default=False)],
    via: Annotated[str, typer.Option(metavar="HOP", help="internet, instance:NAME, eni:NAME, or TYPE:ID.")],
    priority: Annotated[int | None, typer.Option(help="Among equal prefixes: 1 to 255, the lower wins.")] = None,
    description: Description = None,
) -> None:
    """Add a rule: packets to a prefix take a next hop."""
    found = call.find("route-table", table)
    rule = {"addressPrefix": prefix, **next_hop(call, via, found["vpcId"])}
    rule |= given(priority=priority, description=description)
    _change(call, found["routeTableId"], "addRouteTableRules", {"routeTableRuleSpecs": [rule]})


@tenants("route-table", "remove-rule", waits=True)
def remove_rule(
    call: Invocation,
    table: Table,
    rule: Annotated[str, typer.Argument(metavar="RULE|CIDR", help="The rule's id, or its prefix.", show_default=False)],
) -> None:
    """Remove a rule, by its id or its prefix."""
    found = call.find("route-table", table)
    matching = [r for r in found["routeTableRules"] if rule in (r["ruleId"], r["addressPrefix"])]
    matching = [r for r in matching if r["nextHopType"] != LOCAL] or matching
    if not matching:
        raise Unknown(f"{table} has no rule {rule}: 'sdnctl route-table get {table}' shows its rules")
    if len(matching) > 1:
        rules = "; ".join(f"{r['ruleId']} {rule_text(r)}" for r in matching)
        raise Ambiguous(f"{table} has {len(matching)} rules for {rule} ({rules}): name one by its id")
    _change(call, found["routeTableId"], "removeRouteTableRules", {"ruleIds": [matching[0]["ruleId"]]})


@tenants("route-table", "associate", waits=True)
def associate(
    call: Invocation,
    table: Table,
    subnets: Annotated[list[str], one("subnet", metavar="SUBNET...", help="Names or ids.")],
) -> None:
    """Let subnets use a route table instead of the one they use now."""
    found = call.find("route-table", table)
    ids = [call.id("subnet", subnet, found["vpcId"]) for subnet in subnets]
    _change(call, found["routeTableId"], "associateRouteTable", {"subnetIds": ids})


@tenants("route-table", "disassociate", waits=True)
def disassociate(call: Invocation, table: Table, subnet: Annotated[str, one("subnet")]) -> None:
    """Let a subnet use its VPC's default route table again."""
    found = call.find("route-table", table)
    body = {"subnetId": call.id("subnet", subnet, found["vpcId"])}
    _change(call, found["routeTableId"], "disassociateRouteTable", body)


def _change(call: Invocation, table: str, action: str, body: Json) -> None:
    result = call.tenant.post("vpc", ROUTE_TABLE.item(table, action), body)
    made(call, ROUTE_TABLE, [table], result)


@dataclass(frozen=True, order=True, slots=True)
class Rule:
    """A rule of a route table: packets to a prefix take a next hop."""

    to: str
    via: str
    priority: int = DEFAULT_PRIORITY

    def __str__(self) -> str:
        priority = f" priority {self.priority}" if self.priority != DEFAULT_PRIORITY else ""
        return f"{self.to} via {self.via}{priority}"


def _rule(node: Node) -> Rule:
    """One rule of a file: ``{to: CIDR, via: HOP, priority: N}``."""
    readers: dict[str, reading.Reader] = {"to": reading.cidr, "via": _via, "priority": reading.whole(1, 255)}
    return Rule(**reading.fields(node, readers, ("to", "via"), "a rule"))


def _via(node: Node) -> str:
    """A next hop of a file: ``internet``, ``instance:NAME``, ``eni:NAME`` or ``TYPE:ID``."""
    value = reading.text(node)
    tag, colon, name = value.partition(":")
    if value not in PLAIN_HOPS and not (tag and colon and name):
        raise Mistake(line_of(node), f"must be internet, instance:NAME, eni:NAME or TYPE:ID, not {value!r}")
    return value


def _write(rules: tuple[Rule, ...]) -> list[Json]:
    return [
        {"to": rule.to, "via": rule.via, **({"priority": rule.priority} if rule.priority != DEFAULT_PRIORITY else {})}
        for rule in rules
    ]


def _renamed(rules: tuple[Rule, ...], rename: Rename) -> tuple[Rule, ...]:
    """Rules in which the names of next hops have another form."""

    def via(text: str) -> str:
        tag, _, name = text.partition(":")
        return f"{tag}:{rename(tag, name)}" if name and tag in hop_types() else text

    return tuple(replace(rule, via=via(rule.via)) for rule in rules)


def _own(live: Live, table: Json) -> list[tuple[str, Rule]]:
    """The rules of a route table that a tenant made, each with its id."""

    def via(rule: Json) -> str:
        tag, colon, id = hop_text(rule).partition(":")
        return f"{tag}{colon}{live.label(id)}"

    found = [one for one in table["routeTableRules"] if one["nextHopType"] != LOCAL and one["origin"] == STATIC]
    return [(one["ruleId"], Rule(one["addressPrefix"], via(one), one["priority"])) for one in found]


def _rules(live: Live, shown: Json) -> Any:
    def order(rule: Rule) -> Any:  # the API's own, but for equal rules, which it orders by their ids
        return -int(rule.to.rpartition("/")[2]), rule.priority, rule

    return tuple(sorted((rule for _, rule in _own(live, shown)), key=order))


def _make(run: Run, item: Item, body: Json) -> str:
    """A route table; the default one of a new VPC is there already, and what the file says of it is added."""
    if item.path[-1] != DEFAULT_TABLE or item.scope in run.live.items:
        return post_inside(run, item, body)
    vpc = described(run.tenant, catalogue().kinds["vpc"], run.ids[item.scope])
    (id,) = vpc["routeTableIds"]
    run.patch("route-table", id, {name: value for name, value in body.items() if name != "userTags"})
    return str(id)


def _route(run: Run, edit: Edit) -> None:
    """Change a table's rules: a rule for the same prefix is changed in place, so that it leads somewhere throughout."""
    table = run.own(edit.item)
    had = _own(run.live, edit.found.shown if edit.found else run.shown(edit.item))
    new = [rule for rule in edit.item.values["rules"] if rule not in [old for _, old in had]]
    old = [(id, rule) for id, rule in had if rule not in edit.item.values["rules"]]
    altered, surplus = [], [id for id, rule in old if rule.to in {one.to for one in new}]
    for id, rule in list(old):
        if one := next((one for one in new if one.to == rule.to), None):
            new.remove(one)
            old.remove((id, rule))
            surplus.remove(id)
            altered.append({"ruleId": id, **_wire(run, edit.item, one)})
    gone = [id for id, _ in old if id not in surplus]
    if surplus:  # not beside what the others become: equal rules must be of one sort
        run.act("route-table", table, "removeRouteTableRules", ruleIds=surplus)
    if altered:
        run.act("route-table", table, "modifyRouteTableRules", modifyRouteTableRuleSpecs=altered)
    if new:
        specs = [_wire(run, edit.item, rule) for rule in new]
        run.act("route-table", table, "addRouteTableRules", routeTableRuleSpecs=specs)
    if gone:
        run.act("route-table", table, "removeRouteTableRules", ruleIds=gone)


def _wire(run: Run, item: Item, rule: Rule) -> Json:
    """A rule as the API wants it."""
    type, _, id = rule.via.partition(":")
    if type in hop_types():
        type, id = hop_types()[type], run.named(item, type, id)
    return {"addressPrefix": rule.to, "priority": rule.priority, "nextHopType": type, "nextHopId": id or type}


def _tasks(edit: Edit, live: Live) -> Iterator[Task]:
    if "rules" in edit.keys:
        yield Task(Phase.JOIN, edit, lambda run: _route(run, edit))


def _leave(edit: Edit, item: Item) -> Iterator[Task]:
    """Empty a table: what its rules lead to may go before it, and it cannot go before the subnets that use it."""

    def unroute(run: Run) -> None:
        if rules := [id for id, _ in _own(run.live, item.shown)]:
            run.act("route-table", item.id, "removeRouteTableRules", ruleIds=rules)

    yield Task(Phase.CLEAR, edit, unroute)


ROUTE_TABLES = Section(
    ROUTE_TABLE,
    "route-tables",
    keys=(
        Key("rules", reading.several(_rule), _rules, own=True, mentions=Mentions(hop_types, _renamed), write=_write),
    ),
    about=(description(), tags()),
    make=_make,
    tasks=_tasks,
    leave=_leave,
    born=lambda shown: bool(shown["routeTableType"] == "default"),
)
