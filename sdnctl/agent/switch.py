"""This host's conversation with its switch: one session on one connection at a time, and the packets sent out by it.

No thread, no socket and no clock: the agent brings the time and what the switch says, and is handed what it should act
on itself (``News``).
"""

import struct
from collections import Counter
from collections.abc import Set

import structlog

from sdnctl.agent.counters import SwitchCounters
from sdnctl.agent.events import SwitchLink
from sdnctl.agent.keeper import Keeper
from sdnctl.engine.desired import Desired, Touched
from sdnctl.of import message
from sdnctl.program.packets import PacketIn, PacketOut
from sdnctl.switch.commands import NEVER, Command, Confirmed, LastCount, Reconnect, Refused, Revalidate, SayNow, Send
from sdnctl.switch.refusals import Refusals
from sdnctl.switch.session import Session

BUFFERS_MAX = 1000  # that wait for the switch; packets to send are dropped beyond, flows never
SLOW_S = 1.0  # a change that takes longer is worth a line in the log
News = Confirmed | Refused | PacketIn
log = structlog.get_logger("agent")


class SwitchClient:
    """One switch, whether it is connected or not; ``desired`` is the engine's and changes under it."""

    def __init__(
        self, desired: Desired, counters: SwitchCounters, keeper: Keeper, obeyed: Set[int], audit_s: float
    ) -> None:
        """Every ``audit_s`` seconds an idle switch is read again; ``obeyed`` are the tables of that name."""
        self.events: Counter[str] = Counter()
        """Counts of connections made and packets sent, and those of earlier sessions."""
        self.link: SwitchLink | None = None
        self._desired = desired
        self._counters = counters
        self._keeper = keeper
        self._obeyed = obeyed
        self._audit_s = audit_s
        self._session: Session | None = None
        self._unsaid = Touched()
        self._in_step = False

    @property
    def state(self) -> str:
        """The state of the session (see ``Session``); NEW while there is none."""
        return self._session.state if self._session is not None else "NEW"

    @property
    def settled(self) -> bool:
        """True when the switch has confirmed all that is wanted."""
        return self._session is not None and not self._session.busy

    @property
    def flows(self) -> int:
        """The number of flows that the switch is known to have."""
        return len(self._session.installed.flows) if self._session is not None else 0

    @property
    def refusals(self) -> Refusals | None:
        """The flows, meters and groups that the switch refuses; None while it is not connected."""
        return self._session.refusals if self._session is not None else None

    @property
    def counts(self) -> Counter[str]:
        """The count of each kind of event, this session's included."""
        counts = Counter(self.events)
        counts.update(self._session.counters if self._session is not None else {})
        return counts

    @property
    def deadline(self) -> float:
        """The time at which ``tick`` has something to do, in seconds of its clock."""
        if self._session is None:
            return NEVER
        return min(self._session.deadline, self._counters.due) if self.state == "LIVE" else self._session.deadline

    # The connection.

    def connected(self, link: SwitchLink, sequence: int, now: float) -> list[News]:
        """The handshake on ``link`` is over; ``desired`` stands for ``sequence``."""
        if self.link is not None:
            self.disconnected()
        self.link = link
        self._in_step = False
        self._session = session = Session(self._desired, sequence, self._audit_s, self._obeyed)
        self.events["connections"] += 1
        news = self._obey(session.tick(now), now)
        session.update(Touched(announce=self._unsaid.announce), sequence)
        self._unsaid = Touched()
        return news + self._obey(session.connected(), now)

    def disconnected(self) -> None:
        """The connection is gone; the switch goes on with the flows that it has."""
        session, self._session, self.link = self._session, None, None
        if session is not None:
            log.warning("the switch hung up", state=session.state)
            session.disconnected()
            self._unsaid = session.unsaid()
            self.events.update(session.counters)

    # What happens.

    def update(self, touched: Touched, sequence: int, now: float) -> list[News]:
        """Note that ``desired`` has changed there, as of this sequence number."""
        if self._session is None:
            self._unsaid.merge(touched)
            return []
        return self._obey(self._session.update(touched, sequence), now)

    def message(self, one: bytes, now: float) -> list[News]:
        """The switch sent this: what follows from it, or the packet that it hands up."""
        if one[1] == message.PACKET_IN:
            return self._packet_in(one)
        if self._session is None or (one[1] == message.MULTIPART_REPLY and self._counters.answer(one)):
            return []
        return self._obey(self._session.message(one), now)

    def revalidated(self, number: int, now: float) -> list[News]:
        """The data path obeys all that was committed when the session asked."""
        return self._obey(self._session.revalidated(number), now) if self._session is not None else []

    def tick(self, now: float) -> list[News]:
        """Do what is due at ``now``."""
        if self._session is None:
            return []
        news = self._obey(self._session.tick(now), now)
        if self.state == "LIVE" and now >= self._counters.due and self.link is not None:
            self.link.send(self._counters.ask(now))
        return news

    def send_packets(self, packets: list[PacketOut]) -> None:
        """Have the switch send packets out, unless it does not take what was sent before."""
        if not packets or self.link is None:
            return
        if self.link.waiting() > BUFFERS_MAX:
            self.events["packet_outs_dropped"] += len(packets)
        else:
            self.events["packet_outs"] += len(packets)
            out = [message.packet_out(packet.data, packet.in_port, packet.actions, 0) for packet in packets]
            self.link.send(b"".join(out))

    def _packet_in(self, one: bytes) -> list[News]:
        self.events["packet_ins"] += 1
        try:
            read = message.packet_in_of(one)
        except (struct.error, ValueError) as fault:
            self.events["handler_faults"] += 1
            log.error("a packet cannot be read", error=repr(fault))
            return []
        packet = PacketIn(read.table, read.cookie, read.data, read.in_port, read.registers)
        self._counters.heard(packet)
        return [packet]

    def _obey(self, commands: list[Command], now: float) -> list[News]:
        """Do what the session says; what the agent has to act on."""
        news: list[News] = []
        for command in commands:
            if isinstance(command, Send):
                for buffer in command.buffers:
                    if self.link is not None:
                        self.link.send(buffer)
            elif isinstance(command, Confirmed):
                self._confirmed(command.sequence, now)
                self._counters.made(command.made)
                news.append(command)
            elif isinstance(command, Revalidate):
                self.events["revalidations"] += 1
                if self.link is not None:
                    self._keeper.revalidate(self.link, command.number)
            elif isinstance(command, SayNow):
                self.send_packets(command.packets)
            elif isinstance(command, LastCount):
                self._counters.last(command.stats, now)
            elif isinstance(command, Refused):
                news.append(command)
            elif isinstance(command, Reconnect):
                log.warning("the connection is given up", reason=command.reason)
                if self.link is not None:
                    self.link.hang_up()
            else:
                log.warning(command.event, **command.fields)
        return news

    def _confirmed(self, sequence: int, now: float) -> None:
        if not self._in_step and self._session is not None:
            self._in_step = True
            log.info("the switch is in step", sequence=sequence, **self._session.counters)
        waited = self._counters.confirmed(sequence, now)
        if waited is not None:
            tell = log.info if waited > SLOW_S else log.debug
            tell("confirmed", sequence=sequence, ms=round(waited * 1000, 2))
