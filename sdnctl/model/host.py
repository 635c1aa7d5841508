"""A host is a machine that runs Open vSwitch; it reports which ports it has and what its switch has confirmed.

These are the only resources that the machine itself knows: everything else is a feature's.
"""

from sdnctl.base.addresses import Ip4, Mac
from sdnctl.model.checks import COUNT_MAX, TIME_MAX, named, within
from sdnctl.model.resource import PLUGGED, field, label, ref, resource

NO_SWITCH = "no switch: is ovs-vswitchd running? (systemctl status openvswitch-switch; its log says why not)"
"""The error of a host whose br-int does not answer."""
UPLINK = "uplink"
TUNNEL = "tunnel"
SWITCH = "switch"
MTU_MIN, NUMBER_MAX = 576, 2**16 - 1
READ = 5
"""Numbers of a counter in ``TrafficCount.read``."""
ENCAPSULATION_BYTES = 50
"""Bytes that Geneve or VXLAN without options adds to a packet: IPv4 20, UDP 8, their own 8, inner Ethernet 14."""


@resource(report=True, reach="region")
class Host:
    """One hypervisor or gateway, and how others reach it.

    ``encap_ip`` is where its tunnels end, 0 when it has none; ``mtu`` is the underlay's, in bytes.  ``gateway`` is its
    preference as a gateway to the public network for hosts without an uplink, 0 when it is none.
    """

    id: str
    uplink: str = field(default="")
    uplink_mac: Mac = field(default=Mac(0))
    encap_ip: Ip4 = field(default=Ip4(0))
    encap_type: str = field(default="")
    mtu: int = field(default=1500)
    gateway: int = field(default=0)

    def check(self) -> None:
        """ValueError for an MTU or a preference that there is not."""
        within("mtu", self.mtu, MTU_MIN, NUMBER_MAX)
        within("gateway", self.gateway, 0, NUMBER_MAX)


@resource(report=True, reach="host")
class HostStatus:
    """The health of a host; the id is the host's.  ``applied`` is the sequence number that its switch has confirmed.

    ``drops`` counts dropped packets by the reason's name, since the controller's start; ``peers`` says of each host
    that it has tunnels to whether packets get there ("up", "down": BFD, RFC 5880).
    """

    id: str
    host: str = ref("Host", on_delete="cascade")
    applied: int = label(default=0)
    flows: int = label(default=0)
    errors: tuple[str, ...] = label(default=())
    drops: dict[str, str] = label(default={})
    peers: dict[str, str] = label(default={})
    seen: float = label(default=0.0)

    def check(self) -> None:
        """ValueError when it is of another host than its id says, or a count or a time is none."""
        named(self.id, self.host)
        for count in self.drops.values():
            within("drops", int(count), 0, COUNT_MAX)
        within("seen", self.seen, 0, TIME_MAX)


@resource(report=True, reach="host")
class TrafficCount:
    """The traffic of one resource on one host, for a ledger to add up; the id is made of the first four fields.

    ``packets`` and ``bytes`` (Ethernet headers included) went through, the dropped ones did not; all four only grow
    within an ``epoch``, which begins with all that is counted in it and is named by its beginning in milliseconds
    since 1970.  A resource's traffic is so the sum, over hosts and epochs, of the last that each said.  ``ended`` is
    the time of the last count, in seconds since 1970, 0 while it goes on.  ``read`` has five
    numbers for each meter and flow that it adds up: which one, and what it showed.
    """

    id: str
    host: str = ref("Host", on_delete="cascade")
    family: str = field()
    resource: str = field()
    direction: str = field(default="")
    packets: int = label(default=0)
    bytes: int = label(default=0)
    dropped_packets: int = label(default=0)
    dropped_bytes: int = label(default=0)
    epoch: int = label(default=0)
    ended: float = label(default=0.0)
    read: tuple[int, ...] = label(default=())

    def check(self) -> None:
        """ValueError when the id is another one, or a number is missing."""
        named(self.id, f"{self.host}/{self.family}/{self.resource}/{self.direction}")
        within("ended", self.ended, 0, TIME_MAX)
        if len(self.read) % READ:
            raise ValueError(f"read has {len(self.read)} numbers, not {READ} for each counter")


@resource(indexes=(("pool",),))
class RetiredNumber:
    """A number that was given up in transaction ``sequence``; the id is ``pool/number``.

    A host that has not confirmed that transaction may still have flows with it, so nobody else gets it before.
    """

    id: str
    pool: str = field()
    sequence: int = field()


@resource(report=True, reach="vpc", contested=True, indexes=(("vpc",), ("vpc", "host")))
class Binding:
    """A port is on a host: the id is the one plugged in there; ``vpc`` repeats its own for the index.

    ``row`` names the Interface row that made the claim, ``displaced`` those that had the port before: when one
    iface-id is plugged in twice, as in a live migration, the newer claim wins and the older one knows that it lost.
    An interface without a row of its own may be ``behind`` another one, which gets its packets; it came there at its
    ``turn``.
    """

    id: str
    port: str = ref(PLUGGED, on_delete="cascade")
    vpc: str = field()
    host: str = ref("Host", on_delete="cascade")
    row: str = field(default="")
    displaced: tuple[str, ...] = field(default=())
    behind: str = field(default="")
    turn: int = field(default=0)

    def check(self) -> None:
        """ValueError for a turn that there is not."""
        within("turn", self.turn, 0, COUNT_MAX)


@resource(report=True, reach="host", prefix="trace", indexes=(("account",),))
class TraceQuestion:
    """A question that an API server has for a host: what would become of this packet there?

    ``entry`` is the port where the packet comes in: a network interface's id, ``UPLINK`` or ``TUNNEL``; ``packet`` has
    its fields by their names in ovs-fields(7).  ``account`` asks, "" for the operator.  It is removed with its answer
    when that has been read, and after half a minute by the host.
    """

    id: str
    host: str = ref("Host", on_delete="cascade")
    account: str = field(default="")
    entry: str = label(default="")
    packet: dict[str, str] = label(default={})
    asked: float = label(default=0.0)

    def check(self) -> None:
        """ValueError when the time is none."""
        within("asked", self.asked, 0, TIME_MAX)


@resource(report=True, reach="host")
class TraceAnswer:
    """A host's answer to the question of the same id: ``leg`` (see ``trace.wire``), or the ``error`` in words."""

    id: str
    host: str = ref("Host", on_delete="cascade")
    question: str = ref("TraceQuestion", on_delete="cascade")
    leg: str = label(default="")
    error: str = label(default="")

    def check(self) -> None:
        """ValueError when it answers another question than its id says."""
        named(self.id, self.question)


@resource(local=True)
class Complaint:
    """A sentence that the operator should read: logged once when it is new, and shown by ``sdnctl status``."""

    id: str
    text: str = field()


@resource(local=True)
class LocalPort:
    """An Interface row of this host's br-int with ``external_ids:iface-id``: the id, its OpenFlow port and name.

    ``row`` is the UUID of the Interface row: the same port plugged in again has another.  ``zone`` is the port's of
    connection tracking, 1 to 16383, and nobody else's: it stays the same while the row does, whatever is started anew,
    and nothing of an earlier owner is known in it.
    """

    id: str
    ofport: int = field()
    row: str = field(default="")
    zone: int = field(default=0)
    name: str = label(default="")


@resource(local=True)
class LocalUplink:
    """This host's way to the public network: the OpenFlow port, MAC address and MTU in bytes of ``sdnctl-uplink``."""

    id: str
    ofport: int = field()
    mac: Mac = field()
    mtu: int = field(default=1500)
    name: str = label(default="")


@resource(local=True)
class LocalTunnel:
    """This host's way to other hosts: the OpenFlow port of its tunnels; ``mtu`` is what fits inside, in bytes."""

    id: str
    ofport: int = field()
    mtu: int = field()


@resource(local=True)
class LocalPeer:
    """The BFD state of the way to another host, whose id this has; ``met``: it has been up since it is watched."""

    id: str
    up: bool = field()
    met: bool = field(default=False)


@resource(local=True)
class Grace:
    """Half a minute in which connections go on that connection tracking does not know; then the record goes.

    The id is ``SWITCH`` after ovs-vswitchd has started anew on this host, or that of a port that has moved here from
    another one (docs/decisions/024-conntrack-on-a-host.md).  What a feature of ``each=Grace`` yields, or a unit while
    ``view.get(Grace, …)`` finds it, can help such connections: it is in the first bundle, and goes with the record.
    There is none when only this controller starts anew, nor at the first start of a switch on a host, before which
    there were no connections, nor for a port that has been nowhere else.
    """

    id: str


@resource(local=True, indexes=(("host",),))
class Peer:
    """A host that this one (``host``) sends packets to, at ``address``: the way there is to be watched by BFD."""

    id: str
    host: str = field()
    address: Ip4 = field()
