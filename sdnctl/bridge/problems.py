"""The problems of a host that its switch's database shows, each in a sentence that says what to do about it."""

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping

from sdnctl.base.addresses import Ip4
from sdnctl.base.paths import BRIDGE
from sdnctl.bridge.ports import Bridge
from sdnctl.bridge.snapshot import Row, Settings

UPLINK_KEY = "sdnctl-uplink"
SILENT = "Open vSwitch's database does not answer: is ovsdb-server running? (systemctl status openvswitch-switch)"
SET = "ovs-vsctl set Open_vSwitch . external_ids:"


def unusable(reason: str) -> str:
    """The problem of a bridge that the database does not take."""
    return f"{BRIDGE} cannot be made or mended: the switch's database says {reason!r}"


def settings(wrong: Mapping[str, str]) -> Iterator[str]:
    """The settings that make no sense (see ``snapshot.wrong``)."""
    for name, why in sorted(wrong.items()):
        yield f"{name} {why} and counts as not set: {SET}{name}=VALUE"


def bridge(seen: Bridge, kind: str) -> Iterator[str]:
    """A bridge that is in the database and not in the datapath; ``kind`` is its datapath type, "" the kernel's."""
    own = next((port for port in seen.ports if port.name == BRIDGE), None)
    if own is not None and all(one.row is None for one in own.interfaces):
        where = "the userspace datapath" if kind == "netdev" else "the kernel's datapath (is its module loaded?)"
        yield (
            f"Open vSwitch has not made {BRIDGE} in {where}: its log says why; another one: "
            f"ovs-vsctl set bridge {BRIDGE} datapath_type=netdev"
        )


def uplink(name: str, seen: Bridge) -> Iterator[str]:
    """An uplink that is named and is no port of the bridge."""
    if name and all(port.name != name for port in seen.ports):
        yield f"{UPLINK_KEY} is {name}, which is no port of {BRIDGE}: ovs-vsctl add-port {BRIDGE} {name}"


def unopened(name: str, seen: Bridge) -> Iterator[str]:
    """An uplink that is a port of the bridge, and not of the datapath."""
    port = next((port for port in seen.ports if port.name == name), None)
    if port is not None and all(one.row is None for one in port.interfaces):
        yield f"{UPLINK_KEY} is {name}, which Open vSwitch cannot open: is there such an interface ('ip link')?"


def doubles(losers: Iterable[Row]) -> Iterator[str]:
    """Interfaces that are left out because another one has their iface-id."""
    for row in losers:
        yield f"{row.name} is ignored: another interface has its iface-id {row.iface_id} as well; unplug one of them"


def tunnels(own: Settings, kind: str, inner: Iterable[str], here: Mapping[Ip4, str] | None) -> Iterator[str]:
    """A tunnel address from which no tunnel can leave.

    ``inner`` are the interfaces of Open vSwitch's own making, ``here`` is this machine's addresses and their devices,
    None when they are not known.
    In userspace a tunnel's packets leave by the bridge whose own interface has the address (ovs-vswitchd(8)).
    """
    address = own.encap_ip
    if not address or here is None or kind not in ("", "system", "netdev"):
        return
    device = here.get(address)
    if device is None:
        yield f"sdnctl-encap-ip is {address}, which is no address of this machine ('ip address'): tunnels cannot leave"
    elif kind == "netdev" and device not in set(inner):
        yield (
            f"sdnctl-encap-ip is {address} on {device}, which is no bridge of Open vSwitch: with the userspace "
            f"datapath tunnels cannot leave by it; put {device} on a bridge that has the address (docs/operations.md)"
        )


def addresses() -> dict[Ip4, str] | None:
    """The IPv4 addresses of this machine, each with its device (ip-address(8)); None when that cannot be told."""
    try:
        asked = ["ip", "-json", "-4", "address", "show"]
        found = json.loads(subprocess.run(asked, check=True, capture_output=True, timeout=5).stdout)
        return {Ip4.parse(one["local"]): link["ifname"] for link in found for one in link["addr_info"]}
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None
