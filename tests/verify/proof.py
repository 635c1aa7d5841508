"""The proof of one network on one host: the walk of all packets beside what the reference tells."""

from collections.abc import Iterable

from sdnctl.verify.rules import Rule, Switch, rule
from sdnctl.verify.sent import possible
from sdnctl.verify.sets import Sets
from sdnctl.verify.story import story
from sdnctl.verify.walk import End, Region, Walk
from tests.build import HERE, Network
from tests.reference import World
from tests.verify.compare import Difference, Fates, differences, fates


class Proof:
    """A network, what the reference tells of it, and walks through its tables or others."""

    def __init__(self, network: Network, sets: Sets | None = None) -> None:
        """``sets`` have what was worked out for other networks, where given."""
        self.engine = network.engine()
        self.rules = sorted(map(rule, self.engine.desired.flows.values()))
        self.ports = {record.ofport: id for (_, id), record in network.local.items() if hasattr(record, "ofport")}
        self.sets = sets if sets is not None else Sets()
        self._world = World(network)
        self._told: dict[str, Fates] = {}

    def told(self, sender: str) -> Fates:
        """The fates of a sender's packets."""
        if sender not in self._told:
            self._told[sender] = fates(self._world, sender, self.sets)
        return self._told[sender]

    def region(self, rules: Iterable[Rule]) -> Region:
        """The host with these flows."""
        groups = self.engine.desired.groups.values()
        return Region([Switch(HERE, rules, groups, self.ports)], self.engine.program.pipeline)

    def walk(self, region: Region, port: int) -> tuple[list[End], Walk]:
        """The ends of all packets that come in at a port."""
        walk = Walk(region, self.sets, large=True)
        walk.enter(HERE, port, possible(self.sets))
        return walk.run(), walk

    def fails(self, region: Region, port: int) -> bool:
        """True when the proof does not hold for the packets that come in at a port."""
        try:
            ends, walk = self.walk(region, port)
        except ValueError:
            return True  # a flow that no switch would take, or of which nobody could say what it does
        told = self.told(self.ports[port])
        return bool(walk.clashes) or any(differences(self.ports[port], told, ends, walk.fits, self.sets))

    def differences(self, region: Region, port: int) -> list[Difference]:
        """Packets of which these flows make something else than the reference says."""
        ends, walk = self.walk(region, port)
        assert not walk.clashes, "two flows of one priority do different things to one packet"
        sender = self.ports[port]
        return list(differences(sender, self.told(sender), ends, walk.fits, self.sets))


def check(network: Network, sets: Sets | None = None) -> None:
    """AssertionError when any packet's end is not its fate: which packets, and the way of the first one in words."""
    proof = Proof(network, sets)
    region = proof.region(proof.rules)
    for port in proof.ports:
        found = proof.differences(region, port)
        if found:
            legs = story(region, {HERE: proof.engine}, HERE, port, found[0].packet)
            told = [f"  {one.table}: {one.says}" for leg in legs for one in leg.statements]
            raise AssertionError("\n".join([*map(str, found), "The way of the first one:", *told]))
