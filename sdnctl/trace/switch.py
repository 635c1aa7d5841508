"""Asks a switch what would become of a packet; no packet is sent.

``ofproto/trace`` of ovs-vswitchd(8), on its control socket.
"""

from sdnctl.bridge import control
from sdnctl.of.fields import CT_STATE
from sdnctl.of.values import value_text
from sdnctl.program.step import Packet
from sdnctl.trace.ofproto import HASH, flow_text, hashed

LOOKS_MOST = 16
"""Looks at connection tracking on one host that find the state which was asked for; any further finds a new one."""


def ask(rundir: str, bridge: str, packet: Packet) -> str:
    """The switch's own trace of this packet (``ofproto/trace``); SwitchError when it says nothing.

    A ``ct_state`` of the packet is what each look at connection tracking finds; without one it finds a new connection.
    """
    state = packet.get(CT_STATE, 0)
    flow = flow_text({field: value for field, value in packet.items() if field is not CT_STATE})
    known = hashed(control.call(rundir, "ofproto/trace-packet-out", bridge, flow, HASH))
    found = value_text(CT_STATE, state, state).strip("+").replace("+", ",")
    options = ("--ct-next", found) * LOOKS_MOST if state else ()
    return control.call(rundir, "ofproto/trace", *options, bridge, f"{known},{flow}")
