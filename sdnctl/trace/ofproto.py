"""A switch's forecast of a packet's way (``ofproto/trace``), read into steps: one table after the other.

A step knows which flow decided, by its cookie, and the packet before and after its actions.  What is said comes from
the switch itself, not from what it should have: ovs-vswitchd(8), "OFPROTO COMMANDS".
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from sdnctl.base.addresses import Ip4, Mac
from sdnctl.of.actions import CONTROLLER, IN_PORT
from sdnctl.of.fields import (
    ETH_TYPE,
    FIELDS,
    IP_DST,
    IP_PROTO,
    IP_SRC,
    IP_TTL,
    TCP_DST,
    TCP_SRC,
    UDP_DST,
    UDP_SRC,
    VLAN_VID,
    OxmField,
)
from sdnctl.of.fields import IN_PORT as CAME_IN
from sdnctl.of.values import value_text
from sdnctl.program.step import Packet, Step

_RULE = re.compile(r"^ *(\d+)\. (.*)$")
_COOKIE = re.compile(r"\bcookie (0x[0-9a-f]+)")
_MATCHED = re.compile(r"\b(reg\d+)=(0x[0-9a-f]+)(?:/(0x[0-9a-f]+))?(?=,|$|\s)")
_SET = re.compile(r"^(?:set_field|load):(\S+?)->(\w+)(?:\[(?:(\d+)(?:\.\.(\d+))?)?\])?$")
_NOW = re.compile(r"^-> (\w+)\[(?:(\d+)(?:\.\.(\d+))?)?\] is now (\S+)$")
_BRIDGE = re.compile(r'^bridge\("(.*)"\)$')
_OUTPUT = re.compile(r"^(?:output:(\d+)|(IN_PORT)|(CONTROLLER):\d+)$")
_TTL = re.compile(r"^mod_nw_ttl:(\d+)$")
_TRANSLATED = re.compile(r"^ Modified flow: (.*)$")
"""The packet after connection tracking has translated it, as the switch supposes that it does."""
_PREFIX = re.compile(r"^(?:NXM|OXM)_(?:OF|NX)_")
BEYOND = 1 << 16  # any line
_TRANSLATED_TO = {
    "nw_src": (IP_SRC,),
    "nw_dst": (IP_DST,),
    "tp_src": (TCP_SRC, UDP_SRC),
    "tp_dst": (TCP_DST, UDP_DST),
}
_BY_NAME = {each.name: each for each in FIELDS} | {"ip_ttl": IP_TTL}


@dataclass(slots=True)
class _Reading:
    """A packet on its way, and the step it is in."""

    packet: dict[OxmField, int]
    step: Step | None = None
    outputs: list[int] = field(default_factory=list)

    def close(self) -> Iterator[Step]:
        """The step that ends here, if there is one."""
        if self.step is not None:
            yield replace(self.step, after=dict(self.packet), outputs=tuple(self.outputs))
        self.step, self.outputs = None, []


HASH = "multipath(symmetric_l3l4,0,modulo_n,65536,0,NXM_NX_REG0[0..15])"
"""An action by which the switch says what hash its datapath would give a packet: the lowest 16 bits of it.

A packet that has its hash passes a barrier or a spread (``program.declared``) at once, so one trace shows its whole
way; and with its own hash it gets the slot that it would get.  Asked for by ``ofproto/trace-packet-out``.
"""
_HASH = re.compile(r"^ *-> NXM_NX_REG0\[0\.\.15\] is now (\w+)$", re.MULTILINE)
_NOT_NONE = 1 << 16  # a hash of 0 would be none


def hashed(said: str) -> str:
    """The datapath's hash of a packet, as ``ofproto/trace`` takes it, from what the switch says of ``HASH``."""
    found = _HASH.search(said)
    return f"dp_hash={int(found[1], 0) | _NOT_NONE if found is not None else _NOT_NONE:#x}"


def flow_text(packet: Packet) -> str:
    """A packet as ``ofproto/trace`` takes it (ovs-fields(7)): what others presuppose comes first."""
    first = [each for each in (CAME_IN, ETH_TYPE, IP_PROTO) if each in packet]
    order = [*first, *(each for each in packet if each not in first)]
    return ",".join(f"{each}={value_text(each, packet[each], None)}" for each in order)


def read(said: str, packet: Packet) -> list[Step]:
    """The steps in the output of ``ofproto/trace`` for this packet; lines that it does not know are passed over."""
    reading = _Reading(dict(packet))
    steps: list[Step] = []
    for line in _that_fits(_own_bridge(said.splitlines())):
        rule = _RULE.match(line)
        if rule is not None:
            steps += reading.close()
            cookie = _COOKIE.search(rule[2])
            # What a flow matched is so, also where an action that wrote it did not say what it wrote.
            for name, value, mask in _MATCHED.findall(rule[2]):
                _set_bits(reading.packet, _BY_NAME[name], int(value, 16), int(mask or "0xffffffff", 16))
            at = dict(reading.packet)
            reading.step = Step(int(rule[1]), int(cookie[1], 16) if cookie else 0, at, at)
        elif line.startswith(("Final flow:", "Megaflow:")):
            steps += reading.close()
        elif translated := _TRANSLATED.match(line):
            _translate(reading.packet, translated[1])
        elif reading.step is not None:
            _act(reading, line.strip())
    return steps


def _own_bridge(lines: Iterable[str]) -> Iterator[str]:
    """The lines about the bridge that was asked, without those that the frame crosses inside a tunnel or beyond a
    patch port.
    """
    asked = ""
    here = True
    for line in lines:
        if bridge := _BRIDGE.match(line):
            asked = asked or bridge[1]
            here = bridge[1] == asked
        elif line.startswith(("Final flow:", "Megaflow:", "recirc(")):
            here = True
        if here:
            yield line


def _that_fits(lines: Iterable[str]) -> Iterator[str]:
    """The lines about a packet that fits where ``check_pkt_larger`` asks; what becomes of a larger one comes first.

    That branch begins with an indented rule, and ends where a line stands as far left as the check again.
    """
    check, larger = BEYOND, False
    for line in lines:
        rule = _RULE.match(line)
        column = rule.end(1) if rule is not None else len(line) - len(line.lstrip())
        larger = column > check and (larger or rule is not None)
        if larger:
            continue
        if rule is not None or not line:
            check = BEYOND
        elif line.strip().startswith("check_pkt_larger("):
            check = column
        yield line


def _act(reading: _Reading, action: str) -> None:
    """Carry one action out."""
    packet = reading.packet
    if out := _OUTPUT.match(action):
        reading.outputs.append(IN_PORT if out[2] else CONTROLLER if out[3] else int(out[1]))
    elif written := _SET.match(action):
        _write(packet, written[2], written[1].partition("/")[0], written[3], written[4])
    elif moved := _NOW.match(action):
        _write(packet, moved[1], moved[4], moved[2], moved[3])
    elif action == "pop_vlan":
        packet.pop(VLAN_VID, None)
    elif action == "dec_ttl":
        packet[IP_TTL] = max(packet.get(IP_TTL, 0) - 1, 0)
    elif ttl := _TTL.match(action):
        packet[IP_TTL] = int(ttl[1])


def _translate(packet: dict[OxmField, int], text: str) -> None:
    """Take over addresses, and the ports that are known of the packet."""
    for name, _, value in (part.partition("=") for part in text.split(",") if part):
        number = _number(value)
        for known in _TRANSLATED_TO.get(name, ()):
            if number is not None and (known in (IP_SRC, IP_DST) or known in packet):
                packet[known] = number


def _write(packet: dict[OxmField, int], name: str, text: str, low: str | None, high: str | None) -> None:
    known = _BY_NAME.get(_PREFIX.sub("", name).lower())
    value = _number(text)
    if known is None or value is None:
        return
    if low is None:
        packet[known] = value
    else:
        # "is now" tells the slice, as a load does.
        shift = int(low)
        _set_bits(packet, known, value << shift, (1 << int(high or low) - shift + 1) - 1 << shift)


def _set_bits(packet: dict[OxmField, int], field: OxmField, value: int, mask: int) -> None:
    packet[field] = packet.get(field, 0) & ~mask | value & mask


def _number(text: str) -> int | None:
    """A value as the switch writes it: number, IPv4 or MAC address; None for what is none of them."""
    try:
        if text.count(":") == 5:
            return Mac.parse(text)
        return Ip4.parse(text) if text.count(".") == 3 else int(text, 0)
    except ValueError:
        return None
