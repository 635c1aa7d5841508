"""Local records: the switch's database of this host as records in its controller's memory."""

from typing import Any

from sdnctl.base.addresses import Mac
from sdnctl.bridge.snapshot import Snapshot
from sdnctl.model.host import ENCAPSULATION_BYTES, TUNNEL, UPLINK, Host, LocalPeer, LocalPort, LocalTunnel, LocalUplink
from sdnctl.store import Change, State

LOCAL = (LocalPort, LocalUplink, LocalTunnel, LocalPeer)


def local_changes(state: State, seen: Snapshot) -> list[Change]:
    """The changes that make the controller's memory equal to this snapshot."""
    wanted = {(type(record), record.id): record for record in _records(seen)}
    known: dict[tuple[type, str], Any] = {(cls, id): one for cls in LOCAL for id, one in state.all(cls).items()}
    gone = [Change(*key, known[key], None) for key in known.keys() - wanted.keys()]
    new = [Change(*key, known.get(key), record) for key, record in wanted.items() if known.get(key) != record]
    return gone + new


def _records(seen: Snapshot) -> list[Any]:
    made: list[Any] = [
        LocalPort(id=id, ofport=row.ofport, row=row.uuid, zone=row.zone, name=row.name)
        for id, row in seen.ports.items()
    ]
    if seen.uplink is not None:
        row = seen.uplink
        made.append(LocalUplink(id=UPLINK, ofport=row.ofport, mac=row.mac, mtu=row.mtu, name=row.name))
    if seen.tunnel:
        made.append(LocalTunnel(id=TUNNEL, ofport=seen.tunnel, mtu=seen.settings.mtu - ENCAPSULATION_BYTES))
    made += (LocalPeer(id=peer, up=up, met=peer in seen.met) for peer, up in seen.peers.items())
    return made


def host_of(seen: Snapshot) -> Host:
    """The record by which this host is known in the region."""
    uplink, settings = seen.uplink, seen.settings
    return Host(
        id=seen.host,
        uplink=uplink.name if uplink is not None else "",
        uplink_mac=uplink.mac if uplink is not None else Mac(0),
        encap_ip=settings.encap_ip,
        encap_type=settings.encap_type if settings.encap_ip else "",
        mtu=settings.mtu,
        gateway=settings.gateway,
    )
