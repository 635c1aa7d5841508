"""The fragmenter of a host, and the letter that goes with a packet to it and back.

The letter is the field ``metadata`` of the packet.  It says all that the fragmenter needs, which so knows nothing of
tables, registers or tenants; what a packet's registers hold comes back with it as it was.
"""

from dataclasses import dataclass

from sdnctl.model.resource import field, ref, resource

LOOKS = "fragmenter"
UNHEARD_MOST = 10
"""Questions in a row after which a fragmenter that does not answer is none."""
HEARD_LEAST = 30
"""Answers in a row before the first fragmenter of a host with ports gets packets: after an upgrade it settles first."""
PROGRAM = 1
"""The fragmenter's controller number (``actions.to_program``)."""
FRAGMENT, WHOLE, ALIVE = 1, 2, 3
"""The verdicts: a fragment that fits; a packet that may not be cut; nothing but a question and its answer."""
VERDICT = 24
"""The lowest bit of the verdict; those below are the table to come back to, and the room."""
_ROOM_BITS, _TABLE_BITS, _VERDICT_BITS = 16, 8, 2


@dataclass(frozen=True, slots=True)
class Letter:
    """The largest packet that fits, in bytes (0: a question), the table to come back to, and the verdict."""

    room: int
    table: int
    verdict: int = 0

    @property
    def bits(self) -> int:
        """As the field holds it."""
        return self.room | self.table << _ROOM_BITS | self.verdict << VERDICT

    @classmethod
    def read(cls, bits: int) -> "Letter":
        """The letter in the field."""
        table = bits >> _ROOM_BITS & (1 << _TABLE_BITS) - 1
        return cls(bits & (1 << _ROOM_BITS) - 1, table, bits >> VERDICT & (1 << _VERDICT_BITS) - 1)


def judged(verdict: int) -> tuple[int, int]:
    """The match on ``metadata`` of what has come back with a verdict."""
    return verdict << VERDICT, (1 << _VERDICT_BITS) - 1 << VERDICT


@resource(report=True, reach="host")
class Fragmenter:
    """A host has a fragmenter that answers; the id is the host's.  A restart finds it."""

    id: str
    host: str = ref("Host", on_delete="cascade")


@resource(local=True)
class Look:
    """This host's agent asks its fragmenter again and again; ``heard`` or ``unheard`` tells how often in a row.

    ``enough`` is how often it is to be heard before it gets packets for the first time.
    """

    id: str
    unheard: int = field(default=0)
    heard: int = field(default=0)
    enough: int = field(default=1)
