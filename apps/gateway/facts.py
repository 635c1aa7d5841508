"""The host that presents a public address: the port's own where it has an uplink, else the active gateway."""

from apps.eni.facts import plugged_in
from apps.eni.model import NetworkInterface
from apps.gateway.model import CONTACT, GATEWAY, Contact
from apps.holder.facts import Records, holder_of
from apps.holder.model import Holder
from apps.overlay.facts import endpoint
from sdnctl.model.host import UPLINK, Binding, Host, LocalPeer, LocalUplink
from sdnctl.program.feature import View


def home_of(port: str, here: str, view: View) -> str:
    """The host of a port, "" when it is on none; what this host's own switch says comes before what is reported."""
    if plugged_in(port, view) is not None:
        return here
    binding = view.get(Binding, port) if port else None
    if binding is None or binding.host != here:
        return binding.host if binding is not None else ""
    found = view.get(NetworkInterface, port)
    return here if found is not None and found.managed else ""


def has_uplink(host: str, here: str, view: View) -> bool:
    """True when a host has a way of its own to the public network."""
    if host == here:
        return view.get(LocalUplink, UPLINK) is not None
    found = view.get(Host, host)
    return found is not None and bool(found.uplink)


def preference(host: str, here: str, view: View) -> int:
    """The preference of a host as a gateway; 0 when it is none, or lacks the uplink or the tunnels for it."""
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
    active = view.get(Holder, GATEWAY)
    return active.host if active is not None else home


def served_here(port: str, here: str, view: View) -> bool:
    """True when this host is to present the port's elastic IPs."""
    return bool(port) and view.derived(server_of, port) == here


def leaves_elsewhere(port: str, here: str, view: View) -> bool:
    """True when another host presents a port's elastic IPs, while packets from its addresses may leave the VPC here.

    They do where the port is, and where an appliance is that routes for it.
    """
    server = view.derived(server_of, port) if port else ""
    if server in ("", here):
        return False
    found = view.get(NetworkInterface, port)
    return found is not None and (view.derived(home_of, port) == here or view.derived(routes_here, found.vpc))


def routes_here(vpc: str, here: str, view: View) -> bool:
    """True when an appliance of a VPC is here, which may send from any address."""
    appliances = view.by(NetworkInterface, ("vpc", "sanity_check"), (vpc, False))
    return any(view.derived(home_of, port) == here for port in appliances)


def behind_gateway(port: str, here: str, view: View) -> bool:
    """True when this host is a gateway, or can become it, for the port, which is on a host without uplink."""
    if not port or not view.derived(preference, here):
        return False
    home = view.derived(home_of, port)
    return home not in ("", here) and not view.derived(has_uplink, home)


def cut_off(_: None, here: str, view: View) -> bool:
    """True when this host reached others and now reaches nobody, or does not know yet what was decided meanwhile.

    A gateway that nobody reaches is being replaced: it answers for nobody else's address any more.
    """
    contact = view.get(Contact, CONTACT)
    return contact is not None and (contact.lost or not view.derived(in_touch, None))


def in_touch(_: None, here: str, view: View) -> bool:
    """True when any tunnel of this host works."""
    peers = (view.get(LocalPeer, id) for id in view.all(LocalPeer))
    return any(peer is not None and peer.up for peer in peers)


def translator(_: None, here: str, view: View) -> str:
    """The host that translates what no machine has for itself, such as NAT gateways: the active gateway.

    A region without gateways has the first of its hosts, by name, that has an uplink; "" for none.
    """
    if view.derived(gateways, None):
        active = view.get(Holder, GATEWAY)
        return active.host if active is not None else ""
    return next((host for host in sorted(view.all(Host)) if view.derived(has_uplink, host)), "")


def translates_here(_: str, here: str, view: View) -> bool:
    """True on the host that translates, while it is not cut off from the others."""
    return view.derived(translator, None) == here and not view.derived(cut_off, None)


def deposed(host: str, here: str, view: View) -> bool:
    """True for another gateway that is not reached, on the one that is active in its place: it was waited for already.

    So whatever goes with the role is taken over at once, and not waited for again one after the other.
    """
    active = view.get(Holder, GATEWAY)
    if host == here or active is None or active.host != here or not view.derived(preference, host):
        return False
    peer = view.get(LocalPeer, host)
    return peer is not None and not peer.up and not view.derived(cut_off, None)


def server_in(region: Records, port: str) -> str:
    """The host that is to present a port's elastic IPs, as far as is reported; "" when nobody has the port."""
    binding = region.get(Binding, port)
    home = region.get(Host, binding.host) if binding is not None else None
    if home is None:
        return ""
    return home.id if home.uplink or not home.encap_ip else holder_of(GATEWAY, region) or home.id
