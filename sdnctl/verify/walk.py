"""A walk of all packets at once through the computed tables of a region's hosts, exact but for what it says is free.

Packets that are at one table with the same changes are one set; each flow takes its part of it.  What the network
chooses itself is free, so every choice is walked: the bucket of a group, a hash, a meter's verdict, a fragment's being
translated or not.  A connection's state is said beforehand (``Connection``).
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping

from sdnctl.model.host import TUNNEL
from sdnctl.of import actions as a
from sdnctl.of import fields as f
from sdnctl.verify.conntrack import Connection, renamed, tracked, zone_of
from sdnctl.verify.header import (
    CHOICES,
    FRAME,
    HOPS,
    INPUT,
    Header,
    constant,
    key,
    known,
    literals,
    number_in,
    read,
    whole,
    written,
)
from sdnctl.verify.places import At, End, Ends, Region, Seen
from sdnctl.verify.rewrite import Choices, Rewrite, spread
from sdnctl.verify.rules import Action, Again, Clause, Hand, Hop, Out, Program, Rule, Switch, Track
from sdnctl.verify.sets import EVERYTHING, NOTHING, Sets

MOST_TURNS = 64
"""Looks back (resubmit, recirculation, tunnels) after which a packet goes round."""
ORIGIN = 0
"""The table at which a packet begins."""


class Walk:
    """One walk: packets are let in (``enter``), and ``run`` tells their ends."""

    def __init__(
        self,
        region: Region,
        sets: Sets,
        *,
        connection: Connection = Connection.NEW,
        zones: Mapping[tuple[str, int], Connection] | None = None,
        large: bool = False,
        record: bool = False,
    ) -> None:
        """``zones`` has the states of connections in some zones of hosts, ``connection`` is that in all others.

        ``large``: packets may be larger than what a way takes; else they all fit.  ``record`` fills ``seen``.
        """
        self.region = region
        self.sets = sets
        self.seen: list[Seen] = []
        self.came: list[tuple[At, int]] = []
        """Each place that packets came to, and which ones."""
        self.clashes: dict[tuple[int, int], int] = {}
        """Cookies of two flows of one table and priority that match the same packets: which one wins nobody says."""
        self.judged = NOTHING
        """The packets that were looked up in connection tracking: the ends of all others have nothing to do with it."""
        self.committed: dict[tuple[str, int], int] = {}
        """The zones of hosts where new connections are remembered, and the first packets of those."""
        self._connection = connection
        self._zones = dict(zones or {})
        self._record = record
        self._choices = Choices(large)
        self._queue: list[tuple[int, int, int, tuple[object, ...]]] = []
        self._waiting: dict[tuple[object, ...], tuple[At, list[int]]] = {}
        self._been: dict[tuple[object, ...], int] = {}
        self._ends: dict[tuple[object, ...], End] = {}

    def enter(self, host: str, port: int, packets: int, header: Header | None = None) -> None:
        """Let packets in at a port of a host's switch."""
        come = written(header or {}, f.IN_PORT, constant(port, f.IN_PORT.width))
        untagged = self.sets.cube(literals(read(come, f.VLAN_VID), 0, f.VLAN_VID.limit) or {})
        plain = written(come, f.VLAN_VID, constant(0, f.VLAN_VID.width))
        # Those without a tag are as those whose tag is taken off.
        self._push(At(host, ORIGIN, plain, 0, -1), self.sets.meet(packets, untagged))
        self._push(At(host, ORIGIN, come, 0, -1), self.sets.without(packets, untagged))

    def run(self) -> list[End]:
        """All ends of the packets that came in."""
        while self._queue:
            *_, name = heapq.heappop(self._queue)
            at, parts = self._waiting.pop(name)
            been = self._been.get(name, NOTHING)
            packets = self.sets.without(self.sets.union(parts), been)
            if packets != NOTHING:
                self._been[name] = self.sets.join(packets, been)
                self.came.append((at, packets))
                self._look_up(at, packets)
        return list(self._ends.values())

    @property
    def places(self) -> int:
        """The number of places that packets came to: a table, with what was changed until there."""
        return len(self._been)

    @property
    def fits(self) -> int:
        """The choices by which a packet is too large for nothing."""
        return self.sets.cube(dict.fromkeys(self._choices.sizes(), 0))

    @property
    def fits_the_widest(self) -> int:
        """The choices by which a packet is not too large for the widest way, that to the public network."""
        return self.sets.cube(dict.fromkeys(self._choices.sizes()[-1:], 0))

    def _push(self, at: At, packets: int) -> None:
        if packets == NOTHING:
            return
        if at.turn > MOST_TURNS:
            self._end(Ends.LOST, "it goes round", at, packets)
            return
        name = (at.host, at.table, key(at.header))
        if name in self._waiting:
            self._waiting[name][1].append(packets)
        else:
            self._waiting[name] = at, [packets]
            heapq.heappush(self._queue, (at.turn, at.table, len(self._been), name))

    def _end(self, what: Ends, who: str, at: At, packets: int) -> None:
        header = {field: bits for field, bits in at.header.items() if field in FRAME} if what is Ends.TO else {}
        name = (what, who, at.host, key(header))
        if name in self._ends:
            packets = self.sets.join(packets, self._ends[name].packets)
        self._ends[name] = End(what, who, at.host, header, packets)

    def _drop(self, at: At, packets: int) -> None:
        end = self.region.pipeline.end
        number = number_in(at.header, end.field) if end is not None else None
        reason = self.region.pipeline.reason_of({end.field.home: number}) if end and number is not None else None
        self._end(Ends.DROPPED, reason.name if reason is not None else "", at, packets)

    # One table.

    def _look_up(self, at: At, packets: int) -> None:
        for rule, part in self.takes(at, packets):
            if rule is not None:
                self._act(rule, at, part)
            else:
                self._note(at, None, at.header, ())
                self._drop(at, part)

    def takes(self, at: At, packets: int) -> Iterator[tuple[Rule | None, int]]:
        """The flows of a table that some packets meet, each with its part of them; None for the rest."""
        table = self.region.switches[at.host].tables.get(at.table)
        rules = table.could_match(at.header) if table is not None else []
        met = {number: self._met(clauses, at.header) for number, clauses in table.clauses.items()} if table else {}
        place = 0
        while place < len(rules) and packets != NOTHING:
            urgent = rules[place].priority
            taken: list[tuple[Rule, int]] = []
            while place < len(rules) and rules[place].priority == urgent:
                match = self._matching(rules[place], at.header, met)
                part = self.sets.meet(packets, match)
                if part != NOTHING:
                    taken.append((rules[place], match))
                    yield rules[place], part
                place += 1
            if len(taken) > 1:
                self._compare(taken, packets)
            packets = self.sets.without(packets, self.sets.union([match for _, match in taken]))
        if packets != NOTHING:
            yield None, packets

    def _compare(self, taken: list[tuple[Rule, int]], packets: int) -> None:
        """Note the flows of one priority that match the same packets and do not do the same."""
        deeds = [rule.does for rule, _ in taken]
        for place, (rule, match) in enumerate(taken):
            for (other, theirs), does in zip(taken[:place], deeds, strict=False):
                differ = deeds[place] != does
                both = self.sets.meet(self.sets.meet(match, theirs), packets) if differ else NOTHING
                if both != NOTHING:
                    self.clashes[other.cookie, rule.cookie] = both

    def _matching(self, rule: Rule, header: Header, met: Mapping[int, int]) -> int:
        """The packets that a flow matches, as they were sent."""
        cube: dict[int, int] = {}
        more = EVERYTHING
        for field, mask, value in rule.match:
            if field is f.CONJ_ID:
                more = met.get(value, NOTHING)
                continue
            bits = whole(header, field)
            if field is f.IP_TTL and bits == INPUT[field]:
                value += known(read(header, HOPS)) or 0
            wanted = literals(bits, value, mask) if value <= field.limit else None
            if wanted is None or any(cube.get(bit, is_set) != is_set for bit, is_set in wanted.items()):
                return NOTHING
            cube |= wanted
        return self.sets.meet(self.sets.cube(cube), more)

    def _met(self, clauses: Iterable[tuple[Rule, Clause]], header: Header) -> int:
        """The packets that meet every clause of a conjunction (ovs-fields(7), conj_id)."""
        dimensions: dict[int, list[int]] = {}
        count = 0
        for rule, clause in clauses:
            count = clause.clauses
            dimensions.setdefault(clause.clause, []).append(self._matching(rule, header, {}))
        found = EVERYTHING if len(dimensions) == count else NOTHING
        for matches in dimensions.values():
            found = self.sets.meet(found, self.sets.union(matches))
        return found

    # One flow.

    def _note(self, at: At, rule: Rule | None, after: Header, outputs: tuple[int, ...]) -> int:
        if not self._record:
            return -1
        self.seen.append(Seen(at.parent, at.host, at.table, rule, at.header, after, outputs))
        return len(self.seen) - 1

    def _act(self, rule: Rule, at: At, packets: int) -> None:
        """Do what a flow says, and what the buckets of its group say."""
        made = Rewrite(at.header, self._choices)
        gone = self._follow(rule.actions, rule, at, packets, made)
        if gone is not None and rule.goto is not None:
            parent = self._note(at, rule, made.header, ())
            self._push(At(at.host, rule.goto, made.header, at.turn, parent), gone)
        elif gone is not None:
            self._note(at, rule, made.header, ())
            self._drop(at._replace(header=made.header), gone)

    def _follow(self, actions: tuple[Action, ...], rule: Rule, at: At, packets: int, made: Rewrite) -> int | None:
        """The packets that are left after some actions; None when they have gone their way."""
        gone = False
        for place, action in enumerate(actions):
            if isinstance(action, Hop):
                packets = self._hop(action, at, packets, made)
            elif isinstance(action, Track) and action.table is None:
                self._looked_up(action, at._replace(header=made.header), packets)
            elif made.change(action):
                continue
            else:
                if not isinstance(action, Out) and (place < len(actions) - 1 or rule.goto is not None):
                    raise ValueError(f"flow {rule.cookie:#x} goes on after {action}: a walk does not")
                self._leave(action, rule, at, packets, made)
                gone = True
        return None if gone and rule.goto is None else packets

    def _hop(self, action: Hop, at: At, packets: int, made: Rewrite) -> int:
        """One hop further: what has none left goes no further (RFC 791)."""
        if action.limit is not None:
            made.limit(action.limit)
            return packets
        bits, taken = whole(made.header, f.IP_TTL), known(read(made.header, HOPS)) or 0
        if (limit := known(bits)) is not None:
            made.limit(max(limit - 1, 0))
            ended = packets if limit <= 1 else NOTHING
        else:
            short = [self.sets.cube(literals(bits, left, f.IP_TTL.limit) or {}) for left in range(taken + 2)]
            ended = self.sets.meet(packets, self.sets.union(short))
            made.header = written(made.header, HOPS, constant(taken + 1, HOPS.width))
        if ended != NOTHING:
            self._end(Ends.DROPPED, "", at, ended)
        return self.sets.without(packets, ended)

    def _leave(self, action: Action, rule: Rule, at: At, packets: int, made: Rewrite) -> None:
        if isinstance(action, Out):
            parent = self._note(at, rule, made.header, (action.port,))
            self._out(action.port, at._replace(header=made.header, parent=parent), packets)
            return
        parent = self._note(at, rule, made.header, ())
        here = at._replace(header=made.header, turn=at.turn + 1, parent=parent)
        if isinstance(action, Again):
            self._push(here._replace(table=action.table), packets)
        elif isinstance(action, Hand):
            self._hand(action.group, rule, here, packets)
        elif isinstance(action, Track):
            self._track(action, action.table or 0, here, packets)
        elif isinstance(action, Program):
            self._end(Ends.PROGRAM, str(action.number), here, packets)
        else:
            raise ValueError(f"a walk does not know {action}")

    def _hand(self, group: int, rule: Rule, at: At, packets: int) -> None:
        ways = self.region.switches[at.host].groups.get(group, [])
        if not ways:
            self._end(Ends.LOST, f"group {group} has no bucket", at, packets)
        for way in spread(tuple(ways)):
            made = Rewrite(at.header, self._choices)
            left = self._follow(way, rule, at, packets, made)
            if left is not None:
                self._drop(at._replace(header=made.header), left)

    def _looked_up(self, action: Track, at: At, packets: int) -> Connection:
        """Note the packets that are looked up, and the first ones of connections that are remembered; their state."""
        self.judged = self.sets.join(self.judged, self.sets.shadow(packets, CHOICES))
        zone = at.host, known(zone_of(action, at.header)) or 0
        state = self._zones.get(zone, self._connection)
        if action.commit and state.remembered:
            self.committed[zone] = self.sets.join(self.sets.shadow(packets, CHOICES), self.committed.get(zone, NOTHING))
        return state

    def _track(self, action: Track, table: int, at: At, packets: int) -> None:
        state = self._looked_up(action, at, packets)
        there = at._replace(table=table)
        noted = self.region.switches[at.host].noted if state.known and not action.commit else {}
        for marks in noted.get(action.zone, ()) if isinstance(action.zone, int) else ():
            # As a connection that was remembered with one of the zone's marks.
            self._push(there._replace(header=tracked(action, at.header, state, marks)), packets)
        header = tracked(action, at.header, state, self.region.marks)
        self._push(there._replace(header=header), packets)
        if action.nat is not None and action.nat.address is not None:
            self._push(there._replace(header=renamed(header, action.nat, action.nat.source)), packets)
        elif action.nat is not None:
            self._translated(action, at, there, packets)

    def _translated(self, action: Track, at: At, there: At, packets: int) -> None:
        """On as a connection that is known was translated when it was committed, or back from that."""
        back = self._connection is Connection.REPLY
        if not isinstance(action.zone, int) or self._connection not in (Connection.GOING, Connection.REPLY):
            return
        for known_as in self.region.switches[at.host].translations.get(action.zone, ()):
            header = dict(tracked(action, at.header, self._connection, known_as.marks))
            nat = known_as.nat
            if not back:
                where, made = (None if nat.source else known_as.to), renamed(header, nat, nat.source)
                concerned = self._with(header, f.IP_DST, where, packets)
            elif nat.source:
                # Back to whoever began it.
                concerned = self._with(header, f.IP_DST, nat.address, packets)
                made = written(header, f.IP_DST, self._choices.bits(f.IP_DST.width, "began", action.zone))
            elif known_as.to is not None:
                # From the address that was aimed at.
                concerned = self._with(header, f.IP_SRC, nat.address, packets)
                made = written(header, f.IP_SRC, constant(known_as.to, f.IP_SRC.width))
            else:
                continue
            if concerned != NOTHING:
                self._push(there._replace(header=made), concerned)

    def _with(self, header: Header, field: f.OxmField, value: int | None, packets: int) -> int:
        """The packets that have this value in a field; all for None."""
        if value is None:
            return packets
        cube = literals(read(header, field), value, field.limit)
        return self.sets.meet(packets, self.sets.cube(cube)) if cube is not None else NOTHING

    def _out(self, port: int, at: At, packets: int) -> None:
        if port == a.CONTROLLER:
            asked = self.region.pipeline.asked
            number = number_in(at.header, asked.field) if asked is not None else None
            found = self.region.pipeline.question_of({asked.field.home: number}) if asked and number else None
            self._end(Ends.ASKS, found.name if found is not None else "", at, packets)
            return
        switch = self.region.switches[at.host]
        came = known(whole(at.header, f.IN_PORT))
        if port == came:
            self._drop(at, packets)  # a switch sends nothing back unless it is told IN_PORT (OpenFlow 1.4, 5.1)
            return
        owner = switch.ports.get(came or 0 if port == a.IN_PORT else port)
        if owner is None:
            self._end(Ends.LOST, f"there is no port {port}", at, packets)
        elif owner == TUNNEL:
            self._into_tunnel(switch, at, packets)
        else:
            self._end(Ends.TO, owner, at, packets)

    def _into_tunnel(self, switch: Switch, at: At, packets: int) -> None:
        far = self.region.tunnels.get(known(whole(at.header, f.TUN_DST)) or 0)
        inlet = far.numbers.get(TUNNEL) if far is not None else None
        if far is None or inlet is None:
            self._end(Ends.LOST, "no host has the tunnel's far end", at, packets)
            return
        header: Header = {field: bits for field, bits in at.header.items() if field in FRAME or field is f.TUN_ID}
        for field, value in ((f.TUN_SRC, switch.end), (f.TUN_DST, far.end), (f.IN_PORT, inlet)):
            header = written(header, field, constant(value, field.width))
        self._push(At(far.name, ORIGIN, header, at.turn + 1, at.parent), packets)
