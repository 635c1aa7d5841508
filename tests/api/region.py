"""A region of one test: the real API on a store in memory, and the real SDK to call it with."""

import json
import logging
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import structlog
from jdcloud_sdk.core.config import Config
from jdcloud_sdk.core.credential import Credential
from jdcloud_sdk.core.jdcloudrequest import JDCloudRequest
from jdcloud_sdk.core.logger import FATAL, Logger
from jdcloud_sdk.services.vm.client.VmClient import VmClient
from jdcloud_sdk.services.vpc.client.VpcClient import VpcClient

from sdnctl.api.app import create_app
from sdnctl.api.guests import Bounds
from sdnctl.api.operations import Operation, discover
from sdnctl.api.server import Server, listen
from sdnctl.model.host import Host, HostStatus
from sdnctl.model.resource import resources
from sdnctl.store import Store
from sdnctl.store.memory import MemoryStore
from topologies.tenant import request_of

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
NAME = "cn-test-1"
TOKEN = "operator-token"


class Refused(Exception):
    """A call that was answered with an error."""

    def __init__(self, code: int, status: str, message: str) -> None:
        super().__init__(f"{code} {status}: {message}")
        self.code = code
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Tenant:
    """An account and its two SDK clients; calls return the result or raise Refused."""

    endpoint: str
    account: str
    access_key: str
    secret_key: str
    vpc_client: VpcClient
    vm_client: VmClient

    def vpc(self, name: str, /, **parameters: Any) -> dict[str, Any]:
        """Call an operation of the vpc service by name, with the SDK's own request class."""
        return call(self.vpc_client, "vpc", name, parameters)

    def vm(self, name: str, /, **parameters: Any) -> dict[str, Any]:
        """The same for the vm service."""
        return call(self.vm_client, "vm", name, parameters)


def request_class(service: str, name: str) -> type[JDCloudRequest]:
    """The SDK's request class of an operation."""
    upper = name[0].upper() + name[1:]
    module = __import__(f"jdcloud_sdk.services.{service}.apis.{upper}Request", fromlist=["x"])
    found: type[JDCloudRequest] = getattr(module, f"{upper}Request")
    return found


def call(client: Any, service: str, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Send a request; `regionId` is added."""
    return sent(client, request_of(service, name, {"regionId": NAME, **parameters}))


def beside(client: Any, method: str, path: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Send a request that the SDK has no class for; `regionId` is added."""
    request = JDCloudRequest(path, method, None, "v1")
    request.parameters = {"regionId": NAME, **parameters}
    return sent(client, request)


def sent(client: Any, request: JDCloudRequest) -> dict[str, Any]:
    """The result of a request; raises Refused."""
    response = client.send(request)
    assert response.request_id
    if response.error is not None:
        raise Refused(response.error.code, response.error.status, response.error.message)
    result: dict[str, Any] = response.result or {}
    return result


class Region:
    """A served region; `with Region() as region` starts and ends it."""

    def __init__(self, *more: Operation, store: Store | None = None, bounds: Bounds | None = None) -> None:
        """`more` are operations beside the declared ones, `store` is one that other regions may share."""
        self.store: Store = store or MemoryStore()
        listener = listen("127.0.0.1:0")
        self.endpoint = f"127.0.0.1:{listener.getsockname()[1]}"
        started = threading.Event()
        app = create_app(self.store, NAME, (*discover(), *more), TOKEN, ready=started.set)
        self.server = Server(app, bounds)
        self._thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listener]})
        self._started = started

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.server.should_exit = True
        self._thread.join(10)

    def operator(self, method: str, path: str, body: Any = None, token: str = TOKEN) -> dict[str, Any]:
        """A call of the operator."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"}
        wanted = urllib.request.Request(f"http://{self.endpoint}/x/v1{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(wanted, timeout=10) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as refusal:
            error = json.load(refusal)["error"]
            assert error["code"] == refusal.code
            raise Refused(error["code"], error["status"], error["message"]) from None

    def tenant(self, name: str, **quotas: int) -> Tenant:
        """A new account."""
        made = self.operator("POST", "/accounts", {"name": name, "quotas": quotas})
        return self.client(made["account"], made["accessKey"], made["secretKey"])

    def client(self, account: str, access_key: str, secret_key: str) -> Tenant:
        """SDK clients with these keys."""
        credential = Credential(access_key, secret_key)
        config = Config(self.endpoint, "http", 5)
        clients = (kind(credential, config, Logger(FATAL)) for kind in (VpcClient, VmClient))
        return Tenant(self.endpoint, account, access_key, secret_key, *clients)

    def host(self, name: str, applied: int) -> None:
        """A host reports what its switch has confirmed."""

        def work(txn: Any) -> None:
            if txn.get(Host, name) is None:
                txn.put(Host(id=name))
            txn.put(HostStatus(id=name, host=name, applied=applied, seen=time.time()))

        self.store.report(work)

    def everything(self) -> dict[str, dict[str, Any]]:
        """All that is stored, for comparing before and after."""
        with self.store.read() as state:
            return {name: dict(state.all(cls)) for name, cls in resources().items()}

    def changes_nothing(self, act: Callable[[], Any]) -> Refused:
        """Assert that a call is refused and leaves the store as it was; returns the refusal."""
        before = self.everything()
        try:
            result = act()
        except Refused as refusal:
            assert self.everything() == before
            return refusal
        raise AssertionError(f"was not refused: {result}")
