"""A gateway's MAC address is believed when it answers what was asked; nobody else moves what leaves by it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

from apps.uplink.facts import PROBE_LOOKS, REST_LOOKS, TOLD_LOOKS
from apps.uplink.flows import GATEWAY_LOOK_SECONDS, GATEWAY_REFRESH_SECONDS
from apps.uplink.model import GatewayNeighbour, GatewayWatch, Pool
from sdnctl.base.addresses import Mac
from sdnctl.model.host import Complaint
from sdnctl.program.packets import Put
from sdnctl.store import Change
from tests.apps.live import Live, only, same
from tests.apps.test_eip import network
from tests.apps.words import BROADCAST, GATEWAY, HOST, SOMEBODY, running
from tests.build import HERE

QUESTION = ARP(op=1, hwsrc=HOST, psrc="0.0.0.0", hwdst="00:00:00:00:00:00", pdst="203.0.113.1")
ASK, PROBE = (Ether(src=HOST, dst=to) / QUESTION for to in (BROADCAST, GATEWAY))
STRANGER, OTHER = "02:66:66:66:66:66", "02:66:66:66:66:67"


@pytest.fixture
def lab() -> Iterator[Live]:
    """A switch whose gateway is known."""
    with running(network()) as made:
        yield made


def says(mac: str, *, frame: str = "", to: str = HOST, op: int = 2, tha: str = HOST, tpa: str = "0.0.0.0") -> Packet:
    """Somebody says by ARP that the gateway is at ``mac``: to this host, as an answer, unless told otherwise."""
    return Ether(src=frame or mac, dst=to) / ARP(op=op, hwsrc=mac, psrc="203.0.113.1", hwdst=tha, pdst=tpa)


def hear(lab: Live, frame: Packet) -> list[bytes]:
    """It comes in; what the host asks."""
    return lab.send("internet", frame).get("internet", [])


def ask(lab: Live) -> None:
    """The refresh: everybody is asked."""
    same(only(lab.say(*lab.engine.tick("uplink.ask_gateways")), "internet"), ASK)


def look(lab: Live, times: int = 1) -> None:
    """Seconds pass; the known gateway is asked again while another one waits to be believed."""
    for _ in range(times):
        asked = lab.say(*lab.engine.tick("uplink.ask_silent_gateways")).get("internet", [])
        assert asked in ([], [bytes(PROBE)])


def way(lab: Live) -> str:
    """The MAC address to which packets leave."""
    lab.switch.appctl("revalidator/wait")
    packet = Ether(src=lab.mac("a1"), dst=lab.mac("a2")) / IP(src="10.0.1.10", dst=SOMEBODY) / UDP(sport=1, dport=2)
    return str(Ether(only(lab.send("a1", packet), "internet")).dst)


def complaints(lab: Live) -> list[str]:
    return [one.text for one in lab.engine.state.all(Complaint).values()]


def written(lab: Live) -> list[str]:
    """The MAC addresses that went to the store."""
    found = [one.record for one in lab.reports if isinstance(one, Put) and isinstance(one.record, GatewayNeighbour)]
    return [str(record.mac) for record in found]


UNASKED = {
    "an answer": says(STRANGER),
    "an answer to everybody": says(STRANGER, to=BROADCAST, tha=BROADCAST, tpa="203.0.113.250"),
    "an announcement": says(STRANGER, to=BROADCAST, op=1, tha="00:00:00:00:00:00", tpa="203.0.113.1"),
}
NEVER = {
    "a group": says("01:00:5e:00:00:05", frame=STRANGER),
    "a group in both": says("01:00:5e:00:00:05"),
    "everybody": says("ff:ff:ff:ff:ff:ff"),
    "nobody": says("00:00:00:00:00:00", frame=STRANGER),
    "nobody in both": says("00:00:00:00:00:00"),
    "somebody else": says(OTHER, frame=STRANGER),
    "this host": says(HOST),
}


@pytest.mark.parametrize("frame", UNASKED.values(), ids=UNASKED)
def test_what_was_not_asked_moves_nothing(lab: Live, frame: Packet) -> None:
    """It leads to one question and one to the known gateway, however often it is said, and to no write."""
    asked = [one for _ in range(20) for one in hear(lab, frame)]
    assert asked in ([bytes(ASK)], [bytes(ASK), bytes(PROBE)])
    assert way(lab) == GATEWAY and written(lab) == []
    hear(lab, says(GATEWAY))
    look(lab, PROBE_LOOKS + REST_LOOKS)
    assert way(lab) == GATEWAY and written(lab) == []


@pytest.mark.parametrize("frame", NEVER.values(), ids=NEVER)
@pytest.mark.parametrize("known", [True, False])
def test_what_nobody_may_say_is_never_believed(lab: Live, frame: Packet, known: bool) -> None:
    """Asked or not, known or not: the sender of the frame must be one machine, and the one that is told of."""
    if not known:
        id = f"{HERE}/pool-1"
        lab.take(Change(GatewayNeighbour, id, lab.engine.state.get(GatewayNeighbour, id), None))
    ask(lab)
    assert hear(lab, frame) == []
    for _ in range(PROBE_LOOKS):
        lab.say(*lab.engine.tick("uplink.ask_silent_gateways"))
    assert written(lab) == []


def test_the_known_gateway_is_asked_first(lab: Live) -> None:
    """It answers: the other one is told of, and nothing moves, however often it tries."""
    for _ in range(3):
        ask(lab)
        assert hear(lab, says(STRANGER)) == [bytes(PROBE)]
        assert hear(lab, says(STRANGER)) == []
        look(lab)
        hear(lab, says(GATEWAY))
        look(lab, PROBE_LOOKS)
        assert way(lab) == GATEWAY
    assert written(lab) == []
    assert complaints(lab) == [
        f"{STRANGER} answers for the gateway 203.0.113.1 too and is not believed: "
        "'sdnctl pool modify --gateway-mac' says which one it is"
    ]
    look(lab, TOLD_LOOKS)
    assert complaints(lab) == []


def test_who_answers_everything_wears_nobody_down(lab: Live) -> None:
    """The known gateway is asked once for each question that went out, however fast somebody answers in its name."""
    ask(lab)
    for _ in range(50):
        hear(lab, says(STRANGER))
        hear(lab, says(GATEWAY))
    assert lab.asked.count("ask_gateway") > 50
    told = lab.engine.state.get(GatewayWatch, "pool-1")
    assert told is not None and not told.rival and str(told.other) == STRANGER
    look(lab, PROBE_LOOKS)
    assert way(lab) == GATEWAY and written(lab) == []


@pytest.mark.parametrize("announced", [True, False])
def test_a_replaced_gateway_is_learned(lab: Live, announced: bool) -> None:
    """The old one is silent: within the refresh, or at once where the new one announces itself; then there is rest."""
    if announced:
        assert hear(lab, UNASKED["an announcement"]) == [bytes(ASK)]
    else:
        ask(lab)
    assert hear(lab, says(STRANGER)) == [bytes(PROBE)]
    look(lab, PROBE_LOOKS - 1)
    assert way(lab) == GATEWAY
    look(lab)
    assert way(lab) == STRANGER and written(lab) == [STRANGER]
    (said,) = complaints(lab)
    assert said.startswith(f"the gateway 203.0.113.1 was at {GATEWAY}, which is silent")
    ask(lab)
    assert hear(lab, says(OTHER)) == [], "one change in some seconds"
    look(lab, REST_LOOKS - 1)
    # Who spoke too soon is not forgotten: all are asked when the rest is over.
    same(only(lab.say(*lab.engine.tick("uplink.ask_silent_gateways")), "internet"), ASK)
    look(lab)
    assert hear(lab, says(OTHER)) == [bytes(Ether(src=HOST, dst=STRANGER) / QUESTION)]
    assert GATEWAY_REFRESH_SECONDS + (PROBE_LOOKS + 1) * GATEWAY_LOOK_SECONDS <= 20


def test_an_answer_counts_for_a_moment(lab: Live) -> None:
    """Later it is as good as not asked for."""
    ask(lab)
    look(lab, 3)
    assert hear(lab, says(STRANGER)) == [bytes(ASK)]


def test_a_given_address_is_not_asked_for(lab: Live) -> None:
    """Nothing that anybody says changes it; taken back, ARP tells again."""
    before = lab.engine.state.get(Pool, "pool-1")
    assert before is not None
    given = replace(before, gateway_mac=Mac.parse(OTHER))
    lab.take(Change(Pool, before.id, before, given))
    assert way(lab) == OTHER
    for timer in ("uplink.ask_gateways", "uplink.ask_silent_gateways"):
        assert lab.engine.tick(timer) == []
    for frame in (*UNASKED.values(), says(GATEWAY)):
        assert hear(lab, frame) == []
    assert way(lab) == OTHER and written(lab) == []
    lab.take(Change(Pool, before.id, given, before))
    assert way(lab) == GATEWAY
    ask(lab)


def test_what_an_earlier_version_believed_is_forgotten(lab: Live) -> None:
    """A group of receivers is no gateway: it is asked for anew."""
    id = f"{HERE}/pool-1"
    before = lab.engine.state.get(GatewayNeighbour, id)
    assert before is not None
    lab.take(Change(GatewayNeighbour, id, before, replace(before, mac=Mac.parse("01:00:5e:00:00:05"))))
    same(only(lab.say(*lab.engine.tick("uplink.ask_silent_gateways")), "internet"), ASK)
    hear(lab, says(GATEWAY))
    assert way(lab) == GATEWAY and written(lab) == [GATEWAY]
