"""Rights of a service to write: the classes that it declares, and on a host only what is that host's."""

from collections.abc import Iterable

from sdnctl.base.errors import FeatureError
from sdnctl.model.resource import meta
from sdnctl.program.service import Service
from sdnctl.store import Change


def check(service: Service, host: str, changes: Iterable[Change]) -> None:
    """Refuse changes that a service has no right to: FeatureError, which names the class and what to declare."""
    for change in changes:
        name = change.cls.__name__
        if change.cls not in service.writes:
            declared = ", ".join(cls.__name__ for cls in service.writes) or "nothing"
            deed = "delete" if change.new is None else "write"
            raise FeatureError(
                f"{service.name} may not {deed} {name}: it declares that it writes {declared}; "
                f"add {name} to writes=() of its @service if it should"
            )
        if service.per != "region" and "host" in meta(change.cls).fields and not meta(change.cls).contested:
            owners = {record.host for record in (change.old, change.new) if record is not None}
            if owners != {host}:
                raise FeatureError(f"{service.name} may not write {name} {change.id}: it is not of host {host}")
