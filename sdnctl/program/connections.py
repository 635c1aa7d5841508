"""The connections that a switch knows, as a feature may look at them now and then: a census of one zone.

A function by the clock yields a ``Census``; once the switch has said what it knows there, ``then`` is given it and says
what is to be done, as any answer.  A switch that has more connections than ``MOST`` is not asked: it does nothing else
while it tells.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sdnctl.base.addresses import Ip4

MOST = 100_000


@dataclass(frozen=True, slots=True)
class KnownConnection:
    """A connection of TCP or UDP (``proto``) in the direction in which it began.

    Replies to it are sent to ``reply_to`` and ``reply_port``: its source, as that was translated.  ``state`` is TCP's
    as connection tracking has it (ESTABLISHED, FIN_WAIT_1, ...).
    """

    proto: int
    src: Ip4
    dst: Ip4
    src_port: int
    dst_port: int
    reply_to: Ip4
    reply_port: int
    state: str = ""


@dataclass(frozen=True, slots=True)
class Census:
    """The connections that are known in ``zone`` are to be given to ``then``, with ``id``, this host and a view.

    ``then`` is a function of a feature; ``id`` names the record on whose behalf it looks.
    """

    zone: int
    id: str
    then: Callable[[str, Sequence[KnownConnection], str, Any], Iterable[Any]]
