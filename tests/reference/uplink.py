"""The way to the public network: an uplink, and the gateways of its pools."""

from dataclasses import replace

from hypothesis import strategies as st

from apps.uplink.model import GatewayNeighbour, Pool
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import UPLINK, LocalUplink
from tests.build import HERE, Network
from tests.reference import Fate, Frame, World, rule


def outward(world: World, pool: str, frame: Frame) -> Fate:
    """To the gateway of a pool."""
    if (told := world.tell("leaving", frame)) is not None:
        return told
    gateway = world.find(GatewayNeighbour, f"{HERE}/{pool}")
    if gateway is None or world.uplink is None:
        return Fate(dropped="no-gateway")
    return Fate(to=UPLINK, frame=replace(frame, eth_src=world.uplink.mac, eth_dst=gateway.mac))


@rule("outside", after=("asked_outside", "in_from_outside"))
def gateway_told(world: World, frame: Frame) -> Fate:
    """A gateway says by ARP where it is; whatever else comes is for nobody here."""
    for pool in world.all(Pool) if frame.kind == "arp" else ():
        if frame.src == pool.gateway and (frame.op == 2 or (frame.op == 1 and frame.dst == pool.gateway)):
            return Fate(asks="gateway")
    return Fate(dropped="not-ours")


def addresses(network: Network) -> set[int]:
    """The gateway's."""
    return {Ip4.parse("203.0.113.1")}


def grow(draw: st.DrawFn, network: Network) -> None:
    """Sometimes no gateway answers, or there is no uplink."""
    if draw(st.integers(0, 4)) == 0:
        network.store.report(lambda txn: txn.delete(GatewayNeighbour, f"{HERE}/pool-1"))
    if draw(st.integers(0, 6)) == 0:
        del network.local[LocalUplink, UPLINK]
