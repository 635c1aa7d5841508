"""The whole program beside one real switch: store in, flows out, whatever is killed in between."""

import re
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Self

import pytest

from apps.vpc.model import Vpc
from sdnctl.agent.agent import Agent, HostRenamed
from sdnctl.agent.app import Controller
from sdnctl.agent.loop import SLICE_S
from sdnctl.api.progress import alive, progress
from sdnctl.base.addresses import Cidr
from sdnctl.base.errors import FeatureError
from sdnctl.model.account import Account
from sdnctl.model.host import NO_SWITCH, Binding, Host, HostStatus, LocalPort
from sdnctl.of import message
from sdnctl.of.actions import CONTROLLER, meter, output, set_field
from sdnctl.of.fields import IN_PORT, IP_DST
from sdnctl.of.flow import NO_BUFFER, VERSION, Flow
from sdnctl.of.meter import Meter
from sdnctl.program.feature import Reported, View, always, assemble, every, feature, packet_in
from sdnctl.program.meters import POOL_LOW
from sdnctl.program.packets import PacketIn, PacketOut, Put
from sdnctl.program.pipeline import Pipeline, Priority, goto
from sdnctl.store import Txn
from sdnctl.store.memory import MemoryStore
from sdnctl.switch import connection
from sdnctl.testing.ovs import DummySwitch
from tests.build import Network
from tests.toys import ToyNote, ToySeen
from tests.waiting import eventually

HERE = "host-here"
BAD = 666  # the number of a VPC whose flow no switch takes
TEST_NET = Cidr.parse("192.0.2.0/24")
PIPELINE = Pipeline()
STAGE = PIPELINE.stage("only")
NUMBER, WAY = (PIPELINE.field(name, since=STAGE, until=STAGE) for name in ("number", "way"))
FIRST = STAGE.table("first", "who asks", matches=[IN_PORT, NUMBER])
SECOND = STAGE.table("second", "where to", matches=[NUMBER, IP_DST])
THIRD = STAGE.table("third", "through which port", matches=[WAY])
LAST = PIPELINE.stage("last")
WHAT = PIPELINE.field("what", bits=8, since=STAGE, until=LAST)
WHO = PIPELINE.field("who", bits=16, since=STAGE, until=LAST)
ASK = PIPELINE.question("ask", "the controller answers")
ANSWER = LAST.table("answer", "to the controller", matches=[WHAT])
PIPELINE.desk(WHAT, ANSWER)


@always
def asking() -> Iterator[Flow | Meter]:
    """Hand packets that come in at port 1 to the controller, with the port's number in a register."""
    yield FIRST.flow(Priority.EXACT, {IN_PORT: 1}, [set_field(WHO, 0xABCD), set_field(WHAT, ASK.number), goto(ANSWER)])
    yield ANSWER.flow(Priority.EXACT, {WHAT: ASK.number}, [output(CONTROLLER)])


@packet_in(ASK)
def answer(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut | Put]:
    """Send the frame back where it came from, changed, and report what the register said."""
    yield PacketOut(packet.data[:-4] + b"DONE", (output(packet.in_port),))
    yield Put(Host(id=f"asked-{packet.value(WHO):x}"))


@every(0.05)
def beat(here: str, view: View) -> Iterator[Put]:
    """Report a host of the test's own, again and again."""
    yield Put(Host(id="beat"))


@feature(each=Vpc)
def vpcs(vpc: Vpc, here: str, view: View) -> Iterator[Flow]:
    """Two flows for each VPC: one by its number, one by its prefix."""
    if vpc.cidr == TEST_NET:
        raise FeatureError("192.0.2.0/24 is for documentation")
    yield FIRST.flow(Priority.EXACT, {NUMBER: vpc.key}, [meter(77)] if vpc.key == BAD else [output(1)])
    yield SECOND.flow(Priority.EXACT, {NUMBER: vpc.key, IP_DST: (vpc.cidr.network, vpc.cidr.mask)}, [output(2)])


@feature(each=LocalPort)
def ports(port: LocalPort, here: str, view: View) -> Iterator[Flow]:
    """One flow for each port of this host."""
    yield THIRD.flow(Priority.EXACT, {WAY: port.ofport}, [output(port.ofport)])


PROGRAM = assemble([asking, answer, beat, vpcs, ports], PIPELINE)


class Running:
    """One controller in this process, as ``main`` starts it, and the store it follows."""

    def __init__(self, switch: DummySwitch, store: MemoryStore, **settings: Any) -> None:
        self.store = store
        given = {"program": PROGRAM} | settings
        self.app: Controller = connection.run(Controller, store=lambda: store, ovs_db=switch.db, **given)

    @property
    def agent(self) -> Agent:
        eventually(lambda: self.app.loop is not None and self.app.loop.agent is not None)
        assert self.app.loop is not None and self.app.loop.agent is not None
        return self.app.loop.agent

    def ask(self, packets: int) -> None:
        """Hand the loop a question from port 1, so many times."""
        assert self.app.loop is not None and self.app._link is not None
        head = struct.pack("!BBHIIHBBQ", VERSION, message.PACKET_IN, 64, 0, NO_BUFFER, 16, 0, ANSWER.id, 0)
        match = struct.pack("!HHIIII4x", 1, 20, IN_PORT.header, 1, WHAT.header, ASK.number << WHAT.shift)
        self.app.loop.received(self.app._link, [head + match + bytes(2 + 14)] * packets)

    def in_step(self) -> dict[str, Any]:
        """Wait until the switch has confirmed all that the store has; the agent's status."""
        eventually(lambda: self.agent.status()["state"] == "LIVE" and self.agent.applied == self.store.state.sequence)
        return self.agent.status()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        connection.stop()


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    made.transact(lambda txn: txn.put(Account(id="acc")))
    for number in range(1, 11):
        add_vpc(made, number)
    return made


@pytest.fixture
def switch(monkeypatch: pytest.MonkeyPatch) -> Iterator[DummySwitch]:
    monkeypatch.delenv("OVS_RUNDIR", raising=False)
    with DummySwitch() as running:
        # A gateway follows all there is, also VPCs that it has no port of.
        ids = (f"external_ids:sdnctl-host={HERE}", "external_ids:sdnctl-gateway=1")
        running.vsctl("set", "open_vswitch", ".", *ids)
        yield running


@pytest.fixture
def running(switch: DummySwitch, store: MemoryStore) -> Iterator[Running]:
    with Running(switch, store) as made:
        yield made


def vpc_of(number: int) -> Vpc:
    cidr = Cidr.parse(f"10.{number % 250}.0.0/16")
    return Vpc(id=f"vpc-{number}", account="acc", cidr=cidr, key=number, meter=POOL_LOW + number)


def add_vpc(store: MemoryStore, number: int) -> None:
    store.transact(lambda txn: txn.put(vpc_of(number)))


def count(switch: DummySwitch) -> int:
    return switch.ofctl("dump-flows").count("cookie=")


def host(store: MemoryStore) -> HostStatus:
    found = store.state.get(HostStatus, HERE)
    assert found is not None
    return found


def cookies(switch: DummySwitch) -> list[str]:
    return sorted(re.findall(r"cookie=0x[0-9a-f]+", switch.ofctl("dump-flows")))


def plug(switch: DummySwitch, name: str, id: str) -> None:
    switch.vsctl("add-port", "br-int", name, "--", "set", "interface", name, f"external_ids:iface-id={id}")


def test_what_is_in_the_store_is_in_the_switch(running: Running, switch: DummySwitch) -> None:
    assert running.in_step()["counters"]["flow_mods"] == 22
    assert count(switch) == 22
    eventually(lambda: host(running.store).applied == running.store.state.sequence)
    assert host(running.store).flows == 22 and host(running.store).errors == ()


def test_a_change_is_in_force_and_reported(running: Running, switch: DummySwitch) -> None:
    running.in_step()
    vpc = running.store.state.get(Vpc, "vpc-3")
    assert vpc is not None
    running.store.transact(lambda txn: txn.put(replace(vpc, cidr=Cidr.parse("172.16.0.0/12"))))
    running.in_step()
    assert "172.16.0.0/12" in switch.ofctl("dump-flows") and count(switch) == 22
    running.store.transact(lambda txn: txn.delete(Vpc, "vpc-3"))
    running.in_step()
    assert count(switch) == 20
    eventually(lambda: host(running.store).applied == running.store.state.sequence)


def test_a_port_that_comes_is_served_and_one_that_goes_is_not(running: Running, switch: DummySwitch) -> None:
    running.in_step()
    plug(switch, "tap1", "port-1")
    eventually(lambda: count(switch) == 23)
    switch.vsctl("del-port", "tap1")
    eventually(lambda: count(switch) == 22)


@every(0.05)
def clock(here: str, view: View) -> Iterator[Put]:
    """Count the ticks in a record of this host's own."""
    known = view.get(ToyNote, "ticks")
    yield Put(ToyNote(id="ticks", size=known.size + 1 if known is not None else 0))


@feature(each=ToyNote, reports=(ToySeen,))
def two_seconds(note: ToyNote, here: str, view: View) -> Iterator[Reported]:
    """Report each fortieth tick."""
    yield Reported(ToySeen(id=f"round-{note.size // 40}", host=here))


def test_what_the_time_makes_true_is_reported_at_once(switch: DummySwitch, store: MemoryStore) -> None:
    """Not when the store happens to bring news, nor with the next sign of life: a standby takes over this way."""
    with Running(switch, store, program=assemble([clock, two_seconds], PIPELINE)) as running:
        running.in_step()
        eventually(lambda: store.state.get(ToySeen, "round-1"), 6)


def test_an_uplink_is_reported(running: Running, switch: DummySwitch) -> None:
    running.in_step()
    switch.vsctl("add-port", "br-int", "eth1", "--", "set", "open_vswitch", ".", "external_ids:sdnctl-uplink=eth1")
    eventually(lambda: (known := running.store.state.get(Host, HERE)) and known.uplink == "eth1" and known.uplink_mac)


def test_a_lost_connection_comes_back_without_a_single_flow_message(running: Running, switch: DummySwitch) -> None:
    before = running.in_step()["counters"]["flow_mods"]
    assert running.app._link is not None
    running.app._link.hang_up()
    eventually(lambda: running.agent.switch.events["connections"] == 2)
    assert running.in_step()["counters"]["flow_mods"] == before
    add_vpc(running.store, 11)
    running.in_step()
    assert count(switch) == 24


def test_a_restarted_controller_sends_no_flow_message(switch: DummySwitch, store: MemoryStore) -> None:
    with Running(switch, store) as first:
        first.in_step()
    assert count(switch) == 22, "ending leaves the flows alone"
    before = cookies(switch)
    with Running(switch, store) as second:
        counters = second.in_step()["counters"]
    assert (counters["flow_mods"], counters["meter_mods"], counters["group_mods"]) == (0, 0, 0)
    assert cookies(switch) == before


def test_a_restarted_controller_sends_what_changed_meanwhile(switch: DummySwitch, store: MemoryStore) -> None:
    with Running(switch, store) as first:
        first.in_step()
    add_vpc(store, 11)
    store.transact(lambda txn: txn.delete(Vpc, "vpc-1"))
    with Running(switch, store) as second:
        assert second.in_step()["counters"]["flow_mods"] == 4
    assert count(switch) == 22


def test_a_restarted_switch_gets_everything_again(running: Running, switch: DummySwitch) -> None:
    plug(switch, "tap1", "port-1")
    running.in_step()
    eventually(lambda: count(switch) == 23)
    switch.kill_vswitchd()
    switch.start_vswitchd()
    eventually(lambda: running.agent.switch.events["connections"] == 2)
    running.in_step()
    eventually(lambda: count(switch) == 23)
    add_vpc(running.store, 11)
    running.in_step()
    assert count(switch) == 25


def test_a_switch_that_is_gone_is_told_and_is_no_sign_of_life(running: Running, switch: DummySwitch) -> None:
    running.in_step()
    eventually(lambda: host(running.store).seen)
    switch.kill_vswitchd()
    eventually(lambda: not running.agent.switch.link)
    before = host(running.store).seen
    eventually(lambda: host(running.store).errors == (NO_SWITCH,), 10)
    assert host(running.store).seen == before
    switch.start_vswitchd()
    running.in_step()
    eventually(lambda: host(running.store).errors == () and host(running.store).seen > before, 15)


def test_what_is_wrong_with_a_host_is_in_its_report(running: Running, switch: DummySwitch) -> None:
    running.in_step()
    switch.vsctl("set", "open_vswitch", ".", "external_ids:sdnctl-uplink=eth1")
    eventually(lambda: "eth1" in " ".join(host(running.store).errors))
    switch.vsctl("remove", "open_vswitch", ".", "external_ids", "sdnctl-uplink")
    eventually(lambda: not host(running.store).errors)


def test_a_host_with_another_name_says_so_and_nobody_waits_for_it(switch: DummySwitch, store: MemoryStore) -> None:
    said: list[Any] = []
    with pytest.MonkeyPatch.context() as patch, Running(switch, store) as running:
        patch.setattr("threading.excepthook", lambda fault: said.append(fault.exc_value))
        running.in_step()
        switch.vsctl("set", "open_vswitch", ".", "external_ids:sdnctl-host=another")
        eventually(lambda: said)
        assert isinstance(said[0], HostRenamed)
        assert host(store).errors == (f"this host is called another now: sdnctl host remove {HERE}",)
        assert not alive(host(store), time.time())
    with Running(switch, store) as renamed:
        renamed.in_step()
        eventually(lambda: progress(store.state.all(HostStatus).values(), store.state.sequence, time.time()).applied)
        eventually(lambda: store.state.get(HostStatus, "another"))


def test_what_somebody_else_does_to_the_bridge_is_undone(switch: DummySwitch, store: MemoryStore) -> None:
    switch.ofctl("add-flow", "table=9,actions=drop")
    with Running(switch, store, audit_s=0.2) as running:
        running.in_step()
        assert count(switch) == 22
        switch.ofctl("del-flows", "table=0")
        switch.ofctl("add-flow", "table=9,actions=drop")
        eventually(lambda: running.agent.status()["counters"].get("repaired", 0) == 12)
        eventually(lambda: count(switch) == 22)


def test_a_switch_that_comes_late_is_found(store: MemoryStore, switch: DummySwitch) -> None:
    switch.kill_vswitchd()
    with Running(switch, store) as running:
        time.sleep(0.3)
        switch.start_vswitchd()
        assert running.in_step()["flows"] == 22


def test_a_packet_is_answered(running: Running, switch: DummySwitch) -> None:
    switch.add_port("tap1", 1)
    running.in_step()
    frame = bytes.fromhex("ffffffffffff02000000000188b5") + bytes(46)
    switch.receive("tap1", frame)
    eventually(lambda: switch.sent("tap1"))
    assert switch.sent("tap1") == [frame[:-4] + b"DONE"]
    eventually(lambda: running.store.state.get(Host, "asked-abcd"))


def test_packets_that_are_too_many_do_not_hold_up_changes(running: Running, switch: DummySwitch) -> None:
    switch.add_port("tap1", 1)
    running.in_step()
    loop, link = running.app.loop, running.app._link
    assert loop is not None and link is not None
    head = struct.pack("!BBHIIHBBQ", VERSION, message.PACKET_IN, 58, 0, NO_BUFFER, 16, 0, ANSWER.id, 0)
    frame = head + struct.pack("!HH4x2x", 1, 4) + bytes(16)
    for _ in range(100):
        loop.received(link, [frame] * 100)
    add_vpc(running.store, 11)
    running.in_step()
    assert loop.mailbox.packets_dropped > 0
    assert loop.mailbox.packets_dropped + running.agent.counters.packet_ins.total() == 10_000
    loop.received(link, [frame])
    eventually(lambda: loop.mailbox.packets_dropped + running.agent.counters.packet_ins.total() == 10_001)


def test_a_packet_waits_for_a_slice_and_not_for_a_run(switch: DummySwitch, store: MemoryStore) -> None:
    """A question that comes while forty units run is answered before the last of them has."""
    order: list[str] = []

    @packet_in(ASK)
    def noted(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut]:
        order.append(f"packet, {len(view.all(Vpc))} records")
        yield PacketOut(packet.data, (output(packet.in_port),))

    @feature(each=Vpc)
    def slow(vpc: Vpc, here: str, view: View) -> Iterator[Flow]:
        if vpc.key > 10:
            if not order:
                running.ask(1)
            order.append("unit")
            time.sleep(SLICE_S / 2)
        yield FIRST.flow(Priority.EXACT, {NUMBER: vpc.key}, [output(1)])

    def forty(txn: Txn) -> None:
        for number in range(11, 51):
            txn.put(vpc_of(number))

    with Running(switch, store, program=assemble([asking, noted, slow], PIPELINE)) as running:
        running.in_step()
        store.transact(forty)
        running.in_step()
    assert order.count("unit") == 40 and "packet, 50 records" in order[:10]


def test_changes_that_wait_are_one_run_and_one_bundle(running: Running) -> None:
    """While the agent is busy a record changes a hundred times: it runs once, and the last number is confirmed."""
    running.in_step()
    loop, over = running.app.loop, threading.Event()
    assert loop is not None
    before = running.agent.status()
    loop.mailbox.put(lambda agent: over.wait(10))
    for number in range(100, 200):
        moved = replace(vpc_of(1), cidr=Cidr.parse(f"10.{number}.0.0/16"))
        running.store.transact(partial(Txn.put, record=moved))
    # The VPC, and the row that has the sequence number; this host may have reported of itself meanwhile.
    assert 2 <= loop.mailbox.backlog.records <= 3
    over.set()
    after = running.in_step()
    assert after["units_run"] - before["units_run"] == 1 and loop.mailbox.merged >= 99
    assert after["counters"]["plans"] - before["counters"]["plans"] == 1
    assert running.agent.counters.latency.counts and sum(running.agent.counters.latency.counts) >= 100


def test_a_packet_that_cannot_be_read_is_no_end(running: Running) -> None:
    running.in_step()
    loop, link = running.app.loop, running.app._link
    assert loop is not None and link is not None
    loop.received(link, [bytes((5, message.PACKET_IN, 0, 12, 0, 0, 0, 0, 1, 2, 3, 4))])
    eventually(lambda: running.agent.status()["counters"]["handler_faults"] == 1)
    add_vpc(running.store, 11)
    running.in_step()


def test_what_the_switch_refuses_is_reported_with_its_owner(running: Running, switch: DummySwitch) -> None:
    running.in_step()
    add_vpc(running.store, BAD)
    add_vpc(running.store, 12)
    eventually(lambda: host(running.store).errors)
    assert "vpcs vpc-666" in host(running.store).errors[0]
    running.in_step()
    assert count(switch) == 22 + 2 + 1, "the other flow of the bad one, and both of the good one"
    running.store.transact(lambda txn: txn.delete(Vpc, f"vpc-{BAD}"))
    eventually(lambda: not host(running.store).errors)


def test_a_unit_that_fails_keeps_its_flows_and_is_reported(running: Running, switch: DummySwitch) -> None:
    running.in_step()
    vpc = running.store.state.get(Vpc, "vpc-3")
    assert vpc is not None
    running.store.transact(lambda txn: txn.put(replace(vpc, cidr=Cidr.parse("192.0.2.0/24"))))
    eventually(lambda: host(running.store).errors)
    assert "192.0.2.0" in host(running.store).errors[0]
    assert count(switch) == 22 and "10.3.0.0/16" in switch.ofctl("dump-flows")
    running.store.transact(lambda txn: txn.put(vpc))
    eventually(lambda: not host(running.store).errors)


def test_a_periodic_function_runs_while_the_switch_is_there(running: Running) -> None:
    running.in_step()
    eventually(lambda: running.store.state.get(Host, "beat"))


def test_a_port_of_the_real_features_is_bound_and_served(switch: DummySwitch) -> None:
    network = Network()
    subnet = network.subnet(network.vpc("a", "10.0.0.0/16"), "a", "10.0.1.0/24")
    switch.vsctl("set", "open_vswitch", ".", "external_ids:sdnctl-host=host-1")
    port = network.port(subnet, "one", "10.0.1.5", host="")
    with Running(switch, network.store, program=network.program) as running:
        before = running.in_step()["flows"]
        plug(switch, "tap1", port.id)
        eventually(lambda: network.store.state.get(Binding, port.id))
        eventually(lambda: running.agent.status()["flows"] > before)
        switch.vsctl("del-port", "tap1")
        eventually(lambda: not network.store.state.get(Binding, port.id))
        eventually(lambda: count(switch) == before)
