"""Flows as messages, byte for byte against os-ken; what a cookie says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdnctl.of import actions as a
from sdnctl.of import fields as f
from sdnctl.of.fields import OxmField, Value
from sdnctl.of.flow import OURS, OURS_MASK, Flow, flow, flow_add, flow_delete_strict
from tests.of import osken
from tests.of.matches import matches

P: Any = osken.parser
MATCH: dict[OxmField, Value] = {f.IN_PORT: 3, f.ETH_DST: 0xFA163E000001, f.IP_DST: (0x0A000000, 0xFFFFFF00)}
OSKEN_MATCH = {
    "in_port": 3,
    "eth_dst": "fa:16:3e:00:00:01",
    "eth_type": 0x800,
    "ipv4_dst": ("10.0.0.0", "255.255.255.0"),
}


def osken_flow_mod(cookie: int, mask: int, command: int, instructions: list[Any]) -> bytes:
    mod = P.OFPFlowMod(
        osken.DATAPATH,
        cookie=cookie,
        cookie_mask=mask,
        table_id=12,
        command=command,
        priority=300,
        buffer_id=0xFFFFFFFF,
        match=P.OFPMatch(**OSKEN_MATCH),
        instructions=instructions,
        out_port=0xFFFFFFFF,
        out_group=0xFFFFFFFF,
    )
    return osken.message(mod, 99)


def test_flow_add_is_encoded_as_by_osken() -> None:
    rule = flow(12, 300, MATCH, [a.load(f.REG[1], 5), a.meter(7), a.output(4), a.goto(20)])
    apply = P.OFPInstructionActions(4, [P.NXActionRegLoad(31, "reg1", 5), P.OFPActionOutput(4, 0xFFFF)])
    instructions = [P.OFPInstructionMeter(7), apply, P.OFPInstructionGotoTable(20)]
    assert flow_add(rule, 99) == osken_flow_mod(rule.cookie, 0, 0, instructions)


def test_flow_without_actions_has_no_instructions() -> None:
    rule = flow(12, 300, MATCH, [])
    assert flow_add(rule, 99) == osken_flow_mod(rule.cookie, 0, 0, [])
    assert rule.instructions == b""


def test_delete_needs_the_key_and_the_cookie_only() -> None:
    rule = flow(12, 300, MATCH, [a.output(4)])
    expected = osken_flow_mod(rule.cookie, (1 << 64) - 1, 4, [])
    assert flow_delete_strict(rule, rule.cookie, 99) == flow_delete_strict(rule.key, rule.cookie, 99) == expected


def test_cookie_names_the_content() -> None:
    rule = flow(1, 2, {f.REG[0]: 3}, [a.output(4)])
    assert rule == flow(1, 2, {f.REG[0]: 3}, [a.output(4)])
    assert rule.cookie & OURS_MASK == OURS
    others = [
        flow(2, 2, {f.REG[0]: 3}, [a.output(4)]),
        flow(1, 3, {f.REG[0]: 3}, [a.output(4)]),
        flow(1, 2, {f.REG[0]: 4}, [a.output(4)]),
        flow(1, 2, {f.REG[1]: 3}, [a.output(4)]),
        flow(1, 2, {f.REG[0]: (3, 7)}, [a.output(4)]),
        flow(1, 2, {f.REG[0]: 3}, [a.output(5)]),
        rule.salted(1),
        rule.salted(2),
    ]
    cookies = {rule.cookie, *(other.cookie for other in others)}
    assert len(cookies) == 1 + len(others)
    assert all(cookie & OURS_MASK == OURS for cookie in cookies)
    assert (rule.salted(1).key, rule.salted(1).body) == (rule.key, rule.body)
    assert rule.salted(1) == rule.salted(1) != rule


def test_wildcarded_and_whole_masks_are_canonical() -> None:
    whole = flow(1, 2, {f.REG[0]: (3, 0xFFFFFFFF), f.REG[1]: (7, 0)}, [])
    assert whole == flow(1, 2, {f.REG[0]: 3}, [])
    assert flow(1, 2, {f.IP_DST: (0x0A000001, 0xFF000000)}, []) == flow(1, 2, {f.IP_DST: (0x0A000000, 0xFF000000)}, [])


@given(matches(), st.integers(0, 254), st.integers(0, 0xFFFF))
def test_table_and_priority_are_in_the_key(match: dict[OxmField, Value], table: int, priority: int) -> None:
    rule = flow(table, priority, match, [])
    assert (rule.table, rule.priority) == (table, priority)
    assert rule.match == flow(0, 0, match, []).match


@pytest.mark.parametrize(("table", "priority"), [(-1, 0), (255, 0), (0, -1), (0, 65536)])
def test_table_and_priority_have_bounds(table: int, priority: int) -> None:
    with pytest.raises(ValueError, match="no table"):
        flow(table, priority, {}, [])


def test_order_of_instructions_is_the_switchs() -> None:
    apart = flow(1, 2, {}, [a.goto(3), a.output(1), a.meter(9), a.output(2)])
    assert apart == flow(1, 2, {}, [a.meter(9), a.output(1), a.output(2), a.goto(3)])
    with pytest.raises(ValueError, match="at most one"):
        flow(1, 2, {}, [a.goto(3), a.goto(4)])


def test_flow_fits_a_message_in_a_bundle() -> None:
    with pytest.raises(ValueError, match="too many"):
        flow(1, 2, {}, [a.output(1)] * 4096)
    most = flow(1, 2, {}, [a.output(1)] * 3840)
    assert len(flow_add(most, 1)) + 16 < 1 << 16


def test_flow_is_not_equal_to_something_else() -> None:
    assert Flow(1, b"", b"") != 1
    assert len({flow(1, 2, {}, []), flow(1, 2, {}, [])}) == 1


def test_a_flow_knows_the_meter_and_the_groups_that_it_uses() -> None:
    """By what its instructions are, not by what bytes happen to stand somewhere in them."""
    plain = flow(1, 100, {}, [a.output(7), a.goto(2)])
    assert plain.meter == 0 and plain.groups == ()
    used = flow(1, 100, {}, [a.meter(5), a.output(7), a.group(9), a.group(0x1_0000), a.goto(2)])
    assert used.meter == 5 and used.groups == (9, 0x1_0000)
    assert flow(1, 100, {}, []).meter == 0 and flow(1, 100, {}, []).groups == ()
    # The bytes of meter 5, and of group 5, as the value of a register.
    for looks in (0x0006_0008_0000_0005, 0x0016_0008_0000_0005):
        other = flow(1, 100, {}, [a.load(f.XREG[0], looks)])
        assert looks.to_bytes(8, "big") in other.body and other.meter == 0 and other.groups == ()
