"""A wire that nobody else can read or pose at the end of: TLS 1.2 or later, with certificates on both sides.

As with all of OVS, the certificate of the other side is not compared with its address: what counts is that the region's
CA has signed it.  But every host has a certificate of that CA, so the store's must say that it is one (``NAME``).
"""

import select
import ssl
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sdnctl.base.errors import StoreError
from sdnctl.store.ovsdb.wire import CLOSED, Wire, dial, split

NAME = "store"
CA, CERTIFICATE, KEY = FILES = ("ca.pem", "cert.pem", "key.pem")
_CHUNK = 1 << 16


class TlsWire(Wire):
    """An encrypted wire.  The TLS state is one for both directions, so a lock goes with each look at it."""

    def __init__(self, sock: ssl.SSLSocket, timeout: float) -> None:
        super().__init__(sock)
        self._tls = sock
        self._timeout = timeout
        self._state = threading.Lock()
        sock.setblocking(False)

    def set_timeout(self, seconds: float) -> None:
        """Bound every later send."""
        self._timeout = seconds

    def close(self) -> None:
        """See Wire.close."""
        self.abort()
        with self._state:
            self._tls.close()

    def _push(self, data: bytes) -> None:
        left = memoryview(data)
        end = time.monotonic() + self._timeout
        while left:
            try:
                with self._state:
                    left = left[self._tls.send(left) :]
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError) as wants:
                self._wait(wants, end)
            except OSError as error:
                raise self._reason(error) from error

    def _reason(self, error: OSError) -> OSError:
        """The reason the other side gave for ending the session, if any: it may not like our certificate."""
        try:
            with self._state:
                self._tls.recv(1)
        except ssl.SSLError as said:
            return said
        except OSError:
            pass
        return error

    def _wait(self, wants: ssl.SSLError, end: float) -> None:
        """Wait until the socket takes more; when TLS has to hear first, whoever receives does that soon."""
        reading = isinstance(wants, ssl.SSLWantReadError)
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the store does not take what is sent")
        descriptor = self._tls.fileno()
        if descriptor < 0:
            raise ConnectionResetError("the connection was closed meanwhile")
        poll = select.poll()
        poll.register(descriptor, 0 if reading else select.POLLOUT)
        poll.poll(1 if reading else left * 1000)

    def _pull(self, pending: list[bytes]) -> bytes:
        last = pending[-1] if pending else b""
        while True:
            try:
                with self._state:
                    data = self._tls.recv(_CHUNK)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return last
            if not data:
                raise ConnectionResetError(CLOSED)
            pending.append(data)
            last = data


def connect(remote: str, timeout: float, pki: Path | None = None) -> Wire:
    """Connect to ``unix:PATH``, ``tcp:HOST:PORT`` or ``ssl:HOST:PORT``; ``timeout`` in seconds bounds every send too.

    ``pki`` is the directory of this process's certificate, read anew each time.  All failures are OSError.
    """
    sock = dial(remote, timeout)
    if split(remote)[0] != "ssl":
        return Wire(sock)
    try:
        tls = _context(pki or Path()).wrap_socket(sock)
    except OSError as error:
        sock.close()
        raise ConnectionError(f"no TLS session: {getattr(error, 'verify_message', '') or error}") from error
    posing = _name(tls)
    if posing != NAME:
        tls.close()
        raise ConnectionError(f"no TLS session: the certificate there is for {posing!r}, not for a {NAME}")
    return TlsWire(tls, timeout)


def check(remotes: Iterable[str], pki: Path | None) -> None:
    """ValueError when one is no address, StoreError when it needs a certificate that is not there."""
    for remote in remotes:
        if split(remote)[0] != "ssl":
            continue
        if pki is None:
            raise StoreError(f"{remote} needs a certificate: name its directory with --pki")
        lacking = [name for name in FILES if not (pki / name).is_file()]
        if lacking:
            raise StoreError(f"{pki} lacks {', '.join(lacking)}: see sdnctl pki issue")


def _context(pki: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(pki / CA)
    made.load_cert_chain(pki / CERTIFICATE, pki / KEY)
    return made


def _name(tls: ssl.SSLSocket) -> str:
    subject: Any = (tls.getpeercert() or {}).get("subject", ())
    return ",".join(value for part in subject for key, value in part if key == "commonName")
