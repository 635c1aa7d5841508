"""The output of ofproto/trace, read: fields that actions write, slices, several actions, what is not understood."""

from sdnctl.base.addresses import Ip4, Mac
from sdnctl.of.actions import CONTROLLER, IN_PORT
from sdnctl.of.fields import ETH_DST, ETH_TYPE, IP_DST, IP_PROTO, IP_SRC, IP_TTL, REG, UDP_DST
from sdnctl.of.fields import IN_PORT as CAME_IN
from sdnctl.trace.ofproto import flow_text, read

SAID = """Flow: udp,in_port=1

bridge("br-int")
----------------
 0. in_port=1,vlan_tci=0x0000/0x1fff, priority 200, cookie 0x5d00000000000001
    set_field:0x7->reg0
    set_field:10.0.0.9->ip_dst
    set_field:fa:16:3e:00:00:02->eth_dst
    load:0x3->NXM_NX_REG1[4..7]
    dec_ttl
    goto_table:3
 3. reg8=0x5,reg0=0x7/0xf, priority 1
    move:NXM_OF_IP_SRC[]->NXM_NX_REG4[]
     -> NXM_NX_REG4[] is now 0xa000001
    multipath(symmetric_l4,50,modulo_n,2,0,NXM_NX_REG8[])
    a new kind of action that nobody knows
    mod_nw_ttl:9
    output:4
    IN_PORT
 5. No match.
    CONTROLLER:65535

Final flow: unchanged
Megaflow: recirc_id=0
"""


def test_steps_carry_the_packet_along() -> None:
    first, second, third = read(SAID, {CAME_IN: 1, IP_SRC: Ip4.parse("10.0.0.1"), IP_TTL: 64})
    assert (first.table, first.cookie, first.value(IP_DST), first.value(IP_TTL)) == (0, 0x5D00000000000001, 0, 64)
    assert first.after[REG[0]] == 7 and first.after[REG[1]] == 0x30 and first.after[IP_TTL] == 63
    assert second.ip(IP_DST) == Ip4.parse("10.0.0.9") and second.mac(ETH_DST) == Mac.parse("fa:16:3e:00:00:02")
    assert second.cookie == 0 and second.outputs == (4, IN_PORT)
    assert second.value(REG[8]) == 5  # what a flow matched exactly is so
    assert second.after[REG[4]] == Ip4.parse("10.0.0.1") and second.after[IP_TTL] == 9
    assert (third.table, third.cookie, third.outputs) == (5, 0, (CONTROLLER,))


def test_a_packet_is_written_with_its_prerequisites_first() -> None:
    packet = {UDP_DST: 53, IP_DST: Ip4.parse("10.0.0.1"), IP_PROTO: 17, ETH_TYPE: 0x0800, CAME_IN: 3}
    assert flow_text(packet) == "in_port=3,eth_type=0x800,ip_proto=17,udp_dst=53,ip_dst=10.0.0.1"


def test_silence_is_no_steps() -> None:
    assert read("", {}) == []
