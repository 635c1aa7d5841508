"""The wires between the machines of a region: an Ethernet switch for each network, and every cable can be pulled."""

from mininet.net import Mininet

from topologies.station import Station
from topologies.wires import Sniffer


class Fabric(Station):
    """Linux bridges in a namespace of their own, one for each network that something has joined.

    A cable from station `hv1` to network `public` ends in the port `public-hv1` here and in the interface `public`
    there.
    """

    def __init__(self, name: str, **params: object) -> None:
        self._networks: set[str] = set()
        super().__init__(name, **params)

    def join(self, net: Mininet, station: Station, network: str, *addresses: str) -> str:
        """Connect a station to a network by an interface of the network's name; with addresses it is configured."""
        self._network(network)
        port = self.port(station, network)
        net.addLink(self, station, intfName1=port, intfName2=network, up=None)
        self._attach(port, network)
        if addresses:
            station.interface(network, *addresses, offload=True)
        return network

    def attach_wire(self, port: str, network: str) -> None:
        """Put a wire that already ends here, in the interface `port`, on a network."""
        self._network(network)
        self._attach(port, network)

    def cut(self, station: Station, network: str) -> None:
        """Let nothing through from now on; both ends still see a carrier, as when a switch further away has failed."""
        self.run("ip", "link", "set", self.port(station, network), "nomaster")

    def mend(self, station: Station, network: str) -> None:
        """Let everything through again."""
        self.run("ip", "link", "set", self.port(station, network), "master", network)

    def sniff_at(self, station: Station, network: str) -> Sniffer:
        """Watch the cable of one station during a `with` block; what the station sends is `received` here."""
        return self.sniff(self.port(station, network))

    @staticmethod
    def port(station: Station, network: str) -> str:
        """The name of the port here at which the station's cable ends."""
        return f"{network}-{station.name}"

    def _network(self, network: str) -> None:
        if network not in self._networks:
            self._networks.add(network)
            self.run("ip", "link", "add", network, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
            self.run("ip", "link", "set", network, "up")

    def _attach(self, port: str, network: str) -> None:
        self.run("ip", "link", "set", port, "master", network, "up")
