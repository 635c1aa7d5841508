"""Connections of a NAT gateway that another host takes over: whose machine is reminded, which get their port again."""

from dataclasses import replace

import pytest

from apps.nat_gateway.model import NatGateway
from apps.nat_gateway.tables import RULE
from apps.nat_handover.flows import REMINDED_AT, SETTLED, moved, reminded
from apps.nat_handover.model import ROWS_MOST, GatewayHost, MovedPorts
from sdnctl.base.addresses import Ip4
from sdnctl.engine.engine import Engine
from sdnctl.model.host import Binding, LocalPort
from sdnctl.of.actions import output
from sdnctl.packet import checksum, parse
from sdnctl.program.connections import Census, KnownConnection
from sdnctl.program.packets import Drop, PacketOut, Put
from sdnctl.store import Change
from tests.apps.test_nat_gateway import small
from tests.build import HERE

FAR, PUBLIC = Ip4.parse("198.51.100.10"), Ip4.parse("203.0.113.10")
FOLLOW, TELL = "nat_handover.follow", "nat_handover.tell"


def at(number: int) -> Ip4:
    return Ip4.parse(f"10.0.1.{10 + number}")


def connection(number: int, port: int, reply_port: int = 0, state: str = "ESTABLISHED") -> KnownConnection:
    """A machine's connection, as the gateway has it."""
    return KnownConnection(6, at(number), FAR, port, 80, PUBLIC, reply_port or port, state)


def change(engine: Engine, record: object) -> None:
    known = engine.state.get(type(record), record.id)  # type: ignore[attr-defined]
    engine.apply([Change(type(record), record.id, known, record)], strict=True)  # type: ignore[attr-defined]


def moves(engine: Engine, natgw: NatGateway, host: str) -> None:
    change(engine, Binding(id=natgw.port, port=natgw.port, vpc=natgw.vpc, host=host))


def ticked(engine: Engine, name: str) -> list[object]:
    answers: list[object] = list(engine.tick(name))
    engine.apply((), strict=True)
    assert not engine.errors
    return answers


@pytest.fixture
def gateway() -> tuple[Engine, NatGateway]:
    net, natgw = small()
    return net.engine(), natgw


def test_n10_machines_are_reminded_when_the_gateway_is_on_another_host(gateway: tuple[Engine, NatGateway]) -> None:
    """Each of them, some times, and none before it was seen to move, or after."""
    engine, natgw = gateway
    moves(engine, natgw, "hv1")
    assert ticked(engine, FOLLOW) == [] and engine.state.get(GatewayHost, natgw.id).looks == SETTLED
    assert ticked(engine, FOLLOW) == []
    moves(engine, natgw, "hv2")
    asked = [ticked(engine, FOLLOW) for _ in range(SETTLED + 5)]
    assert [look for look, answers in enumerate(asked) if answers] == list(REMINDED_AT)
    zones = {port.id: port.zone for port in engine.state.all(LocalPort).values()}
    for look in REMINDED_AT:
        assert {one.id: one.zone for one in asked[look] if isinstance(one, Census)} == zones  # type: ignore[misc]


def test_a_machine_is_reminded_of_what_it_began_and_has(gateway: tuple[Engine, NatGateway]) -> None:
    """By an empty ACK from the other side, whole in its checksums, straight to its port."""
    engine, _ = gateway
    port = next(port for port in engine.state.all(LocalPort).values() if port.id == "port-p3")
    foreign = KnownConnection(6, FAR, at(3), 80, 22, FAR, 80, "ESTABLISHED")
    known = [connection(3, 4000), connection(3, 4001, state="FIN_WAIT_1"), connection(4, 4002), foreign]
    (answer,) = engine.recalled(Census(port.zone, port.id, reminded), known)
    assert isinstance(answer, PacketOut) and answer.actions == (output(port.ofport),)
    ip = parse(answer.data).ip
    assert ip is not None and (ip.src, ip.dst, ip.proto) == (FAR, at(3), 6)
    segment = answer.data[34:]
    assert (segment[:4], segment[13], len(segment)) == (b"\x00\x50\x0f\xa0", 0x10, 20)
    pseudo = answer.data[26:34] + b"\x00\x06\x00\x14"
    assert checksum(pseudo + segment) == checksum(answer.data[14:34]) == 0


def rules(engine: Engine) -> int:
    return sum(flow.table == RULE.id for flow in engine.desired.flows.values())


def told(natgw: NatGateway, host: str, turn: int, *ports: int) -> MovedPorts:
    rows = tuple(f"{at(1)} {port} {FAR} 80 {PUBLIC} {port + 1}" for port in ports)
    return MovedPorts(id=f"{host}/{natgw.id}", host=host, gateway=natgw.id, vpc=natgw.vpc, turn=turn, rows=rows)


def test_a_gateway_tells_which_connections_have_another_port(gateway: tuple[Engine, NatGateway]) -> None:
    engine, natgw = gateway
    moves(engine, natgw, HERE)
    ticked(engine, FOLLOW)
    (census,) = ticked(engine, TELL)
    assert isinstance(census, Census) and (census.zone, census.then) == (natgw.zone, moved)
    assert engine.recalled(census, [connection(0, 4000)]) == [], "nothing worth telling"
    known = [connection(0, 4000), connection(1, 4000, 4001), connection(2, 4000, 4002, "TIME_WAIT")]
    assert engine.recalled(census, known) == [Put(told(natgw, HERE, 0, 4000))]
    many = [connection(1, port, port + 1) for port in range(1, ROWS_MOST + 50)]
    (put,) = engine.recalled(census, many)
    assert isinstance(put, Put) and len(put.record.rows) == ROWS_MOST


def test_the_next_host_gives_them_their_ports_again(gateway: tuple[Engine, NatGateway]) -> None:
    """Until it tells itself; of several before it the last one counts."""
    engine, natgw = gateway
    before = rules(engine)
    change(engine, told(natgw, "hv1", 0, 4000, 4001))
    assert rules(engine) == before + 2
    change(engine, told(natgw, "hv2", 1, 4000, 4001, 4002))
    assert rules(engine) == before + 3
    moves(engine, natgw, "hv2")
    ticked(engine, FOLLOW)
    moves(engine, natgw, HERE)
    assert all(not ticked(engine, TELL) for _ in range(SETTLED) if ticked(engine, FOLLOW) is not None)
    ticked(engine, FOLLOW)
    (census,) = ticked(engine, TELL)
    assert isinstance(census, Census)
    (put,) = engine.recalled(census, [])
    assert isinstance(put, Put) and put.record == told(natgw, HERE, 2)
    change(engine, put.record)
    assert rules(engine) == before


def test_who_was_a_gateway_before_takes_back_what_it_told(gateway: tuple[Engine, NatGateway]) -> None:
    engine, natgw = gateway
    change(engine, told(natgw, HERE, 3, 4000))
    change(engine, replace(natgw, running=False))
    assert ticked(engine, TELL) == [], "the next one may need it"
    change(engine, told(natgw, "hv2", 4))
    assert ticked(engine, TELL) == [Drop(MovedPorts, f"{HERE}/{natgw.id}")]


@pytest.mark.parametrize(
    "row", ["", "10.0.0.1 1 10.0.0.2 2 10.0.0.3", "10.0.0.1 1 10.0.0.2 2 10.0.0.3 65536", "a 1 b 1 c 1"]
)
def test_a_row_that_makes_no_sense_is_refused(gateway: tuple[Engine, NatGateway], row: str) -> None:
    with pytest.raises(ValueError, match=r"rows|address"):
        replace(told(gateway[1], "hv1", 0), rows=(row,)).check()
