"""The operator sees which hosts there are, what each switch has confirmed, and what went wrong where."""

from collections import Counter

from sdnctl.api.registry import operator
from sdnctl.api.schema import Json, Request, iso
from sdnctl.api.view import View
from sdnctl.host import Binding, Host, HostStatus
from sdnctl.store import REGION, Region


def show(view: View, host: Host) -> Json:
    """A host as the operator sees it; `lag` is how many transactions its switch has still to confirm."""
    status = view.region.get(HostStatus, host.id) or HostStatus(id=host.id, host=host.id)
    return {
        "host": host.id,
        "uplink": host.uplink,
        "encapIp": str(host.encap_ip) if host.encap_ip else "",
        "gateway": host.gateway,
        "applied": status.applied,
        "lag": max(0, sequence(view) - status.applied),
        "flows": status.flows,
        "ports": len(view.region.by(Binding, ("host",), host.id)),
        "peers": dict(sorted(status.peers.items())),
        "errors": list(status.errors),
        "drops": {reason: int(packets) for reason, packets in sorted(status.drops.items())},
        "seen": iso(status.seen),
    }


def sequence(view: View) -> int:
    """The sequence number of the last transaction."""
    region = view.region.get(Region, REGION)
    return region.sequence if region is not None else 0


def hosts(view: View) -> list[Json]:
    """All hosts by name."""
    return [show(view, host) for _, host in sorted(view.region.all(Host).items())]


def _drops(listed: list[Json]) -> dict[str, int]:
    """Packets dropped on all hosts by reason, the most first."""
    total: Counter[str] = Counter()
    for host in listed:
        total.update(host["drops"])
    return dict(total.most_common())


@operator("listHosts", "GET", "/hosts", Request)
def list_hosts(request: Request, view: View) -> Json:
    """The hosts of the region."""
    return {"hosts": hosts(view)}


@operator("status", "GET", "/status", Request)
def status(request: Request, view: View) -> Json:
    """The region at a glance: its sequence number, its hosts and their errors."""
    listed = hosts(view)
    return {
        "region": view.caller.region,
        "sequence": sequence(view),
        "hosts": listed,
        "flows": sum(host["flows"] for host in listed),
        "errors": [f"{host['host']}: {error}" for host in listed for error in host["errors"]],
        "drops": _drops(listed),
    }
