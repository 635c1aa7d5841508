"""The parts of a region that this machine has or needs: certificates and the store."""

import datetime
import select
import time
from collections.abc import Iterator
from pathlib import Path

from sdnctl.base.errors import StoreError
from sdnctl.region.doctor.finding import Finding, fail, ok, warn
from sdnctl.region.pki import CA, CERTIFICATE, KEY, expires
from sdnctl.store.ovsdb.presence import hanging
from sdnctl.store.ovsdb.tls import check, connect
from sdnctl.store.ovsdb.wire import Wire

SOON_DAYS = 30
DIAL_S = 5.0


def certificates(pki: Path) -> Iterator[Finding]:
    """The certificates in a directory: there, of their owner alone, and not about to end."""
    kept = [path for path in sorted(pki.glob("*.pem")) if not path.name.endswith(KEY)]
    for path in dict.fromkeys((pki / CA, pki / CERTIFICATE, *kept)):
        try:
            left = expires(path) - datetime.datetime.now(datetime.UTC)
        except (OSError, ValueError) as error:
            yield fail("certificate", f"{path}: {getattr(error, 'strerror', None) or error}", "sdnctl pki issue")
            continue
        says = f"{path} ends in {left.days} days"
        if left.days < 0:
            yield fail("certificate", f"{path} has ended {-left.days} days ago", "sdnctl pki issue makes a new one")
        elif left.days < SOON_DAYS:
            yield warn("certificate", says, "sdnctl pki issue makes a new one")
        else:
            yield ok("certificate", says)
    key = pki / KEY
    if not key.is_file():
        yield fail("key", f"there is no {key}", "sdnctl pki issue")
    elif key.stat().st_mode & 0o077:
        yield warn("key", f"others may read {key}", f"chmod 600 {key}")
    else:
        yield ok("key", f"{key} is its owner's alone")


def members(store: str, pki: Path | None) -> Iterator[Finding]:
    """The members of a store: each can be reached, is one, and answers."""
    for remote in store.split(","):
        try:
            check([remote], pki)
            wire = connect(remote, DIAL_S, pki)
            try:
                if _answers(wire):
                    yield ok("store", f"{remote} answers")
                else:
                    yield fail("store", f"{remote} does not answer", hanging(wire.peer))
            finally:
                wire.close()
        except (OSError, ValueError, StoreError) as error:
            yield fail("store", f"{remote}: {error}", "is 'sdnctl store' (or 'sdnctl up') running there?")


def _answers(wire: Wire) -> bool:
    """True when the other side says something to an echo (RFC 7047, 4.1.11): the kernel takes calls for who hangs."""
    wire.send({"method": "echo", "params": [], "id": "doctor"})
    ready = select.poll()
    ready.register(wire.fileno(), select.POLLIN)
    until = time.monotonic() + DIAL_S
    while (left := until - time.monotonic()) > 0 and ready.poll(left * 1000):
        if wire.receive():
            return True
    return False
