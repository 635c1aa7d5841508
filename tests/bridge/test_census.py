"""The connections of some zones, as Open vSwitch lists them."""

from collections.abc import Callable, Iterator
from queue import SimpleQueue

import pytest

from sdnctl.base.addresses import Ip4
from sdnctl.bridge import control
from sdnctl.bridge.census import listed
from sdnctl.bridge.conntrack import Conntrack
from sdnctl.program.connections import MOST, Census, KnownConnection

NEAR, FAR, PUBLIC = Ip4.parse("10.0.0.11"), Ip4.parse("198.51.100.10"), Ip4.parse("203.0.113.7")
SAID = """\
tcp,orig=(src=10.0.0.11,dst=198.51.100.10,sport=40000,dport=8100),reply=(src=198.51.100.10,dst=203.0.113.7,\
sport=8100,dport=40001),zone=16384,mark=2,protoinfo=(state=ESTABLISHED)
udp,orig=(src=10.0.0.11,dst=198.51.100.10,sport=5000,dport=7),reply=(src=198.51.100.10,dst=10.0.0.11,sport=7,\
dport=5000),zone=16384
icmp,orig=(src=10.0.0.11,dst=198.51.100.10,id=9,type=8,code=0),reply=(src=198.51.100.10,dst=10.0.0.11,id=9,type=0,\
code=0),zone=16384
tcp,orig=(src=10.0.0.11,dst=198.51.100.10,sport=1,dport=2),reply=(src=198.51.100.10,dst=10.0.0.11,sport=2,dport=1),\
zone=3,protoinfo=(state=ESTABLISHED)
tcp,orig=(src=fd00::1,dst=fd00::2,sport=1,dport=2),reply=(src=fd00::2,dst=fd00::1,sport=2,dport=1),zone=16384
"""


def test_tcp_and_udp_of_the_zones_and_nothing_else() -> None:
    known = [
        KnownConnection(6, NEAR, FAR, 40000, 8100, PUBLIC, 40001, "ESTABLISHED"),
        KnownConnection(17, NEAR, FAR, 5000, 7, NEAR, 5000),
    ]
    assert listed(SAID, {16384}) == {16384: known}
    assert listed(SAID, {3, 4}) == {3: [KnownConnection(6, NEAR, FAR, 1, 2, NEAR, 1, "ESTABLISHED")], 4: []}


def nothing(*_: object) -> Iterator[object]:
    return iter(())


def answers(used: int) -> Callable[..., str]:
    """A switch whose zone has so many connections."""

    def call(rundir: str, method: str, *params: str, **_: float) -> str:
        if method == "dpif/show":
            return "netdev@ovs-netdev: hit:0 missed:0\n  br-int:\n"
        return SAID if method == "dpctl/dump-conntrack" else f"zone=16384,limit=1000000,count={used}"

    return call


@pytest.mark.parametrize(("used", "found"), [(MOST, 2), (MOST + 1, None)])
def test_a_switch_with_too_many_connections_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, used: int, found: int | None
) -> None:
    monkeypatch.setattr(control, "call", answers(used))
    given: SimpleQueue[tuple[Census, int]] = SimpleQueue()
    told: SimpleQueue[object] = SimpleQueue()
    tracking = Conntrack("/run/ovs", told.put, lambda census, connections: given.put((census, len(connections))))
    wanted = Census(16384, "natgw-1", nothing)
    tracking.look(wanted)
    tracking.want({16384: 1_000_000})
    try:
        tracking.restore()
        told.get(timeout=10)
        assert given.empty() if found is None else given.get(timeout=10) == (wanted, found)
    finally:
        tracking.close()
