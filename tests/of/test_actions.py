"""Every action and instruction byte for byte as os-ken writes it."""

from typing import Any

import pytest

from sdnctl.of import actions as a
from sdnctl.of import fields as f
from sdnctl.of.actions import Action, Instruction
from tests.of import osken

P: Any = osken.parser
CONTROLLER = 0xFFFFFFFD

CASES: list[tuple[bytes, Any]] = [
    (a.output(7), P.OFPActionOutput(7, 0xFFFF)),
    (a.output(a.CONTROLLER, 128), P.OFPActionOutput(CONTROLLER, 128)),
    (a.output(a.IN_PORT), P.OFPActionOutput(0xFFFFFFF8, 0xFFFF)),
    (a.output(a.LOCAL), P.OFPActionOutput(0xFFFFFFFE, 0xFFFF)),
    (a.group(5), P.OFPActionGroup(5)),
    (a.pop_vlan(), P.OFPActionPopVlan()),
    (a.dec_ttl(), P.OFPActionDecNwTtl()),
    (a.set_ttl(64), P.OFPActionSetNwTtl(64)),
    (a.set_field(f.IP_DST, 0x0A000001), P.OFPActionSetField(ipv4_dst="10.0.0.1")),
    (a.set_field(f.ETH_SRC, 0xFA163E000001), P.OFPActionSetField(eth_src="fa:16:3e:00:00:01")),
    (a.set_field(f.IPV6_SRC, 1), P.OFPActionSetField(ipv6_src="::1")),
    (a.set_field(f.REG[3], 9), P.OFPActionSetField(reg3=9)),
    (a.set_field(f.TUN_ID, 9), P.OFPActionSetField(tunnel_id=9)),
    (a.set_field(f.ND_TARGET, 1), P.OFPActionSetField(ipv6_nd_target="::1")),
    (a.set_field(f.ARP_OP, 2), P.OFPActionSetField(arp_op=2)),
    (a.load(f.CT_LABEL, 9), P.OFPActionSetField(ct_label=9)),
    (a.load(f.REG[3], 9), P.NXActionRegLoad(31, "reg3", 9)),
    (a.load(f.REG[3], 9, 4, 7), P.NXActionRegLoad(4 << 6 | 6, "reg3", 9)),
    (a.load(f.XREG[1], 1 << 63), P.NXActionRegLoad(63, "xreg1", 1 << 63)),
    (a.load(f.IP_DST, 9), P.NXActionRegLoad(31, "ipv4_dst", 9)),
    (a.load(f.CT_LABEL, 9, 64, 32), P.NXActionRegLoad(64 << 6 | 31, "ct_label", 9)),
    (a.move(f.IP_SRC, f.IP_DST), P.NXActionRegMove("ipv4_src", "ipv4_dst", 32)),
    (a.move(f.REG[1], f.TUN_ID, 24, 8), P.NXActionRegMove("reg1", "tunnel_id", 24, 8, 0)),
    (a.move(f.ETH_SRC, f.ETH_DST), P.NXActionRegMove("eth_src", "eth_dst", 48)),
    (a.move(f.XREG[0], f.REG[4], dst_ofs=16), P.NXActionRegMove("xreg0", "reg4", 16, 0, 16)),
    (a.to_program(7), P.NXActionController(0xFFFF, 7, 1)),
    (a.resubmit(12), P.NXActionResubmitTable(0xFFF8, 12)),
    (a.conjunction(77, 2, 3), P.NXActionConjunction(1, 3, 77)),
    (a.ct_clear(), P.NXActionCTClear()),
    (a.nat(), P.NXActionNAT(0)),
    (a.nat(src=0x0A000001), P.NXActionNAT(1, range_ipv4_min="10.0.0.1")),
    (
        a.nat(dst=(0x0A000001, 0x0A000009), ports=(80, 90), random=True),
        P.NXActionNAT(2 | 16, "10.0.0.1", "10.0.0.9", "", "", 80, 90),
    ),
    (
        a.nat(src=(1, 9), ipv6=True, ports=(1, 2), persistent=True, hashed=True),
        P.NXActionNAT(1 | 4 | 8, "", "", "::1", "::9", 1, 2),
    ),
    (a.ct(), P.NXActionCT(0, 0, 0, 255, 0, [])),
    (a.ct(zone=5, table=9), P.NXActionCT(0, 0, 5, 9, 0, [])),
    (a.ct(commit=True, zone=(f.REG[2], 0, 16), table=9), P.NXActionCT(1, "reg2", 15, 9, 0, [])),
    (
        a.ct(commit=True, force=True, zone=3, alg=21, actions=[a.load(f.CT_MARK, 7), a.set_field(f.CT_LABEL, 8)]),
        P.NXActionCT(3, 0, 3, 255, 21, [P.NXActionRegLoad(31, "ct_mark", 7), P.OFPActionSetField(ct_label=8)]),
    ),
    (
        a.ct(commit=True, zone=3, nat=a.nat(dst=9)),
        P.NXActionCT(1, 0, 3, 255, 0, [P.NXActionNAT(2, range_ipv4_min="0.0.0.9")]),
    ),
    (
        # os-ken has no such action; this is what the switch took from it as an unknown one (docs/platform).
        a.check_pkt_larger(1500, f.REG[0], 3),
        P.NXActionUnknown(subtype=49, data=bytes.fromhex("05dc 0003 00010004 000000000000")),
    ),
    (a.goto(12), P.OFPInstructionGotoTable(12)),
    (a.meter(5), P.OFPInstructionMeter(5)),
]


@pytest.mark.parametrize(("ours", "theirs"), CASES, ids=[f"{ours.hex()[:28]}-{i}" for i, (ours, _) in enumerate(CASES)])
def test_is_encoded_as_by_osken(ours: bytes, theirs: Any) -> None:
    assert ours == osken.serialized(theirs)
    assert isinstance(ours, Action | Instruction)
    assert len(ours) % 8 == 0


def test_actions_and_instructions_are_distinct_types() -> None:
    assert not isinstance(a.goto(1), Action)
    assert not isinstance(a.output(1), Instruction)
    assert a.set_field(f.REG[0], 1) is a.set_field(f.REG[0], 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: a.set_field(f.REG[0], 1 << 32),
        lambda: a.set_field(f.REG[0], -1),
        lambda: a.set_field(f.CT_STATE, 1),
        lambda: a.set_field(f.IN_PORT, 1),
        lambda: a.load(f.REG[0], 4, 0, 2),
        lambda: a.load(f.REG[0], 0, 30, 3),
        lambda: a.load(f.ETH_TYPE, 0x0800),
        lambda: a.move(f.REG[0], f.ETH_TYPE),
        lambda: a.move(f.REG[0], f.REG[1], 32, 1),
        lambda: a.move(f.REG[0], f.REG[1], 0),
        lambda: a.conjunction(1, 3, 2),
        lambda: a.conjunction(1, 1, 1),
        lambda: a.nat(src=1, dst=2),
        lambda: a.nat(ports=(1, 2)),
        lambda: a.ct(force=True),
        lambda: a.ct(actions=[a.load(f.CT_MARK, 1)]),
        lambda: a.goto(256),
        lambda: a.set_ttl(256),
    ],
)
def test_impossible_action_is_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        make()


def test_commit_with_a_nat_without_address_is_refused() -> None:
    """It would abort ovs-vswitchd when a connection reuses its ports."""
    with pytest.raises(ValueError, match="no address"):
        a.ct(commit=True, nat=a.nat())
    assert a.ct(nat=a.nat())
