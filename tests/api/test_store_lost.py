"""The store fails in the middle of any call: the answer is a 503 in the API's own form, never a bare 500."""

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sdnctl.api.operations import OPERATOR, Operation, discover
from sdnctl.base.errors import DiskFull, Doubtful, StoreError
from sdnctl.store.memory import MemoryStore
from tests.api.raw import Call
from tests.api.region import NAME, TOKEN, Region, Tenant


class Failing(MemoryStore):
    """A store that fails after so many things that it was asked for, if it fails at all."""

    left: int | None = None
    fault: StoreError = StoreError("it is away")

    def _asked(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise self.fault

    def transact(self, work):  # type: ignore[no-untyped-def]
        """See Store."""
        self._asked()
        return super().transact(work)

    @contextmanager
    def read(self) -> Iterator[Any]:
        """See Store."""
        self._asked()
        with super().read() as state:
            yield state

    @contextmanager
    def moment(self) -> Iterator[Any]:
        """See Store."""
        self._asked()
        with super().moment() as state:
            yield state


@pytest.fixture(scope="module")
def region() -> Iterator[Region]:
    """A region on such a store."""
    with Region(store=Failing()) as made:
        yield made


@pytest.fixture(scope="module")
def tenant(region: Region) -> Tenant:
    """An account that may call as often as it likes."""
    return region.tenant("tenant", requestRate=10_000)


def asked(region: Region, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    """The answer to a request."""
    door = http.client.HTTPConnection(region.endpoint, timeout=10)
    door.request(method, target, body or None, headers)
    answer = door.getresponse()
    return answer.status, answer.read()


def refusal(region: Region, tenant: Tenant, operation: Operation) -> tuple[int, Any]:
    """The code of an answer and the error in it."""
    path = re.sub(r"\{[^}]*\}", "x", operation.path.replace("{regionId}", NAME))
    body = b"" if operation.method in ("GET", "DELETE") else b"{}"
    if operation.service == OPERATOR:
        headers = {"Authorization": f"Bearer {TOKEN}"}
    else:
        region_id = NAME if "{regionId}" in operation.path else "jdcloud-api"
        made = Call(operation.method, path.encode(), body, service=operation.service, region=region_id)
        headers = made.sign(tenant).headers
    code, text = asked(region, operation.method, path, headers, body)
    return code, json.loads(text).get("error")


@pytest.mark.parametrize("left", range(3))
def test_every_operation_says_503_whenever_the_store_is_lost(region: Region, tenant: Tenant, left: int) -> None:
    store = region.store
    assert isinstance(store, Failing)
    seen = set()
    for operation in discover():
        store.left = left
        try:
            code, error = refusal(region, tenant, operation)
        finally:
            store.left = None
        assert code != 500, (operation.name, error)
        seen.add(code)
        if code == 503:
            assert error["status"] == "UNAVAILABLE" and "nothing was changed" in error["message"], operation.name
    assert 503 in seen


def test_the_fault_decides_what_the_caller_is_told(region: Region, tenant: Tenant) -> None:
    store = region.store
    assert isinstance(store, Failing)
    told = {}
    for fault in (StoreError("away"), Doubtful("no answer"), DiskFull("no room")):
        store.left, store.fault = 0, fault
        try:
            _, error = refusal(region, tenant, next(o for o in discover() if o.name == "createVpc"))
            told[type(fault)] = error["message"]
        finally:
            store.left, store.fault = None, StoreError("it is away")
    assert "clientToken" in told[Doubtful] and "disk is full" in told[DiskFull] and len(set(told.values())) == 3


def test_figures_and_readiness_of_a_lost_store_are_refused_in_words(region: Region) -> None:
    store = region.store
    assert isinstance(store, Failing)
    store.left = 0
    try:
        for target in ("/metrics", "/readyz"):
            store.left = 0
            code, text = asked(region, "GET", target, {"Authorization": f"Bearer {TOKEN}"}, b"")
            assert (code, json.loads(text)["error"]["status"]) == (503, "UNAVAILABLE"), target
    finally:
        store.left = None
