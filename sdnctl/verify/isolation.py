"""Isolation: no packet gets from one network into another, in from outside, or out, but through a declared door.

Every packet that a port may send is walked, in every state of its connection.  A packet from another network or from
outside must have been sent to a door's outside address and arrive with its inside one; what leaves a network must have
the outside address of one of its doors as its source.  Where a network shares an address (``Exit``) only answers come
back by it.  Between two networks with a declared passage all may pass.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from sdnctl.model.host import UPLINK
from sdnctl.of import fields as f
from sdnctl.verify.conntrack import Connection
from sdnctl.verify.doors import Door, Exit, Passage
from sdnctl.verify.header import INPUT, known, literals, read
from sdnctl.verify.network import Entry, Network
from sdnctl.verify.places import End, Ends
from sdnctl.verify.sent import possible
from sdnctl.verify.sets import NOTHING, Full, Sets
from sdnctl.verify.walk import Walk

MOST_NODES = 4_000_000
"""Nodes of sets that one sender's walk may take (some 1 GiB, a minute); a hundred interfaces take some 50 000 each."""
_SHARED_NODES = 400_000
"""Nodes that senders of one network share before they begin anew: what is known of their tables saves time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A packet that breaks what is promised: where it comes in, its bits, and what becomes of it.

    ``receiver`` gets it, "" where nobody does; ``state`` is that of its connection.
    """

    entry: Entry
    says: str
    bits: dict[int, int]
    receiver: str
    state: Connection


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a check.

    ``pairs`` are of a sender and a network that is not its own, or the public one.  ``undecided`` are the senders for
    which the proof grew too large.  ``places`` (table and changes) and ``nodes`` (of sets) say how much work it was.
    """

    senders: int
    pairs: int
    findings: tuple[Finding, ...]
    undecided: tuple[Entry, ...]
    places: int
    nodes: int

    @property
    def holds(self) -> bool:
        """True when it is proved for all senders."""
        return not self.findings and not self.undecided


def check(
    network: Network, doors: Iterable[Door | Exit | Passage], senders: Collection[Entry], most: int = MOST_NODES
) -> Verdict:
    """Walk all packets of some senders through the region."""
    prover = _Prover(network, tuple(doors), most)
    for _, group in groupby(sorted(senders, key=_kin), key=_kin):
        prover.forget()
        for entry in group:
            prover.prove(entry)
    prover.forget()
    inside = len(set(network.networks.values()))
    outside = any(entry.owner == UPLINK for entry in network.entries)
    pairs = sum(inside if entry.owner == UPLINK else inside - 1 + outside for entry in senders)
    return Verdict(len(senders), pairs, tuple(prover.findings), tuple(prover.undecided), prover.places, prover.nodes)


def _kin(entry: Entry) -> tuple[str, str]:
    return entry.host, entry.network


class _Prover:
    """A check under way: what was found until now, and the sets that the next sender can use too."""

    def __init__(self, network: Network, doors: tuple[Door | Exit | Passage, ...], most: int) -> None:
        self.findings: list[Finding] = []
        self.undecided: list[Entry] = []
        self.places = 0
        self.nodes = 0
        self._network = network
        self._doors = [door for door in doors if isinstance(door, Door)]
        self._exits = [door for door in doors if isinstance(door, Exit)]
        self._passages = {door for door in doors if isinstance(door, Passage)}
        self._most = most
        self._states = tuple(Connection) if network.region.stateful else (Connection.NEW,)
        self._sets = Sets(most)

    def forget(self) -> None:
        """Begin with new sets."""
        self.nodes += len(self._sets)
        self._sets = Sets(self._most)

    def prove(self, entry: Entry) -> None:
        """Walk the packets of one sender."""
        if len(self._sets) > min(_SHARED_NODES, self._most // 2):
            self.forget()
        found: list[Finding] = []
        try:
            packets = possible(self._sets)
            for state in self._states:
                wrong, walk = self._walked(entry, state, packets)
                found += wrong
                # All others fare the same in each state.
                packets = walk.judged
        except Full:
            self.undecided.append(entry)
            self.forget()
        # One packet for each thing that is wrong, not one for each state.
        self.findings += {one.says: one for one in reversed(found)}.values()

    def _walked(self, entry: Entry, state: Connection, packets: int) -> tuple[list[Finding], Walk]:
        walk = Walk(self._network.region, self._sets, connection=state, large=True)
        walk.enter(entry.host, entry.port, packets)
        found = list(self._findings(entry, state, walk))
        self.places += walk.places
        return found, walk

    def _findings(self, entry: Entry, state: Connection, walk: Walk) -> Iterator[Finding]:
        for end in walk.run():
            says, packets = self._wrong(entry, end, state)
            if packets != NOTHING:
                yield Finding(entry, says, self._sets.one_of(packets), end.who if end.what is Ends.TO else "", state)
        for (one, other), packets in sorted(walk.clashes.items()):
            says = f"flows {one:#x} and {other:#x} have one priority, both match, and do different things"
            yield Finding(entry, says, self._sets.one_of(packets), "", state)

    def _wrong(self, entry: Entry, end: End, state: Connection) -> tuple[str, int]:
        """The reason for which packets should not end so, and which ones; no packets where all may."""
        network = self._network.networks.get(end.who, "")
        if end.what is Ends.LOST:
            return f"it gets lost: {end.who}", end.packets
        if end.what is not Ends.TO or end.who == entry.owner or (network and network == entry.network):
            return "", NOTHING
        if Passage(entry.network, network) in self._passages:
            return "", NOTHING
        if entry.owner != UPLINK and known(read(end.header, f.IP_SRC)) not in self._public(entry.network):
            where = "the public network" if end.who == UPLINK else f"{end.who} of {network}"
            return f"{where} gets it, from an address that is none of {entry.network}'s outside", end.packets
        if end.who == UPLINK:
            return "", NOTHING
        says = f"{end.who} of {network} gets it, and it was not sent to an address that leads there"
        left = self._sets.without(end.packets, self._invited(end))
        if state is Connection.REPLY:
            left = self._sets.without(left, self._sent_to(self._exit_of(network)))
        return says, left

    def _public(self, network: str) -> set[int]:
        """The addresses by which a network is known outside."""
        doors = {door.outside for door in self._doors if self._network.networks.get(door.owner) == network}
        return doors | self._exit_of(network)

    def _exit_of(self, network: str) -> set[int]:
        """The addresses from which a network begins connections that it shares."""
        return {exit.outside for exit in self._exits if self._network.networks.get(exit.owner) == network}

    def _invited(self, end: End) -> int:
        """The packets that were sent to an address that is a door to where they end."""
        arrived = known(read(end.header, f.IP_DST))
        return self._sent_to({door.outside for door in self._doors if (door.owner, door.inside) == (end.who, arrived)})

    def _sent_to(self, addresses: Iterable[int]) -> int:
        """The packets that were sent to one of these addresses."""
        cubes = (literals(INPUT[f.IP_DST], way, f.IP_DST.limit) for way in sorted(addresses))
        return self._sets.union([self._sets.cube(cube) for cube in cubes if cube is not None])
