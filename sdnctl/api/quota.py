"""Each account may own so many of each thing; the operator can raise a limit, and a call that would go beyond is
refused with 429.

    quota.declare("hole", 10, lambda view, _: view.count(Hole, ("account",), view.caller.account))
    quota.admit(txn, "hole", 1)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sdnctl.api.access import Reader
from sdnctl.base.errors import IntentError
from sdnctl.model.account import Account

Count = Callable[[Reader, str], int]


@dataclass(frozen=True, slots=True)
class Quota:
    """A named limit, told by describeQuota of `service` ("" for those that only the operator sees).

    It is counted `within` something: the account, or a `parent` resource whose id `count` gets.
    """

    name: str
    default: int
    count: Count
    within: str
    parent: type | None
    service: str

    def limit(self, view: Reader) -> int:
        """The number of these that the caller's account may have."""
        account = view.region.get(Account, view.caller.account)
        return self.of(account) if account is not None else self.default

    def of(self, account: Account) -> int:
        """The number of these that an account may have: the default, unless the operator set another limit."""
        return int(account.quotas.get(self.name, self.default))


_DECLARED: dict[str, Quota] = {}


def declare(
    name: str,
    default: int,
    count: Count,
    within: str = "the account",
    *,
    parent: type | None = None,
    service: str = "vpc",
) -> Quota:
    """Declare a quota beside the resource it limits; the names are the public API's."""
    _DECLARED[name] = Quota(name, default, count, within, parent, service)
    return _DECLARED[name]


def declared() -> Mapping[str, Quota]:
    """Every quota by name."""
    return MappingProxyType(_DECLARED)


def admit(view: Reader, name: str, more: int, parent: str = "", field: str | None = None) -> None:
    """Refuse with 429 QUOTA_EXCEEDED when `more` would go beyond the caller's limit."""
    quota = _DECLARED[name]
    limit, have = quota.limit(view), quota.count(view, parent)
    if more > 0 and have + more > limit:
        message = f"the quota {name} of {quota.within} is {limit}, {have} are in use"
        raise IntentError(field, message, 429, "QUOTA_EXCEEDED")


def keep(view: Reader, name: str, parent: str, field: str | None = None) -> None:
    """Refuse with 429 QUOTA_EXCEEDED when the quota is exceeded by what is there: what counts has become larger."""
    quota = _DECLARED[name]
    limit, have = quota.limit(view), quota.count(view, parent)
    if have > limit:
        message = f"the quota {name} of {parent or quota.within} is {limit}, {have} would be in use"
        raise IntentError(field, message, 429, "QUOTA_EXCEEDED")
