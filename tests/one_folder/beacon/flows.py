"""A beacon is presented by one host at a time, which echoes UDP that is sent to it."""

from collections.abc import Iterator

from apps.eni.facts import presented
from apps.eni.model import NetworkInterface
from apps.eni.tables import OUTPUT
from apps.holder.facts import held_here, holding
from apps.holder.model import Claim, Holder
from apps.pipeline import DELIVERY, NEXT_HOP, OUT_PORT, PORT, PUBLIC, VPC, ask
from apps.vpc.facts import vpc_here
from apps.vpc.model import ROUTER_MAC, Vpc
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import Binding, Peer
from sdnctl.of.actions import meter, set_field
from sdnctl.of.fields import IP_DST, IP_PROTO, IP_PROTO_UDP, UDP_DST
from sdnctl.of.flow import Flow
from sdnctl.of.meter import Meter
from sdnctl.packet import parse
from sdnctl.program.feature import Item, Reported, View, always, counts, feature, packet_in, placed, says
from sdnctl.program.packets import PacketIn, PacketOut
from sdnctl.program.pipeline import Priority, begin_at, goto, onward
from sdnctl.program.step import Step
from tests.one_folder.beacon.facts import rank
from tests.one_folder.beacon.model import Beacon
from tests.one_folder.beacon.tables import ASK_BEACON, BEACON, LIGHT, SEEN, SILENT

ECHO = 7
"""The UDP port of the echo protocol (RFC 862)."""


@always
def unseen() -> Iterator[Item]:
    """Let packets that are for no beacon go on."""
    # On its way, whatever it is.
    yield SEEN.flow(Priority.MISS, {}, [onward(SEEN)])


@feature(each=Beacon, within=placed("vpc", test=vpc_here))
def seen(beacon: Beacon, here: str, view: View) -> Iterator[Item]:
    """A packet for a beacon is told apart on every host of its VPC."""
    vpc, port = view.get(Vpc, beacon.vpc), view.get(NetworkInterface, beacon.port)
    if vpc is not None and port is not None:
        # For the beacon's address: remember which, and go on.
        yield SEEN.flow(
            Priority.NORMAL,
            {VPC: vpc.key, IP_DST: port.addresses[0]},
            [set_field(BEACON, beacon.key), onward(SEEN)],
        )


@feature(each=Beacon, within=placed("vpc", test=vpc_here), reports=(Holder, Claim, Peer, Binding))
def lit(beacon: Beacon, here: str, view: View) -> Iterator[Item]:
    """One host of the VPC presents the beacon."""
    vpc, port = view.get(Vpc, beacon.vpc), view.get(NetworkInterface, beacon.port)
    if vpc is None or port is None:
        return
    yield from holding(beacon.id, beacon.vpc, here, view, rank=view.derived(rank, beacon.vpc))
    if not view.derived(held_here, beacon.id):
        return
    # The region learns where its interface is: routes, ARP, elastic IPs and tunnels follow.
    yield Reported(presented(port, here))
    yield Meter(beacon.meter, beacon.rate, max(beacon.rate, 32), packets=True)
    # Out to the beacon: it has no switch port, but a table.
    yield OUTPUT.flow(
        Priority.NORMAL,
        {VPC: vpc.key, OUT_PORT: port.key},
        [meter(beacon.meter), set_field(BEACON, beacon.key), goto(LIGHT)],
    )
    # UDP to the echo port: the controller answers.
    yield LIGHT.flow(Priority.NORMAL, {BEACON: beacon.key, UDP_DST: ECHO}, ask(ASK_BEACON))


@counts(lit, "beacon")
def direction(beacon: Beacon, meter: Meter) -> str:
    """In to the beacon."""
    return "in"


@counts(seen, "beacon", SEEN)
def towards(beacon: Beacon, flow: Flow) -> str:
    """On its way to the beacon, from this host."""
    return "seen"


@packet_in(ASK_BEACON)
def echo(packet: PacketIn, here: str, view: View) -> Iterator[PacketOut]:
    """The same bytes, sent back: to an interface of the VPC, or out by the beacon's elastic IP."""
    ip = parse(packet.data).ip
    for id in view.by(Beacon, ("key",), packet.value(BEACON)) if ip is not None else ():
        beacon = view.get(Beacon, id)
        vpc = view.get(Vpc, beacon.vpc) if beacon is not None else None
        port = view.get(NetworkInterface, beacon.port) if beacon is not None else None
        if ip is None or vpc is None or port is None:
            continue
        inside = view.by(NetworkInterface, ("vpc", "addresses"), (vpc.id, Ip4(ip.src)))
        frame = echoed(packet.data)
        registers = (set_field(VPC, vpc.key), set_field(PORT, port.key), set_field(NEXT_HOP, ip.src))
        yield PacketOut(frame, (*registers, begin_at(DELIVERY if inside else PUBLIC)))


def echoed(frame: bytes) -> bytes:
    """A UDP frame turned round: the checksums stay right, since only places were exchanged."""
    start = 14 + (frame[14] & 0xF) * 4
    ip = frame[14:26] + frame[30:34] + frame[26:30] + frame[34:start]
    udp = frame[start + 2 : start + 4] + frame[start : start + 2] + frame[start + 4 :]
    return frame[6:12] + ROUTER_MAC.to_bytes(6) + frame[12:14] + ip + udp


@says(unseen)
def unseen_said(step: Step, view: View) -> str:
    """A packet for no beacon."""
    return "for no beacon"


@says(seen)
def seen_said(step: Step, view: View) -> str:
    """The beacon that a packet is for."""
    return f"for beacon {step.record.id}"


@says(lit)
def lit_said(step: Step, view: View) -> str:
    """The beacon that a packet has reached."""
    return f"beacon {step.record.id} is lit here"


@says(SILENT)
def silent_said(step: Step, view: View) -> str:
    """The packet that a beacon does not answer, in words."""
    kind = f"UDP port {step.value(UDP_DST)}" if step.value(IP_PROTO) == IP_PROTO_UDP else "this"
    return f"beacon at {step.ip(IP_DST)} does not answer {kind}"


@says(ASK_BEACON)
def echo_said(step: Step, view: View) -> str:
    """An echo."""
    return f"the controller answers: an echo from {step.ip(IP_DST)}"
