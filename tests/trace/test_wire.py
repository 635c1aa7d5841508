"""Questions and legs in the store: what goes in comes out, and what another host made up is refused."""

import json

import pytest

from sdnctl.base.addresses import Ip4
from sdnctl.model.host import TUNNEL
from sdnctl.of.fields import ETH_DST, IP_DST, TUN_ID
from sdnctl.trace.model import Exit, Leg, Statement
from sdnctl.trace.wire import MOST_BYTES, leg_of, leg_text, packet_map, packet_of

PACKET = {ETH_DST: 0x0E0000000001, IP_DST: 0x0A000001, TUN_ID: 7}
LEG = Leg(
    "hv1",
    "onward",
    "",
    "through the tunnel",
    (Statement("encap", "tunnel", "", "through the tunnel", "does it fit", "tunnel"),),
    Exit(TUNNEL, Ip4.parse("172.31.0.102"), PACKET),
)


def test_what_goes_in_comes_out() -> None:
    assert packet_of(packet_map(PACKET)) == PACKET
    assert leg_of("hv1", leg_text(LEG)) == LEG


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        "1" * (MOST_BYTES + 1),
        json.dumps({"outcome": "won", "reason": "", "verdict": "", "statements": []}),
        json.dumps({"outcome": "dropped", "reason": "", "verdict": "", "statements": [["too", "few"]]}),
        leg_text(LEG).replace("172.31.0.102", "nowhere"),
        leg_text(LEG).replace('"tun_id"', '"no_such_field"'),
        leg_text(LEG).replace('"0xa000001"', '"-0x1"'),
        leg_text(LEG).replace('"0xa000001"', '"0x1ffffffff"'),
    ],
)
def test_what_is_no_leg_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        leg_of("hv1", wrong)
