"""The caller's account, and whether it made the same call before: the only things the API itself knows of accounts."""

import hashlib
import json
from typing import Any

from sdnctl.api.access import Writer
from sdnctl.base.errors import IntentError
from sdnctl.model.account import AccessKey, ClientToken
from sdnctl.store import Records

TOKEN_LIFE_S = 86400.0


def secret_of(region: Records, access_key: str) -> str | None:
    """The secret that belongs to an access key, or None."""
    key = region.get(AccessKey, access_key)
    return key.secret if key is not None else None


def account_of(region: Records, access_key: str) -> str:
    """The account that an access key belongs to; raises IntentError 401 when it is gone."""
    key = region.get(AccessKey, access_key)
    if key is None:
        raise IntentError(None, "unknown access key", 401, "UNAUTHENTICATED")
    return key.account


def digest(parameters: Any) -> str:
    """A fingerprint of a call's parameters."""
    return hashlib.sha256(json.dumps(parameters, sort_keys=True, default=str).encode()).hexdigest()


def recall(txn: Writer, operation: str, token: str, fingerprint: str) -> Any:
    """The result that this token had within the last day, or None; 409 CONFLICT if its parameters were others."""
    known = txn.get(ClientToken, _token_id(txn, operation, token))
    if known is None or known.created + TOKEN_LIFE_S < txn.now:
        return None
    if known.digest != fingerprint:
        raise IntentError("clientToken", "was used with other parameters", 409, "CONFLICT")
    return json.loads(known.result)


def remember(txn: Writer, operation: str, token: str, fingerprint: str, result: Any) -> None:
    """Keep a result for a day, and forget the account's older ones."""
    for old in txn.mine(ClientToken):
        if old.created + TOKEN_LIFE_S < txn.now:
            txn.delete(ClientToken, old.id)
    id = _token_id(txn, operation, token)
    text = json.dumps(result)
    txn.put(ClientToken(id=id, account=txn.caller.account, digest=fingerprint, result=text, created=txn.now))


def _token_id(txn: Writer, operation: str, token: str) -> str:
    return "token-" + hashlib.sha256(f"{txn.caller.account} {operation} {token}".encode()).hexdigest()[:40]
