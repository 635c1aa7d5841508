"""Both ways of a connection beside each other, without any reference: a reply passes if what it replies to does.

A packet begins a connection; what would answer it is walked back, in the state that a reply has.  So for each two
interfaces, on one host or on two: what would be delivered turned round is what is delivered back, and nothing else.
What judges single packets knows no connections: a reply may fail at a network ACL, or be let pass by one that keeps
away what it replies to; so may be what a DHCP server says, which no interface may be.
"""

from collections.abc import Iterator
from itertools import permutations

import pytest

from apps.eni.model import NetworkInterface
from apps.vpc.model import ROUTER_MAC
from sdnctl.of import fields as f
from sdnctl.verify.conntrack import Connection
from sdnctl.verify.header import INPUT, Header, constant, literals, written
from sdnctl.verify.network import Entry
from sdnctl.verify.network import Network as Computed
from sdnctl.verify.places import End, Ends
from sdnctl.verify.sets import EVERYTHING, NOTHING, Sets
from sdnctl.verify.walk import Walk
from tests.build import Network
from tests.networks import NETWORKS
from tests.verify.regions import joined

ECHO, ECHO_REPLY = 8, 0
SYN, ACK = 1 << 1, 1 << 4
ASKED = {
    "tcp": {f.IP_PROTO: 6, f.TCP_FLAGS: SYN},
    "udp": {f.IP_PROTO: 17},
    "icmp": {f.IP_PROTO: 1, f.ICMP_TYPE: ECHO, f.ICMP_CODE: 0},
}
ANSWERED = {
    **ASKED,
    "tcp": {f.IP_PROTO: 6, f.TCP_FLAGS: SYN | ACK},
    "icmp": {f.IP_PROTO: 1, f.ICMP_TYPE: ECHO_REPLY, f.ICMP_CODE: 0},
}
SINGLY = ("acl", "spoofed-dhcp")
TURNED = ((f.IP_SRC, f.IP_DST), (f.TCP_SRC, f.TCP_DST))


class Pair:
    """Two interfaces, and what one of them sends to the other."""

    def __init__(self, net: Network, found: Computed, sets: Sets, one: Entry, other: Entry) -> None:
        self._found, self._sets, self._entry = found, sets, one
        self.sender, self.receiver = net.port_of(one.owner), net.port_of(other.owner)

    def ends(self, says: dict[f.OxmField, int], state: Connection) -> Iterator[tuple[End, int]]:
        """The ends of all packets with these fields, between any of their addresses and from any port to any."""
        near = self.sender.subnet == self.receiver.subnet
        ahead = self.receiver.mac if near else ROUTER_MAC
        header: Header = {}
        plain = {f.ETH_TYPE: f.ETH_TYPE_IP, f.IP_TTL: 64, f.IP_FRAG: 0, f.ETH_SRC: self.sender.mac, f.ETH_DST: ahead}
        for field, value in {**plain, f.VLAN_VID: 0, **says}.items():
            header = written(header, field, constant(value, field.width))
        between = self._sets.meet(self._any(f.IP_SRC, self.sender), self._any(f.IP_DST, self.receiver))
        walk = Walk(self._found.region, self._sets, connection=state)
        walk.enter(self._entry.host, self._entry.port, between, header)
        return ((end, end.packets) for end in walk.run())

    def arrives(self, says: dict[f.OxmField, int], state: Connection) -> int:
        """Those that the receiver gets."""
        ends = self.ends(says, state)
        return self._sets.union([has for end, has in ends if (end.what, end.who) == (Ends.TO, self.receiver.id)])

    def singly(self, says: dict[f.OxmField, int], state: Connection) -> int:
        """Those that are kept away whatever their connections are."""
        ends = self.ends(says, state)
        return self._sets.union([has for end, has in ends if end.what is Ends.DROPPED and end.who in SINGLY])

    def _any(self, field: f.OxmField, port: NetworkInterface) -> int:
        cubes = (literals(INPUT[field], address, field.limit) for address in port.addresses)
        return self._sets.union([self._sets.cube(cube) for cube in cubes if cube is not None])


def turned(sets: Sets, packets: int) -> int:
    """The packets that answer some: from where they went to, and back."""
    places: dict[int, int] = {}
    for one, other in TURNED:
        places |= dict(zip(INPUT[one] + INPUT[other], INPUT[other] + INPUT[one], strict=True))
    return sets.renamed(packets, places)


@pytest.mark.parametrize("name", ["grouped", "walled", "routed"])
def test_replies_pass_where_what_they_reply_to_would(name: str) -> None:
    net, sets, some = NETWORKS[name](), Sets(), 0
    found = joined(net)
    ports = [entry for entry in found.entries if entry.network]
    for one, other in permutations(ports, 2):
        forth, back = Pair(net, found, sets, one, other), Pair(net, found, sets, other, one)
        for kind, says in ASKED.items():
            asked = turned(sets, forth.arrives(says, Connection.NEW))
            answered = back.arrives(ANSWERED[kind], Connection.REPLY)
            lost, unasked = sets.without(asked, answered), sets.without(answered, asked)
            lost = sets.without(lost, back.singly(ANSWERED[kind], Connection.REPLY)) if lost else NOTHING
            unasked = sets.without(unasked, turned(sets, forth.singly(says, Connection.NEW))) if unasked else NOTHING
            assert (lost, unasked) == (NOTHING, NOTHING), (one.owner, other.owner, kind)
            some += asked not in (NOTHING, EVERYTHING)
    assert some, "nothing is allowed at all"
