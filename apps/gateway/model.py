"""Which host presents an elastic IP to the public network: one at a time, the instance's own where it can.

A host without uplink leaves it to the active gateway.  What is known of that differs between hosts for a moment, so
the host that answers for an address says so (``EipHolder``), and nobody else answers before it has let go.
"""

from collections.abc import Iterator
from typing import Protocol, TypeVar

from apps.eni.model import NetworkInterface, plugged_in
from apps.overlay.model import endpoint, watched
from sdnctl.base.addresses import Ip4
from sdnctl.model.host import TUNNEL, UPLINK, Binding, Host, LocalPeer, LocalTunnel, LocalUplink
from sdnctl.model.resource import field, ref, resource
from sdnctl.program.feature import Item, Reported, View
from sdnctl.store import Txn

R = TypeVar("R")

GATEWAY = "gateway"
CONTACT = "contact"
PATIENCE, STRANGERS_PATIENCE, FOR_EVER = 3, 12, 1 << 30
"""After how many looks (four a second) at a holder that does not let go it counts as dead: see ``patience``."""


@resource(report=True, reach="region", contested=True)
class ActiveGateway:
    """The one gateway that serves the hosts without uplink; there is one record, ``GATEWAY``."""

    id: str
    host: str = ref("Host", on_delete="cascade")


@resource(report=True, reach="vpc", contested=True)
class EipHolder:
    """A host that answers for a public address, which is the id.

    The record goes when no packet meets that host's flows any more.  ``vpc`` is the one that the address leads to, or
    led to last: the hosts that have it must know of the holder.  ``turn`` is the transaction that last bound it: a
    holder that has let go before does not withdraw the record when it is to answer again.
    """

    id: str
    vpc: str = field()
    host: str = ref("Host", on_delete="cascade")
    turn: int = field(default=0)


@resource(local=True, indexes=(("host",),))
class EipClaim:
    """A public address, the id, that this host (``host``) is to answer for, while ``holder`` has not let go of it."""

    id: str
    host: str = field()
    holder: str = field()
    turn: int = field()


@resource(local=True)
class EipWait:
    """How many looks (``looks``, four a second) this host has waited for ``holder`` to let go of an address, the id."""

    id: str
    host: str = field()
    holder: str = field()
    turn: int = field()
    looks: int = field()


@resource(local=True)
class GatewayWatch:
    """What a standby has seen of the ``active`` gateway ("": there is none); there is one record, ``GATEWAY``.

    ``up``: its tunnel has worked since it is the active one.  ``looks`` counts, four a second, for how long it has not;
    where it never did, for how long its controller has been silent too, whose last sign of life was ``seen``.
    """

    id: str
    host: str = field()
    active: str = field()
    up: bool = field(default=False)
    looks: int = field(default=0)
    seen: float = field(default=0.0)


@resource(local=True)
class Contact:
    """This host reached others by tunnels; there is one record, ``CONTACT``.

    ``lost``: then nobody any more, and what the region decided meanwhile it knows only after a report of its own,
    younger than ``seen``, has come back from the store.
    """

    id: str
    host: str = field()
    lost: bool = field(default=False)
    seen: float = field(default=0.0)


class Records(Protocol):
    """The whole region's, in a transaction or not."""

    def get(self, cls: type[R], id: str) -> R | None:
        """The record, or None."""


def home_of(port: str, here: str, view: View) -> str:
    """The host of a port, "" when it is on none; what this host's own switch says comes before what is reported."""
    if plugged_in(port, view) is not None:
        return here
    binding = view.get(Binding, port) if port else None
    return binding.host if binding is not None and binding.host != here else ""


def has_uplink(host: str, here: str, view: View) -> bool:
    """Whether a host has a way of its own to the public network."""
    if host == here:
        return view.get(LocalUplink, UPLINK) is not None
    found = view.get(Host, host)
    return found is not None and bool(found.uplink)


def preference(host: str, here: str, view: View) -> int:
    """How much a host is preferred as a gateway; 0 when it is none, or lacks the uplink or the tunnels for it."""
    found = view.get(Host, host)
    return found.gateway if found is not None and found.encap_ip and found.uplink else 0


def gateways(_: None, here: str, view: View) -> tuple[str, ...]:
    """The hosts that can be gateways, by name."""
    return tuple(host for host in sorted(view.all(Host)) if view.derived(preference, host))


def server_of(port: str, here: str, view: View) -> str:
    """The host that is to present a port's elastic IPs, "" when the port is on no host."""
    home = view.derived(home_of, port)
    if not home or view.derived(has_uplink, home) or not view.derived(endpoint, home):
        return home
    active = view.get(ActiveGateway, GATEWAY)
    return active.host if active is not None else home


def served_here(port: str, here: str, view: View) -> bool:
    """Whether this host is to present the port's elastic IPs."""
    return bool(port) and view.derived(server_of, port) == here


def leaves_elsewhere(port: str, here: str, view: View) -> bool:
    """Whether another host presents a port's elastic IPs, while packets from its addresses may leave the VPC here.

    They do where the port is, and where an appliance is that routes for it.
    """
    server = view.derived(server_of, port) if port else ""
    if server in ("", here):
        return False
    found = view.get(NetworkInterface, port)
    return found is not None and (view.derived(home_of, port) == here or view.derived(routes_here, found.vpc))


def routes_here(vpc: str, here: str, view: View) -> bool:
    """Whether an appliance of a VPC is here, which may send from any address."""
    appliances = view.by(NetworkInterface, ("vpc", "sanity_check"), (vpc, False))
    return any(view.derived(home_of, port) == here for port in appliances)


def behind_gateway(port: str, here: str, view: View) -> bool:
    """Whether this host is a gateway, or can become it, for the port, which is on a host without uplink."""
    if not port or not view.derived(preference, here):
        return False
    home = view.derived(home_of, port)
    return home not in ("", here) and not view.derived(has_uplink, home)


def cut_off(_: None, here: str, view: View) -> bool:
    """Whether this host reached others and now reaches nobody, or does not know yet what was decided meanwhile.

    A gateway that nobody reaches is being replaced: it answers for nobody else's address any more.
    """
    contact = view.get(Contact, CONTACT)
    return contact is not None and (contact.lost or not view.derived(in_touch, None))


def in_touch(_: None, here: str, view: View) -> bool:
    """Whether any tunnel of this host works."""
    peers = (view.get(LocalPeer, id) for id in view.all(LocalPeer))
    return any(peer is not None and peer.up for peer in peers)


def may_answer(address: Ip4, here: str, view: View) -> bool:
    """Whether nobody else answers for a public address: it is free, this host's own, or its holder's time is over.

    One that has become free while this host waited for it is its own only when the region has taken note: it may have
    been given to a third host meanwhile.
    """
    holder = view.get(EipHolder, str(address))
    if holder is None:
        return view.get(EipClaim, str(address)) is None
    if holder.host == here:
        return True
    wait = view.get(EipWait, str(address))
    same = wait is not None and (wait.holder, wait.turn) == (holder.host, holder.turn)
    return wait is not None and same and wait.looks >= view.derived(patience, holder.host)


def patience(holder: str, here: str, view: View) -> int:
    """How many looks to wait for a holder: for ever while BFD reaches it, since then its switch answers still.

    A way that is watched for this only takes a while to come up, so silence on it means little at first.
    """
    peer = view.get(LocalPeer, holder)
    if peer is not None and peer.up:
        return FOR_EVER
    watchable = view.get(LocalTunnel, TUNNEL) is not None and view.derived(endpoint, holder)
    return STRANGERS_PATIENCE if watchable and (peer is None or not peer.met) else PATIENCE


def claimed(address: Ip4, vpc: str, here: str, view: View) -> Iterator[Item]:
    """What this host tells of a public address that it is to answer for."""
    id = str(address)
    holder, claim = view.get(EipHolder, id), view.get(EipClaim, id)
    if holder is not None and holder.host != here:
        # Somebody else answers still: for how long is counted.
        yield Reported(EipClaim(id=id, host=here, holder=holder.host, turn=holder.turn))
        # Whether it is alive decides how long to wait.
        yield from watched(holder.host, here, view)
    elif holder is None and claim is not None:
        yield Reported(claim)
    if holder is None or view.derived(may_answer, address):
        # The region learns that this host answers now.
        yield Reported(EipHolder(id=id, vpc=vpc, host=here, turn=holder.turn if holder is not None else 0))


def intend(txn: Txn, address: Ip4, port: NetworkInterface) -> None:
    """A public address is to lead to a port: whoever answers for it now is made known to the hosts of the port's VPC.

    When nobody does, whoever will is noted already, so that the next change finds who must let go.
    """
    known, server = txn.get(EipHolder, str(address)), server_in(txn, port.id)
    host = known.host if known is not None else server
    if host:
        txn.put(EipHolder(id=str(address), vpc=port.vpc, host=host, turn=txn.sequence))


def server_in(region: Records, port: str) -> str:
    """The host that is to present a port's elastic IPs, as far as is reported; "" when nobody has the port."""
    binding, active = region.get(Binding, port), region.get(ActiveGateway, GATEWAY)
    home = region.get(Host, binding.host) if binding is not None else None
    if home is None:
        return ""
    return home.id if home.uplink or not home.encap_ip or active is None else active.host
