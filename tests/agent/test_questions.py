"""A host answers questions at its pace, tells why it cannot, and removes what others forgot."""

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from sdnctl.agent import questions
from sdnctl.agent.questions import Questions
from sdnctl.base.errors import SwitchError
from sdnctl.model.host import UPLINK, Host, TraceAnswer, TraceQuestion
from sdnctl.program.step import Packet
from sdnctl.store import Txn
from sdnctl.store.memory import MemoryStore
from sdnctl.trace.wire import leg_of
from tests.build import ELSEWHERE, HERE, Network
from tests.waiting import eventually


class Loop:
    """The engine of a network, looked at by one at a time."""

    def __init__(self, network: Network) -> None:
        self.agent: Any = SimpleNamespace(host=HERE, engine=network.engine())
        self.busy = False

    def ask(self, work: Callable[[Any], Any]) -> Any:
        return None if self.busy else work(self.agent)


class Site:
    """A host with one machine, and the store of its region."""

    def __init__(self) -> None:
        network = Network()
        network.port(network.subnet(network.vpc("a", "10.0.0.0/16"), "web", "10.0.1.0/24"), "web1", "10.0.1.10")
        self.store = MemoryStore()
        self.store.report(lambda txn: txn.put(Host(id=HERE)))
        self.loop = Loop(network)
        self.asked: list[tuple[float, Packet]] = []
        self.trouble = ""
        self.questions = Questions(self.store, self.loop, self.say)
        self.questions.start()

    def say(self, packet: Packet) -> str:
        self.asked.append((time.monotonic(), packet))
        if self.trouble:
            raise SwitchError(self.trouble)
        return 'bridge("br-int")\n 0. No match.\n    drop\nFinal flow: unchanged\n'

    def ask(self, id: str, entry: str = "port-web1", **packet: str) -> None:
        asked = TraceQuestion(id=id, host=HERE, entry=entry, packet=packet, asked=time.time())
        self.store.report(lambda txn: txn.put(asked))

    def answer(self, id: str) -> TraceAnswer:
        eventually(lambda: self.store.state.get(TraceAnswer, id) is not None, 5)
        found = self.store.state.get(TraceAnswer, id)
        assert found is not None
        return found


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.questions.close()


def test_no_thread_stays(site: Site) -> None:
    site.questions.close()
    assert not [one for one in threading.enumerate() if one.name == "questions"]


def test_a_question_is_answered(site: Site) -> None:
    site.ask("trace-1", eth_type="0x800", ip_dst="0xa000001")
    answer = site.answer("trace-1")
    assert answer.error == ""
    assert leg_of(HERE, answer.leg).outcome == "dropped"


def test_what_cannot_be_answered_is_told(site: Site) -> None:
    site.ask("trace-1", "port-none")
    assert site.answer("trace-1").error == f"port-none is not plugged in on host {HERE}"
    site.ask("trace-2", UPLINK)
    assert site.answer("trace-2").error == f"there is no uplink on host {HERE}"
    site.ask("trace-3", nonsense="0x1")
    assert site.answer("trace-3").error == "no field of a packet: 'nonsense'"
    site.trouble = "no ovs-vswitchd answers"
    site.ask("trace-4")
    assert site.answer("trace-4").error == "no ovs-vswitchd answers"
    site.loop.busy = True
    site.ask("trace-5")
    assert "is busy" in site.answer("trace-5").error


def test_a_flood_is_answered_at_a_pace_and_what_is_too_much_is_not_heard(site: Site) -> None:
    for number in range(80):
        site.ask(f"trace-{number}")
    time.sleep(1)
    begun = [at for at, _ in site.asked]
    assert 5 <= len(begun) <= 1 / questions.PACE_S + 2
    assert begun[-1] - begun[0] >= (len(begun) - 2) * questions.PACE_S
    eventually(lambda: len(site.asked) >= questions.WAITING_MOST, 5)
    time.sleep(5 * questions.PACE_S)
    assert len(site.asked) <= questions.WAITING_MOST + 4, "the rest was not heard, or came too late"


def test_a_gateway_leaves_the_questions_of_other_hosts_alone(site: Site) -> None:
    asked = TraceQuestion(id="trace-1", host=ELSEWHERE, entry="port-web1", asked=time.time())

    def work(txn: Txn) -> None:
        txn.put(Host(id=ELSEWHERE))
        txn.put(asked)

    site.store.report(work)
    site.ask("trace-2")
    site.answer("trace-2")
    assert site.store.state.get(TraceAnswer, "trace-1") is None


def test_a_question_that_is_gone_gets_no_answer(site: Site) -> None:
    hold = threading.Event()
    said = site.say

    def slow(packet: Packet) -> str:
        hold.wait(5)
        return said(packet)

    site.questions._switch = slow
    site.ask("trace-1")
    site.store.report(lambda txn: txn.delete(TraceQuestion, "trace-1"))
    hold.set()
    eventually(lambda: len(site.asked) == 1, 5)
    time.sleep(0.2)
    assert site.store.state.get(TraceAnswer, "trace-1") is None


def test_what_is_forgotten_is_removed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "SWEEP_S", 0.05)
    monkeypatch.setattr(questions, "LIFE_S", 0.3)
    agent, site.loop.agent = site.loop.agent, None
    site.ask("trace-0")  # before all was loaded
    site.loop.agent = agent
    site.ask("trace-1")
    site.answer("trace-1")
    site.ask("trace-2")
    eventually(lambda: not site.store.state.all(TraceQuestion) and not site.store.state.all(TraceAnswer), 12)
