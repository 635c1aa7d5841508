"""The claim of a switch: one program at a time keeps ``br-int``, and the switch's own database says which.

It is a lock of the database (RFC 7047, 4.1.8), which ends with the connection, so a program that died claims nothing;
who has it stands beside it, in ``external_ids:sdnctl-owner`` of the Open_vSwitch row, and in ``sdnctl-owner-before``
from whom it was taken: that one, started again by whoever watches it, does not take it back.
"""

import contextlib
import threading
import time

from sdnctl.base.problem import Usage
from sdnctl.bridge.notes import heard, noted, result, written
from sdnctl.store.ovsdb.wire import Wire, dial

LOCK, OWNER, BEFORE = "sdnctl", "sdnctl-owner", "sdnctl-owner-before"
GRACE_S = 2.0
"""Seconds in which a program that is ending gives the switch up."""
_DIAL_S, _RETRY_S = 1.0, 0.2


class Taken(Usage):
    """The refusal to keep a switch that another program keeps."""

    def __init__(self, remote: str, owner: str) -> None:
        who = owner or "another program"
        super().__init__(f"the switch at {remote} is kept by {who}: stop that first, or take it over with --take-over")


class SwitchClaim:
    """The claim of the switch whose database is at ``remote``; ``owner`` says whose it is, to people."""

    def __init__(self, remote: str, owner: str, take_over: bool = False) -> None:
        """With ``take_over`` the switch is taken from whoever has it, once; after that it is as any other claim.

        A program from which it was taken itself, by the name of ``owner``, takes nothing.
        """
        self._remote = remote
        self._owner = owner
        self._take_over = take_over
        self._wire: Wire | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._keep, name="claim", daemon=True)

    def hold(self) -> None:
        """Claim the switch, waiting for a database that is not there yet, and keep the claim until ``close``.

        Raises Taken; later, when somebody takes the switch over, the thread "claim" does.
        """
        self._come_back()
        self._thread.start()

    def close(self) -> None:
        """Give the switch up."""
        self._closing = True
        if self._wire is not None:
            self._wire.abort()

    def check(self) -> None:
        """Raise Taken when the switch is another program's; nothing is claimed.  OSError when no database answers."""
        if not self._take_over:
            self._take("lock").close()

    def _come_back(self) -> None:
        while not self._closing:
            try:
                wire = self._take("steal" if self._take_over else "lock")
                before = noted(wire, OWNER) if self._take_over else ""
                _say(wire, self._owner, before, again=self._wire is not None)
            except OSError:
                time.sleep(_RETRY_S)
                continue
            self._wire, self._take_over = wire, False
            return

    def _take(self, method: str) -> Wire:
        """A connection that has the lock; Taken when it has not within ``GRACE_S``."""
        with contextlib.ExitStack() as failed:
            wire = Wire(dial(self._remote, _DIAL_S))
            failed.callback(wire.close)
            if method == "steal" and noted(wire, BEFORE) == self._owner:
                method = "lock"
            wire.send({"method": method, "params": [LOCK], "id": method})
            end = time.monotonic() + GRACE_S
            while (left := end - time.monotonic()) > 0:
                for message in heard(wire, left):
                    if message.get("method") == "locked" or result(message, method).get("locked"):
                        failed.pop_all()
                        return wire
            raise Taken(self._remote, noted(wire, OWNER))

    def _keep(self) -> None:
        while not self._closing:
            wire = self._wire
            assert wire is not None
            try:
                stolen = any(message.get("method") == "stolen" for message in heard(wire, None))
                if stolen:
                    time.sleep(_RETRY_S)  # in which who took it says so
                owner = noted(wire, OWNER) if stolen else ""
            except OSError:
                wire.close()
                if not self._closing:
                    self._come_back()
                continue
            if stolen:
                raise Taken(self._remote, owner)


def _say(wire: Wire, owner: str, before: str, again: bool) -> None:
    """Name an owner in the external ids, and the one from whom it was taken, if it was.

    That stays where the same owner claims it ``again``.
    """
    old = [OWNER] if again else [OWNER, BEFORE]
    new = {OWNER: owner} if before in ("", owner) else {OWNER: owner, BEFORE: before}
    wire.send(written(old, new))
