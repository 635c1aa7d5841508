"""A rule as a line that people read: which packets, what is done.

Without names the line is one that `ovs-ofctl add-flow` takes (ovs-ofctl(8), ovs-actions(7)); with names, tables and
register bits are called what the pipeline calls them.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from sdnctl.of import actions as a
from sdnctl.of.fields import ETH_TYPE, IN_PORT, IP_PROTO, REG, TUN_METADATA0, XREG, OxmField
from sdnctl.of.flow import Flow
from sdnctl.of.oxm import known_field, oxms, tlvs
from sdnctl.of.values import ip_text, ipv6_text, port_text, protocol_text, value_text

_ALGORITHMS = {21: "ftp", 69: "tftp"}


class Bits(NamedTuple):
    """Some bits of a register under a name: `width` of them from bit `shift` up; `show` writes their value."""

    name: str
    shift: int
    width: int
    show: Callable[[int], str] = str

    @property
    def mask(self) -> int:
        """The bits within the register."""
        return (1 << self.width) - 1 << self.shift


class Names(Protocol):
    """The names of tables and register bits."""

    def table(self, number: int) -> str:
        """The table's name."""

    def group(self, number: int) -> str:
        """The group's name, or its number."""

    def register(self, table: int, register: int, mask: int) -> Sequence[Bits]:
        """The named bits that overlap `mask` in this register, for a flow of `table`; none where nothing is named."""


def text(rule: Flow, names: Names | None = None) -> str:
    """The flow in one line, the same for equal flows: table, priority, match, actions."""
    writer = _Writer(rule.table, names)
    head = [f"table={writer.table_name(rule.table)}", f"priority={rule.priority}"]
    return f"{', '.join([*head, *writer.match(rule.match)])} actions={writer.instructions(rule.instructions)}"


def actions_text(data: bytes, names: Names | None = None, table: int = 0) -> str:
    """A list of actions (of a bucket, of a packet-out) in one line."""
    return ",".join(_Writer(table, names).actions(data))


class _Writer:
    """Writes the parts of one flow with the names that hold in its table."""

    def __init__(self, table: int, names: Names | None) -> None:
        self._table = table
        self._names = names

    def table_name(self, number: int) -> str:
        return self._names.table(number) if self._names else str(number)

    def group_name(self, number: int) -> str:
        return self._names.group(number) if self._names else str(number)

    def match(self, data: bytes) -> Iterator[str]:
        length = int.from_bytes(data[2:4], "big")
        found = {field: (value, mask) for field, value, mask in oxms(data[4:length])}
        eth_type, ip_proto = (found.pop(field, (None, None))[0] for field in (ETH_TYPE, IP_PROTO))
        yield from protocol_text(eth_type, ip_proto)
        for field, (value, mask) in found.items():
            if field in REG:
                yield from self._register(field, value, field.limit if mask is None else mask)
            else:
                yield f"{field}={value_text(field, value, mask)}"

    def _register(self, field: OxmField, value: int, mask: int) -> Iterator[str]:
        for bits in self._bits(REG.index(field), mask):
            shown, covered = (value & bits.mask) >> bits.shift, (mask & bits.mask) >> bits.shift
            whole = covered == bits.mask >> bits.shift
            yield f"{bits.name}={bits.show(shown) if whole else f'{shown:#x}/{covered:#x}'}"
            mask &= ~bits.mask
        if mask:
            yield f"{field}={value_text(field, value & mask, None if mask == field.limit else mask)}"

    def _bits(self, register: int, mask: int) -> Sequence[Bits]:
        return self._names.register(self._table, register, mask) if self._names else ()

    def instructions(self, data: bytes) -> str:
        parts: list[str] = []
        for kind, tlv in tlvs(data):
            if kind == a.APPLY_ACTIONS:
                parts.extend(self.actions(tlv[8:]))
            elif kind == a.GOTO_TABLE:
                parts.append(f"goto_table:{self.table_name(tlv[4])}")
            elif kind == a.METER:
                parts.append(f"meter:{int.from_bytes(tlv[4:8], 'big')}")
            else:
                raise ValueError(f"instruction {kind} is none of ours")
        return ",".join(parts) or "drop"

    def actions(self, data: bytes) -> Iterator[str]:
        for kind, tlv in tlvs(data):
            writers = _STANDARD if kind != a.EXPERIMENTER else _EXTENSIONS
            number, body = (kind, tlv[4:]) if kind != a.EXPERIMENTER else (tlv[8] << 8 | tlv[9], tlv[10:])
            if number not in writers:
                raise ValueError(f"action {kind}/{number} is none of ours")
            yield writers[number](self, body)

    def _output(self, body: bytes) -> str:
        port, max_len = struct.unpack_from("!IH", body)
        if port == a.CONTROLLER:
            return f"CONTROLLER:{max_len}"
        return port_text(port) if port == a.IN_PORT else f"output:{port_text(port)}"

    def _set_field(self, body: bytes) -> str:
        length = 4 + body[3]
        ((field, value, mask),) = oxms(body[:length])
        bits = self._named_slice(field, 0, field.width) if mask is None else None
        if bits:
            return f"set_field:{bits.show(value)}->{bits.name}"
        return f"set_field:{value_text(field, value, mask)}->{field}"

    def _load(self, body: bytes) -> str:
        part, header, value = struct.unpack_from("!HIQ", body)
        field, offset, nbits = known_field(header), part >> 6, (part & 63) + 1
        bits = self._named_slice(field, offset, nbits)
        if bits:
            return f"load:{bits.show(value)}->{bits.name}"
        return f"load:{value:#x}->{_slice_text(field, offset, nbits)}"

    def _named_slice(self, field: OxmField, offset: int, nbits: int) -> Bits | None:
        """The name of exactly these bits, if they have one."""
        found = self._around(field, offset, nbits)
        return found[0] if found is not None and (found[1], found[0].width) == (0, nbits) else None

    def _around(self, field: OxmField, offset: int, nbits: int) -> tuple[Bits, int] | None:
        """The named bits that hold these, and from which of them on; None when none do."""
        if field in XREG:
            low = offset + nbits <= 32
            register = 2 * XREG.index(field) + low
            offset -= 0 if low else 32
        elif field in REG:
            register = REG.index(field)
        else:
            return None
        if offset < 0:
            return None
        found = self._bits(register, (1 << nbits) - 1 << offset)
        wanted = (1 << nbits) - 1 << offset
        return next(((bits, offset - bits.shift) for bits in found if bits.mask & wanted == wanted), None)

    def _part(self, field: OxmField, offset: int, nbits: int) -> str:
        found = self._around(field, offset, nbits)
        if found is None:
            return _slice_text(field, offset, nbits)
        bits, low = found
        return bits.name if (low, bits.width) == (0, nbits) else f"{bits.name}{_bits_text(low, nbits)}"

    def _move(self, body: bytes) -> str:
        nbits, source_offset, target_offset, source, target = struct.unpack_from("!HHHII", body)
        return (
            f"move:{self._part(known_field(source), source_offset, nbits)}"
            f"->{self._part(known_field(target), target_offset, nbits)}"
        )

    def _check_pkt_larger(self, body: bytes) -> str:
        size, bit, header = struct.unpack_from("!HHI", body)
        return f"check_pkt_larger({size})->{self._part(known_field(header), bit, 1)}"

    def _multipath(self, body: bytes) -> str:
        basis, last, part, header = struct.unpack_from("!2xH4xH6xHI", body)
        register = self._part(known_field(header), part >> 6, (part & 63) + 1)
        return f"multipath(symmetric_l3l4+udp,{basis},modulo_n,{last + 1},0,{register})"

    def _ct(self, body: bytes) -> str:
        flags, source, where, table, algorithm = struct.unpack_from("!HIHB3xH", body)
        parts = ["commit"] * bool(flags & a.CT_COMMIT) + ["force"] * bool(flags & a.CT_FORCE)
        if source:
            parts.append(f"zone={self._part(known_field(source), where >> 6, (where & 63) + 1)}")
        elif where:
            parts.append(f"zone={where}")
        if table != a.NO_TABLE:
            parts.append(f"table={self.table_name(table)}")
        nested = list(self.actions(body[14:]))
        nat = nested[:1] if nested and nested[0].startswith("nat") else []
        executed = nested[len(nat) :]
        parts += nat + ([f"exec({','.join(executed)})"] if executed else [])
        parts += [f"alg={_ALGORITHMS.get(algorithm, algorithm)}"] if algorithm else []
        return f"ct({','.join(parts)})" if parts else "ct"

    def _nat(self, body: bytes) -> str:
        flags, present = struct.unpack_from("!2xHH", body)
        addresses, offset = [], 6
        for length, first, last in ((4, a.NAT_IPV4_MIN, a.NAT_IPV4_MAX), (16, a.NAT_IPV6_MIN, a.NAT_IPV6_MAX)):
            for flag in (first, last):
                if present & flag:
                    addresses.append(_nat_address(body[offset : offset + length]))
                    offset += length
        range_text = "-".join(addresses)
        if present & a.NAT_PORT_MIN:
            first, last = struct.unpack_from("!HH", body, offset)
            range_text += f":{first}" if first == last else f":{first}-{last}"
        kind = "src" if flags & a.NAT_SRC else "dst" if flags & a.NAT_DST else ""
        choices = (("persistent", a.NAT_PERSISTENT), ("hash", a.NAT_HASH), ("random", a.NAT_RANDOM))
        parts = [f"{kind}={range_text}"] if kind else []
        parts += [name for name, flag in choices if flags & flag]
        return f"nat({','.join(parts)})" if parts else "nat"

    def _to_program(self, body: bytes) -> str:
        return f"controller(id={int.from_bytes(body[2:4], 'big')})"

    def _resubmit(self, body: bytes) -> str:
        return f"resubmit(,{self.table_name(body[2])})"


def _slice_text(field: OxmField, offset: int, nbits: int) -> str:
    # ovs-ofctl calls the 16 bits of OpenFlow 1.0 in_port, and takes a tunnel option for as long as one may ever be.
    name = "in_port_oxm" if field is IN_PORT else str(field)
    if nbits == field.width and field is not TUN_METADATA0:
        return f"{name}[]"
    return f"{name}{_bits_text(offset, nbits)}"


def _bits_text(offset: int, nbits: int) -> str:
    return f"[{offset}]" if nbits == 1 else f"[{offset}..{offset + nbits - 1}]"


def _nat_address(data: bytes) -> str:
    number = int.from_bytes(data, "big")
    return ip_text(number) if len(data) == 4 else f"[{ipv6_text(number)}]"


def _conjunction(_: _Writer, body: bytes) -> str:
    clause, clauses, number = struct.unpack_from("!BBI", body)
    return f"conjunction({number},{clause + 1}/{clauses})"


_WriterOf = Callable[[_Writer, bytes], str]

_STANDARD: dict[int, _WriterOf] = {
    a.OUTPUT: _Writer._output,
    a.POP_VLAN: lambda *_: "pop_vlan",
    a.GROUP: lambda writer, body: f"group:{writer.group_name(int.from_bytes(body[:4], 'big'))}",
    a.SET_NW_TTL: lambda _, body: f"mod_nw_ttl:{body[0]}",
    a.DEC_NW_TTL: lambda *_: "dec_ttl",
    a.SET_FIELD: _Writer._set_field,
}
_EXTENSIONS: dict[int, _WriterOf] = {
    a.REG_MOVE: _Writer._move,
    a.REG_LOAD: _Writer._load,
    a.REG_LOAD2: _Writer._set_field,
    a.MULTIPATH: _Writer._multipath,
    a.TO_CONTROLLER: _Writer._to_program,
    a.RESUBMIT_TABLE: _Writer._resubmit,
    a.CHECK_PKT_LARGER: _Writer._check_pkt_larger,
    a.CONJUNCTION: _conjunction,
    a.CT: _Writer._ct,
    a.NAT: _Writer._nat,
    a.CT_CLEAR: lambda *_: "ct_clear",
}
