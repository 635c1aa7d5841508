"""The operator sees how the services of hosts and of the region do, and has one started anew."""

from dataclasses import replace

from sdnctl.api.access import Reader, Writer
from sdnctl.api.operations import operator
from sdnctl.api.progress import ALIVE_S
from sdnctl.api.schema import Json, Request, iso
from sdnctl.base.errors import IntentError
from sdnctl.model.service import ServiceHealth, ServiceRestart

SILENT = "silent"


class Restart(Request):
    """A service to be started anew; on one ``host``, or wherever it runs."""

    service: str
    host: str = ""


def show(health: ServiceHealth, now: float) -> Json:
    """A service as the operator sees it; one that has not told of itself for 30 s is silent, whatever it said last."""
    silent = now - health.seen > ALIVE_S
    return {
        "service": health.service,
        "host": health.machine,
        "per": health.per,
        "state": SILENT if silent else health.state,
        "since": iso(health.seen if silent else health.since),
        "restarts": health.restarts,
        "error": health.error,
        "says": "its process has not told of itself: is sdnctl services running there?" if silent else health.says,
    }


def services(view: Reader) -> list[Json]:
    """All services by name and machine."""
    records = view.region.all(ServiceHealth)
    return [show(records[id], view.now) for id in sorted(records)]


@operator("listServices", "GET", "/services", Request)
def list_services(request: Request, view: Reader) -> Json:
    """The services of the region, machine by machine."""
    return {"services": services(view)}


@operator("restartService", "POST", "/services/restart", Restart)
def restart_service(request: Restart, txn: Writer) -> Json:
    """Have a service started anew where it runs, or on one host; what it serves goes on meanwhile."""
    known = [txn.region.get(ServiceHealth, id) for id in txn.region.by(ServiceHealth, ("service",), request.service)]
    meant = [one for one in known if one is not None and request.host in ("", one.machine)]
    if not meant:
        where = f" on {request.host[:64]!r}" if request.host and known else ""
        raise IntentError.missing("service", f"a service {request.service[:64]!r}{where}")
    for one in meant:
        before = txn.region.get(ServiceRestart, one.id) or ServiceRestart(id=one.id, host=one.host)
        txn.put(replace(before, count=before.count + 1))
    return {"service": request.service, "hosts": sorted(one.machine for one in meant)}
