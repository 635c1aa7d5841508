"""Messages byte for byte against os-ken."""

from typing import Any

import pytest

from sdnctl.of import actions as a
from sdnctl.of import fields as f
from sdnctl.of import group, message, meter
from sdnctl.of.flow import flow, flow_add
from tests.of import osken

P: Any = osken.parser
DP = osken.DATAPATH

BUCKETS = (group.bucket([a.output(1)], 1), group.bucket([a.load(f.REG[1], 4), a.resubmit(3)], 7))


def osken_bucket(weight: int, *actions: Any) -> Any:
    return P.OFPBucket(weight, 0xFFFFFFFF, 0xFFFFFFFF, list(actions))


def osken_group(command: int) -> Any:
    buckets = [
        osken_bucket(1, P.OFPActionOutput(1, 0xFFFF)),
        osken_bucket(7, P.NXActionRegLoad(31, "reg1", 4), P.NXActionResubmitTable(0xFFF8, 3)),
    ]
    return P.OFPGroupMod(DP, command, 1, 5, buckets)


def osken_packet_in_masks() -> list[Any]:
    masks = {1: message.PACKET_INS, 3: 0, 5: 0, 7: 0, 9: 0, 11: 0}
    return [P.OFPAsyncConfigPropReasons(kind, 8, mask) for kind, mask in masks.items()]


CASES: list[tuple[bytes, Any]] = [
    (message.barrier(99), P.OFPBarrierRequest(DP)),
    (message.set_config(99), P.OFPSetConfig(DP, message.FRAG_NX_MATCH, 0xFFFF)),
    (message.set_async(99), P.OFPSetAsync(DP, osken_packet_in_masks())),
    (message.meter_config_request(99), P.OFPMeterConfigStatsRequest(DP, 0, 0xFFFFFFFF)),
    (message.meter_stats_request(99), P.OFPMeterStatsRequest(DP, 0, 0xFFFFFFFF)),
    (message.group_desc_request(99), P.OFPGroupDescStatsRequest(DP, 0)),
    (
        message.flow_stats_request(99, 5, 7, 3),
        P.OFPFlowStatsRequest(DP, 0, 3, 0xFFFFFFFF, 0xFFFFFFFF, 5, 7, P.OFPMatch()),
    ),
    (
        message.packet_out(b"frame!", 3, [a.output(4), a.dec_ttl()], 99),
        P.OFPPacketOut(DP, 0xFFFFFFFF, 3, [P.OFPActionOutput(4, 0xFFFF), P.OFPActionDecNwTtl()], b"frame!"),
    ),
    (
        meter.meter_mod(meter.ADD, meter.Meter(7, 1000, 100), 99),
        P.OFPMeterMod(DP, 0, 1 | 4 | 8, 7, [P.OFPMeterBandDrop(1000, 100)]),
    ),
    (
        meter.meter_mod(meter.MODIFY, meter.Meter(7, 50, 5, packets=True), 99),
        P.OFPMeterMod(DP, 1, 2 | 4 | 8, 7, [P.OFPMeterBandDrop(50, 5)]),
    ),
    (meter.meter_mod(meter.DELETE, meter.Meter(7, 50, 5), 99), P.OFPMeterMod(DP, 2, 1 | 4 | 8, 7, [])),
    (group.group_mod(group.ADD, group.Group(5, "select", BUCKETS), 99), osken_group(0)),
    (group.group_mod(group.MODIFY, group.Group(5, "select", BUCKETS), 99), osken_group(1)),
    (group.group_mod(group.DELETE, group.Group(5, "all", BUCKETS), 99), P.OFPGroupMod(DP, 2, 0, 5, [])),
]


@pytest.mark.parametrize(("ours", "theirs"), CASES, ids=[f"{ours[1]}-{i}" for i, (ours, _) in enumerate(CASES)])
def test_message_is_encoded_as_by_osken(ours: bytes, theirs: Any) -> None:
    assert ours == osken.message(theirs, 99)


def test_bundle_is_framed_as_by_osken() -> None:
    added = flow_add(flow(12, 0, {}, []), 17)
    opened, adding, committed = message.bundle([added], 5, 30)
    assert opened == osken.message(P.OFPBundleCtrlMsg(DP, 5, 0, 3, []), 30)
    assert committed == osken.message(P.OFPBundleCtrlMsg(DP, 5, 4, 3, []), 31)
    assert adding[:16] == bytes.fromhex("0522") + (16 + len(added)).to_bytes(2, "big") + bytes.fromhex(
        "00000011 00000005 0000 0003"
    )
    assert adding[16:] == added


def test_unknown_kind_of_group_is_refused() -> None:
    with pytest.raises(ValueError, match="fast"):
        group.group_mod(group.ADD, group.Group(1, "fast", ()), 1)
