"""Views of the region: a tenant sees its own resources only; another account's id is as unknown as none at all.

Operations get a `Reader` (to read) or a `Writer` (to change things). What a rule must know of the whole region, such as
which public addresses are taken, it reads from `view.region` on purpose.
"""

import secrets
from collections.abc import Set
from typing import Any, NamedTuple, TypeVar

from sdnctl.api.cost import LOOK, Spend, free
from sdnctl.api.extend import filled
from sdnctl.api.schema import Request
from sdnctl.base.errors import IntentError
from sdnctl.program import lifecycle
from sdnctl.store import Records, Txn

R = TypeVar("R")
_KEY_BYTES, _SECRET_BYTES, _TOKEN_BYTES = 14, 20, 24


class Caller(NamedTuple):
    """The caller: its account, the region served, and the id of this request."""

    account: str
    region: str
    request_id: str


class Reader:
    """The caller's view at one moment: the records that it may read; `now` is in seconds since the epoch.

    `spend` is called before work that may be long.
    """

    def __init__(self, region: Records, caller: Caller, now: float, spend: Spend = free) -> None:
        self.region: Records = region
        self.caller = caller
        self.now = now
        self.spend = spend

    def get(self, cls: type[R], id: str) -> R | None:
        """The caller's record with this id, or None."""
        record = self.region.get(cls, id)
        return record if record is not None and _owner(record) == self.caller.account else None

    def own(self, cls: type[R], id: str, field: str) -> R:
        """The caller's record with this id; raises IntentError 404 that names `field`."""
        record = self.get(cls, id)
        if record is None:
            raise IntentError.missing(field, f"{cls.__name__} {id[:64]!r}")
        return record

    def mine(self, cls: type[R]) -> list[R]:
        """All of the caller's records of a class, in no order."""
        return self._records(cls, self.region.by(cls, ("account",), self.caller.account))

    def of(self, cls: type[R], index: tuple[str, ...], value: Any) -> list[R]:
        """The caller's records under an index value, in no order."""
        account = self.caller.account
        found = self._records(cls, self.region.by(cls, index, value))
        return [record for record in found if _owner(record) == account]

    def _records(self, cls: type[R], ids: Set[str]) -> list[R]:
        self.spend(LOOK * len(ids), f"{len(ids)} records of {cls.__name__}")
        return self.region.many(cls, ids)

    def count(self, cls: type, index: tuple[str, ...], value: Any) -> int:
        """The number of records under an index value that belongs to the caller."""
        return len(self.region.by(cls, index, value))


class Writer(Reader):
    """A view that can change things; `txn` is the transaction itself, for rules that live beside a model."""

    def __init__(self, txn: Txn, caller: Caller, spend: Spend = free) -> None:
        super().__init__(txn, caller, txn.now, spend)
        self.txn = txn
        self.put = txn.put
        self.delete = txn.delete
        self.new_id = txn.new_id
        self.allocate = txn.allocate

    def create(self, record: R, order: Request | None = None) -> R:
        """Write a new record as ordered, and all that comes with it; the record as it is then."""
        return lifecycle.create(self.txn, filled(self, record, order))

    def change(self, before: R, after: R, order: Request | None = None) -> None:
        """Write a changed record as ordered, and what changes along with it."""
        lifecycle.change(self.txn, before, filled(self, after, order))

    def remove(self, record: object, field: str) -> None:
        """Delete a record; IntentError naming ``field`` when something blocks that."""
        lifecycle.remove(self.txn, record, field)

    @property
    def sequence(self) -> int:
        """The sequence number that this transaction will have."""
        return self.txn.sequence


def _owner(record: object) -> str:
    return getattr(record, "account", "")


def new_access_key() -> str:
    """The public half of a key pair."""
    return f"JDC_{secrets.token_hex(_KEY_BYTES).upper()}"


def new_secret() -> str:
    """The secret half of a key pair."""
    return secrets.token_hex(_SECRET_BYTES).upper()


def new_token() -> str:
    """A bearer token for the operator."""
    return secrets.token_urlsafe(_TOKEN_BYTES)
