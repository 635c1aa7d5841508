"""`python -m sdnctl.api --store unix:PATH --data DIR --listen HOST:PORT --region NAME` serves a region's API.

Once it serves, its first line on stdout says where and with which keys: `{"endpoint", "region", "accessKey",
"secretKey"}`.
"""

import argparse
import gc
import json
from pathlib import Path

import structlog

from sdnctl.api import files
from sdnctl.api.access import new_access_key, new_secret, new_token
from sdnctl.api.app import create_app
from sdnctl.api.arbiter import Arbiter
from sdnctl.api.guests import raise_limit
from sdnctl.api.operations import discover
from sdnctl.api.schema import Json
from sdnctl.api.sealing import seal_noted
from sdnctl.api.server import Server, listen
from sdnctl.api.signature import WINDOW_S
from sdnctl.api.tls import Certificate
from sdnctl.base.addresses import HostPort
from sdnctl.base.errors import StoreError
from sdnctl.base.log import to_stderr
from sdnctl.model.account import OPERATOR, AccessKey, Account, OperatorToken
from sdnctl.store import Store, Txn
from sdnctl.store.memory import MemoryStore
from sdnctl.store.ovsdb.client import OvsdbStore
from sdnctl.store.ovsdb.seal import FILE as SEAL
from sdnctl.store.ovsdb.seal import Seal

DEFAULT = "default"
MEMORY = "memory"
log = structlog.get_logger("sdnctl.api")


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    given = arguments()
    to_stderr()
    certificate = served_with(given)
    operations = discover()
    store: Store = MemoryStore() if given.store == MEMORY else OvsdbStore(given.store, pki=given.pki)
    if given.pki is not None and Seal.of(given.pki) is None:
        raise SystemExit(f"sdnctl.api: {given.pki} lacks {SEAL}: issue it with sdnctl pki issue api --role api")
    try:
        if isinstance(store, OvsdbStore) and given.pki is not None:
            seal_noted(store)
        account = default_account(store, given.data)
    except StoreError as error:
        store.close()
        raise SystemExit(f"sdnctl.api: the store does not answer: {error}") from None
    gc.collect()
    gc.freeze()  # the region is loaded: looking for garbage in it again and again would make some calls wait
    listener = listen(given.listen)
    endpoint = str(HostPort(*listener.getsockname()[:2]))
    token = operator_token(store, given.data)
    secured = {"scheme": "https", "certificate": str(given.tls_cert.absolute())} if certificate else {}

    def ready() -> None:
        _kept(given.data / files.TOKEN, token)
        where = {"endpoint": endpoint, "region": given.region, "operator": token, **secured}
        _kept(given.data / files.ENDPOINT, json.dumps(where))
        keys = {key: account[key] for key in ("accessKey", "secretKey")}
        scheme = {"scheme": "https"} if secured else {}
        print(json.dumps({"endpoint": endpoint, "region": given.region, **scheme, **keys}), flush=True)

    app = create_app(store, given.region, operations, token, window_s=given.window, ready=ready)
    raise_limit()
    arbiter = Arbiter(store)
    arbiter.start()
    try:
        Server(app, certificate=certificate).run(sockets=[listener])
    finally:
        arbiter.close()
        store.close()


def arguments() -> argparse.Namespace:
    """The parsed command line."""
    parser = argparse.ArgumentParser(prog="python -m sdnctl.api", description="Serve a region's API.")
    parser.add_argument("--store", required=True, help=f"unix:PATH of the store, or {MEMORY}")
    parser.add_argument("--pki", type=Path, help="directory of ca.pem, cert.pem and key.pem, for ssl: remotes")
    parser.add_argument("--data", required=True, type=Path, help="directory for account.json and endpoint.json")
    parser.add_argument("--listen", default="127.0.0.1:0", help="HOST:PORT; port 0 picks one")
    parser.add_argument("--region", default="local", help="the name of the region")
    parser.add_argument("--tls-cert", type=Path, help="PEM file of the certificate, and its chain: serve https")
    parser.add_argument("--tls-key", type=Path, help="PEM file of its key")
    parser.add_argument("--window", type=float, default=WINDOW_S, help="how far a call's date may be off, in seconds")
    return parser.parse_args()


def served_with(given: argparse.Namespace) -> Certificate | None:
    """The certificate to serve with, if one is given; SystemExit when it cannot be used."""
    if given.tls_cert is None and given.tls_key is None:
        return None
    if given.tls_cert is None or given.tls_key is None:
        raise SystemExit("sdnctl.api: --tls-cert needs --tls-key, and the other way round")
    try:
        return Certificate(given.tls_cert, given.tls_key)
    except OSError as error:
        raise SystemExit(f"sdnctl.api: {given.tls_cert} and {given.tls_key} cannot be used: {error}") from None


def default_account(store: Store, data: Path) -> Json:
    """The keys of the account that is there from the start; made on the first start, kept in a file of mode 600."""

    def work(txn: Txn) -> Json:
        kept = files.read(data / files.ACCOUNT)
        for account in txn.all(Account).values():
            if account.name == DEFAULT:
                break
        else:
            account = Account(id=txn.new_id(Account), name=DEFAULT, created=txn.now)
            txn.put(account)
        keys = [txn.get(AccessKey, id) for id in txn.by(AccessKey, ("account",), account.id)]
        known = {key.id: key for key in keys if key is not None}
        # Every API server of a region tells the same keys, whoever made them.
        key = known.get(kept.get("accessKey", "")) or (known[min(known)] if known else None)
        if key is None:
            key = AccessKey(id=new_access_key(), account=account.id, secret=new_secret())
            txn.put(key)
        return {"account": account.id, "accessKey": key.id, "secretKey": key.secret}

    found = store.transact(work)
    if files.read(data / files.ACCOUNT) != found:
        _kept(data / files.ACCOUNT, json.dumps(found))
    return found


def _kept(path: Path, text: str) -> None:
    """Write a file; on a full disk the API serves without, and says so."""
    try:
        files.secret(path, text)
    except OSError as error:
        log.error("not written: commands on this machine may not find the region", file=str(path), error=str(error))


def operator_token(store: Store, data: Path) -> str:
    """The token that the operator comes with, the same at every API server of a region."""

    def work(txn: Txn) -> str:
        known = txn.get(OperatorToken, OPERATOR)
        if known is None:
            token = files.read(data / files.ENDPOINT).get("operator") or new_token()
            known = OperatorToken(id=OPERATOR, token=token)
            txn.put(known)
        return known.token

    return store.transact(work)


if __name__ == "__main__":
    main()
