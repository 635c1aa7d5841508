"""The hosts of a region as they are computed from its records, with ports that a walk can begin and end at.

Only the records are needed, no switch: the numbers of a host's ports are its own affair and are made up here.  An
interface is plugged in where a binding names the row of a host's database; one without is behind a table (a feature's).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from sdnctl.engine.engine import Engine
from sdnctl.model.host import (
    ENCAPSULATION_BYTES,
    TUNNEL,
    UPLINK,
    Binding,
    Host,
    LocalPort,
    LocalTunnel,
    LocalUplink,
)
from sdnctl.model.resource import meta
from sdnctl.program.feature import Program
from sdnctl.store import Change
from sdnctl.verify.places import Region
from sdnctl.verify.rules import Switch, rule


@dataclass(frozen=True, slots=True)
class Entry:
    """A port at which packets come in: whose it is (an interface's id, or ``UPLINK``), and in which network that is."""

    host: str
    port: int
    owner: str
    network: str = ""


@dataclass(frozen=True, slots=True)
class Network:
    """The computed hosts of a region, and all ports where packets come in that nobody of the region made."""

    region: Region
    engines: dict[str, Engine]
    entries: tuple[Entry, ...]
    networks: dict[str, str] = field(default_factory=dict)
    """The network of each interface, as its owner asked for it: no host is believed about that."""


def computed(program: Program, changes: Collection[Change]) -> Network:
    """The hosts of a region with these records, each with the tables that its controller would compute."""
    records = [change.new for change in changes]
    owners = {change.id: change.new.vpc for change in changes if meta(change.cls).plugged}
    bindings = sorted((one for one in records if isinstance(one, Binding) and one.row), key=lambda one: one.id)
    engines: dict[str, Engine] = {}
    switches: list[Switch] = []
    entries: list[Entry] = []
    for host in sorted((one for one in records if isinstance(one, Host)), key=lambda one: one.id):
        local = list(_local(host, (one for one in bindings if one.host == host.id)))
        engine = engines[host.id] = Engine(program, host.id)
        engine.apply([*changes, *(Change(type(one), one.id, None, one) for one in local)])
        ports = {one.ofport: one.id for one in local}
        wants = engine.desired
        switches.append(
            Switch(host.id, map(rule, wants.flows.values()), wants.groups.values(), ports, end=host.encap_ip)
        )
        inlets = [(number, owner) for number, owner in ports.items() if owner != TUNNEL]
        entries += [Entry(host.id, number, owner, owners.get(owner, "")) for number, owner in inlets]
    return Network(Region(switches, program.pipeline), engines, tuple(entries), owners)


def _local(host: Host, bindings: Iterable[Binding]) -> Iterable[Any]:
    """A host's own records, as far as what it has told the region says them."""
    number = 0
    for number, one in enumerate(bindings, 1):
        yield LocalPort(id=one.port, ofport=number, row=one.row, zone=number)
    if host.uplink:
        yield LocalUplink(id=UPLINK, ofport=number + 1, mac=host.uplink_mac, mtu=host.mtu)
    if host.encap_ip:
        yield LocalTunnel(id=TUNNEL, ofport=number + 2, mtu=host.mtu - ENCAPSULATION_BYTES)
