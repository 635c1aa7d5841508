"""Addresses that nobody on the internet has stay away from it: "martians" of RFC 1812, 5.3.7 (RFC 6890 lists them).

Neither does a packet come in from there that says it is from such an address, or from within the region (BCP 38).
"""

from collections.abc import Iterator

from apps.eip.tables import DNAT
from apps.martian.facts import nowhere
from apps.martian.tables import MARTIAN, MARTIAN_SOURCE
from apps.pipeline import drop
from apps.uplink.facts import entering, gateway_mac, hop_left
from apps.uplink.model import Pool
from apps.uplink.tables import ARRIVAL, OWN_SOURCE
from sdnctl.base.addresses import Mac
from sdnctl.model.host import UPLINK, Host, LocalUplink
from sdnctl.of.fields import ETH_DST, ETH_SRC, IP_DST, IP_SRC, Field, Value
from sdnctl.program.feature import Item, View, feature, says
from sdnctl.program.pipeline import Priority
from sdnctl.program.step import Step


@feature(each=LocalUplink)
def martian(uplink: LocalUplink, here: str, view: View) -> Iterator[Item]:
    """No packet from or to the public network has an address that nobody there has."""
    for block in view.derived(nowhere, None):
        # In from nobody.
        source: dict[Field, Value] = {ETH_DST: uplink.mac, IP_SRC: (block.network, block.mask)}
        yield ARRIVAL.flow(Priority.EXCEPTION, source, drop(MARTIAN_SOURCE))
        # Out to nobody: no elastic IP of the region either, or it would have been found before.
        yield DNAT.flow(Priority.BROAD, {IP_DST: (block.network, block.mask)}, drop(MARTIAN))


@feature(each=Pool)
def pool(pool: Pool, here: str, view: View) -> Iterator[Item]:
    """From outside comes nothing of the region's own addresses, but for what a gateway sends back.

    It does where another host has an uplink too: its elastic IPs reach those of this one by the gateways.
    """
    uplink = view.get(LocalUplink, UPLINK)
    if uplink is None:
        return
    # From the gateway itself, whatever its address is.
    yield from entering(uplink, {IP_SRC: pool.gateway}, Priority.prefix(32, 0), Priority.prefix(32, 1))
    block, length = (pool.cidr.network, pool.cidr.mask), pool.cidr.length
    for mac in sorted(view.derived(routers, None)) if view.derived(others_outside, None) else ():
        # From an elastic IP on another host, by a gateway: of which pool depends on where it is sent to.
        match: dict[Field, Value] = {ETH_SRC: mac, IP_SRC: block}
        yield from entering(uplink, match, Priority.prefix(length, 0), Priority.prefix(length, 1))
    # From somebody who says that he has an address of the region.
    yield ARRIVAL.flow(Priority.prefix(length, 2), {ETH_DST: uplink.mac, IP_SRC: block}, drop(OWN_SOURCE))


def routers(_: None, here: str, view: View) -> frozenset[Mac]:
    """The MAC addresses of all pools' gateways, as far as they are known."""
    pools = (view.get(Pool, id) for id in view.all(Pool))
    return frozenset(mac for pool in pools if pool is not None and (mac := gateway_mac(pool, here, view)))


def others_outside(_: None, here: str, view: View) -> bool:
    """True when another host has a way to the public network."""
    hosts = (view.get(Host, id) for id in view.all(Host) if id != here)
    return any(host is not None and host.uplink for host in hosts)


@says(pool)
def from_gateway(step: Step, view: View) -> str:
    """The way in for the gateway, or by it, in words."""
    who = "the gateway" if step.value(IP_SRC) == step.record.gateway else "another elastic IP, by the gateway"
    return f"from {who}, {hop_left(step)}"


@says(OWN_SOURCE)
def own_source(step: Step, view: View) -> str:
    """The address that is the region's own, in words."""
    return f"{step.ip(IP_SRC)} is an address of this region: a packet from outside does not come from it"


@says(MARTIAN_SOURCE)
def martian_source(step: Step, view: View) -> str:
    """The sender that is nobody, in words."""
    return f"nobody on the internet has {step.ip(IP_SRC)} (RFC 6890)"


@says(MARTIAN)
def martian_destination(step: Step, view: View) -> str:
    """The receiver that is nobody, in words."""
    return f"nobody on the internet has {step.ip(IP_DST)} (RFC 6890)"
