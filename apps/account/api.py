"""The operator makes accounts and their access keys, and raises their quotas; tenants cannot."""

from typing import Annotated

from pydantic import Field

from sdnctl.api import quota
from sdnctl.api.access import Reader, Writer, new_access_key, new_secret
from sdnctl.api.operations import operator
from sdnctl.api.schema import Json, Name, Request, Whole, iso
from sdnctl.base.errors import IntentError
from sdnctl.model.account import AccessKey, Account

MAX_KEYS = 5
Limits = dict[Annotated[str, Field(max_length=64)], Annotated[Whole, Field(ge=0, le=1_000_000)]]


class NewAccount(Request):
    """An account to be made; `quotas` overrides defaults by name."""

    name: Name
    quotas: Limits = {}


class OneAccount(Request):
    """An account by id or name."""

    account: str


class NewQuotas(OneAccount):
    """Quotas to be set; the others stay."""

    quotas: Limits


class OneKey(OneAccount):
    """An access key of an account."""

    accessKey: str


@operator("createAccount", "POST", "/accounts", NewAccount)
def create_account(request: NewAccount, txn: Writer) -> Json:
    """Make an account with its first access key; the secret is shown this once."""
    if any(known.name == request.name for known in txn.region.all(Account).values()):
        raise IntentError("name", f"an account {request.name!r} exists", 409, "ALREADY_EXISTS")
    account = Account(id=txn.new_id(Account), name=request.name, quotas=_checked(request.quotas), created=txn.now)
    txn.put(account)
    return _new_key(txn, account)


@operator("listAccounts", "GET", "/accounts", Request)
def list_accounts(request: Request, view: Reader) -> Json:
    """All accounts, oldest first, without secrets."""
    accounts = sorted(view.region.all(Account).values(), key=lambda account: (account.created, account.id))
    return {"accounts": [show(view, account) for account in accounts]}


@operator("describeAccount", "GET", "/accounts/{account}", OneAccount)
def describe_account(request: OneAccount, view: Reader) -> Json:
    """One account and all its quotas."""
    account = _find(view, request.account)
    limits = {name: known.of(account) for name, known in sorted(quota.declared().items())}
    return {**show(view, account), "quotas": limits}


@operator("setQuotas", "PATCH", "/accounts/{account}/quotas", NewQuotas)
def set_quotas(request: NewQuotas, txn: Writer) -> Json:
    """Override quotas of an account."""
    account = _find(txn, request.account)
    quotas = {**account.quotas, **_checked(request.quotas)}
    changed = Account(id=account.id, name=account.name, quotas=quotas, created=account.created)
    txn.put(changed)
    return show(txn, changed)


@operator("createAccessKey", "POST", "/accounts/{account}/accessKeys", OneAccount)
def create_access_key(request: OneAccount, txn: Writer) -> Json:
    """Give an account one more key pair, to change keys without a pause."""
    account = _find(txn, request.account)
    if len(_keys(txn, account)) >= MAX_KEYS:
        raise IntentError("account", f"an account has at most {MAX_KEYS} access keys", 429, "QUOTA_EXCEEDED")
    return _new_key(txn, account)


@operator("deleteAccessKey", "DELETE", "/accounts/{account}/accessKeys/{accessKey}", OneKey)
def delete_access_key(request: OneKey, txn: Writer) -> Json:
    """Take a key pair away; calls signed with it are refused from now on."""
    account = _find(txn, request.account)
    if request.accessKey not in _keys(txn, account):
        raise IntentError.missing("accessKey", f"access key {request.accessKey[:64]!r}")
    txn.delete(AccessKey, request.accessKey)
    return {}


def show(view: Reader, account: Account) -> Json:
    """An account as the operator sees it."""
    return {
        "account": account.id,
        "name": account.name,
        "accessKeys": _keys(view, account),
        "quotas": {name: int(limit) for name, limit in sorted(account.quotas.items())},
        "created": iso(account.created),
    }


def _find(view: Reader, wanted: str) -> Account:
    account = view.region.get(Account, wanted)
    named = (known for known in view.region.all(Account).values() if known.name == wanted)
    account = account or next(named, None)
    if account is None:
        raise IntentError.missing("account", f"account {wanted[:64]!r}")
    return account


def _keys(view: Reader, account: Account) -> list[str]:
    return sorted(view.region.by(AccessKey, ("account",), account.id))


def _new_key(txn: Writer, account: Account) -> Json:
    key = AccessKey(id=new_access_key(), account=account.id, secret=new_secret())
    txn.put(key)
    return {"account": account.id, "name": account.name, "accessKey": key.id, "secretKey": key.secret}


def _checked(quotas: Limits) -> dict[str, str]:
    known = quota.declared()
    for name in quotas:
        if name not in known:
            raise IntentError("quotas", f"{name!r} is not one of {', '.join(sorted(known))}")
    return {name: str(limit) for name, limit in quotas.items()}
