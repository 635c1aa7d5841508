"""The parts of a packet a flow may look at or change: addresses, ports, registers, connection state.

Each constant is one OXM field of OpenFlow 1.4 (section 7.2.3) or one of the NXM/OXM extensions of ovs-fields(7). They
stand in the order in which Open vSwitch writes a match, so what we send and what it reads back are the same bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

NXM = 0x0001
OXM = 0x8000
PACKET_REGISTERS = 0x8001
ERICSSON = 0x1000
EXPERIMENTER, ONF = 0xFFFF, 0x4F4E4600
"""The class of fields that stand behind the number of who defined them, and the Open Networking Foundation's."""
TUNNEL_METADATA_BITS = 32
REGISTER_BITS = 32

ETH_TYPE_IP = 0x0800
ETH_TYPE_ARP = 0x0806
ETH_TYPE_IPV6 = 0x86DD
IP_PROTO_ICMP = 1
IP_PROTO_TCP = 6
IP_PROTO_UDP = 17
IP_PROTO_ICMPV6 = 58
ND_SOLICIT = 135
ND_ADVERT = 136
VLAN_PRESENT = 0x1000

CT_NEW = 0x01
CT_ESTABLISHED = 0x02
CT_RELATED = 0x04
CT_REPLY = 0x08
CT_INVALID = 0x10
CT_TRACKED = 0x20
CT_SNAT = 0x40
CT_DNAT = 0x80

FRAGMENT_ANY = 1
FRAGMENT_LATER = 2

Value = int | tuple[int, int]
"""The value that a field must have: a value, or (value, mask)."""


class Need(NamedTuple):
    """A match that a field presupposes: `field` is one of `allowed`."""

    field: "OxmField"
    allowed: tuple[Value, ...]
    implied: bool = True
    """The first allowed value is meant when the match says nothing; else the match has to say it."""

    def met_by(self, value: Value) -> bool:
        """True when a match with this value selects only packets that have one of the allowed."""
        given, mask = self._pair(value)
        pairs = map(self._pair, self.allowed)
        return any(mask & bits == bits and given & bits == wanted for wanted, bits in pairs)

    def _pair(self, value: Value) -> tuple[int, int]:
        return value if isinstance(value, tuple) else (value, self.field.limit)


@dataclass(frozen=True, slots=True, eq=False)
class OxmField:
    """One header field or register, named as ovs-fields(7) names it; compared by identity."""

    name: str
    oxm_class: int
    number: int
    width: int
    """Bits that may be set; the wire has whole bytes."""
    maskable: bool = False
    needs: tuple[Need, ...] = ()
    matchable: bool = True
    decides: bool = False
    """Other fields' prerequisites ask for the value of this one."""
    writable: bool = True
    """An action may change it; ct_mark and ct_label inside `ct` only."""
    size: int = 0
    """Bytes on the wire where they are more than the bits fill; the switch then always writes a mask."""
    owner: int = 0
    """The number of who defined the field, where its class is ``EXPERIMENTER``."""

    def __repr__(self) -> str:
        return self.name

    @property
    def home(self) -> "OxmField":
        """The field itself, as a register is home to the fields in it."""
        return self

    @property
    def shift(self) -> int:
        """The lowest bit within ``home``: 0."""
        return 0

    @property
    def length(self) -> int:
        """Bytes of the value on the wire."""
        return self.size or (self.width + 7) // 8

    @property
    def limit(self) -> int:
        """The greatest value, which is also the mask of an exact match."""
        return (1 << self.width) - 1

    @property
    def header(self) -> int:
        """The 32-bit OXM header without a mask: class, number, length (OpenFlow 1.4, 7.2.3.2)."""
        return self.oxm_class << 16 | self.number << 9 | self.length + len(self.owned)

    @property
    def masked_header(self) -> int:
        """The 32-bit OXM header when a mask follows the value."""
        return self.oxm_class << 16 | self.number << 9 | 0x100 | 2 * self.length + len(self.owned)

    @property
    def owned(self) -> bytes:
        """The bytes between header and value: the number of who defined the field, where its class has one."""
        return self.owner.to_bytes(4, "big") if self.owner else b""


class RegisterField:
    """Some bits of a register under a name, used like a header field; compared by identity.

    Which bits they are is said once, by ``place``, before anything is written with them.
    """

    __slots__ = ("_home", "_shift", "limit", "name", "width")

    needs: tuple[Need, ...] = ()
    decides = False

    def __init__(self, name: str, width: int = 32) -> None:
        """``width`` is the number of bits, 1 to 32; ValueError for any other."""
        if not 0 < width <= REGISTER_BITS:
            raise ValueError(f"field {name}: a register has {REGISTER_BITS} bits, not {width}")
        self.name = name
        self.width = width
        self.limit = (1 << width) - 1
        self._home: OxmField | None = None
        self._shift = 0

    def place(self, register: OxmField, shift: int) -> None:
        """Give the field its bits: ``width`` of them in ``register``, from bit ``shift`` up."""
        self._home, self._shift = register, shift

    @property
    def home(self) -> OxmField:
        """The register that holds the field; ValueError before the field has a place."""
        if self._home is None:
            raise ValueError(f"field {self.name} has no place in a register yet")
        return self._home

    @property
    def shift(self) -> int:
        """The lowest bit within the register."""
        return self._shift

    @property
    def header(self) -> int:
        """The 32-bit OXM header of the register."""
        return self.home.header

    @property
    def whole(self) -> bool:
        """True when the field fills its register."""
        return self.width == REGISTER_BITS

    def __repr__(self) -> str:
        return self.name


Field = OxmField | RegisterField
"""A field that a flow may match, set or copy."""


def value_in(packet: Mapping[OxmField, int], field: Field) -> int:
    """The value of a field in a packet that is given as whole header fields and registers; 0 where it is not given."""
    return packet.get(field.home, 0) >> field.shift & field.limit


def _nxm(
    name: str,
    number: int,
    width: int,
    *needs: Need,
    maskable: bool = True,
    decides: bool = False,
    writable: bool = True,
) -> OxmField:
    return OxmField(name, NXM, number, width, maskable, needs, decides=decides, writable=writable)


def _oxm(
    name: str,
    number: int,
    width: int,
    *needs: Need,
    maskable: bool = False,
    decides: bool = False,
    writable: bool = True,
) -> OxmField:
    return OxmField(name, OXM, number, width, maskable, needs, decides=decides, writable=writable)


CONJ_ID = _nxm("conj_id", 37, 32, maskable=False, writable=False)
IN_PORT = _oxm("in_port", 0, 32)
ETH_SRC = _oxm("eth_src", 4, 48, maskable=True)
ETH_DST = _oxm("eth_dst", 3, 48, maskable=True)
ETH_TYPE = _oxm("eth_type", 5, 16, decides=True, writable=False)
VLAN_VID = _oxm("vlan_vid", 6, 13, maskable=True)

_IPV4 = Need(ETH_TYPE, (ETH_TYPE_IP,))
_IPV6 = Need(ETH_TYPE, (ETH_TYPE_IPV6,))
_IP = Need(ETH_TYPE, (ETH_TYPE_IP, ETH_TYPE_IPV6))
_ARP = Need(ETH_TYPE, (ETH_TYPE_ARP,))

IP_SRC = _oxm("ip_src", 11, 32, _IPV4, maskable=True)
IP_DST = _oxm("ip_dst", 12, 32, _IPV4, maskable=True)
IPV6_SRC = _oxm("ipv6_src", 26, 128, _IPV6, maskable=True)
IPV6_DST = _oxm("ipv6_dst", 27, 128, _IPV6, maskable=True)
IP_FRAG = _nxm("ip_frag", 26, 2, _IP, writable=False)
IP_TTL = _nxm("nw_ttl", 29, 8, _IP, maskable=False)
IP_PROTO = _oxm("ip_proto", 10, 8, _IP, decides=True, writable=False)

_TCP = Need(IP_PROTO, (IP_PROTO_TCP,))
_UDP = Need(IP_PROTO, (IP_PROTO_UDP,))
_ICMP = Need(IP_PROTO, (IP_PROTO_ICMP,))
_ICMPV6 = Need(IP_PROTO, (IP_PROTO_ICMPV6,))

TCP_SRC = _oxm("tcp_src", 13, 16, _TCP, maskable=True)
TCP_DST = _oxm("tcp_dst", 14, 16, _TCP, maskable=True)
TCP_FLAGS = OxmField("tcp_flags", EXPERIMENTER, 42, 12, True, (_TCP,), writable=False, owner=ONF, size=2)
"""OpenFlow 1.5 has it among its own; with 1.4 a switch writes it so (``nxm_field_by_mf_id``)."""
UDP_SRC = _oxm("udp_src", 15, 16, _UDP, maskable=True)
UDP_DST = _oxm("udp_dst", 16, 16, _UDP, maskable=True)
ICMP_TYPE = _oxm("icmp_type", 19, 8, _ICMP, _IPV4)
ICMP_CODE = _oxm("icmp_code", 20, 8, _ICMP, _IPV4)
ICMPV6_TYPE = _oxm("icmpv6_type", 29, 8, _ICMPV6, _IPV6, decides=True)
ICMPV6_CODE = _oxm("icmpv6_code", 30, 8, _ICMPV6, _IPV6)

_ND = Need(ICMPV6_TYPE, (ND_SOLICIT, ND_ADVERT), implied=False)
_ND_SOLICIT = Need(ICMPV6_TYPE, (ND_SOLICIT,))
_ND_ADVERT = Need(ICMPV6_TYPE, (ND_ADVERT,))

ND_TARGET = _oxm("nd_target", 31, 128, _ND, maskable=True)
ND_SLL = _oxm("nd_sll", 32, 48, _ND_SOLICIT, maskable=True)
ND_TLL = _oxm("nd_tll", 33, 48, _ND_ADVERT, maskable=True)
ND_RESERVED = OxmField("nd_reserved", ERICSSON, 1, 32, needs=(_ND,), matchable=False)
ND_OPTIONS_TYPE = OxmField("nd_options_type", ERICSSON, 2, 8, needs=(_ND,), matchable=False)

ARP_OP = _oxm("arp_op", 21, 16, _ARP)
ARP_SPA = _oxm("arp_spa", 22, 32, _ARP, maskable=True)
ARP_TPA = _oxm("arp_tpa", 23, 32, _ARP, maskable=True)
ARP_SHA = _oxm("arp_sha", 24, 48, _ARP, maskable=True)
ARP_THA = _oxm("arp_tha", 25, 48, _ARP, maskable=True)

TUN_ID = _oxm("tun_id", 38, 64, maskable=True)
TUN_SRC = _nxm("tun_src", 31, 32)
TUN_DST = _nxm("tun_dst", 32, 32)
TUN_METADATA0 = _nxm("tun_metadata0", 40, TUNNEL_METADATA_BITS)
"""A Geneve option of 32 bits, as long as the switch maps it so (`ovs-ofctl add-tlv-map ... len=4`)."""

REG = tuple(_nxm(f"reg{number}", number, 32) for number in range(16))
XREG = tuple(OxmField(f"xreg{number}", PACKET_REGISTERS, number, 64, True, matchable=False) for number in range(8))
"""reg0+reg1 and so on as one: to load and move; a match names the two registers, as the switch does when read back."""
PKT_MARK = _nxm("pkt_mark", 33, 32)

CT_STATE = OxmField("ct_state", NXM, 105, 8, True, decides=True, writable=False, size=4)
_VALID_STATES = (CT_NEW, CT_ESTABLISHED, CT_RELATED, CT_REPLY, CT_SNAT, CT_DNAT)
_VALID = Need(CT_STATE, ((CT_TRACKED, CT_TRACKED | CT_INVALID), *((bit, bit) for bit in _VALID_STATES)))

CT_ZONE = _nxm("ct_zone", 106, 16, maskable=False, writable=False)
CT_MARK = _nxm("ct_mark", 107, 32)
CT_LABEL = _nxm("ct_label", 108, 128)
CT_NW_SRC = _nxm("ct_nw_src", 120, 32, _IPV4, _VALID, writable=False)
CT_NW_DST = _nxm("ct_nw_dst", 121, 32, _IPV4, _VALID, writable=False)
CT_NW_PROTO = _nxm("ct_nw_proto", 119, 8, _IP, _VALID, maskable=False, decides=True, writable=False)

_CT_PORTS = Need(CT_NW_PROTO, (IP_PROTO_TCP, IP_PROTO_UDP, IP_PROTO_ICMP, IP_PROTO_ICMPV6), implied=False)

CT_TP_SRC = _nxm("ct_tp_src", 124, 16, _CT_PORTS, writable=False)
CT_TP_DST = _nxm("ct_tp_dst", 125, 16, _CT_PORTS, writable=False)
METADATA = _oxm("metadata", 2, 64, maskable=True)

FIELDS: tuple[OxmField, ...] = (
    *(CONJ_ID, IN_PORT, ETH_SRC, ETH_DST, ETH_TYPE, VLAN_VID),
    *(IP_SRC, IP_DST, IPV6_SRC, IPV6_DST, IP_FRAG, IP_TTL, IP_PROTO),
    *(TCP_SRC, TCP_DST, TCP_FLAGS, UDP_SRC, UDP_DST, ICMP_TYPE, ICMP_CODE, ICMPV6_TYPE, ICMPV6_CODE),
    *(ND_TARGET, ND_SLL, ND_TLL, ND_RESERVED, ND_OPTIONS_TYPE),
    *(ARP_OP, ARP_SPA, ARP_TPA, ARP_SHA, ARP_THA),
    *(TUN_ID, TUN_SRC, TUN_DST, TUN_METADATA0),
    *(*REG, *XREG, PKT_MARK),
    *(CT_STATE, CT_ZONE, CT_MARK, CT_LABEL, CT_NW_SRC, CT_NW_DST, CT_NW_PROTO, CT_TP_SRC, CT_TP_DST, METADATA),
)
"""All fields in the order of a match that Open vSwitch writes for OpenFlow 1.4 (nx_put_raw in its lib/nx-match.c)."""


def complete(match: Mapping[Field, Value]) -> dict[Field, Value]:
    """The match with everything that its fields presuppose: a UDP port adds ip_proto=17 and eth_type=0x0800.

    Raises ValueError when the match contradicts itself (an IPv4 address in ARP) or leaves open what cannot be guessed.
    """
    full = dict(match)
    needs = _all_needs(match)
    for need in needs:
        if need.field not in full:
            choices = [value for value in need.allowed if all(_agrees(other, need, value) for other in needs)]
            if not choices or not need.implied:
                raise ValueError(f"{', '.join(map(str, match))}: {need.field} must be matched, one of {need.allowed}")
            full[need.field] = choices[0]
    for need in needs:
        if not need.met_by(full[need.field]):
            raise ValueError(f"{', '.join(map(str, match))}: {need.field} must be one of {need.allowed}")
    return full


def _all_needs(match: Mapping[Field, Value]) -> list[Need]:
    """The needs of the fields and those of what they need, in order of discovery."""
    needs: list[Need] = []
    fields: list[Field] = list(match)
    for field in fields:
        needs.extend(need for need in field.needs if need not in needs)
        fields.extend(need.field for need in field.needs if need.field not in fields)
    return needs


def _agrees(other: Need, need: Need, value: Value) -> bool:
    return other.field is not need.field or value in other.allowed
