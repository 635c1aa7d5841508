"""Security groups and their rules on the command line and in an intent file."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from apps.eip.cli import interface, targets
from apps.eni.cli import ENI, Groups
from apps.filter.cli import Rule, difference, known, reader, renamed, written
from apps.prefix_list.cli import EVERYBODY, LAST_PORT, LIST, port_range, ports_text
from sdnctl.base.problem import Usage
from sdnctl.cli import show
from sdnctl.cli.command import Data, command, one, one_of, operated, option, tenants
from sdnctl.cli.command import Json as AsJson
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.edit import Edit, Phase, Task
from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.schema import Item, Key, Mentions, Section, description, post_inside, tags
from sdnctl.cli.intent.tasks import Run
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Column, Kind, given, key
from sdnctl.cli.names import listed
from sdnctl.cli.resources import Description, NewName, made

Json = dict[str, Any]
DEFAULT_GROUP, LOWEST = "default", 100
GROUP = "sg"
WAYS = {"in": 0, "out": 1}
PROTOCOLS = {"all": 300, "tcp": 6, "udp": 17, "icmp": 1}
PREFIX_TYPES = {LIST: "PREFIXLIST", GROUP: "SECURITYGROUP"}
PLAIN = {"action": "allow", "ports": "", "remote": EVERYBODY, "priority": LOWEST}


def _wire_of(rule: Rule, remote: str) -> Json:
    """A rule as the API wants it; ``remote`` is the block, or the id of what is named."""
    ported = rule.protocol in ("tcp", "udp")
    first, _, last = (rule.ports or (f"1-{LAST_PORT}" if ported else "0")).partition("-")
    return {
        "direction": WAYS[rule.direction],
        "ruleAction": rule.action.upper(),
        "priority": rule.priority,
        "protocol": PROTOCOLS[rule.protocol],
        "addressPrefixType": PREFIX_TYPES.get(rule.named[0], "CIDR"),
        "addressPrefix": remote,
        "fromPort": int(first),
        "toPort": int(last or first),
    }


def _read_rule(shown: Json, remote: str) -> Rule:
    """A rule that the API shows; ``remote`` is its other side, as a file says it."""
    direction = next(way for way, number in WAYS.items() if number == shown["direction"])
    protocol = next(name for name, number in PROTOCOLS.items() if number == shown["protocol"])
    ports = ports_text(shown["fromPort"], shown["toPort"])
    return Rule(direction, shown["priority"], shown["ruleAction"].lower(), protocol, ports, remote)


def rule_text(shown: Json) -> str:
    """A rule that the API shows, in a line."""
    tags = {of: kind for kind, of in PREFIX_TYPES.items()}
    tag = tags.get(shown["addressPrefixType"])
    return str(_read_rule(shown, f"{tag}:{shown['addressPrefix']}" if tag else shown["addressPrefix"]))


SECURITY_GROUP = Kind(
    GROUP, "security group", "Security groups: what a network interface may send and get.",
    resource="SecurityGroup", path="networkSecurityGroups/", plural="networkSecurityGroups",
    singular="networkSecurityGroup", prefix="sg", name_filter="networkSecurityGroupNames", inside="vpc",
    columns=(
        Column("vpc", key("vpcId")),
        Column("type", key("networkSecurityGroupType")),
        Column("rules", lambda shown: [rule_text(rule) for rule in shown["securityGroupRules"]]),
        Column("interfaces", key("networkInterfaceIds")),
    ),
    lines={"securityGroupRules": lambda rule: f"{rule['ruleId']} {rule_text(rule)}"},
)  # fmt: skip

Which = Annotated[str, one(GROUP)]


@tenants(GROUP, "create", waits=True)
def create(
    call: Invocation,
    name: NewName,
    vpc: Annotated[str, option("vpc", "--vpc", "Name or id of its VPC.")],
    description: Description = None,
) -> None:
    """Make a security group; without rules it lets nothing in and everything out."""
    body = given(vpcId=call.id("vpc", vpc), networkSecurityGroupName=name, description=description)
    result = call.tenant.post("vpc", SECURITY_GROUP.path, body)
    made(call, SECURITY_GROUP, [result["networkSecurityGroupId"]], result)


@tenants(GROUP, "add-rule", waits=True)
def add_rule(
    call: Invocation,
    group: Which,
    direction: Annotated[str, typer.Argument(metavar="in|out", help="To its interfaces, or from them.")],
    action: Annotated[str, typer.Argument(metavar="allow|deny", help="The verdict.")] = "allow",
    priority: Annotated[int, typer.Option(metavar="N", help=f"1 to {LOWEST}; the smallest decides.")] = LOWEST,
    protocol: Annotated[str, typer.Option(metavar="NAME", help="all, tcp, udp or icmp.")] = "all",
    ports: Annotated[str, typer.Option(metavar="N[-N]", help="Those that TCP or UDP goes to.")] = "",
    remote: Annotated[str, typer.Option(metavar="CIDR|prefix-list:NAME|sg:NAME", help="The other side.")] = EVERYBODY,
    description: Description = None,
) -> None:
    """Add a rule; replies to what it lets through need none."""
    if direction not in WAYS or action not in ("allow", "deny") or protocol not in PROTOCOLS:
        raise Usage(f"a rule is in or out, allow or deny, all, tcp, udp or icmp, not {direction} {action} {protocol}")
    try:
        rule = Rule(direction, priority, action, protocol, port_range(ports), remote)
    except ValueError as error:
        raise Usage(str(error)) from None
    found = call.find(GROUP, group)
    kind, name = rule.named
    if kind and kind not in PREFIX_TYPES:
        raise Usage(f"the other side is CIDR, prefix-list:NAME or sg:NAME, not {remote!r}")
    side = call.id(kind, name, found["vpcId"]) if kind == GROUP else call.id(kind, name) if kind else name
    spec = {**_wire_of(rule, side), **given(description=description)}
    _act(call, found["networkSecurityGroupId"], "addNetworkSecurityGroupRules", networkSecurityGroupRuleSpecs=[spec])


@tenants(GROUP, "remove-rule", waits=True)
def remove_rule(
    call: Invocation,
    group: Which,
    rules: Annotated[list[str], typer.Argument(metavar="RULE...", help="Ids of rules.", show_default=False)],
) -> None:
    """Remove rules, by their ids; connections that they alone allowed end at once."""
    found = call.find(GROUP, group)
    ids = known(rules, found["securityGroupRules"], GROUP, group)
    _act(call, found["networkSecurityGroupId"], "removeNetworkSecurityGroupRules", ruleIds=ids)


@command(GROUP, "outbound")
def outbound(
    what: Annotated[str | None, typer.Argument(metavar="[allow|deny]", help="What to set.")] = None,
    data: Data = None,
    json: AsJson = False,
) -> None:
    """For the operator: show, or set, what interfaces may send whose groups have no rule outward."""
    if what not in (None, "allow", "deny"):
        raise Usage(f"it is allow or deny, not {what!r}")
    region, path = operated(data), "/securityGroupDefaults"
    found = region.get(path) if what is None else region.patch(path, {"outboundWithoutRules": what})
    show.record({"outboundWithoutRules": found["outboundWithoutRules"]}, json)


@tenants(GROUP, "apply", waits=True)
def apply(
    call: Invocation,
    port: Annotated[str, one_of(targets, "INSTANCE|ENI", "Name or id; instance:NAME or eni:NAME says which.")],
    security_group: Groups = [],  # noqa: B006
) -> None:
    """Put a network interface into these groups and no others; without any, the default group of its VPC counts."""
    id = str(interface(call, port)["networkInterfaceId"])
    vpc = str(call.find("eni", id)["vpcId"])
    groups = [call.id(GROUP, one, vpc) for one in security_group]
    result = call.tenant.call("vpc", "PATCH", ENI.item(id), body={"securityGroups": groups})
    made(call, ENI, [id], result)


def _act(call: Invocation, id: str, action: str, **body: Any) -> None:
    made(call, SECURITY_GROUP, [id], call.tenant.post("vpc", SECURITY_GROUP.item(id, action), body))


def _own(live: Live, group: Json) -> dict[str, Rule]:
    """The rules of a group by their ids, as a file says them; those that cannot be removed first."""
    tags = {of: kind for kind, of in PREFIX_TYPES.items()}

    def side(rule: Json) -> str:
        tag, text = tags.get(rule["addressPrefixType"]), str(rule["addressPrefix"])
        return f"{tag}:{live.label(text)}" if tag else text

    found = sorted(group["securityGroupRules"], key=lambda rule: bool(rule["ruleType"] != "default"))
    return {one["ruleId"]: _read_rule(one, side(one)) for one in found}


def _rules(live: Live, shown: Json) -> Any:
    return tuple(_own(live, shown).values())


def _make(run: Run, item: Item, body: Json) -> str:
    """A group; the default one of a VPC is there already, and what the file says of it is changed."""
    if item.path[-1] != DEFAULT_GROUP:
        return post_inside(run, item, body)
    found = listed(run.tenant, SECURITY_GROUP, [("vpcId", [run.ids[item.scope]])])
    id = next(one["networkSecurityGroupId"] for one in found if _is_default(one))
    if said := {name: body[name] for name in ("description",) if name in body}:
        run.patch(GROUP, id, said)
    return str(id)


def _write_rules(run: Run, edit: Edit) -> None:
    """Make a group's rules those of the file."""
    group, had = run.own(edit.item), _own(run.live, edit.found.shown if edit.found else run.shown(edit.item))
    way = difference(had, edit.item.values["rules"])
    if way.altered:
        specs = [{"ruleId": id, **_wire(run, edit.item, one)} for id, one in way.altered]
        for spec in specs:
            del spec["direction"]  # a rule keeps it
        run.act(GROUP, group, "modifyNetworkSecurityGroupRules", modifySecurityGroupRuleSpecs=specs)
    if way.new:
        specs = [_wire(run, edit.item, one) for one in way.new]
        run.act(GROUP, group, "addNetworkSecurityGroupRules", networkSecurityGroupRuleSpecs=specs)
    if way.gone:
        run.act(GROUP, group, "removeNetworkSecurityGroupRules", ruleIds=way.gone)


def _wire(run: Run, item: Item, rule: Rule) -> Json:
    kind, name = rule.named
    return _wire_of(rule, run.named(item, kind, name) if kind else name)


def _tasks(edit: Edit, live: Live) -> Iterator[Task]:
    if "rules" in edit.keys:
        yield Task(Phase.MODIFY, edit, lambda run: _write_rules(run, edit))


def _leave(edit: Edit, item: Item) -> Iterator[Task]:
    """Empty a group before it goes: its rules may name others that go too."""

    def empty(run: Run) -> None:
        if rules := [rule["ruleId"] for rule in item.shown["securityGroupRules"] if rule["ruleType"] != "default"]:
            run.act(GROUP, item.id, "removeNetworkSecurityGroupRules", ruleIds=rules)

    yield Task(Phase.CLEAR, edit, empty)


def _is_default(shown: Json) -> bool:
    return bool(shown["networkSecurityGroupType"] == "default")


def _is_news(shown: Json) -> bool:
    """False for a default group that is as it was born."""
    return not (_is_default(shown) and shown["description"] == "" and _as_born(shown["securityGroupRules"]))


def _as_born(rules: list[Json]) -> bool:
    born = [Rule(way, LOWEST, "allow", "all") for way in WAYS]
    return sorted(_read_rule(rule, rule["addressPrefix"]) for rule in rules) == born


SECURITY_GROUPS = Section(
    SECURITY_GROUP,
    "security-groups",
    keys=(
        Key(
            "rules", reading.several(reader(PREFIX_TYPES, LOWEST, PLAIN)), _rules, default=(), own=True,
            mentions=Mentions(lambda: PREFIX_TYPES, renamed), write=lambda rules: written(rules, PLAIN),
        ),
    ),
    about=(description(), tags()),
    make=_make,
    tasks=_tasks,
    leave=_leave,
    listed=_is_news,
    born=_is_default,
    sparse=True,
)  # fmt: skip
