"""Fragments of a guest's definition that give its interface its queues: for libvirt, and for QEMU by hand.

libvirt's own ``<virtualport type='openvswitch'>`` takes only UUIDs as interface id, and ids of ports are none: the tap
is made and plugged in beforehand, and libvirt is told to use it as it is.
"""

from dataclasses import dataclass
from hashlib import blake2b
from xml.sax.saxutils import quoteattr

BRIDGE = "br-int"
CONTROL_VECTORS = 2
"""Vectors beside one for each queue and direction: configuration changes and the control queue (QEMU's 2N + 2)."""


@dataclass(frozen=True, slots=True)
class Plug:
    """A network interface as a hypervisor needs it; ``socket`` is that of vhost-user, "" for a tap."""

    port: str
    mac: str
    queues: int
    socket: str = ""

    @property
    def tap(self) -> str:
        """The tap's name: within 15 characters, the same each time."""
        return f"tap{blake2b(self.port.encode(), digest_size=5).hexdigest()}"


def preparation(plug: Plug) -> list[str]:
    """The commands that make the host's side and plug it in, before the guest starts."""
    ids = f"external_ids:iface-id={plug.port} external_ids:attached-mac='\"{plug.mac}\"'"
    if plug.socket:
        kind = f"type=dpdkvhostuserclient options:vhost-server-path={plug.socket}"
        return [f"ovs-vsctl --may-exist add-port {BRIDGE} {plug.tap} -- set Interface {plug.tap} {kind} {ids}"]
    queues = " multi_queue" if plug.queues > 1 else ""
    return [
        f"ip tuntap add dev {plug.tap} mode tap{queues} vnet_hdr",
        f"ip link set {plug.tap} up",
        f"ovs-vsctl --may-exist add-port {BRIDGE} {plug.tap} -- set Interface {plug.tap} {ids}",
    ]


def libvirt(plug: Plug) -> str:
    """The ``<interface>`` element of a domain."""
    if plug.socket:
        kind, host = "vhostuser", f"<source type='unix' path={quoteattr(plug.socket)} mode='server'/>"
    else:
        kind, host = "ethernet", f"<target dev='{plug.tap}' managed='no'/>"
    driver = f"<driver queues='{plug.queues}'/>" if plug.socket else f"<driver name='vhost' queues='{plug.queues}'/>"
    lines = [
        f"<interface type='{kind}'>",
        f"  <mac address='{plug.mac}'/>",
        f"  {host}",
        "  <model type='virtio'/>",
        f"  {driver}",
        f"  <alias name='ua-{plug.port}'/>",
        "</interface>",
    ]
    return "\n".join(lines)


def qemu(plug: Plug, vhost: bool = True) -> list[str]:
    """The arguments of qemu-system-*; ``vhost`` lets the kernel move the packets (needs /dev/vhost-net)."""
    name = f"net-{plug.port}"
    queues = f",queues={plug.queues}" if plug.queues > 1 else ""
    if plug.socket:
        made = ["-chardev", f"socket,id=ch-{plug.port},path={plug.socket},server=on,wait=off"]
        made += ["-netdev", f"vhost-user,id={name},chardev=ch-{plug.port}{queues}"]
    else:
        on = ",vhost=on" if vhost else ""
        made = ["-netdev", f"tap,id={name},ifname={plug.tap},script=no,downscript=no{on}{queues}"]
    several = f",mq=on,vectors={2 * plug.queues + CONTROL_VECTORS}" if plug.queues > 1 else ""
    return [*made, "-device", f"virtio-net-pci,netdev={name},mac={plug.mac}{several}"]
