"""`python -m sdnctl.api --store unix:PATH --data DIR --listen HOST:PORT --region NAME` serves a region's API.

Once it serves, its first line on stdout says where and with which keys: `{"endpoint", "region", "accessKey",
"secretKey"}`.
"""

import argparse
import gc
import json
import socket
from pathlib import Path

import uvicorn

from sdnctl.api import files
from sdnctl.api.access import new_access_key, new_secret, new_token
from sdnctl.api.app import create_app
from sdnctl.api.operations import discover
from sdnctl.api.schema import Json
from sdnctl.api.signature import WINDOW_S
from sdnctl.api.waiting import Waiting
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
BACKLOG = 512
GRACE_S = 3
MEMORY = "memory"


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    given = arguments()
    to_stderr()
    operations = discover()
    store: Store = MemoryStore() if given.store == MEMORY else OvsdbStore(given.store, pki=given.pki)
    if given.pki is not None and Seal.of(given.pki) is None:
        raise SystemExit(f"sdnctl.api: {given.pki} lacks {SEAL}: issue it with sdnctl pki issue api --role api")
    try:
        account = default_account(store, given.data)
    except StoreError as error:
        store.close()
        raise SystemExit(f"sdnctl.api: the store does not answer: {error}") from None
    gc.collect()
    gc.freeze()  # the region is loaded: looking for garbage in it again and again would make some calls wait
    listener = listen(given.listen)
    endpoint = str(HostPort(*listener.getsockname()[:2]))
    token = operator_token(store, given.data)

    def ready() -> None:
        files.secret(given.data / files.TOKEN, token)
        files.write(given.data / files.ENDPOINT, {"endpoint": endpoint, "region": given.region, "operator": token})
        keys = {key: account[key] for key in ("accessKey", "secretKey")}
        print(json.dumps({"endpoint": endpoint, "region": given.region, **keys}), flush=True)

    app = create_app(store, given.region, operations, token, window_s=given.window, ready=ready)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=GRACE_S
    )
    try:
        Server(config, app.state.waiting).run(sockets=[listener])
    finally:
        store.close()


class Server(uvicorn.Server):
    """A server that lets those go who wait for hosts when it is told to end: what they asked for is done."""

    def __init__(self, config: uvicorn.Config, waiting: Waiting) -> None:
        super().__init__(config)
        self._waiting = waiting

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        self._waiting.end()
        await super().shutdown(sockets)


def arguments() -> argparse.Namespace:
    """The parsed command line."""
    parser = argparse.ArgumentParser(prog="python -m sdnctl.api", description="Serve a region's API.")
    parser.add_argument("--store", required=True, help=f"unix:PATH of the store, or {MEMORY}")
    parser.add_argument("--pki", type=Path, help="directory of ca.pem, cert.pem and key.pem, for ssl: remotes")
    parser.add_argument("--data", required=True, type=Path, help="directory for account.json and endpoint.json")
    parser.add_argument("--listen", default="127.0.0.1:0", help="HOST:PORT; port 0 picks one")
    parser.add_argument("--region", default="local", help="the name of the region")
    parser.add_argument("--window", type=float, default=WINDOW_S, help="how far a call's date may be off, in seconds")
    return parser.parse_args()


def listen(where: str) -> socket.socket:
    """A listening socket; connections wait in it until the server takes them."""
    host, port = HostPort.parse(where)
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(BACKLOG)
    return listener


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
        files.write(data / files.ACCOUNT, found)
    return found


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
