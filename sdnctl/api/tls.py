"""The certificate of the API: at least TLS 1.2 (RFC 9325), and a renewed one is taken up while it serves."""

import ssl
from pathlib import Path

import structlog

log = structlog.get_logger("sdnctl.api")


class Certificate:
    """A certificate with its chain and its key, in two PEM files, and the context that serves with them."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """OSError (ssl.SSLError among them) when they cannot be used."""
        self._files = certificate, key
        self._seen = self._times()
        self.context = _context(certificate, key)

    def look(self) -> None:
        """Take up files that have changed since the last time."""
        seen = self._times()
        if seen != self._seen:
            self._seen = seen
            self.reload()

    def reload(self) -> None:
        """Serve with what is in the files now, from the next connection on; what cannot be used is logged and left."""
        try:
            _context(*self._files)  # a pair that does not fit would leave half of it in the context that serves
            _load(self.context, *self._files)
        except OSError as error:
            log.error("the renewed certificate cannot be used, the one before stays", error=str(error))
        else:
            log.info("certificate taken up", file=str(self._files[0]))

    def _times(self) -> tuple[tuple[int, int], ...]:
        """The time of each file's last change, and its inode."""
        try:
            found = [file.stat() for file in self._files]
        except OSError:
            return ()
        return tuple((one.st_mtime_ns, one.st_ino) for one in found)


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    _load(made, certificate, key)
    return made


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Put a pair into a context; OSError that says what is wrong with it."""
    try:
        context.load_cert_chain(certificate, key, _no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise OSError("the key belongs to another certificate") from None
        raise OSError(f"a PEM file of a certificate and one of its key are expected ({error})") from None


def _no_passphrase() -> str:
    """The answer to OpenSSL's question, which it would else put to the terminal, and wait: OSError."""
    raise OSError("the key has a passphrase: openssl pkey -in KEY -out PLAIN takes it off")
