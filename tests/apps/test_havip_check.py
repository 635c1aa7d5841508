"""HaVips with checks on hosts: members are asked, and the first that is well follows a master that is lost."""

import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest

from apps.havip.model import BY_HAND, CLAIMED, HOST_DOWN, ILL, NO_MASTER, HaVip, HaVipEvent, MemberHealth
from apps.havip.tables import ASK_MOVED
from apps.havip.writes import move
from apps.havip_check.facts import PROBER, answers, goodbye, question
from apps.havip_check.model import Watched
from apps.havip_check.tables import ASK_PROBE
from apps.holder.facts import DEAD_AFTER
from apps.pipeline import OUT_PORT, PORT, QUESTION
from sdnctl.base.addresses import Ip4, Mac
from sdnctl.model.host import LocalPeer
from sdnctl.of.fields import REG, Field
from sdnctl.packet import checksum, parse
from sdnctl.program.packets import PacketIn, PacketOut
from sdnctl.store import Change
from tests.apps.test_havip import Shared
from tests.build import ELSEWHERE, HERE

LOOKS = 4
"""Looks from one check to the next, when it is made each second."""


def registers(*values: tuple[Field, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for field, value in values:
        number = REG.index(field.home)
        found[number] = found.get(number, 0) | value << field.shift
    return found


class Checked(Shared):
    """A HaVip whose members are asked each second; those that are well answer at once."""

    def __init__(self) -> None:
        super().__init__()
        havip = self.havip
        self.net.store.transact(
            lambda txn: txn.put(replace(havip, check="Icmp", interval_s=1, timeout_s=1, rise=2, fall=2))
        )
        self.region.settle()
        self.ill: set[str] = set()
        self.off: set[str] = set()
        self.now = 1000.0
        for host, engine in self.region.engines.items():
            peers = [one for one in self.region.engines if one != host]
            engine.apply([Change(LocalPeer, one, None, LocalPeer(id=one, up=True, met=True)) for one in peers])

    @property
    def havip(self) -> HaVip:
        found = self.net.store.state.get(HaVip, "havip-one")
        assert found is not None
        return found

    def look(self, times: int = 1) -> None:
        """The clocks of all hosts that are there go on."""
        for _ in range(times):
            self.now += 0.25
            for host, engine in self.region.engines.items():
                if host in self.off:
                    continue
                for name in ("holder.wait_for_holders", "havip_check.look", "havip.taken_note"):
                    out = engine.tick(name)
                    self._report(host, out)
                    for one in out:
                        if isinstance(one, PacketOut) and host not in self.ill:
                            self._answer(host, one.data)
            self.region.settle()

    def _report(self, host: str, answers: list[object]) -> None:
        self.region._write(host, [one for one in answers if not isinstance(one, PacketOut)])  # type: ignore[misc]
        self.region.engines[host].apply([], strict=True)

    def _answer(self, host: str, asked: bytes) -> None:
        ip = parse(asked).ip
        assert ip is not None and ip.src == PROBER
        icmp = bytearray(asked[ip.payload :])
        icmp[0], icmp[2:4] = 0, b"\0\0"
        icmp[2:4] = checksum(bytes(icmp)).to_bytes(2, "big")
        back = asked[6:12] + asked[:6] + asked[12:26] + asked[30:34] + asked[26:30] + bytes(icmp)
        wanted = registers((PORT, self.members[host].key), (QUESTION, ASK_PROBE.number))
        self._report(host, self.region.engines[host].handle(PacketIn(0, 0, back, 1, wanted, self.now)))

    def confirm(self, host: str) -> None:
        """The switch of a host says that it has the HaVip's flow."""
        wanted = registers((OUT_PORT, self.port.key), (QUESTION, ASK_MOVED.number))
        self._report(host, self.region.engines[host].handle(PacketIn(0, 0, b"", 1, wanted, self.now)))
        self.region.settle()

    def health(self) -> dict[str, bool]:
        return {one.host: one.healthy for one in self.net.store.state.all(MemberHealth).values()}

    def event(self) -> HaVipEvent:
        (*_, last) = sorted(self.net.store.state.all(HaVipEvent).values(), key=lambda one: one.at)
        return last

    def lose(self, host: str) -> None:
        """A host dies: the others' switches do not reach it any more."""
        self.off.add(host)
        for other, engine in self.region.engines.items():
            if other != host:
                engine.apply([Change(LocalPeer, host, None, LocalPeer(id=host, up=False, met=True))], strict=True)


@pytest.fixture
def checked() -> Iterator[Checked]:
    yield Checked()


def test_h2_the_first_member_that_is_well_becomes_the_master(checked: Checked) -> None:
    checked.look(2 * LOOKS + 2)
    assert checked.health() == {HERE: True, ELSEWHERE: True}
    assert checked.master == (HERE, checked.members[HERE].id, 1), "the first in order"
    checked.confirm(HERE)
    event = checked.event()
    assert (event.cause, event.before, event.after) == (NO_MASTER, "", checked.members[HERE].id)
    checked.look(4 * LOOKS)
    assert checked.master[2] == 1, "nothing moves while it is well"


def test_h4_by_itself_within_three_intervals(checked: Checked) -> None:
    """Its own host finds it ill; the other member's host takes over, and does not give it back."""
    checked.look(3 * LOOKS)
    checked.ill.add(HERE)
    before = checked.now
    while checked.master[0] == HERE:
        checked.look()
        assert checked.now - before <= 3.5
    assert checked.health() == {HERE: False, ELSEWHERE: True}
    checked.confirm(ELSEWHERE)
    event = checked.event()
    assert (event.cause, event.before) == (ILL, checked.members[HERE].id)
    assert 2000 <= event.detected_ms <= 3250 and event.detected_ms <= (event.at - event.began) * 1000 <= 3500
    checked.ill.clear()
    checked.look(4 * LOOKS)
    assert checked.health() == {HERE: True, ELSEWHERE: True} and checked.master[0] == ELSEWHERE


def test_h2_where_the_master_s_host_is_dead(checked: Checked) -> None:
    checked.look(3 * LOOKS)
    assert checked.master[0] == HERE
    checked.lose(HERE)
    checked.look(DEAD_AFTER - 1)
    assert checked.master[0] == HERE, "it may be a moment only"
    checked.look(3)
    assert checked.master[:2] == (ELSEWHERE, checked.members[ELSEWHERE].id)
    checked.confirm(ELSEWHERE)
    assert checked.event().cause == HOST_DOWN and checked.event().detected_ms == 1050


def test_without_anybody_else_it_stays_where_it_is(checked: Checked) -> None:
    checked.ill.add(ELSEWHERE)
    checked.look(4 * LOOKS)
    assert checked.health() == {HERE: True, ELSEWHERE: False}
    checked.ill.add(HERE)
    checked.look(6 * LOOKS)
    assert checked.health() == {HERE: False, ELSEWHERE: False} and checked.master[::2] == (HERE, 1)


def test_a_check_that_ends_leaves_nothing(checked: Checked) -> None:
    checked.look(3 * LOOKS)
    havip = checked.havip
    checked.net.store.transact(lambda txn: txn.put(replace(havip, check="")))
    checked.region.settle()
    checked.look(2)
    assert checked.health() == {} and not checked.region.engines[HERE].state.all(Watched)
    assert checked.master[0] == HERE


def test_h4_a_move_by_hand_is_an_event_of_the_new_host(checked: Checked) -> None:
    """Told once, however often its switch starts anew; a member that comes from another host has not moved it."""
    checked.ill = {HERE, ELSEWHERE}
    checked.claim(HERE)
    checked.confirm(HERE)
    assert checked.event().cause == CLAIMED
    checked.net.store.transact(lambda txn: move(txn, checked.havip, checked.members[ELSEWHERE].id))
    checked.region.settle()
    for _ in range(2):
        checked.now += 1
        checked.confirm(ELSEWHERE)
    event = checked.event()
    assert (event.cause, event.before, event.after) == (BY_HAND, *(one.id for one in checked.members.values()))
    assert event.at == 1001 and len(checked.net.store.state.all(HaVipEvent)) == 2


WATCHED = Watched(
    id="m", host=HERE, havip="h", vpc="v", port="p", mac=Mac(0xFA163E000001), address=Ip4.parse("10.0.1.11"),
    kind="Tcp", number=80, interval=4, timeout=4, rise=2, fall=2,
)  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "ack", "said"), [(0x12, 8, True), (0x14, 8, False), (0x12, 9, None), (0x10, 8, True), (0x18, 8, None)]
)
def test_a_connection_is_opened_and_ended(flags: int, ack: int, said: bool | None) -> None:
    asked = question(WATCHED, 7)
    ip = parse(asked).ip
    assert ip is not None and asked[ip.payload + 13] == 2
    source, target = struct.unpack_from("!HH", asked, ip.payload)
    segment = struct.pack("!HHIIBBHHH", target, source, 1, ack, 0x50, flags, 100, 0, 0)
    back = asked[6:12] + asked[:6] + asked[12:26] + asked[30:34] + asked[26:30] + segment
    assert answers(WATCHED, 7, back) is said
    end = goodbye(WATCHED, 7)
    assert end is not None and end[ip.payload + 13] == 4
    assert checksum(struct.pack("!IIBBH", ip.src, ip.dst, 0, 6, 20) + end[ip.payload :]) == 0


@pytest.mark.parametrize("cut", range(0, 54, 4))
def test_what_is_broken_answers_nothing(cut: int) -> None:
    asked = question(WATCHED, 7)
    back = asked[6:12] + asked[:6] + asked[12:26] + asked[30:34] + asked[26:30] + asked[34:]
    if cut >= 14:
        assert answers(WATCHED, 7, back[:cut]) is None


def test_only_its_own_number_answers_a_ping() -> None:
    ping = replace(WATCHED, kind="Icmp", number=0)
    asked = question(ping, 7)
    back = asked[6:12] + asked[:6] + asked[12:26] + asked[30:34] + asked[26:30] + bytes((0, *asked[35:]))
    assert (answers(ping, 7, back), answers(ping, 8, back), goodbye(ping, 7)) == (True, None, None)
