"""Both generations of the signature: the published vectors, and every way in which a call can be forged or stale."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from sdnctl.api import signature
from sdnctl.api.signature import Authorization, verify
from sdnctl.api.wire import RawRequest
from sdnctl.base.errors import IntentError
from tests.api.raw import Call
from tests.api.region import Region, Tenant

PATH = "/v1/regions/cn-north-1/vpcs/"
HOST = "127.0.0.1:18080"
DATE = "20261122T185918Z"
NOW = 1795373958.0
QUERY = (
    "pageNumber=2&pageSize=50&filters.1.name=vpcIds&filters.1.values.1=vpc-1&filters.1.values.2=vpc-2"
    "&filters.2.name=vpcNames&filters.2.operator=like&filters.2.values.1=%E5%90%8D%20a%2Bb&filters.2.values.2=x%2Fy~%2A"
)
V3 = "d11452b90a1e59446c5681c333f861d3e1b09e0f0a2c24e1db307b9c1662b20b"
V2 = "d70227ab6858fcd6fd62076d873c29b47452ce9c251dae6fecaf65a3aa60418f"


def vector_3(**changed: Any) -> RawRequest:
    """The version 3 vector as a request."""
    authorization = (
        "JDCLOUD3-HMAC-SHA256 Credential=AK/20261122/cn-north-1/vpc/jdcloud3_request, "
        f"SignedHeaders=content-type;host, Signature={V3}"
    )
    headers = {
        "authorization": [authorization],
        "host": [HOST],
        "content-type": ["application/json"],
        "x-jdcloud-date": [DATE],
    }
    return RawRequest("GET", PATH, QUERY, headers, b"")._replace(**changed)


def vector_2() -> RawRequest:
    """The version 2 vector as a request."""
    authorization = (
        "JDCLOUD2-HMAC-SHA256 Credential=AK/20261122/cn-north-1/vpc/jdcloud2_request, "
        f"SignedHeaders=content-type;host;x-jdcloud-date;x-jdcloud-nonce, Signature={V2}"
    )
    headers = {
        "authorization": [authorization],
        "host": [HOST],
        "content-type": ["application/json"],
        "x-jdcloud-date": [DATE],
        "x-jdcloud-nonce": ["7481a149-ea40-4fbb-a75a-6d71ad863684"],
    }
    return RawRequest("POST", PATH, "a=b%20c", headers, b'{"regionId":"cn-north-1","vpcName":"v"}')


def secret(access_key: str) -> str | None:
    """The vectors' key pair."""
    return {"AK": "SK"}.get(access_key)


@pytest.mark.parametrize("vector", [vector_3, vector_2])
def test_the_published_vectors(vector: Callable[[], RawRequest]) -> None:
    assert verify(vector(), secret, NOW) == ("AK", "cn-north-1", "vpc")


@pytest.mark.parametrize("vector", [vector_3, vector_2])
def test_every_part_is_bound(vector: Callable[[], RawRequest]) -> None:
    good = vector()
    forged = [
        good._replace(method="PUT"),
        good._replace(path=good.path + "x"),
        good._replace(query=good.query + "&z=1"),
        good._replace(body=good.body + b" "),
        good._replace(headers={**good.headers, "host": ["other:18080"]}),
        good._replace(headers={**good.headers, "content-type": ["text/plain"]}),
    ]
    for request in forged:
        with pytest.raises(IntentError, match="does not match"):
            verify(request, secret, NOW)
    with pytest.raises(IntentError, match="unknown access key"):
        verify(good, lambda _: None, NOW)
    with pytest.raises(IntentError, match="does not match"):
        verify(good, lambda _: "another", NOW)


def test_the_window() -> None:
    for offset in (-899.0, 899.0):
        verify(vector_3(), secret, NOW + offset)
    for offset in (-901.0, 901.0):
        with pytest.raises(IntentError, match="clock"):
            verify(vector_3(), secret, NOW + offset)
    verify(vector_3(), secret, NOW + 901, window_s=1000)


@pytest.mark.parametrize("date", ["", "x", "20261122", "20261322T185918Z", "20261122T185918", "20261121T185918Z"])
def test_dates_that_are_none(date: str) -> None:
    good = vector_3()
    with pytest.raises(IntentError) as refusal:
        verify(good._replace(headers={**good.headers, "x-jdcloud-date": [date]}), secret, NOW)
    assert refusal.value.code == 401


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer x",
        "JDCLOUD3-HMAC-SHA256 Credential=AK",
        "JDCLOUD1-HMAC-SHA256 Credential=AK/20261122/r/vpc/jdcloud1_request, SignedHeaders=host, Signature=" + V3,
        "JDCLOUD3-HMAC-SHA256 Credential=AK/20261122/r/vpc/jdcloud2_request, SignedHeaders=host, Signature=" + V3,
        "JDCLOUD3-HMAC-SHA256 Credential=AK/20261122/r/vpc/jdcloud3_request, SignedHeaders=date, Signature=" + V3,
        "JDCLOUD3-HMAC-SHA256 Credential=AK/20261122/r/vpc/jdcloud3_request, SignedHeaders=host, Signature=zz",
        "JDCLOUD3-HMAC-SHA256 Credential=AK/20261122/r/vpc/jdcloud3_request, SignedHeaders=host;x, Signature=" + V3,
        "x" * 100_000,
    ],
)
def test_headers_that_are_none(header: str) -> None:
    good = vector_3()
    with pytest.raises(IntentError) as refusal:
        verify(good._replace(headers={**good.headers, "authorization": [header]}), secret, NOW)
    assert (refusal.value.code, refusal.value.status) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("names", ["host;x-big;x-big", "host;host", "host;X-Big;x-big"])
def test_no_header_is_signed_twice(names: str) -> None:
    """1800 times the same one would be 100 MB to hash, for whoever has no key at all."""
    good = vector_3()
    header = (
        f"JDCLOUD3-HMAC-SHA256 Credential=AK/20261122/r/vpc/jdcloud3_request, SignedHeaders={names}, Signature={V3}"
    )
    with pytest.raises(IntentError, match="names a header twice"):
        verify(good._replace(headers={**good.headers, "authorization": [header], "x-big": ["y"]}), secret, NOW)


@pytest.mark.parametrize(
    ("sent", "signed"),
    [("h:80", "h"), ("h:443", "h"), ("h", "h:80"), ("h", "h:443"), ("h", "h"), ("h:8080", "h:8080")],
)
def test_default_ports_may_be_dropped(sent: str, signed: str) -> None:
    assert signed in signature.host_spellings(sent)


def test_other_ports_may_not() -> None:
    assert signature.host_spellings("h:8080") == ("h:8080",)


def test_the_path_is_normalised_for_version_3_only() -> None:
    assert signature.canonical_path("//v1//a:b%2fc%7E é") == "/v1/a%3Ab/c~%20%C3%A9"
    assert signature.canonical_path("") == "/"
    assert signature.canonical_query("b=2&a=%2B&&=x&c&a=1=2") == "a=%2B&a=1%3D2&b=2"


def test_keys_are_derived_once() -> None:
    known = Authorization("3", "AK", "20261122", "r", "vpc", ("host",), "")
    assert signature.signing_key(known, "SK") is signature.signing_key(known, "SK")


@pytest.mark.parametrize("version", ["2", "3"])
def test_served_to_both_generations(region: Region, tenant: Tenant, version: str) -> None:
    for target in (b"/v1/regions/cn-test-1/vpcs/", b"/v1/regions/cn-test-1/vpcs", b"//v1/regions//cn-test-1/vpcs/"):
        code, headers, answer = (
            Call(target=target + b"?pageSize=10", version=version).sign(tenant).send(region.endpoint)
        )
        assert (code, answer["result"]) == (200, {"vpcs": [], "totalCount": 0})
        assert headers["x-jdcloud-request-id"] == answer["requestId"]


def test_forged_and_stale_calls_change_nothing(region: Region, tenant: Tenant) -> None:
    path = b"/v1/regions/cn-test-1/vpcs/"
    stale = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - 3600))

    def make() -> Call:
        return Call("POST", path, b'{"vpcName":"v"}')

    changed_body, changed_path, changed_query = (make().sign(tenant) for _ in range(3))
    changed_body.body = b'{"vpcName":"w"}'
    changed_path.target = b"/v1/regions/cn-test-1/subnets/"
    changed_query.target = path + b"?vpcName=w"
    forged = [
        changed_body,
        changed_path,
        changed_query,
        make().sign(tenant, secret="wrong"),
        make().sign(tenant, date=stale),
        make(),
    ]
    before = region.everything()
    for call in forged:
        call.headers.setdefault("host", region.endpoint)
        code, headers, answer = call.send(region.endpoint)
        assert (code, answer["error"]["code"], answer["error"]["status"]) == (401, 401, "UNAUTHENTICATED")
        assert headers["x-jdcloud-request-id"] == answer["requestId"]
    assert region.everything() == before
    code, _, answer = make().sign(tenant).send(region.endpoint)
    assert code == 200 and answer["result"]["vpcId"]
