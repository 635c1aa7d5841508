"""Signed calls that a machine makes up from the served OpenAPI document: none ends in a 500."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from requests.auth import AuthBase
from schemathesis.core.result import Ok

from tests.api.raw import Call
from tests.api.region import TOKEN, Region, Tenant

EXAMPLES = 12
BUDGET_S = 60.0


class Signed(AuthBase):
    """Signs what is about to be sent: the target and body exactly as they are."""

    def __init__(self, tenant: Tenant, service: str) -> None:
        self._tenant, self._service = tenant, service

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the headers that a client would send; an operator comes with a token."""
        if self._service == "operator":
            request.headers["authorization"] = f"Bearer {TOKEN}"
            return request
        body = request.body or b""
        data = body.encode() if isinstance(body, str) else body
        target = (request.path_url or "/").encode()
        call = Call(request.method or "GET", target, data, service=self._service)
        content = request.headers.setdefault("content-type", "application/json")
        call.headers["content-type"] = content.decode() if isinstance(content, bytes) else content
        for name, value in call.sign(self._tenant).headers.items():
            request.headers[name] = value
        return request


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Region, Tenant]]:
    """One region for all operations."""
    with Region() as region:
        region.operator("POST", "/pools", {"cidr": "203.0.113.0/24", "gateway": "203.0.113.1"})
        yield region, region.tenant("machine", requestRate=100_000)


def test_nothing_that_the_document_allows_makes_a_500(served: tuple[Region, Tenant]) -> None:
    region, tenant = served
    schema = schemathesis.openapi.from_url(f"http://{region.endpoint}/openapi.json")
    started, tried, answered = time.monotonic(), 0, set()
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        service = operation.definition.raw["tags"][0]
        if service == "operator":
            continue
        left = BUDGET_S - (time.monotonic() - started)
        codes = _try(operation, region, Signed(tenant, service), EXAMPLES if left > 0 else 1)
        tried, answered = tried + 1, answered | codes
    assert tried > 60 and {200, 400, 404} <= answered


def _try(operation: Any, region: Region, signed: Signed, examples: int) -> set[int]:
    """Calls of one operation as the document describes it; returns the answers' codes."""
    codes = set()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def calls(case: Any) -> None:
        before = region.everything()
        answer = case.call(base_url=f"http://{region.endpoint}", auth=signed, timeout=10)
        codes.add(answer.status_code)
        assert answer.status_code < 500 or answer.status_code == 501, answer.text
        if answer.status_code != 200:
            assert region.everything() == before

    calls()
    return codes
