"""`sdnctl explain` says who wants a flow on which hosts: on each, what its controller holds and nothing else."""

from collections.abc import Iterator

import pytest

from sdnctl.engine.engine import Engine
from sdnctl.model.host import Binding
from sdnctl.store import Batch, Change, State
from sdnctl.store.memory import everything
from sdnctl.store.ovsdb.interest import Selection
from sdnctl.store.reach import reach
from sdnctl.trace import explain
from tests.build import ELSEWHERE, HERE, Network


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> Iterator[Batch]:
    """A region of two hosts: a VPC that both have ports of, and one of the other host alone."""
    network = Network()
    shared, far = network.vpc("shared", "10.0.0.0/16"), network.vpc("far", "10.0.0.0/16")
    for vpc, host in ((shared, HERE), (shared, ELSEWHERE), (far, ELSEWHERE)):
        name = f"{vpc.id}-{host}"
        subnet = network.subnet(vpc, name, f"10.0.{len(network.store.state.all(type(vpc)))}.0/24")
        network.port(subnet, name, host=host)
    batch = Batch(everything(network.store.state), network.store.state.sequence, 0)
    monkeypatch.setattr(explain, "load", lambda store: batch)
    monkeypatch.setattr(explain, "look", lambda ovs_db: None)
    yield batch


def controller(whole: Batch, host: str) -> Engine:
    """The engine as a controller comes to it: step by step, by what it follows then."""
    network, known, interest = Network(), State(), None
    engine = Engine(network.program, host)
    bindings = [change.new for change in whole.changes if isinstance(change.new, Binding)]
    ports = {one.id for one in bindings if one.host == host}
    changes: list[Change] = []
    while True:
        wanted = reach(known, host, ports, False)
        if wanted == interest:
            break
        interest, known = wanted, State()
        changes = Selection(wanted).seen(whole.changes)
        known.apply(changes)
    engine.apply(changes)
    return engine


@pytest.mark.parametrize("host", [HERE, ELSEWHERE])
def test_the_engine_of_any_host_is_that_of_its_controller(whole: Batch, host: str) -> None:
    made = explain.engine(Network().program, host, whole, None)
    assert made.desired.flows == controller(whole, host).desired.flows


def test_a_flow_is_found_on_the_hosts_that_have_it_and_on_no_other(whole: Batch) -> None:
    program = Network().program
    engines = {host: explain.engine(program, host, whole, None) for host in (HERE, ELSEWHERE)}
    both = {cookie for cookie in engines[HERE].desired.flows if cookie in engines[ELSEWHERE].desired.flows}
    one = {cookie for cookie in engines[ELSEWHERE].desired.flows if cookie not in both}
    about = {owner for cookie in one for owner in engines[ELSEWHERE].owners(cookie)}
    assert both and any("vpc-far" in owner for owner in about)
    for cookies, hosts in ((both, {HERE, ELSEWHERE}), (one, {ELSEWHERE})):
        for cookie in sorted(cookies)[:5]:
            assert {origin.host for origin in explain.find("unix:/none", "", f"{cookie:#x}")} == hosts
    with pytest.raises(explain.Unexplained, match="nobody wants"):
        explain.find("unix:/none", "", f"{min(one):#x}", HERE)
