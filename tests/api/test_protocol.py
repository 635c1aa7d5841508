"""The wire protocol: no input makes a 500, whatever is refused changes nothing, and every answer can be read."""

import http.client
import json
import socket
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sdnctl.api.access import Writer
from sdnctl.api.operations import Operation, discover
from sdnctl.api.schema import Json, Request
from sdnctl.api.wire import MAX_BODY, query_parameters
from sdnctl.base.errors import IntentError
from sdnctl.model.account import Account
from tests.api.raw import Call
from tests.api.region import NAME, Refused, Region, Tenant

VPCS = b"/v1/regions/cn-test-1/vpcs/"
OPERATIONS = [o for o in discover() if o.service != "operator"]


def refused(region: Region, call: Call, *codes: int) -> dict[str, Any]:
    """Assert that a call is answered with one of these codes, in the right shape, and changes nothing."""
    before = region.everything()
    code, headers, answer = call.send(region.endpoint)
    assert code in codes, answer
    assert answer["error"]["code"] == code and answer["error"]["status"] and answer["error"]["message"]
    assert answer["requestId"] == headers["x-jdcloud-request-id"]
    assert region.everything() == before
    error: dict[str, Any] = answer["error"]
    return error


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"vpcName": NaN}',
        b'{"vpcName": 1e999}',
        b'{"vpcName": {}}',
        b'{"vpcName": ["v"]}',
        b'{"vpcName": "\\ud800"}',
        b'{"vpcName": "\\u0000"}',
        b'{"vpcName": ""}',
        b'{"vpcName": null}',
        b"{}",
        b"",
        b'{"vpcName": "v", "addressPrefix": 10}',
        b'{"vpcName": "v", "addressPrefix": "' + b"1" * 100_000 + b'"}',
        b'{"vpcName": "v", "description": "' + b"x" * 257 + b'"}',
        b'{"vpcName": "v", "userTags": [{"key": "jrn:x"}]}',
        b'{"vpcName": "v", "userTags": {"key": "x"}}',
        b'{"vpcName": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"vpcName": ' + b"9" * 10_000 + b"}",
    ],
)
def test_bodies_that_are_refused(region: Region, tenant: Tenant, body: bytes) -> None:
    refused(region, Call("POST", VPCS, body).sign(tenant), 400)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"vpcName": "v", "description": "\\ud800"}', "description"),
        (b'{"vpcName": "v", "description": "a\\udfff\\ud800"}', "description"),
        (b'{"vpcName": "v", "description": "\\u0000"}', "description"),
        (b'{"vpcName": "v", "description": "\xff"}', "description"),
        (b'{"vpcName": "v", "description": "\xed\xa0\x80"}', "description"),
        (b'{"vpcName": "v", "clientToken": "\\ud800"}', "clientToken"),
        (b'{"vpcName": "v", "userTags": [{"key": "k"}, {"key": "a", "value": "\\ud800"}]}', "userTags.1.value"),
        (b'{"vpcName": "v", "unknown": {"a": ["\\ud800"]}}', "unknown.a.0"),
        (b'{"vpcName": "v", "\\ud800": 1}', "\\ud800"),
        (b'{"vpcName": "v", "a": {"\\u0000": 1}}', "a.\\x00"),
        (b'{"vpcName": "v", "a": 100000000000000000000}', "a"),
        (b'{"vpcName": "v", "a": -1e400}', "a"),
    ],
)
def test_what_no_store_can_hold_is_refused_by_name(region: Region, tenant: Tenant, body: bytes, field: str) -> None:
    error = refused(region, Call("POST", VPCS, body).sign(tenant), 400)
    assert error["message"].startswith(f"{field}: ")


@pytest.mark.parametrize("version", ["2", "3"])
@pytest.mark.parametrize("escaped", [b"%ED%A0%80", b"%FF", b"%00", b"a%C3"])
def test_bytes_that_are_no_text_in_path_and_query(region: Region, tenant: Tenant, escaped: bytes, version: str) -> None:
    path = VPCS + escaped
    names = [
        (path, "vpcId"),
        (VPCS + b"?x=" + escaped, "x"),
        (VPCS + b"?filters.1.values.1=" + escaped, "filters.0.values.0"),
        (VPCS + b"?k" + escaped + b"=1", "k" + ascii(unquote(escaped.decode(), errors="surrogateescape"))[1:-1]),
    ]
    for target, field in names:
        call = Call("GET", target, version=version)
        assert refused(region, call.sign(tenant), 400)["message"].startswith(f"{field}: ")


def test_the_operator_is_refused_by_name_too(region: Region) -> None:
    for name in ("\ud800", "\0"):
        with pytest.raises(Refused, match=r"^400 INVALID_ARGUMENT: name: "):
            region.operator("POST", "/accounts", {"name": name})


def test_null_is_absent_and_unknown_keys_are_ignored(region: Region, tenant: Tenant) -> None:
    body = b'{"vpcName":"v","addressPrefix":null,"az":"a","azType":{"x":[1]},"regionId":"other"}'
    code, _, answer = Call("POST", VPCS, body).sign(tenant).send(region.endpoint)
    assert code == 200 and answer["result"]["vpcId"]


def test_a_large_body_is_refused(region: Region, tenant: Tenant) -> None:
    body = b'{"vpcName":"v"}'
    code, _, _ = Call("POST", VPCS, body.ljust(MAX_BODY)).sign(tenant).send(region.endpoint)
    assert code == 200
    connection = http.client.HTTPConnection(region.endpoint, timeout=10)
    connection.request("POST", VPCS.decode(), body.ljust(MAX_BODY + 1))
    answer = connection.getresponse()
    assert answer.status == 400 and json.load(answer)["error"]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("method", "target", "service", "code"),
    [
        ("GET", b"/v1/regions/cn-test-1/vpcPolicy/p-1", "vpc", 501),
        ("GET", b"/v1/regions/cn-test-1/urlMaps/", "lb", 501),
        ("GET", b"/v1/regions/cn-test-1/nothing/", "vpc", 501),
        ("GET", b"/v1/regions/cn-test-1/disks", "disk", 501),
        ("POST", b"/v2/regions/cn-test-1/clusters", "kubernetes", 501),
        ("GET", b"/disks", "disk", 404),
        ("PUT", b"/v1/regions/cn-test-1/vpcs/", "vpc", 501),
        ("GET", b"/v1/regions/cn-test-1/vpcs/", "nonsense", 404),
        ("GET", b"/nonsense", "vpc", 404),
        ("GET", b"/", "vpc", 404),
        ("GET", b"/v1/" + b"a/" * 40, "vpc", 501),
        ("DELETE", b"/v1/regions/cn-test-1/vpcs/", "vpc", 400),
        ("POST", b"/v1/regions/cn-test-1/instances/:attachNetworkInterface", "vm", 400),
        ("GET", b"/v1/regions/cn-test-1/vpcs/vpc-0000000000", "vpc", 404),
        ("GET", b"/v1/regions/cn-test-1/vpcs/%ff%00%2f..%2f", "vpc", 400),
        ("GET", b"/v1/regions/cn-test-1/vpcs/%E5%90%8D", "vpc", 404),
        ("GET", b"/v1/regions/cn-test-1/vpcs/" + b"x" * 5000, "vpc", 400),
    ],
)
def test_paths_that_lead_nowhere(
    region: Region, tenant: Tenant, method: str, target: bytes, service: str, code: int
) -> None:
    refused(region, Call(method, target, service=service).sign(tenant), code)


def test_the_service_of_the_credential_decides(region: Region, tenant: Tenant) -> None:
    types = b"/v1/regions/cn-test-1/instanceTypes"
    assert Call(target=types, service="vm").sign(tenant).send(region.endpoint)[0] == 200
    refused(region, Call(target=types, service="vpc").sign(tenant), 501)


def test_regions(region: Region, tenant: Tenant) -> None:
    elsewhere = b"/v1/regions/cn-else-9/vpcs/"
    assert "cn-test-1" in refused(region, Call(target=elsewhere, region="cn-else-9").sign(tenant), 404)["message"]
    refused(region, Call(target=elsewhere).sign(tenant), 401)
    refused(region, Call(region="jdcloud-api").sign(tenant), 401)


def test_escapes_do_not_matter_for_routing(region: Region, tenant: Tenant) -> None:
    made = tenant.vpc("createVpc", vpcName="v")["vpcId"].encode()
    for target in (VPCS + made, VPCS + made + b"/", VPCS + b"%76" + made[1:], b"/v1/regions/cn-test-1//vpcs//" + made):
        code, _, answer = Call(target=target).sign(tenant).send(region.endpoint)
        assert code == 200 and answer["result"]["vpc"]["vpcId"].encode() == made


def test_repeated_headers(region: Region, tenant: Tenant) -> None:
    call = Call().sign(tenant)
    call.headers["Authorization"] = call.headers["authorization"]
    refused(region, call, 400)


def test_head_has_the_request_id_in_its_headers(region: Region, tenant: Tenant) -> None:
    code, headers, answer = Call("HEAD").sign(tenant).send(region.endpoint)
    assert (code, answer) == (501, None) and headers["x-jdcloud-request-id"]


def test_the_document_and_health_need_no_key(region: Region) -> None:
    connection = http.client.HTTPConnection(region.endpoint, timeout=10)
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, path
    paths = json.loads(body)["paths"]
    assert set(paths["/v1/regions/{regionId}/vpcs/{vpcId}"]) == {"get", "patch", "delete"}
    assert {o.path for o in OPERATIONS} <= set(paths)


def test_dotted_queries() -> None:
    query = "a.2=y&a.1=x&a.10=z&f.1.name=n&f.1.values.1=v%201&f.2.name=m+o&b=1&b=2&&c"
    assert query_parameters(query) == {
        "a": ["x", "y", "z"],
        "f": [{"name": "n", "values": ["v 1"]}, {"name": "m o"}],
        "b": "2",
        "c": "",
    }
    for wrong in ("a=1&a.1=2", "a.1=2&a=1", "a.b.c.d.e.f.g.h=1", "&".join(f"x{n}=1" for n in range(3000))):
        with pytest.raises(IntentError):
            query_parameters(wrong)


def test_an_unforeseen_error_is_answered_and_changes_nothing() -> None:
    def crash(request: Request, txn: Writer) -> Json:
        txn.delete(Account, txn.caller.account)
        raise ZeroDivisionError

    operation = Operation("vpc", "crash", "POST", "/v1/regions/{regionId}/crash", Request, crash, False)
    with Region(operation) as region:
        tenant = region.tenant("unlucky")
        call = Call("POST", b"/v1/regions/cn-test-1/crash").sign(tenant)
        assert refused(region, call, 500) == {"code": 500, "status": "INTERNAL", "message": "internal error"}
        assert tenant.vpc("describeVpcs")["totalCount"] == 0


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=40)
    | st.sampled_from(["10.0.0.0/16", "10.0.1.5", "vpc-0000000000", "subnet-x", "fa:16:3e:00:00:01", 10**30, ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """A signed call of a real operation with unreal parameters."""
    operation = draw(st.sampled_from(OPERATIONS))
    path = operation.path.replace("{regionId}", NAME)
    text = draw(st.text(max_size=30))
    while "{" in path:
        head, _, rest = path.partition("{")
        path = head + quote(text, safe=draw(st.sampled_from(["", ":", "/:"]))) + rest.partition("}")[2]
    fields = draw(
        st.dictionaries(st.sampled_from([*operation.request.model_fields]) | st.text(max_size=9), json_values)
    )
    call = Call(operation.method, path.encode(), service=operation.service, version=draw(st.sampled_from("23")))
    if operation.method in ("GET", "DELETE"):
        keys = draw(st.lists(st.tuples(st.sampled_from(sorted(QUERY_KEYS)), st.text(max_size=20)), max_size=5))
        query = "&".join(f"{quote(k)}={quote(v, safe=draw(st.sampled_from(['', '&=%+'])))}" for k, v in keys)
        call.target += b"?" + "".join(c for c in query if 32 < ord(c) < 127 and c != "#").encode()
    else:
        call.body = json.dumps(fields).encode()
    return call


QUERY_KEYS = {
    "pageNumber",
    "pageSize",
    "filters.1.name",
    "filters.1.values.1",
    "filters.1.operator",
    "filters.x",
    "filters.1.values.999999999999",
    "filters",
    "tags.1.key",
    "tags.1.values.1",
    "tags.1",
    "",
    ".",
    "a.b.c.d.e.f.g",
}


@pytest.fixture(scope="module")
def fuzzed() -> Any:
    """One region for all examples."""
    with Region() as served:
        yield served, served.tenant("fuzz")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(call=calls())
@example(call=Call("GET", b"/v1/regions/cn-test-1/vpcs/?pageNumber=" + b"9" * 5000))
@example(call=Call("GET", b"/v1/regions/cn-test-1/vpcs/?pageSize=%FF%FE"))
def test_no_signed_call_makes_a_500(fuzzed: tuple[Region, Tenant], call: Call) -> None:
    region, tenant = fuzzed
    before = region.everything()
    code, _, answer = call.sign(tenant).send(region.endpoint)
    assert code < 500 or code == 501, answer
    assert answer["requestId"]
    if code != 200:
        assert answer["error"]["code"] == code
        assert region.everything() == before


@settings(max_examples=150, deadline=None)
@given(head=st.binary(max_size=200), body=st.binary(max_size=50))
@example(head=b"GET /%zz HTTP/1.1\r\nhost: x", body=b"")
@example(head=b"GET /x/v1/status HTTP/1.1\r\nauthorization: Bearer \xff\xfe", body=b"")
@example(head=b"POST /x/v1/accounts HTTP/1.1\r\nauthorization: Bearer operator-token", body=b"")
@example(head=b"OPTIONS * HTTP/1.1\r\nhost: x", body=b"")
@example(head=b"GET http://u:p@h:99999/v1/ HTTP/1.1\r\nhost: \xff", body=b"")
@example(head=b"GET //[::1/ HTTP/1.1\r\nhost: x", body=b"")
def test_no_bytes_make_a_500(fuzzed: tuple[Region, Tenant], head: bytes, body: bytes) -> None:
    region, _ = fuzzed
    host, port = region.endpoint.split(":")
    before = region.everything()
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head + b"\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        connection.shutdown(socket.SHUT_WR)
        received = connection.recv(65536)
    status = received.split(b" ", 2)[1:2]
    assert status == [] or int(status[0]) < 500 or int(status[0]) == 501, received
    assert region.everything() == before
