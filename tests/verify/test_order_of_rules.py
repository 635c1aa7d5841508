"""S6: the order of groups, of rules in a call, and of calls never matters to any packet.

Both networks are walked with all packets at once, so the same sets mean the same verdict on each packet.
"""

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from apps.eni.model import NetworkInterface
from apps.security_group.model import SecurityGroup
from apps.security_group.writes import new_rule, set_groups
from sdnctl.base.addresses import Cidr
from sdnctl.engine.engine import Engine
from sdnctl.store import Txn
from sdnctl.verify.conntrack import Connection
from sdnctl.verify.header import FRAME
from sdnctl.verify.places import Region
from sdnctl.verify.rules import Switch, rule
from sdnctl.verify.sent import possible
from sdnctl.verify.sets import NOTHING, Sets
from sdnctl.verify.walk import Walk
from tests.build import HERE, Network, follow
from tests.reference.security_group import BLOCKS, RANGES

GROUPS = ("web", "data", "admin")
MEMBERS = {"one": ("web", "data"), "two": ("admin", "web", "data"), "three": ("data",)}
SETS = Sets()
"""Of all examples together: most of their flows are the same."""
CONNECTIONS = (Connection.NEW, Connection.REPLY)


@dataclass(frozen=True)
class Wanted:
    """One rule that is wanted, of a group by name."""

    group: str
    direction: Any
    action: str
    protocol: str
    ports: tuple[int, int]
    block: str
    peer: str
    priority: int

    def write(self, txn: Txn, groups: dict[str, SecurityGroup]) -> None:
        """Write it."""
        ported = self.protocol in ("tcp", "udp")
        first, last = self.ports if ported else (0, 0)
        peer = groups[self.peer].id if self.peer else ""
        cidr = Cidr.parse("0.0.0.0/0" if peer else self.block)
        more = {"action": self.action, "protocol": self.protocol, "priority": self.priority}
        group = txn.get(SecurityGroup, groups[self.group].id)
        assert group is not None
        new_rule(txn, group, self.direction, first=first, last=last, cidr=cidr, peer=peer, **more)


RULES = st.builds(
    Wanted,
    group=st.sampled_from(GROUPS),
    direction=st.sampled_from(("in", "in", "out")),
    action=st.sampled_from(("allow", "allow", "deny")),
    protocol=st.sampled_from(("all", "tcp", "udp", "icmp")),
    ports=st.sampled_from(RANGES),
    block=st.sampled_from(BLOCKS),
    peer=st.sampled_from(("", "", *GROUPS)),
    priority=st.sampled_from((1, 50, 100)),
)


@dataclass(frozen=True)
class Order:
    """An order of groups, of calls, of the rules in each, of interfaces, and of the groups that each has."""

    groups: list[str]
    calls: list[list[Wanted]]
    members: list[tuple[str, tuple[str, ...]]]
    before: int
    """The calls that come before any interface is in a group."""


@st.composite
def orders(draw: st.DrawFn, rules: list[Wanted]) -> Order:
    """Any order of some rules, in any number of calls."""
    left, calls = draw(st.permutations(rules)), []
    while left:
        size = draw(st.integers(1, len(left)))
        calls.append(left[:size])
        left = left[size:]
    members = [(port, tuple(draw(st.permutations(names)))) for port, names in draw(st.permutations([*MEMBERS.items()]))]
    return Order(draw(st.permutations(GROUPS)), calls, members, draw(st.integers(0, len(calls))))


def build(order: Order) -> tuple[Network, Engine]:
    """The network that comes of an order; its engine sees each call by itself."""
    net = Network()
    vpc = net.vpc("a", "10.0.0.0/16")
    subnet = net.subnet(vpc, "s", "10.0.1.0/24")
    for number, name in enumerate(sorted(MEMBERS), 10):
        net.port(subnet, name, f"10.0.1.{number}")
    engine = net.engine()
    follow(net, engine)
    made = {name: net.group(vpc, name) for name in order.groups}

    def join(txn: Txn, port: str, names: tuple[str, ...]) -> None:
        found = txn.get(NetworkInterface, f"port-{port}")
        assert found is not None
        set_groups(txn, found, [made[name].id for name in names])

    for call in order.calls[: order.before]:
        net.store.transact(lambda txn, call=call: [rule.write(txn, made) for rule in call])
    for port, names in order.members:
        net.store.transact(lambda txn, port=port, names=names: join(txn, port, names))
    for call in order.calls[order.before :]:
        net.store.transact(lambda txn, call=call: [rule.write(txn, made) for rule in call])
    return net, engine


def verdicts(net: Network, engine: Engine, sets: Sets) -> dict[tuple[object, ...], int]:
    """The packets of each fate: sender, state of the connection, end, and how they look then."""
    groups = engine.desired.groups.values()
    ports = {record.ofport: id for (_, id), record in net.local.items()}
    region = Region([Switch(HERE, map(rule, engine.desired.flows.values()), groups, ports)], engine.program.pipeline)
    found: dict[tuple[object, ...], int] = {}
    for port, id in ports.items():
        for connection in CONNECTIONS:
            walk = Walk(region, sets, connection=connection)
            walk.enter(HERE, port, possible(sets))
            for end in walk.run():
                looks = tuple(sorted((str(field), bits) for field, bits in end.header.items() if field in FRAME))
                key = (id, connection, end.what, end.who, looks)
                found[key] = sets.join(found.get(key, NOTHING), end.packets)
            assert not walk.clashes, "two flows of one priority do different things to one packet"
    return found


@settings(
    max_examples=20,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    database=None,
)
@given(data=st.data(), rules=st.lists(RULES, min_size=2, max_size=8))
def test_s6_no_order_of_groups_rules_or_calls_changes_any_verdict(data: st.DataObject, rules: list[Wanted]) -> None:
    plain = verdicts(*build(Order([*GROUPS], [rules], [*MEMBERS.items()], 1)), SETS)
    other = verdicts(*build(data.draw(orders(rules))), SETS)
    assert plain == other


def test_s6_an_order_that_did_matter_would_be_seen() -> None:
    """Two sets of rules that differ by one priority have different verdicts."""
    allow = Wanted("data", "in", "allow", "tcp", (80, 80), "0.0.0.0/0", "", 50)
    deny = Wanted("data", "in", "deny", "all", (0, 0), "10.0.0.0/8", "", 50)
    late = replace(deny, priority=100)
    first, second = (
        verdicts(*build(Order([*GROUPS], [[allow, one]], [*MEMBERS.items()], 1)), SETS) for one in (deny, late)
    )
    assert first != second
