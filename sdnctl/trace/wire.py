"""Questions and legs as the store keeps them: JSON, read back with every part checked, since another host wrote it."""

import json
from collections.abc import Mapping
from typing import Any, get_args

from sdnctl.base.addresses import Ip4
from sdnctl.of.fields import FIELDS
from sdnctl.program.step import Packet
from sdnctl.trace.model import Exit, Leg, Outcome, Statement

MOST_BYTES = 256 << 10
_BY_NAME = {each.name: each for each in FIELDS}
_TEXTS = ("table", "feature", "resource", "says", "plain", "about")


def packet_map(packet: Packet) -> dict[str, str]:
    """A packet's fields by name."""
    return {field.name: hex(value) for field, value in packet.items()}


def packet_of(fields: Mapping[str, Any]) -> Packet:
    """A packet from its fields by name; ValueError when a name or a value is none."""
    found = {}
    for name, value in fields.items():
        field = _BY_NAME.get(name)
        number = int(str(value), 16)
        if field is None or not 0 <= number <= field.limit:
            raise ValueError(f"no field of a packet: {name[:32]!r}")
        found[field] = number
    return found


def leg_text(leg: Leg) -> str:
    """A leg as JSON."""
    document: dict[str, Any] = {
        "outcome": leg.outcome,
        "reason": leg.reason,
        "verdict": leg.verdict,
        "statements": [[getattr(one, name) for name in _TEXTS] for one in leg.statements],
    }
    if leg.exit is not None:
        way = leg.exit
        document["exit"] = {"by": way.by, "to": str(way.to), "packet": packet_map(way.packet)}
    return json.dumps(document, separators=(",", ":"))


def leg_of(host: str, text: str) -> Leg:
    """The leg of a host from what it wrote; ValueError when that is none."""
    if len(text) > MOST_BYTES:
        raise ValueError("the answer is too long")
    try:
        document = json.loads(text)
        outcome = document["outcome"]
        if outcome not in get_args(Outcome):
            raise ValueError(f"no outcome: {outcome!r:.32}")
        statements = tuple(Statement(*map(str, one)) for one in document["statements"])
        way = document.get("exit")
        found = Exit(str(way["by"]), Ip4.parse(way["to"]), packet_of(way["packet"])) if way is not None else None
        return Leg(host, outcome, str(document["reason"]), str(document["verdict"]), statements, found)
    except (KeyError, TypeError, AttributeError, RecursionError) as fault:
        raise ValueError(f"no answer to a trace: {fault!r:.80}") from None
