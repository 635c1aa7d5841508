"""The zone of a port is forgotten when it goes and before another has it, never because a program starts anew."""

from collections.abc import Iterator

from sdnctl.model.host import LocalPort
from sdnctl.of.actions import output
from sdnctl.of.flow import Flow
from sdnctl.program.feature import View, assemble, feature
from sdnctl.program.pipeline import Pipeline, Priority
from sdnctl.store.memory import MemoryStore
from sdnctl.testing.ovs import DummySwitch
from tests.agent import test_app
from tests.agent.test_app import Running, plug
from tests.waiting import eventually

store, switch = test_app.store, test_app.switch
PIPELINE = Pipeline()
STAGE = PIPELINE.stage("only")
ZONE = PIPELINE.field("zone", since=STAGE, until=STAGE)
RULES = STAGE.table("rules", "what has a zone", matches=[ZONE], obeyed=True)


@feature(each=LocalPort)
def ports(port: LocalPort, here: str, view: View) -> Iterator[Flow]:
    """A flow by the zone of each port."""
    yield RULES.flow(Priority.EXACT, {ZONE: port.zone}, [output(port.ofport)])


PROGRAM = assemble([ports], PIPELINE)


def forgotten(switch: DummySwitch) -> int:
    return (switch.rundir / "ovs-vswitchd.log").read_text().count("NXT_CT_FLUSH_ZONE")


def zones(running: Running) -> dict[str, int]:
    return {port.id: port.zone for port in running.agent.engine.state.all(LocalPort).values()}


def test_it_is_forgotten_when_the_port_goes_and_before_the_next_one_has_it(
    switch: DummySwitch, store: MemoryStore
) -> None:
    switch.appctl("vlog/set", "vconn:file:dbg")
    with Running(switch, store, program=PROGRAM) as running:
        running.in_step()
        plug(switch, "tap1", "port-1")
        plug(switch, "tap2", "port-2")
        eventually(lambda: zones(running) == {"port-1": 1, "port-2": 2})
        running.in_step()
        assert forgotten(switch) == 0, "they were nobody's before"
        switch.vsctl("del-port", "tap1")
        eventually(lambda: forgotten(switch) == 1)
        plug(switch, "tap3", "port-3")
        eventually(lambda: zones(running) == {"port-3": 1, "port-2": 2})
        assert forgotten(switch) == 2
        switch.vsctl("set", "interface", "tap3", "external_ids:iface-id=port-4")
        eventually(lambda: zones(running) == {"port-4": 3, "port-2": 2})
        eventually(lambda: forgotten(switch) == 3)


def test_a_start_forgets_nothing(switch: DummySwitch, store: MemoryStore) -> None:
    with Running(switch, store, program=PROGRAM) as running:
        plug(switch, "tap1", "port-1")
        eventually(lambda: zones(running) == {"port-1": 1})
        running.in_step()
    switch.appctl("vlog/set", "vconn:file:dbg")
    with Running(switch, store, program=PROGRAM) as running:
        status = running.in_step()
        assert zones(running) == {"port-1": 1}
        assert status["counters"]["flow_mods"] == 0 and status["counters"]["revalidations"] == 1
        assert running.app._link is not None
        running.app._link.hang_up()
        eventually(lambda: running.agent.switch.events["connections"] == 2)
        running.in_step()
    assert forgotten(switch) == 0
