"""The weights of records, by which accounts are held to a number of flows, are those that the engine makes."""

from collections import Counter

import pytest

from apps.eni.model import NetworkInterface
from apps.routing.model import Route
from apps.security_group.model import GroupProfile, GroupRule
from sdnctl.model.host import LocalPort
from sdnctl.program.weight import weights
from sdnctl.store import State
from tests.networks import NETWORKS

COUNTED_AS: dict[type, type] = {LocalPort: NetworkInterface, GroupProfile: GroupRule}
"""The class under which flows are counted that are made for another one."""


@pytest.mark.parametrize("name", NETWORKS)
def test_no_class_has_more_flows_than_are_counted(name: str) -> None:
    network = NETWORKS[name]()
    engine = network.engine()
    made: Counter[type] = Counter()
    for cookie in engine.desired.flows:
        unit = engine.units(cookie)[0]
        made[COUNTED_AS.get(unit.feature.each, unit.feature.each)] += 1
    state = State()
    state.apply(network.changes())
    accounts = {record.account for record in (*state.all(NetworkInterface).values(), *state.all(Route).values())}
    for cls, weight in weights().items():
        counted = sum(weight.count(state, account) for account in accounts)
        assert made[cls] <= counted <= sum(weight.most(state, account) for account in accounts), cls.__name__
