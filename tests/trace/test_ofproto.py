"""Texts of ofproto/trace, as Open vSwitch 3.1 wrote them, read into steps."""

from sdnctl.of.actions import CONTROLLER
from sdnctl.of.fields import IN_PORT, REG, TUN_DST, TUN_ID
from sdnctl.trace.ofproto import read

INTO_A_TUNNEL = """\
Flow: ip,in_port=1,vlan_tci=0x0000,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=0

bridge("br-int")
----------------
 0. in_port=1, priority 32768, cookie 0x5d00000000000001
    set_field:0x7->reg0
    goto_table:1
 1. ip, priority 32768, cookie 0x5d00000000000002
    check_pkt_larger(1464)->NXM_NX_REG9[0]
    set_field:172.31.0.102->tun_dst
    goto_table:32
    32. reg9=0x1/0x1, priority 32768, cookie 0x5d00000000000007
            goto_table:40
        40. priority 0, cookie 0x5d00000000000008
            CONTROLLER:65535
    set_field:172.31.0.102->tun_dst
    goto_table:32
32. reg9=0/0x1, priority 32768, cookie 0x5d00000000000003
    move:NXM_NX_REG0[0..23]->NXM_NX_TUN_ID[0..23]
     -> NXM_NX_TUN_ID[0..23] is now 0x7
    set_field:0->in_port
    output:5
     -> output to native tunnel
     -> tunneling to 172.31.0.102 via br-phy
     -> tunneling from 1e:9d:f7:de:31:40 172.31.0.101 to aa:bb:cc:dd:ee:ff 172.31.0.102

bridge("br-phy")
----------------
 0. priority 0
    NORMAL
     -> no learned MAC for destination, flooding

Final flow: ip,reg0=0x7,in_port=1,vlan_tci=0x0000,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=0
Megaflow: recirc_id=0,eth,ip,in_port=1,nw_ecn=0,nw_frag=no
Datapath actions: check_pkt_len(size=1464,gt(drop),le(tnl_push(tnl_port(3),out_port(2)),1))
"""

TOO_LARGE_IS_DROPPED = """\
bridge("br-int")
----------------
 1. ip, priority 32768, cookie 0x5d00000000000002
    check_pkt_larger(1464)->NXM_NX_REG9[0]
    goto_table:2
     2. No match.
            drop
    goto_table:2
 2. reg9=0, priority 32768, cookie 0x5d00000000000003
    output:5

Final flow: unchanged
"""


def test_the_packet_that_fits_goes_on_and_the_bridge_beyond_is_not_ours() -> None:
    steps = read(INTO_A_TUNNEL, {IN_PORT: 1})
    assert [(step.table, step.cookie & 0xFF) for step in steps] == [(0, 1), (1, 2), (32, 3)]
    last = steps[-1]
    assert last.outputs == (5,)
    assert CONTROLLER not in {port for step in steps for port in step.outputs}
    assert last.after[TUN_DST] == 0xAC1F0066
    assert last.after[TUN_ID] == last.after[REG[0]] == 7
    assert last.after.get(REG[9], 0) == 0


def test_a_larger_packet_that_is_dropped_is_passed_over() -> None:
    steps = read(TOO_LARGE_IS_DROPPED, {IN_PORT: 1})
    assert [(step.table, step.cookie & 0xFF, step.outputs) for step in steps] == [(1, 2, ()), (2, 3, (5,))]
