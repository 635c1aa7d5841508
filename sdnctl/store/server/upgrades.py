"""The upgrades of stored rows: those of the machine's own records, and those that features declare."""

from sdnctl.base.discovery import declared
from sdnctl.model.upgrade import Rows, Upgrade, upgrade
from sdnctl.store.ovsdb.rights import API, WRITER

STATUS = ("applied", "flows", "errors", "drops", "seen")


def upgrades() -> tuple[Upgrade, ...]:
    """All of them: those of one version in this order."""
    return (status_apart, *declared(Upgrade, "upgrades"))


@upgrade("1.1.0")
def status_apart(rows: Rows) -> Rows:
    """Take the health of a host out into a row of its own, which it reports anew; rows name their writer."""
    made = {name: [{**row, WRITER: API} for row in there] for name, there in rows.items()}
    for host in made.get("Host", []):
        for column in STATUS:
            host.pop(column, None)
    return made
