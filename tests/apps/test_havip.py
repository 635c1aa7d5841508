"""HaVips on hosts: claims by turns, held back when they come too often, and backed by members only."""

from collections.abc import Iterator

import pytest

from apps.eni.model import NetworkInterface
from apps.eni.tables import RECEIVER
from apps.havip.flows import MOVES_MOST
from apps.havip.model import HaVipMember
from apps.havip.tables import ASK_HAVIP
from apps.overlay.tables import REMOTE
from apps.pipeline import OUT_PORT, PIPELINE, PORT, QUESTION, VPC
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import Binding, Complaint
from sdnctl.of.fields import REG
from sdnctl.packet import gratuitous_arp
from sdnctl.program.lifecycle import arbitrated
from sdnctl.program.packets import PacketIn
from tests.apps.test_overlay import THIRD, Region
from tests.build import ELSEWHERE, HERE, Network
from tests.networks.havip import shared

ADDRESS = "10.0.1.100"


class Shared:
    """A HaVip with a member on each of two hosts; a third host has a port of the VPC."""

    def __init__(self) -> None:
        self.net = Network()
        subnet = self.net.subnet(self.net.vpc("a", "10.0.0.0/16"), "a", "10.0.1.0/24")
        ports = [self.net.port(subnet, str(n), f"10.0.1.1{n}", host="") for n in (1, 2, 3)]
        self.members = dict(zip((HERE, ELSEWHERE), ports, strict=False))
        self.port = shared(self.net, subnet, "one", ADDRESS, ports[:2])
        self.region = Region(self.net)
        for host, port in zip((HERE, ELSEWHERE, THIRD), ports, strict=True):
            self.region.plug(port, host, f"row-{host}")

    def say(self, host: str) -> None:
        """The member of a host says by a gratuitous ARP that it has the address; nobody hears of it yet."""
        port, registers = self.members[host], dict[int, int]()
        for field, value in ((PORT, port.key), (QUESTION, ASK_HAVIP.number)):
            number = REG.index(field.home)
            registers[number] = registers.get(number, 0) | value << field.shift
        packet = PacketIn(0, 0, gratuitous_arp(port.mac, Ip4.parse(ADDRESS)), 1, registers)
        engine = self.region.engines[host]
        engine.handle(packet)
        engine.apply([], strict=True)

    def claim(self, host: str) -> None:
        """The same, and everybody hears of it."""
        self.say(host)
        self.region.settle()
        self.tick("havip.taken_note")

    def tick(self, name: str) -> None:
        for engine in self.region.engines.values():
            engine.tick(name)
            engine.apply([], strict=True)
        self.region.settle()

    @property
    def master(self) -> tuple[str, str, int]:
        found = self.net.store.state.get(Binding, self.port.id)
        return (found.host, found.behind, found.turn) if found is not None else ("", "", 0)

    def receivers(self) -> dict[str, int]:
        """The hosts that have something to do with the HaVip's packets where they arrive, and how many flows."""
        own = dict.fromkeys((HERE, ELSEWHERE, THIRD), 2)  # its own port, and what comes back from a load balancer
        return {host: self.region.flows(host, RECEIVER.id) - own[host] for host in own}


@pytest.fixture
def havip() -> Iterator[Shared]:
    yield Shared()


def test_the_last_claim_wins_by_turns(havip: Shared) -> None:
    assert havip.master == ("", "", 0) and set(havip.receivers().values()) == {1}  # dropped everywhere
    for turn, host in enumerate((HERE, ELSEWHERE, HERE), 1):
        havip.claim(host)
        assert havip.master == (host, havip.members[host].id, turn)
        # The other member gets what is on its way; a host without one has nothing to do with it.
        assert havip.receivers() == {HERE: 1, ELSEWHERE: 1, THIRD: 0}
        # Nothing is said again of what is known: a refresh is no claim.
        havip.claim(host)
        assert havip.master == (host, havip.members[host].id, turn)


def test_the_claiming_host_obeys_before_the_region_knows(havip: Shared) -> None:
    havip.claim(ELSEWHERE)
    engine, key = havip.region.engines[HERE], havip.port.key
    own = {VPC.home: 1, OUT_PORT.home: key}
    assert own not in [flow.matched for flow in engine.desired.flows.values() if flow.table == RECEIVER.id]
    havip.say(HERE)
    assert own in [flow.matched for flow in engine.desired.flows.values() if flow.table == RECEIVER.id]
    assert havip.master[0] == ELSEWHERE


def test_an_old_claim_does_not_come_back(havip: Shared) -> None:
    """Its master is unplugged: there is none, whoever once claimed it."""
    havip.claim(HERE)
    havip.claim(ELSEWHERE)
    havip.region.unplug(havip.members[ELSEWHERE], ELSEWHERE)
    assert havip.master == ("", "", 0) and havip.receivers()[HERE] == 1
    havip.claim(HERE)
    assert havip.master == (HERE, havip.members[HERE].id, 1)


def test_a_master_that_migrates_stays_master(havip: Shared) -> None:
    port = havip.members[HERE]
    havip.claim(HERE)
    havip.region.plug(port, THIRD, "row-new")
    assert havip.master[:2] == (THIRD, port.id)
    havip.region.unplug(port, HERE)
    assert havip.master[:2] == (THIRD, port.id)


def test_whoever_leaves_is_master_no_more(havip: Shared) -> None:
    havip.claim(HERE)
    havip.net.store.transact(lambda txn: txn.delete(HaVipMember, f"havip-one-{havip.members[HERE].id}"))
    havip.region.settle()
    assert havip.master == ("", "", 0)
    havip.claim(HERE)
    assert havip.master == ("", "", 0)


def test_split_brain_is_held_back_for_a_while(havip: Shared) -> None:
    for _ in range(MOVES_MOST + 2):
        havip.claim(HERE)
        havip.claim(ELSEWHERE)
    assert havip.master == (ELSEWHERE, havip.members[ELSEWHERE].id, 2 * MOVES_MOST)
    said = [one for (cls, _), one in havip.region.engines[HERE].reports.items() if cls is Complaint]
    assert [one.text.split(":")[0] for one in said] == ["split brain"]
    havip.tick("havip.forgive")
    havip.claim(HERE)
    assert havip.master[0] == HERE


def test_a_member_costs_a_few_units(havip: Shared) -> None:
    """A move runs the HaVip's own unit and that of its binding on each host, whatever else the VPC has."""
    havip.claim(HERE)
    before = {host: engine.runs for host, engine in havip.region.engines.items()}
    havip.claim(ELSEWHERE)
    ran = {host: engine.runs - before[host] for host, engine in havip.region.engines.items()}
    assert max(ran.values()) <= 6, ran
    assert havip.region.flows(THIRD, REMOTE.id) == 3


def test_a_claim_is_backed_by_a_member_where_it_is(havip: Shared) -> None:
    """What API servers take from hosts that certificates tell apart."""
    here, far = havip.members[HERE], havip.members[ELSEWHERE]
    stranger = havip.net.port_of("port-3")

    def judged(port: NetworkInterface, host: str, behind: str) -> bool:
        wanted = Binding(id=port.id, port=port.id, vpc="vpc-a", host=host, behind=behind, turn=1)
        return havip.net.store.transact(lambda txn: arbitrated(None, wanted, txn)) is not None

    assert judged(havip.port, HERE, here.id)
    assert not judged(havip.port, ELSEWHERE, here.id)
    assert not judged(havip.port, THIRD, stranger.id)
    assert not judged(havip.port, HERE, "")
    assert not judged(stranger, ELSEWHERE, far.id)
    assert PIPELINE.questions[ASK_HAVIP.number - 1] is ASK_HAVIP
