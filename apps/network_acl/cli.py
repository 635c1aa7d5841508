"""Network ACLs and their rules on the command line and in an intent file."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from apps.filter.cli import Rule, difference, known, reader, renamed, written
from apps.prefix_list.cli import EVERYBODY, LAST_PORT, LIST, port_range, ports_text
from sdnctl.base.problem import Usage
from sdnctl.cli.command import one, option, tenants
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.edit import Edit, Phase, Task
from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.reading import NOTHING
from sdnctl.cli.intent.schema import Addition, Item, Key, Mentions, Rename, Section, description, tags
from sdnctl.cli.intent.tasks import Run
from sdnctl.cli.invocation import Invocation
from sdnctl.cli.kind import Column, Kind, given, key
from sdnctl.cli.resources import Description, NewName, made

Json = dict[str, Any]
LOWEST = 32_768
DYNAMIC = 32_768
"""The least port that clients use as their own (Linux; RFC 6335, 6, has 49152)."""
PRIVILEGED = 1024
WAYS = {"in": "ingress", "out": "egress"}
PLAIN = {"ports": "", "remote": EVERYBODY}


def _wire_of(rule: Rule, remote: str) -> Json:
    """A rule as the API wants it; ``remote`` is the block, or the id of the prefix list."""
    first, _, last = rule.ports.partition("-")
    ports = {"fromPort": int(first), "toPort": int(last or first)} if first else {}
    return {
        "direction": WAYS[rule.direction],
        "priority": rule.priority,
        "ruleAction": rule.action,
        "protocol": rule.protocol,
        "addressPrefixType": "PREFIXLIST" if rule.named[0] == LIST else "CIDR",
        "addressPrefix": remote,
        **ports,
    }


def _read_rule(shown: Json, remote: str) -> Rule:
    """A rule that the API shows; ``remote`` is its other side, as a file says it."""
    ports = ports_text(shown["fromPort"], shown["toPort"])
    direction = next(way for way, word in WAYS.items() if word == shown["direction"])
    return Rule(direction, shown["priority"], shown["ruleAction"], shown["protocol"].lower(), ports, remote)


def rule_text(shown: Json) -> str:
    """A rule that the API shows, in a line."""
    return str(_read_rule(shown, shown["addressPrefix"]))


def warnings(shown: Json) -> list[str]:
    """The directions in which an ACL lets connections through, but not the replies to them, in words."""
    found = []
    for name in ("TCP", "UDP"):
        for way, back in (("ingress", "egress"), ("egress", "ingress")):
            begins = [rule for rule in _allowing(shown, way, name) if not _dynamic_only(rule)]
            if begins and not _covers(_allowing(shown, back, name)):
                there, again = ("in", "out") if way == "ingress" else ("out", "in")
                text = f"rules let {name} {there}, but none lets all replies {again}"
                found.append(f"{text}: they go to ports {DYNAMIC}-{LAST_PORT}, and an ACL knows no connections")
    return found


def _allowing(shown: Json, direction: str, protocol: str) -> list[Json]:
    rules = [rule for rule in shown["networkAclRules"] if rule["direction"] == direction]
    return [rule for rule in rules if rule["ruleAction"] == "allow" and rule["protocol"] in ("All", protocol)]


def _dynamic_only(rule: Json) -> bool:
    """True for a rule of unprivileged ports, which is for replies."""
    return bool(rule["fromPort"] >= PRIVILEGED and rule["toPort"] == LAST_PORT)


def _covers(rules: list[Json]) -> bool:
    """True when some rules together are for all ports that clients use."""
    left = DYNAMIC
    for first, last in sorted((rule["fromPort"], rule["toPort"] or LAST_PORT) for rule in rules):
        if first <= left:
            left = max(left, last + 1)
    return left > LAST_PORT


ACL = Kind(
    "acl", "network ACL", "Network ACLs: what may cross the border of a subnet.",
    resource="NetworkAcl", path="networkAcls/", plural="networkAcls", singular="networkAcl", prefix="acl",
    name_filter="networkAclNames", inside="vpc",
    columns=(
        Column("vpc", key("vpcId")),
        Column("rules", lambda shown: [rule_text(rule) for rule in shown["networkAclRules"]]),
        Column("subnets", key("subnetIds")),
    ),
    lines={"networkAclRules": lambda rule: f"{rule['ruleId']} {rule_text(rule)}"},
    warns=warnings,
)  # fmt: skip

Acl = Annotated[str, one("acl")]


@tenants("acl", "create", waits=True)
def create(
    call: Invocation,
    name: NewName,
    vpc: Annotated[str, option("vpc", "--vpc", "Name or id of its VPC.")],
    description: Description = None,
) -> None:
    """Make a network ACL; without rules it lets nothing in or out."""
    body = given(vpcId=call.id("vpc", vpc), networkAclName=name, description=description)
    result = call.tenant.post("vpc", ACL.path, body)
    made(call, ACL, [result["networkAclId"]], result)


@tenants("acl", "add-rule", waits=True)
def add_rule(
    call: Invocation,
    acl: Acl,
    direction: Annotated[str, typer.Argument(metavar="in|out", help="Into its subnets, or out of them.")],
    action: Annotated[str, typer.Argument(metavar="allow|deny", help="The verdict.")],
    priority: Annotated[int, typer.Option(metavar="N", help=f"1 to {LOWEST}; the smallest decides.")],
    protocol: Annotated[str, typer.Option(metavar="NAME", help="all, tcp, udp or icmp.")] = "all",
    ports: Annotated[str, typer.Option(metavar="N[-N]", help="The receiver's, of TCP or UDP.")] = "",
    remote: Annotated[str, typer.Option(metavar="CIDR|prefix-list:NAME", help="The other side.")] = EVERYBODY,
    description: Description = None,
) -> None:
    """Add a rule; both directions need one, since an ACL knows no connections."""
    if direction not in WAYS or action not in ("allow", "deny"):
        raise Usage(f"a rule is in or out, and allow or deny, not {direction} {action}")
    try:
        rule = Rule(direction, priority, action, protocol, port_range(ports), remote)
    except ValueError as error:
        raise Usage(str(error)) from None
    side = call.id(LIST, remote.removeprefix(f"{LIST}:")) if remote.startswith(f"{LIST}:") else remote
    spec = {**_wire_of(rule, side), **given(description=description)}
    _act(call, call.id("acl", acl), "addNetworkAclRules", networkAclRuleSpecs=[spec])


@tenants("acl", "remove-rule", waits=True)
def remove_rule(
    call: Invocation,
    acl: Acl,
    rules: Annotated[list[str], typer.Argument(metavar="RULE...", help="Ids of rules.", show_default=False)],
) -> None:
    """Remove rules, by their ids."""
    found = call.find("acl", acl)
    ids = known(rules, found["networkAclRules"], "acl", acl)
    _act(call, found["networkAclId"], "removeNetworkAclRules", ruleIds=ids)


@tenants("acl", "associate", waits=True)
def associate(
    call: Invocation,
    acl: Acl,
    subnets: Annotated[list[str], one("subnet", metavar="SUBNET...", help="Names or ids.")],
) -> None:
    """Let subnets have a network ACL, instead of the one that they have."""
    found = call.find("acl", acl)
    ids = [call.id("subnet", subnet, found["vpcId"]) for subnet in subnets]
    _act(call, found["networkAclId"], "associateNetworkAcl", subnetIds=ids)


@tenants("acl", "disassociate", waits=True)
def disassociate(call: Invocation, acl: Acl, subnet: Annotated[str, one("subnet")]) -> None:
    """Let a subnet have no network ACL: nothing at its border is filtered."""
    found = call.find("acl", acl)
    id = call.id("subnet", subnet, found["vpcId"])
    _act(call, found["networkAclId"], "disassociateNetworkAcl", subnetId=id)


def _act(call: Invocation, id: str, action: str, **body: Any) -> None:
    made(call, ACL, [id], call.tenant.post("vpc", ACL.item(id, action), body))


def _own(live: Live, acl: Json) -> dict[str, Rule]:
    """The rules of an ACL by their ids, as a file says them."""

    def side(rule: Json) -> str:
        text = rule["addressPrefix"]
        return f"{LIST}:{live.label(text)}" if rule["addressPrefixType"] == "PREFIXLIST" else str(text)

    return {one["ruleId"]: _read_rule(one, side(one)) for one in acl["networkAclRules"]}


def _rules(live: Live, shown: Json) -> Any:
    return tuple(_own(live, shown).values())


def _write_rules(run: Run, edit: Edit) -> None:
    """Make an ACL's rules those of the file."""
    acl, had = run.own(edit.item), _own(run.live, edit.found.shown if edit.found else run.shown(edit.item))
    way = difference(had, edit.item.values["rules"])
    if way.altered:
        specs = [{"ruleId": id, **_wire(run, edit.item, one)} for id, one in way.altered]
        run.act("acl", acl, "modifyNetworkAclRules", modifyNetworkAclRuleSpecs=specs)
    if way.new:
        specs = [_wire(run, edit.item, one) for one in way.new]
        run.act("acl", acl, "addNetworkAclRules", networkAclRuleSpecs=specs)
    if way.gone:
        run.act("acl", acl, "removeNetworkAclRules", ruleIds=way.gone)


def _wire(run: Run, item: Item, rule: Rule) -> Json:
    kind, name = rule.named
    spec = _wire_of(rule, run.named(item, LIST, name) if kind else name)
    # A rule that was for some ports is for all of them only if that is said.
    every = {"fromPort": 1, "toPort": LAST_PORT} if rule.protocol in ("tcp", "udp") and not rule.ports else {}
    return {**spec, **every}


def _tasks(edit: Edit, live: Live) -> Iterator[Task]:
    if "rules" in edit.keys:
        yield Task(Phase.MODIFY, edit, lambda run: _write_rules(run, edit))


def _leave(edit: Edit, item: Item) -> Iterator[Task]:
    """Take an ACL from the subnets that have it: before that it cannot go."""

    def free(run: Run) -> None:
        for subnet in run.shown(item)["subnetIds"]:
            run.act("acl", item.id, "disassociateNetworkAcl", subnetId=subnet)

    yield Task(Phase.CLEAR, edit, free)


def _acl(live: Live, shown: Json) -> Any:
    return live.label(shown["aclId"]) if shown["aclId"] else NOTHING


def _have(edit: Edit, live: Live) -> Iterator[Task]:
    """A subnet gets its ACL by a call on that one, and loses it by a call on the one that it has."""
    item, wanted = edit.item, str(edit.item.values.get("acl", NOTHING))
    had = edit.found.shown["aclId"] if edit.found is not None else ""

    def settle(run: Run) -> None:
        if wanted != NOTHING:
            run.act("acl", run.named(item, "acl", wanted), "associateNetworkAcl", subnetIds=[run.own(item)])
        elif had:
            run.act("acl", had, "disassociateNetworkAcl", subnetId=run.own(item))

    if "acl" in edit.keys and (wanted != NOTHING or had):
        yield Task(Phase.JOIN, edit, settle)


def _one(value: str, rename: Rename) -> str:
    return value if value == NOTHING else rename("acl", value)


ACLS = Section(
    ACL,
    "acls",
    keys=(
        Key(
            "rules", reading.several(reader((LIST,), LOWEST, PLAIN)), _rules, default=(), own=True,
            mentions=Mentions(lambda: (LIST,), renamed), write=lambda rules: written(rules, PLAIN),
        ),
    ),
    about=(description(), tags()),
    tasks=_tasks,
    leave=_leave,
)  # fmt: skip
OF_SUBNETS = Addition(
    "subnet",
    keys=(Key("acl", reading.text, _acl, default=NOTHING, own=True, mentions=Mentions(lambda: ("acl",), _one)),),
    tasks=_have,
)
