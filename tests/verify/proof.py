"""The proof of one network, on one host or on all: the walk of all packets beside what the reference tells."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from apps.nat_gateway.model import NatGateway
from sdnctl.model.host import LocalPort
from sdnctl.verify.conntrack import Connection
from sdnctl.verify.network import Entry
from sdnctl.verify.network import Network as Computed
from sdnctl.verify.places import End, Region
from sdnctl.verify.rules import Rule, Switch, rule
from sdnctl.verify.sent import possible
from sdnctl.verify.sets import Sets
from sdnctl.verify.story import story
from sdnctl.verify.walk import Walk
from tests.build import HERE, Network
from tests.reference import World
from tests.verify.compare import Difference, Fates, differences, fates, forgotten

WORDS = {
    Connection.NEW: "new",
    Connection.FULL: "full",
    Connection.GOING: "going",
    Connection.REPLY: "reply",
    Connection.ABOUT: "error",
    Connection.ABOUT_REPLY: "error",
    Connection.INVALID: "invalid",
    Connection.LATE: "late",
}
"""The reference's word for each state of a connection."""


class Known(NamedTuple):
    """The state of a packet's connection at the interface that sends it, and at any other that may get it."""

    sends: Connection = Connection.NEW
    gets: Connection = Connection.NEW

    def __str__(self) -> str:
        return f"{WORDS[self.sends]} where it is sent, {WORDS[self.gets]} where it is got"


FIRST = Known()
ALIKE = tuple(Known(state, state) for state in Connection)
"""The same state at both ends: so it is unless one of them has forgotten, or had no room."""


class Proof:
    """A network, what the reference tells of it, and walks through its tables or others."""

    def __init__(self, network: Network, sets: Sets | None = None, hosts: Computed | None = None) -> None:
        """``sets`` have what was worked out for other networks, where given; ``hosts`` are all that there are."""
        self.sets = sets if sets is not None else Sets()
        self._found = hosts if hosts is not None else _one_host(network)
        self._everywhere = hosts is not None
        self.entries = self._found.entries
        self.engine = self._found.engines[HERE]
        self.rules = sorted(map(rule, self.engine.desired.flows.values()))
        self._network = network
        self._gateways = network.store.state.all(NatGateway).values()
        self._told: dict[tuple[str, str, str, int], Fates] = {}
        self._zones = {
            (host, local.zone): local.id
            for host, engine in self._found.engines.items()
            for local in engine.state.all(LocalPort).values()
        }

    def told(self, entry: Entry, known: Known, among: int) -> Fates:
        """The fates of some of a sender's packets."""
        words = WORDS[known.sends], WORDS[known.gets]
        name = (entry.owner, *words, among)
        if name not in self._told:
            world = World(self._network, *words, everywhere=self._everywhere)
            self._told[name] = fates(world, entry.owner, self.sets, among)
        return self._told[name]

    def region(self, rules: Iterable[Rule]) -> Region:
        """The hosts, of which ``HERE`` has these flows."""
        region = self._found.region
        there = region.switches[HERE]
        here = Switch(HERE, rules, self.engine.desired.groups.values(), there.ports, end=there.end)
        others = (switch for name, switch in region.switches.items() if name != HERE)
        return Region([here, *others], region.pipeline)

    def walk(self, region: Region, entry: Entry, known: Known = FIRST, among: int | None = None) -> Walk:
        """A walk of all packets that come in at a port, or of some, which is still to be run."""
        walk = Walk(region, self.sets, connection=_elsewhere(known), zones=self._states(entry, known), large=True)
        walk.enter(entry.host, entry.port, possible(self.sets) if among is None else among)
        return walk

    def fails(self, region: Region, entry: Entry, known: Known = FIRST) -> bool:
        """True when the proof does not hold for the packets that come in at a port."""
        walk = self.walk(region, entry, known)
        try:
            ends = walk.run()
        except ValueError:
            return True  # a flow that no switch would take, or of which nobody could say what it does
        return bool(walk.clashes) or any(self._differences(entry, known, ends, walk, possible(self.sets)))

    def differences(self, region: Region, entry: Entry) -> list[Difference]:
        """Packets of which these flows make something else than the reference says."""
        walk = self.walk(region, entry)
        ends = walk.run()
        assert not walk.clashes, "two flows of one priority do different things to one packet"
        return list(self._differences(entry, FIRST, ends, walk, possible(self.sets)))

    def _differences(self, entry: Entry, known: Known, ends: list[End], walk: Walk, among: int) -> Iterator[Difference]:
        told = self.told(entry, known, among)
        # Other zones are those of elastic IPs' fragments.
        committed = {self._zones[zone]: packets for zone, packets in walk.committed.items() if zone in self._zones}
        yield from differences(entry.owner, told, walk, ends)
        yield from forgotten(entry.owner, told, walk, ends, committed)

    def check(self, entry: Entry, states: Iterable[Known]) -> None:
        """AssertionError when any packet's end is not its fate, in one of these states of its connection.

        What connection tracking is not asked about fares the same in each state, so it is walked in the first only.
        """
        region, among = self._found.region, possible(self.sets)
        for known in states:
            walk = self.walk(region, entry, known, among)
            ends = walk.run()
            assert not walk.clashes, "two flows of one priority do different things to one packet"
            found = list(self._differences(entry, known, ends, walk, among))
            if found:
                raise AssertionError(self._story(entry, known, found))
            among = walk.judged

    def _story(self, entry: Entry, known: Known, found: list[Difference]) -> str:
        engines, states = self._found.engines, self._states(entry, known)
        where, bits = (self._found.region, engines, entry.host, entry.port), found[0].packet
        legs = story(*where, bits, connection=_elsewhere(known), zones=states)
        told = [f"  {one.table}: {one.says}" for leg in legs for one in leg.statements]
        return "\n".join([f"A connection that is {known}:", *map(str, found), "The way of the first one:", *told])

    def _states(self, entry: Entry, known: Known) -> dict[tuple[str, int], Connection]:
        """The state in the zone of each interface; to a NAT gateway each connection is new."""
        new = {(host, natgw.zone): Connection.NEW for host in self._found.engines for natgw in self._gateways}
        return new | {zone: known.sends if id == entry.owner else known.gets for zone, id in self._zones.items()}


def _one_host(network: Network) -> Computed:
    """The host ``HERE`` as its engine computes it, and no other."""
    engine = network.engine()
    ports = {record.ofport: id for (_, id), record in network.local.items() if hasattr(record, "ofport")}
    switch = Switch(HERE, map(rule, engine.desired.flows.values()), engine.desired.groups.values(), ports)
    entries = tuple(Entry(HERE, number, id) for number, id in ports.items())
    return Computed(Region([switch], engine.program.pipeline), {HERE: engine}, entries)


def _elsewhere(known: Known) -> Connection:
    """The state in any other zone: another one, so that a look there would be noticed."""
    return Connection.NEW if known.gets is Connection.INVALID else Connection.INVALID


def check(network: Network, sets: Sets | None = None, states: Iterable[Known] = (FIRST,)) -> None:
    """AssertionError when any packet's end is not its fate: which packets, and the way of the first one in words."""
    proof = Proof(network, sets)
    for entry in proof.entries:
        proof.check(entry, states)
