"""Rules of filters in an intent file and on the command line: what security groups and network ACLs have in common."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from apps.prefix_list.cli import EVERYBODY, ports_read
from sdnctl.cli.intent import reading
from sdnctl.cli.intent.reading import Node
from sdnctl.cli.intent.schema import Rename
from sdnctl.cli.names import Unknown

Json = dict[str, Any]
WAYS = ("in", "out")
ACTIONS = ("allow", "deny")
PROTOCOLS = ("all", "tcp", "udp", "icmp")


@dataclass(frozen=True, order=True, slots=True)
class Rule:
    """A rule of a filter; ``ports`` are those that TCP or UDP goes to, "" for all.

    ``remote`` is a block, or KIND:NAME of what stands for some addresses.
    """

    direction: str
    priority: int
    action: str
    protocol: str
    ports: str = ""
    remote: str = EVERYBODY

    def __str__(self) -> str:
        what = f"{self.protocol} {self.ports}".strip()
        side = "from" if self.direction == "in" else "to"
        return f"{self.priority}: {self.direction} {self.action} {what} {side} {self.remote}"

    @property
    def named(self) -> tuple[str, str]:
        """The kind and the name of what the remote side names; "" and the block where it is one."""
        tag, colon, name = self.remote.partition(":")
        return (tag, name) if colon else ("", self.remote)


def reader(kinds: Collection[str], lowest: int, plain: Mapping[str, Any]) -> Callable[[Node], Rule]:
    """A reader of one rule: ``{direction: in, action: allow, protocol: tcp, ports: 80, remote: CIDR, priority: N}``.

    The remote side may name one of ``kinds``; what a rule does not say it has from ``plain``.
    """

    def remote(node: Node) -> str:
        text = reading.text(node)
        return text if text.startswith(tuple(f"{kind}:" for kind in kinds)) else str(reading.cidr(node))

    readers: dict[str, reading.Reader] = {
        "direction": reading.choice(*WAYS),
        "action": reading.choice(*ACTIONS),
        "protocol": reading.choice(*PROTOCOLS),
        "ports": ports_read,
        "remote": remote,
        "priority": reading.whole(1, lowest),
    }
    needed = tuple(name for name in ("direction", "action", "protocol", "priority") if name not in plain)
    return lambda node: Rule(**{**plain, **reading.fields(node, readers, needed, "a rule")})


def written(rules: Iterable[Rule], plain: Mapping[str, Any]) -> list[Json]:
    """Rules as a file has them: without what a rule that does not say it has anyway."""
    return [{name: value for name, value in asdict(one).items() if value != plain.get(name)} for one in rules]


def renamed(rules: tuple[Rule, ...], rename: Rename) -> tuple[Rule, ...]:
    """Rules in which the names of what they name have another form."""

    def side(rule: Rule) -> str:
        kind, name = rule.named
        return f"{kind}:{rename(kind, name)}" if kind else name

    return tuple(replace(one, remote=side(one)) for one in rules)


class Difference(NamedTuple):
    """The way from some rules to others: ids with what their rules become, the rules that are new, ids that go."""

    altered: list[tuple[str, Rule]]
    new: list[Rule]
    gone: list[str]


def difference(had: Mapping[str, Rule], wanted: Collection[Rule]) -> Difference:
    """As many rules as can be become others of their direction, for that is one call: they change together."""
    made = Difference([], [rule for rule in wanted if rule not in had.values()], [])
    for id, rule in had.items():
        if rule in wanted:
            continue
        one = next((one for one in made.new if one.direction == rule.direction), None)
        if one is None:
            made.gone.append(id)
        else:
            made.new.remove(one)
            made.altered.append((id, one))
    return made


def known(ids: list[str], rules: Iterable[Json], group: str, name: str) -> list[str]:
    """The ids, all of which are those of a filter's rules; Unknown for another, with the command that shows them."""
    there = {rule["ruleId"] for rule in rules}
    for id in ids:
        if id not in there:
            raise Unknown(f"{name} has no rule {id}: 'sdnctl {group} get {name}' shows its rules")
    return ids
