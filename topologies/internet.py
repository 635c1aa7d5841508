"""The public network behind the hosts' uplinks: the provider's router, and a server some hops away.

uplink  --  gateway 203.0.113.1  --(MTU 1400)--  server 198.51.100.10
"""

from mininet.net import Mininet

from topologies.station import Station

SERVER = "198.51.100.10"
SERVER_GATEWAY = "198.51.100.1"
NARROW_MTU = 1400


class Internet:
    """Two stations: `gateway` owns the pool's gateway address on the public segment and routes to `server`.

    The public segment is a wire to the interface `port` of a station: a host, or a switch that many hosts are on.
    """

    def __init__(
        self, net: Mininet, segment: Station, port: str = "uplink", address: str = "203.0.113.1", length: int = 24
    ) -> None:
        self.gateway: Station = net.addHost("gateway", cls=Station)
        self.server: Station = net.addHost("server", cls=Station)
        net.addLink(self.gateway, segment, intfName1="public", intfName2=port, up=None)
        net.addLink(self.gateway, self.server, intfName1="far", intfName2="eth0", up=None)
        self.gateway.sysctl("net.ipv4.ip_forward=1")
        self.gateway.interface("public", f"{address}/{length}")
        self.gateway.interface("far", f"{SERVER_GATEWAY}/24", mtu=NARROW_MTU)
        self.server.interface("eth0", f"{SERVER}/24", mtu=NARROW_MTU, gateway=SERVER_GATEWAY)
