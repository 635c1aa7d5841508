"""Values derived from network interfaces: addresses, the place in this host's switch, the claim to a port."""

from typing import NamedTuple

from apps.eni.model import NetworkInterface
from sdnctl.base.addresses import Ip4, Mac
from sdnctl.model.host import Binding, LocalPort
from sdnctl.program.feature import View

OUI = 0xFA163E000000


def mac_of(key: int) -> Mac:
    """The MAC address of the port with this key: unique in the region because the key is."""
    return Mac(OUI | key)


class PrivateAddress(NamedTuple):
    """A private address and the interface that has it."""

    port: NetworkInterface
    address: Ip4


DISPLACED_MAX = 8


class Claims(NamedTuple):
    """The Interface rows that have lost a port, and those that will have once this host claims it."""

    lost: tuple[str, ...] = ()
    then: tuple[str, ...] = ()


def claims(port: str, here: str, view: View) -> Claims:
    """The rows that have had a port until now; the same before and after this host has claimed it."""
    known = view.get(Binding, port)
    if known is None:
        return Claims()
    elsewhere = known.host != here and known.row != ""
    return Claims(known.displaced, (*known.displaced, known.row)[-DISPLACED_MAX:] if elsewhere else known.displaced)


def plugged_in(port: str, view: View) -> LocalPort | None:
    """The port's place in this host's switch; None when there is none, or a newer claim elsewhere displaced it."""
    local = view.get(LocalPort, port) if port else None
    return local if local is not None and local.row not in view.derived(claims, port).lost else None


def port_here(port: str, here: str, view: View) -> bool:
    """True when the port is at this host's switch."""
    return plugged_in(port, view) is not None


def claim(port: NetworkInterface, local: LocalPort, here: str, view: View) -> Binding:
    """The binding of a port that is plugged in here: what was plugged in elsewhere before is displaced.

    It depends on what is known only, so a controller that comes back claims nothing that it has lost meanwhile.
    """
    displaced = view.derived(claims, port.id).then
    return Binding(id=port.id, port=port.id, vpc=port.vpc, host=here, row=local.row, displaced=displaced)


def presented(port: NetworkInterface, here: str) -> Binding:
    """The binding of a managed interface, to be reported by the host that holds its owner."""
    return Binding(id=port.id, port=port.id, vpc=port.vpc, host=here)


def known_by_key(key: int, view: View) -> NetworkInterface | None:
    """The interface with the key that packets carry."""
    found = (view.get(NetworkInterface, id) for id in view.by(NetworkInterface, ("key",), key))
    return next(found, None)


def called(port: NetworkInterface) -> str:
    """An interface in words: its id, and the instance that it is attached to."""
    return f"{port.id} (instance {port.instance})" if port.instance else port.id
