"""Sealed fields: OVSDB gives every client the right to read, so what only API servers may read is encrypted.

The seal's key is a file beside an API server's certificate (``sdnctl pki issue --role api``).  Who has no key sees what
is stored as it is: an agent, and whoever takes one over, gets no tenant's secret and no operator's token.  A region
without certificates has no key and stores as it always did.
"""

from pathlib import Path

FILE = "seal.key"
MARK = "sealed:"


class Unsealed(ValueError):
    """A value that should be sealed and is not: somebody without the key wrote it."""


class Seal:
    """Closes and opens texts with one key (AES-128-CBC and HMAC-SHA256, the Fernet format)."""

    def __init__(self, key: bytes) -> None:
        """ValueError when it is no key."""
        from cryptography.fernet import Fernet  # 7 MiB that no agent needs

        self._fernet = Fernet(key)

    @classmethod
    def of(cls, pki: Path | None) -> "Seal | None":
        """The seal of whom a directory of certificates belongs to, None when it has none."""
        path = pki / FILE if pki is not None else None
        return cls(path.read_bytes().strip()) if path is not None and path.is_file() else None

    def close(self, text: str) -> str:
        """The text as it is stored; "" stays."""
        return MARK + self._fernet.encrypt(text.encode()).decode() if text else ""

    def open(self, stored: str) -> str:
        """The text again; Unsealed when nobody with the key closed it, ValueError when another key did."""
        if not stored:
            return stored
        if not stored.startswith(MARK):
            raise Unsealed("it is not sealed: no API server of this region has written it")
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet.decrypt(stored.removeprefix(MARK).encode()).decode()
        except InvalidToken as error:
            raise ValueError("it is sealed with another key") from error


def new_key() -> str:
    """A key for ``FILE``."""
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()
