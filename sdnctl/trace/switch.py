"""Asks a switch what would become of a packet; no packet is sent.

``ofproto/trace`` of ovs-vswitchd(8), on its control socket.
"""

from sdnctl.bridge import control
from sdnctl.program.step import Packet
from sdnctl.trace.ofproto import HASH, flow_text, hashed


def ask(rundir: str, bridge: str, packet: Packet) -> str:
    """The switch's own trace of this packet (``ofproto/trace``); SwitchError when it says nothing."""
    flow = flow_text(packet)
    known = hashed(control.call(rundir, "ofproto/trace-packet-out", bridge, flow, HASH))
    return control.call(rundir, "ofproto/trace", bridge, f"{known},{flow}")
