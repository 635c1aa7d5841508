"""A virtual machine: a station whose wires end in the integration bridge and are bound by their interface ids."""

import subprocess
import tempfile
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from mininet.net import Mininet

from topologies.hypervisor import Hypervisor
from topologies.process import stop, wait_until
from topologies.station import Station

_SCRIPT = """#!/bin/sh
# Keeps what the server said and configures the address; nothing outside this guest is touched.
case "$reason" in
PREINIT) ip link set dev "$interface" up ;;
BOUND|RENEW|REBIND|REBOOT)
  [ -z "$new_interface_mtu" ] || ip link set dev "$interface" mtu "$new_interface_mtu"
  ip address replace "$new_ip_address/$new_subnet_mask" dev "$interface"
  for router in $new_routers; do ip route replace default via "$router" dev "$interface"; done ;;
EXPIRE|FAIL|RELEASE|STOP) ip address flush dev "$interface" scope global ;;
esac
env | grep -E '^(reason|interface|new_|old_)' > "$0.part"
mv "$0.part" "$0.$reason"
exit 0
"""

_CONF = """
request subnet-mask, routers, domain-name-servers, domain-name, domain-search, interface-mtu, dhcp-lease-time;
timeout 10; initial-interval 1; retry 2;
"""


NAME_MAX = 15
"""Characters in the name of a network interface of Linux (IFNAMSIZ less its end)."""


class Guest(Station):
    """A virtual machine with network interfaces eth0, eth1, … on one hypervisor."""

    def __init__(self, name: str, **params: object) -> None:
        super().__init__(name, **params)
        self.nics: dict[int, str] = {}  # index -> the port's name on the bridge
        self._home = tempfile.TemporaryDirectory(prefix=f"sdnctl-{name}.")
        self._clients: list[subprocess.Popen[str]] = []

    def attach(self, net: Mininet, host: Hypervisor, interface: dict[str, Any], index: int = 0) -> None:
        """Give the guest a NIC for a network interface (as describeNetworkInterface returns it) and bind it."""
        self.wire(net, host, interface, index)
        host.plug(self.nics[index], interface["networkInterfaceId"])

    def wire(self, net: Mininet, host: Hypervisor, interface: dict[str, Any], index: int = 0) -> None:
        """Lead a wire from a NIC to the host, where it is on no bridge yet."""
        port = f"{self.name}.{index}"
        if len(port) > NAME_MAX:
            port = interface["networkInterfaceId"]
        net.addLink(self, host, intfName1=f"eth{index}", intfName2=port, up=None)
        self.interface(f"eth{index}", mac=interface["macAddress"])
        self.nics[index] = port

    def detach(self, net: Mininet, host: Hypervisor, index: int) -> None:
        """Take the NIC away again."""
        port = self.nics.pop(index)
        host.unplug(port)
        for link in [one for one in net.links if str(one.intf1) == f"eth{index}" and one.intf1.node is self]:
            net.delLink(link)

    def static(self, *addresses: str, router: str = "", index: int = 0) -> None:
        """Configure addresses "10.0.0.10/24" by hand; the router of eth0 is the default route."""
        self.interface(f"eth{index}", *addresses, gateway="" if index else router)

    def answer_where_asked(self, *addresses: str, router: str, index: int) -> None:
        """Send what has one of these addresses by this interface, as a machine with several of them must.

        Otherwise an answer may leave by another interface, where its address is a forged one.
        """
        table = str(100 + index)
        for address in addresses:
            own, network = address.split("/")[0], str(ip_interface(address).network)
            self.run("ip", "route", "replace", network, "dev", f"eth{index}", "table", table)
            self.run("ip", "rule", "add", "from", own, "lookup", table)
        self.run("ip", "route", "replace", "default", "via", router, "dev", f"eth{index}", "table", table)

    def dhcp(self, index: int = 0, lease: int = 0) -> dict[str, str]:
        """Run a real `dhclient` until it is bound and return what it was told (new_ip_address, new_routers, …).

        It stays and renews; `lease` seconds instead of the server's make it renew after half of that.
        """
        home = Path(self._home.name)
        name = f"eth{index}"
        script, conf = home / f"script-{name}", home / f"{name}.conf"
        times = f"supersede dhcp-lease-time {lease}; supersede dhcp-renewal-time {lease // 2};\n" if lease else ""
        script.write_text(_SCRIPT)
        script.chmod(0o755)
        conf.write_text(_CONF + times)
        for told in home.glob(f"{script.name}.*"):
            told.unlink()
        files = ["-sf", str(script), "-cf", str(conf), "-lf", str(self.lease_file(index))]
        files += ["-pf", str(home / f"{name}.pid")]
        client = self.spawn(["dhclient", "-4", "-1", "-d", *files, name])
        self._clients.append(client)

        def told_now() -> dict[str, str]:
            return self.dhcp_told("BOUND", index) or self.dhcp_told("REBOOT", index)

        wait_until(lambda: told_now() or client.poll() is not None, 30)
        return told_now()

    def dhcp_told(self, reason: str, index: int = 0) -> dict[str, str]:
        """The variables of dhclient-script(8) at the last time it was called with `reason`; empty if never."""
        told = Path(self._home.name) / f"script-eth{index}.{reason}"
        if not told.exists():
            return {}
        return dict(line.split("=", 1) for line in told.read_text().splitlines() if "=" in line)

    def lease_file(self, index: int = 0) -> Path:
        """The file in which the client remembers its leases (dhclient.leases(5))."""
        return Path(self._home.name) / f"eth{index}.leases"

    def stop_dhcp(self) -> None:
        """End the DHCP clients; the addresses stay."""
        for client in self._clients:
            stop(client)
        self._clients.clear()

    def terminate(self) -> None:
        """Switch the machine off."""
        super().terminate()
        self._home.cleanup()
