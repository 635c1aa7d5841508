"""The calls that carry a difference out, in an order in which each finds what it needs.

What is new is made before anything is taken away, and what is taken away goes last, so that traffic moves from the one
to the other.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import Any

from sdnctl.cli import elastic, networks
from sdnctl.cli.intent.difference import CREATE, DELETE, Change
from sdnctl.cli.intent.live import Live
from sdnctl.cli.intent.reading import ANY, NOTHING, Rule
from sdnctl.cli.intent.schema import EIPS, INSTANCES, INTERFACES, ROUTE_TABLES, SUBNETS, VPCS, Item, Path
from sdnctl.cli.kinds import EIP, ENI, INSTANCE, ROUTE_TABLE, SUBNET, VPC, Kind
from sdnctl.cli.names import described
from sdnctl.cli.signed import Tenant

Json = dict[str, Any]
DEFAULT_TABLE = "default"
NIC = ("source-check", "security-groups", "mac")
NEW_NIC = ("address", "secondary", "source-check", "security-groups")


class Rank(IntEnum):
    """When a step has its turn."""

    MAKE_VPC = auto()
    MAKE_ROUTE_TABLE = auto()
    MAKE_SUBNET = auto()
    MAKE_INTERFACE = auto()
    MAKE_INSTANCE = auto()
    MAKE_EIP = auto()
    MODIFY = auto()
    ADDRESSES = auto()
    DETACH = auto()
    ATTACH = auto()
    RULES = auto()
    ASSOCIATE = auto()
    UNBIND = auto()
    BIND = auto()
    POWER = auto()
    RESIZE = auto()
    DELETE_RULES = auto()
    DELETE_EIP = auto()
    DELETE_INSTANCE = auto()
    DELETE_INTERFACE = auto()
    DELETE_SUBNET = auto()
    DELETE_ROUTE_TABLE = auto()
    DELETE_VPC = auto()


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do for a change."""

    rank: Rank
    change: Change
    run: Callable[["Run"], object]


MAKE = {
    VPC.command: Rank.MAKE_VPC, ROUTE_TABLE.command: Rank.MAKE_ROUTE_TABLE, SUBNET.command: Rank.MAKE_SUBNET,
    ENI.command: Rank.MAKE_INTERFACE, INSTANCE.command: Rank.MAKE_INSTANCE, EIP.command: Rank.MAKE_EIP,
}  # fmt: skip
REMOVE = {
    VPC.command: Rank.DELETE_VPC, ROUTE_TABLE.command: Rank.DELETE_ROUTE_TABLE, SUBNET.command: Rank.DELETE_SUBNET,
    ENI.command: Rank.DELETE_INTERFACE, INSTANCE.command: Rank.DELETE_INSTANCE, EIP.command: Rank.DELETE_EIP,
}  # fmt: skip


class Run:
    """The carrying out of one difference: the tenant, and the ids of what was there and of what has been made."""

    def __init__(self, tenant: Tenant, live: Live) -> None:
        self.tenant = tenant
        self.live = live
        self.ids: dict[tuple[str, Path], str] = {key: item.id for key, item in live.items.items()}

    def id(self, kind: Kind, path: Path) -> str:
        """The id of what goes by a path."""
        return self.ids[kind.command, path]

    def beside(self, kind: Kind, item: Item, name: str) -> str:
        """The id of something in the same VPC."""
        return self.id(kind, (item.path[0], name))

    def port(self, item: Item) -> str:
        """The id of the network interface that an interface is, or an instance has first."""
        id = self.id(item.part.kind, item.path)
        if item.part is INTERFACES:
            return id
        shown = described(self.tenant, INSTANCE, id)
        return str(shown["primaryNetworkInterface"]["networkInterface"]["networkInterfaceId"])

    def act(self, kind: Kind, id: str, action: str, **body: Any) -> None:
        """Have something done to a resource."""
        self.tenant.post(kind.service, kind.item(id, action), body)


def steps(changes: Iterable[Change], live: Live) -> list[Step]:
    """Every step of every change, in the order in which they are taken."""
    found = [step for change in changes for step in _steps(change, live)]
    return sorted(found, key=lambda step: step.rank)


def _steps(change: Change, live: Live) -> Iterable[Step]:
    item, command = change.item, change.item.command
    if change.action == DELETE:
        yield from _deletion(change, live)
        return
    if change.action == CREATE:
        yield Step(MAKE[command], change, lambda run: run.ids.update({(command, item.path): _made(run, item)}))
    modified = _modified(change)
    if modified:
        yield Step(Rank.MODIFY, change, lambda run: _modify(run, item, modified))
    differs = set(change.keys)
    if change.found is not None and "secondary" in differs:
        yield Step(Rank.ADDRESSES, change, lambda run: _readdress(run, change))
    if "interfaces" in differs:
        yield from _attachments(change, live)
    if "rules" in differs:
        yield Step(Rank.RULES, change, lambda run: _route(run, change))
    if change.found is not None and "route-table" in differs:
        yield Step(Rank.ASSOCIATE, change, lambda run: _associate(run, item))
    if item.part is EIPS and differs & {"bound-to", "private"}:
        yield from _binding(change)
    yield from _power(change, differs)


def _made(run: Run, item: Item) -> str:
    """Make what is new, as the API wants it; its id."""
    kind, name, part = item.part.kind, item.path[-1], item.part
    body = {kind.name_key: name, **_wire(item, [key for key in item.values if key != "cidr" or part is not VPCS])}
    if part is VPCS:
        cidr = item.values.get("cidr", ANY)
        body |= {} if cidr == ANY else {"addressPrefix": cidr}
    elif part is ROUTE_TABLES and name == DEFAULT_TABLE and (VPC.command, item.path[:1]) not in run.live.items:
        return _born_with(run, item, body)
    elif part in (ROUTE_TABLES, SUBNETS):
        body["vpcId"] = run.id(VPC, item.path[:1])
        if "route-table" in item.values:
            body["routeTableId"] = run.beside(ROUTE_TABLE, item, item.values["route-table"])
    elif part is INTERFACES:
        body["subnetId"] = run.beside(SUBNET, item, item.values["subnet"])
    elif part is INSTANCES:
        body = {"instanceSpec": _instance(run, item), "maxCount": 1}
    elif part is EIPS:
        charge = item.values.get("charge", elastic.DEFAULT_CHARGE)
        body |= elastic.order(item.values["bandwidth"], charge, maxCount=1)
    result = run.tenant.post(kind.service, kind.path, body)
    return str(result[kind.id_key] if kind.id_key in result else result[f"{kind.id_key}s"][0])


def _born_with(run: Run, item: Item, body: Json) -> str:
    """The default route table that a new VPC has already; what the file says of it is added."""
    shown = described(run.tenant, VPC, run.id(VPC, item.path[:1]))
    (id,) = shown["routeTableIds"]
    body.pop("userTags", None)
    run.tenant.call("vpc", "PATCH", ROUTE_TABLE.item(id), body)
    return str(id)


def _instance(run: Run, item: Item) -> Json:
    nic = {"subnetId": run.beside(SUBNET, item, item.values["subnet"]), **_wire(item, NEW_NIC)}
    spec = {"name": item.path[-1], "instanceType": networks.DEFAULT_TYPE, "imageId": networks.DEFAULT_IMAGE}
    spec |= _wire(item, ("type", "image", "description", "tags"))
    return {**spec, "primaryNetworkInterface": {"networkInterface": nic}}


def _wire(item: Item, names: Iterable[str]) -> Json:
    """The values of some keys, as parameters of a call."""
    keys = [item.part.keys[name] for name in names if name in item.values and item.part.keys[name].wire]
    return {key.wire: key.send(item.values[key.name]) for key in keys}


def _modified(change: Change) -> list[str]:
    """The keys that a modifying call has to deal with."""
    part = change.item.part
    if change.action == CREATE:  # no call that makes an interface takes its MAC address
        return [name for name in change.keys if name == "mac"]
    names = [name for name in change.keys if part.keys[name].wire and name != "secondary"]
    return [name for name in names if part is not INSTANCES or name in NIC]


def _modify(run: Run, item: Item, names: list[str]) -> None:
    kind = ENI if item.part is INSTANCES else item.part.kind
    id = run.port(item) if kind is ENI else run.id(kind, item.path)
    body = _wire(item, names)
    if item.part is VPCS and "cidr" in names:
        body["addressPrefix"] = ""
    run.tenant.call(kind.service, "PATCH", kind.item(id), body)


def _readdress(run: Run, change: Change) -> None:
    assert change.found is not None
    wanted, had = change.item.values["secondary"], change.found.values["secondary"]
    port = run.port(change.item)
    if gone := [one for one in had if one not in wanted]:
        run.act(ENI, port, "unassignSecondaryIps", secondaryIps=gone)
    if come := [one for one in wanted if one not in had]:
        run.act(ENI, port, "assignSecondaryIps", secondaryIps=come)


def _attachments(change: Change, live: Live) -> Iterable[Step]:
    item, wanted = change.item, change.item.values["interfaces"]
    had = change.found.values["interfaces"] if change.found else ()
    for name in wanted:
        if name not in had:
            found = live.items.get((ENI.command, (item.path[0], name)))
            if found is not None and found.shown["instanceId"]:
                yield _detachment(change, found)
            yield Step(Rank.ATTACH, change, lambda run, name=name: _attach(run, item, name))  # type: ignore[misc]
    for name in had:
        found = live.items.get((ENI.command, (item.path[0], name)))
        if name not in wanted and found is not None:
            yield _detachment(change, found)


def _detachment(change: Change, port: Item) -> Step:
    return Step(Rank.DETACH, change, lambda run: _detach(run, port))


def _detach(run: Run, port: Item) -> None:
    """Detach, once: both the instance that loses it and the one that gains it may want that."""
    if instance := port.shown["instanceId"]:
        run.act(INSTANCE, instance, "detachNetworkInterface", networkInterfaceId=port.id)
        port.shown["instanceId"] = ""


def _attach(run: Run, item: Item, name: str) -> None:
    id = run.id(INSTANCE, item.path)
    run.act(INSTANCE, id, "attachNetworkInterface", networkInterfaceId=run.beside(ENI, item, name))


def _route(run: Run, change: Change) -> None:
    """Change a table's rules: a rule for the same prefix is changed in place, so that it leads somewhere throughout."""
    table = run.id(ROUTE_TABLE, change.item.path)
    had = run.live.rules(change.found.shown if change.found else described(run.tenant, ROUTE_TABLE, table))
    new = [rule for rule in change.item.values["rules"] if rule not in [old for _, old in had]]
    old = [(id, rule) for id, rule in had if rule not in change.item.values["rules"]]
    altered, surplus = [], [id for id, rule in old if rule.to in {one.to for one in new}]
    for id, rule in list(old):
        if one := next((one for one in new if one.to == rule.to), None):
            new.remove(one)
            old.remove((id, rule))
            surplus.remove(id)
            altered.append({"ruleId": id, **_rule(run, change.item, one)})
    gone = [id for id, _ in old if id not in surplus]
    if surplus:  # not beside what the others become: equal rules must be of one sort
        run.act(ROUTE_TABLE, table, "removeRouteTableRules", ruleIds=surplus)
    if altered:
        run.act(ROUTE_TABLE, table, "modifyRouteTableRules", modifyRouteTableRuleSpecs=altered)
    if new:
        specs = [_rule(run, change.item, rule) for rule in new]
        run.act(ROUTE_TABLE, table, "addRouteTableRules", routeTableRuleSpecs=specs)
    if gone:
        run.act(ROUTE_TABLE, table, "removeRouteTableRules", ruleIds=gone)


def _rule(run: Run, item: Item, rule: Rule) -> Json:
    tag, _, name = rule.via.partition(":")
    kind = {INSTANCE.command: INSTANCE, ENI.command: ENI}.get(tag)
    via = f"{tag}:{run.beside(kind, item, name)}" if kind else rule.via
    return {"addressPrefix": rule.to, "priority": rule.priority, **networks.hop(run.tenant, via, "")}


def _associate(run: Run, item: Item) -> None:
    table = run.beside(ROUTE_TABLE, item, item.values["route-table"])
    run.act(ROUTE_TABLE, table, "associateRouteTable", subnetIds=[run.id(SUBNET, item.path)])


def _binding(change: Change) -> Iterable[Step]:
    """Take an elastic IP from where it is bound, and bind it where it is wanted."""
    item, found = change.item, change.found
    target = item.values.get("bound-to") or (found.values["bound-to"] if found else NOTHING)
    if found is not None and found.values["bound-to"] != NOTHING:
        yield Step(Rank.UNBIND, change, lambda run: elastic.release(run.tenant, found.shown))
    if target != NOTHING:
        yield Step(Rank.BIND, change, lambda run: _bind(run, item, target))


def _bind(run: Run, item: Item, target: str) -> None:
    tag, _, path = target.partition(":")
    held = Item(INSTANCES if tag == INSTANCE.command else INTERFACES, tuple(path.split("/")))
    elastic.tie(run.tenant, run.id(EIP, item.path), run.port(held), item.values.get("private"))


def _power(change: Change, differs: set[str]) -> Iterable[Step]:
    item = change.item
    wanted = item.values.get("state")
    if "state" in differs and (change.found is not None or wanted == "stopped"):
        action = "stopInstance" if wanted == "stopped" else "startInstance"
        yield Step(Rank.POWER, change, lambda run: run.act(INSTANCE, run.id(INSTANCE, item.path), action))
    if change.found is not None and "type" in differs:
        size = item.values["type"]
        id = change.found.id
        yield Step(Rank.RESIZE, change, lambda run: run.act(INSTANCE, id, "resizeInstance", instanceType=size))


def _deletion(change: Change, live: Live) -> Iterable[Step]:
    item, kind = change.item, change.item.part.kind
    if item.part is EIPS and item.values["bound-to"] != NOTHING:
        yield Step(Rank.UNBIND, change, lambda run: elastic.release(run.tenant, item.shown))
    if item.part is INTERFACES:
        yield _detachment(change, item)
    for table in _tables(item, live):
        yield Step(Rank.DELETE_RULES, change, lambda run, table=table: _unroute(run, table))  # type: ignore[misc]
    yield Step(REMOVE[kind.command], change, lambda run: run.tenant.call(kind.service, "DELETE", kind.item(item.id)))


def _tables(item: Item, live: Live) -> list[Item]:
    """The route tables that go with what is deleted: itself, or the default one of a VPC."""
    if item.part is VPCS:
        inside = (found for found in live.items.values() if found.path[:1] == item.path and found is not item)
        return [found for found in inside if found.shown.get("routeTableType") == "default"]
    return [item] if item.part is ROUTE_TABLES else []


def _unroute(run: Run, table: Item) -> None:
    """Empty a table: what its rules lead to may go before it, and it cannot go before the subnets that use it."""
    if rules := [id for id, _ in run.live.rules(table.shown)]:
        run.act(ROUTE_TABLE, table.id, "removeRouteTableRules", ruleIds=rules)
