"""What a tenant has now, in the form of an intent file: by names, and by ids only where a name is not enough."""

from collections import defaultdict
from typing import Any

from sdnctl.cli.intent.reading import NOTHING, Mistake, Rule
from sdnctl.cli.intent.schema import ALL, INSTANCES, INTERFACES, Item, Part, Path
from sdnctl.cli.kinds import ENI, INSTANCE, VPC, Kind, hop_text
from sdnctl.cli.names import listed
from sdnctl.cli.signed import Tenant

Json = dict[str, Any]
Key = tuple[str, Path]
LOCAL, STATIC = "local", "static"


class Live:
    """Everything that a tenant has, read once."""

    def __init__(self, tenant: Tenant) -> None:
        self._shown = {part.kind.command: list(listed(tenant, part.kind)) for part in ALL}
        self._by_id = {self._id(part.kind, shown): shown for part in ALL for shown in self._shown[part.kind.command]}
        self._labels: dict[str, str] = {}
        self._named: dict[tuple[str, str, str], list[str]] = defaultdict(list)  # (command, vpc id, name) -> ids
        for part in ALL:
            self._name(part.kind)
        self.items: dict[Key, Item] = {}
        for part in ALL:
            for shown in self._shown[part.kind.command]:
                if part is not INTERFACES or shown["role"] != "Primary":
                    self._add(part, shown)

    def _id(self, kind: Kind, shown: Json) -> str:
        return str(shown[kind.id_key])

    def _name(self, kind: Kind) -> None:
        """Give each its label: the name if that is enough, else the id."""
        for shown in self._shown[kind.command]:
            self._named[self._scope(kind, shown)].append(self._id(kind, shown))
        for shown in self._shown[kind.command]:
            scope = self._scope(kind, shown)
            unique = scope[2] and len(self._named[scope]) == 1
            self._labels[self._id(kind, shown)] = scope[2] if unique else self._id(kind, shown)

    def _scope(self, kind: Kind, shown: Json) -> tuple[str, str, str]:
        return kind.command, shown["vpcId"] if kind.in_vpc else "", shown[kind.name_key]

    def _add(self, part: Part, shown: Json) -> None:
        id = self._id(part.kind, shown)
        item = Item(part, self.path(part.kind, id), id=id, shown=shown)
        item.values = {key.name: key.show(self, shown) for key in part.keys.values()}
        self.items[item.command, item.path] = item

    def label(self, kind: Kind, id: str) -> str:
        """What an id goes by within its VPC."""
        return self._labels.get(id, id)

    def path(self, kind: Kind, id: str) -> Path:
        """What an id goes by within the account."""
        shown = self._by_id[id]
        return (self.label(VPC, shown["vpcId"]), self._labels[id]) if kind.in_vpc else (self._labels[id],)

    def primary(self, instance: Json) -> Json:
        """The primary network interface of an instance, as the vpc service shows it."""
        found: Json = self._by_id[instance["primaryNetworkInterface"]["networkInterface"]["networkInterfaceId"]]
        return found

    def holder(self, eip: Json) -> str:
        """What an elastic IP is bound to, as a file says it."""
        port = self._by_id.get(eip["networkInterfaceId"])
        if port is None:
            return NOTHING
        primary = port["role"] == "Primary"
        kind, id = (INSTANCE, port["instanceId"]) if primary else (ENI, port["networkInterfaceId"])
        return f"{kind.command}:{'/'.join(self.path(kind, id))}"

    def rules(self, table: Json) -> list[tuple[str, Rule]]:
        """The rules of a route table that a tenant made, each with its id."""
        own = [r for r in table["routeTableRules"] if r["nextHopType"] != LOCAL and r["origin"] == STATIC]
        return [(r["ruleId"], Rule(r["addressPrefix"], self._hop(r), r["priority"])) for r in own]

    def _hop(self, rule: Json) -> str:
        tag, colon, id = hop_text(rule).partition(":")
        return f"{tag}{colon}{self._labels.get(id, id)}"

    def canonical(self, kind: Kind, path: Path, line: int) -> Path:
        """The path by which what a file names is known here (its VPC already is); Mistake when a name is not enough."""
        vpc, name = "", path[-1]
        if kind.in_vpc:
            owner = self.items.get((VPC.command, path[:1]))
            if owner is None:
                return path
            vpc = owner.id
        shown = self._by_id.get(name) if kind.is_id(name) else None
        if shown is not None and (not kind.in_vpc or shown["vpcId"] == vpc):
            return self.path(kind, name)
        ids = self._named.get((kind.command, vpc, name), [])
        if len(ids) > 1:
            raise Mistake(line, f"{len(ids)} {kind.noun}s are called {name!r}: use one of the ids {', '.join(ids)}")
        return path

    def port(self, target: Path, kind: Kind) -> str:
        """The id of the network interface that an instance or interface stands for; "" when it is not there."""
        item = self.items.get((kind.command, target))
        if item is None:
            return ""
        return item.id if item.part is not INSTANCES else str(self.primary(item.shown)["networkInterfaceId"])
