"""The text of a flow, with and without names; the real ovs-ofctl judges the form in test_switch."""

from collections.abc import Sequence

import pytest

from sdnctl.of import actions as a
from sdnctl.of import fields as f
from sdnctl.of.flow import Flow, flow
from sdnctl.of.group import bucket
from sdnctl.of.text import Bits, actions_text, text
from sdnctl.of.values import ip_text

TABLES = {3: "dnat", 9: "route"}
BITS = (Bits("vpc", 0, 24), Bits("kind", 24, 4), Bits("next_hop", 0, 32, ip_text))


class Names:
    """VPC and kind in register 0, an address in register 2, something in each half of xreg2."""

    def table(self, number: int) -> str:
        return TABLES[number]

    def group(self, number: int) -> str:
        return str(number)

    def register(self, table: int, register: int, mask: int) -> Sequence[Bits]:
        found = {0: BITS[:2], 2: BITS[2:], 4: (Bits("high", 0, 32),), 5: (Bits("low", 8, 8),)}.get(register, ())
        return [bits for bits in found if bits.mask & mask]


CASES = [
    (
        flow(3, 9, {f.REG[0]: (3, 0xFFFFFF), f.IP_DST: 0x0A000001}, [a.set_field(f.IP_DST, 0xC0A80001), a.goto(9)]),
        "table=3, priority=9, ip, ip_dst=10.0.0.1, reg0=0x3/0xffffff"
        " actions=set_field:192.168.0.1->ip_dst,goto_table:9",
        "table=dnat, priority=9, ip, ip_dst=10.0.0.1, vpc=3 actions=set_field:192.168.0.1->ip_dst,goto_table:route",
    ),
    (
        flow(
            3, 1, {f.REG[0]: 0x21000003, f.REG[2]: 0x0A000001, f.REG[3]: 1}, [a.load(f.REG[0], 5, 0, 24), a.resubmit(9)]
        ),
        "table=3, priority=1, reg0=0x21000003, reg2=0xa000001, reg3=0x1 actions=load:0x5->reg0[0..23],resubmit(,9)",
        "table=dnat, priority=1, vpc=3, kind=1, reg0=0x20000000/0xf0000000, next_hop=10.0.0.1, reg3=0x1"
        " actions=load:5->vpc,resubmit(,route)",
    ),
    (
        flow(3, 1, {f.REG[0]: (0x10, 0xF0)}, [a.load(f.REG[2], 1), a.move(f.REG[0], f.TUN_ID, 24), a.output(4)]),
        "table=3, priority=1, reg0=0x10/0xf0 actions=load:0x1->reg2[],move:reg0[0..23]->tun_id[0..23],output:4",
        "table=dnat, priority=1, vpc=0x10/0xf0 actions=load:0.0.0.1->next_hop,move:vpc->tun_id[0..23],output:4",
    ),
    (
        flow(3, 1, {}, [a.load(f.XREG[2], 7, 32, 32), a.load(f.XREG[2], 7, 8, 8), a.load(f.XREG[2], 7)]),
        "table=3, priority=1 actions=load:0x7->xreg2[32..63],load:0x7->xreg2[8..15],load:0x7->xreg2[]",
        "table=dnat, priority=1 actions=load:7->high,load:7->low,load:0x7->xreg2[]",
    ),
    (
        flow(9, 1, {f.CT_STATE: (0x21, 0x31), f.UDP_DST: 53, f.IPV6_DST: (1 << 127, 1 << 127)}, []),
        "table=9, priority=1, udp6, ipv6_dst=8000::/1, udp_dst=53, ct_state=+new-inv+trk actions=drop",
        "table=route, priority=1, udp6, ipv6_dst=8000::/1, udp_dst=53, ct_state=+new-inv+trk actions=drop",
    ),
    (
        flow(9, 1, {f.IP_TTL: 1, f.IP_PROTO: 50}, [a.ct(zone=(f.REG[0], 0, 16), table=3, nat=a.nat())]),
        "table=9, priority=1, ip, ip_proto=50, nw_ttl=1 actions=ct(zone=reg0[0..15],table=3,nat)",
        "table=route, priority=1, ip, ip_proto=50, nw_ttl=1 actions=ct(zone=vpc[0..15],table=dnat,nat)",
    ),
]


@pytest.mark.parametrize(("rule", "plain", "named"), CASES)
def test_flow_reads(rule: Flow, plain: str, named: str) -> None:
    assert text(rule) == plain
    assert text(rule, Names()) == named


def test_actions_of_a_bucket_read() -> None:
    way = bucket([a.load(f.REG[0], 5, 0, 24), a.resubmit(9)], 1)
    assert actions_text(way[16:]) == "load:0x5->reg0[0..23],resubmit(,9)"
    assert actions_text(way[16:], Names()) == "load:5->vpc,resubmit(,route)"


def test_action_that_is_not_ours_is_refused() -> None:
    with pytest.raises(ValueError, match="none of ours"):
        actions_text(bytes.fromhex("0011000881000000"))
