"""A test network in a real switch with a simulated datapath: send a frame, or ask what would become of it."""

from apps.eni.model import NetworkInterface
from sdnctl.model.host import LocalUplink
from sdnctl.testing.simulated import Simulated, Verdict
from tests.build import Network


class Lab(Simulated):
    """The network's flows in a private dummy switch; its interfaces and ``internet`` are the ports."""

    def __init__(self, network: Network) -> None:
        self.network = network
        local = [(key, record) for key, record in network.local.items() if hasattr(record, "ofport")]
        names = {"internet" if cls is LocalUplink else id.removeprefix("port-"): at.ofport for (cls, id), at in local}
        super().__init__(network.engine(), names)

    def port(self, name: str) -> NetworkInterface:
        """The interface called ``port-NAME``."""
        found = self.network.store.state.get(NetworkInterface, f"port-{name}")
        assert found is not None
        return found

    def ip(
        self, sender: str, destination: str, more: str = "icmp,icmp_type=8", source: str = "", mac: str = ""
    ) -> Verdict:
        """An honest packet from an interface, unless told otherwise: to the router's MAC address, with TTL 64."""
        port = self.port(sender)
        src, eth = source or str(port.addresses[0]), mac or str(port.mac)
        return self.trace(
            sender,
            f"dl_src={eth},dl_dst=0e:00:00:00:00:01,{more},nw_src={src},nw_dst={destination},nw_ttl=64",
        )
