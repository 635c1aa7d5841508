"""The nonces of signed calls, so that a call that somebody has recorded is not carried out again.

A nonce counts where it is signed: version 2 signs it always, version 3 where SignedHeaders names it.  It is remembered
until the date that is signed with it is too old for the call to be accepted.  Memory is bounded: of an access key that
makes very many calls the oldest are forgotten, and its calls that are dated as early as those are refused from then on.
Each API server remembers what came to itself, for as long as it runs (docs/operations.md).
"""

import hashlib
import threading
from collections.abc import Iterator

from sdnctl.api.signature import Signed, unauthenticated
from sdnctl.base.errors import IntentError

SPAN_S = 10
PER_KEY = 1 << 16
TOTAL = 1 << 18


class _Key:
    """The nonces of one access key, by the ten seconds that they are dated in; none are known before ``floor``."""

    __slots__ = ("count", "floor", "spans")

    def __init__(self) -> None:
        self.spans: dict[int, set[bytes]] = {}
        self.count = 0
        self.floor = 0

    def forget(self, span: int) -> int:
        """Forget what is dated in those ten seconds; how many that were."""
        gone = len(self.spans.pop(span))
        self.count -= gone
        return gone


class Nonces:
    """The nonces seen within the window; any thread may ask."""

    def __init__(self, window_s: float, per_key: int = PER_KEY, total: int = TOTAL) -> None:
        """``window_s`` is how far a call's date may be off."""
        self._window_s = window_s
        self._per_key = per_key
        self._total = total
        self._lock = threading.Lock()
        self._keys: dict[str, _Key] = {}
        self._count = 0

    def check(self, call: Signed) -> None:
        """Raise IntentError 401 when a call was made before, or is dated too early for that to be known."""
        if call.nonce:
            with self._lock:
                known = self._keys.get(call.access_key)
                if known is not None:
                    _judge(known, call)

    def take(self, call: Signed, now: float) -> None:
        """Remember a call, for ever refusing it from now on; raises like ``check``.  ``now`` is in epoch seconds."""
        if not call.nonce:
            return
        with self._lock:
            self._expire(now)
            known = self._keys.setdefault(call.access_key, _Key())
            _judge(known, call)
            known.spans.setdefault(call.at // SPAN_S, set()).add(_short(call.nonce))
            known.count += 1
            self._count += 1
            if known.count > self._per_key:
                self._forget(known)
            if self._count > self._total:
                self._forget(max(self._keys.values(), key=lambda key: key.count))

    def __len__(self) -> int:
        return self._count

    def _forget(self, known: _Key) -> None:
        """Forget the earliest of a key."""
        earliest = min(known.spans)
        self._count -= known.forget(earliest)
        known.floor = (earliest + 1) * SPAN_S

    def _expire(self, now: float) -> None:
        """Forget what would be refused for its date."""
        for name, known in list(self._expired(now)):
            for span in [span for span in known.spans if (span + 1) * SPAN_S + self._window_s < now]:
                self._count -= known.forget(span)
            if not known.spans and known.floor + self._window_s < now:
                del self._keys[name]

    def _expired(self, now: float) -> Iterator[tuple[str, _Key]]:
        """Yield the keys of which something has expired; dates come nearly in order, the oldest are the first."""
        for name, known in self._keys.items():
            first = next(iter(known.spans), 0)
            if (first + 1) * SPAN_S + self._window_s < now:
                yield name, known


def _judge(known: _Key, call: Signed) -> None:
    if call.at < known.floor:
        raise _refused("the date is too early after so many calls: set the clock of the client")
    if _short(call.nonce) in known.spans.get(call.at // SPAN_S, ()):
        raise _refused("this call was made before: sign each with a nonce of its own")


def _refused(text: str) -> IntentError:
    return unauthenticated(f"x-jdcloud-nonce: {text}")


def _short(nonce: str) -> bytes:
    return hashlib.blake2b(nonce.encode(errors="surrogatepass"), digest_size=12).digest()
