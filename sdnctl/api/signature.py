"""Every call is signed with the caller's secret key; this checks the signature without ever seeing the secret on the
wire.

Two generations are accepted: version 3 (Python SDK and `jdc`) and version 2 (Go SDK and what is built on it, JavaScript
SDK). Both are checked against the raw request target, before anything is made of it for routing. Version 3 has one
canonical form of it; in version 2 the Go SDK signs the query as it sends it, the JavaScript SDK sorted and encoded
anew.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import product
from typing import NamedTuple
from urllib.parse import quote, unquote_plus

from sdnctl.api.wire import RawRequest
from sdnctl.base.errors import IntentError

NO_REGION = "jdcloud-api"  # what the clients put into the scope when the operation names no region
WINDOW_S = 900.0
NONCE = "x-jdcloud-nonce"
MAX_AUTHORIZATION = 4096

_AUTHORIZATION = re.compile(
    r"JDCLOUD([23])-HMAC-SHA256\s+Credential=([^/,\s]+)/(\d{8})/([^/,\s]+)/([^/,\s]+)/jdcloud\1_request"
    r"\s*,\s*SignedHeaders=([^,\s]+)\s*,\s*Signature=([0-9A-Fa-f]{64})\s*",
    re.ASCII,
)
_DATE = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_DEFAULT_PORTS = ("80", "443")


class Scope(NamedTuple):
    """The scope of a verified credential: who called, and for what region and service."""

    access_key: str
    region: str
    service: str


class Authorization(NamedTuple):
    """The parsed `Authorization` header."""

    version: str  # "2" or "3"
    access_key: str
    day: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str


def unauthenticated(message: str) -> IntentError:
    """The one shape of every refusal here: 401 UNAUTHENTICATED."""
    return IntentError(None, message, 401, "UNAUTHENTICATED")


def verify(
    request: RawRequest, secret_of: Callable[[str], str | None], now: float, window_s: float = WINDOW_S
) -> Scope:
    """Check the request's signature and date; returns the scope, raises IntentError 401 on any doubt. `now` is in
    epoch seconds.
    """
    authorization = parse(request.header("authorization"))
    date = request.header("x-jdcloud-date")
    check_date(date, authorization.day, now, window_s)
    secret = secret_of(authorization.access_key)
    key = signing_key(authorization, secret or "")
    matched = False
    for host, query in product(host_spellings(request.header("host")), query_forms(request, authorization)):
        expected = signature(request._replace(query=query), authorization, date, key, host)
        matched |= hmac.compare_digest(expected, authorization.signature.lower())
    if secret is None:
        raise unauthenticated("unknown access key")
    if not matched:
        raise unauthenticated("the signature does not match the request")
    return Scope(authorization.access_key, authorization.region, authorization.service)


class Signed(NamedTuple):
    """The marks of one signed call: its access key, its date in epoch seconds, and its nonce, "" if not signed."""

    access_key: str
    at: int
    nonce: str


def signed(request: RawRequest) -> Signed:
    """The marks of a call that was verified."""
    authorization = parse(request.header("authorization"))
    nonce = _folded(authorization, request.header(NONCE)) if NONCE in authorization.signed_headers else ""
    return Signed(authorization.access_key, _seconds(request.header("x-jdcloud-date")), nonce)


@lru_cache(64)  # a call is looked at twice
def parse(header: str) -> Authorization:
    """Split an `Authorization` header; raises IntentError 401 when it is missing or malformed."""
    if not header:
        raise unauthenticated("the Authorization header is missing")
    found = _AUTHORIZATION.fullmatch(header) if len(header) <= MAX_AUTHORIZATION else None
    if found is None:
        raise unauthenticated("the Authorization header is malformed")
    version, access_key, day, region, service, names, value = found.groups()
    signed = tuple(name.lower() for name in names.split(";"))
    if "host" not in signed:
        raise unauthenticated("SignedHeaders must contain host")
    if len(set(signed)) < len(signed):  # each would be hashed, as often as it is named
        raise unauthenticated("SignedHeaders names a header twice")
    return Authorization(version, access_key, day, region, service, signed, value)


@lru_cache(64)  # calls of one second have the same, and strptime(3) in Python is a tenth of a call's time
def _seconds(date: str) -> int:
    """The epoch seconds of a date like 20261122T185918Z; ValueError when there is no such moment."""
    day, clock = date.split("T")
    year, month, hour, minute = int(day[:4]), int(day[4:6]), int(clock[:2]), int(clock[2:4])
    return int(datetime(year, month, int(day[6:]), hour, minute, int(clock[4:6]), tzinfo=UTC).timestamp())


def check_date(date: str, day: str, now: float, window_s: float) -> None:
    """Refuse a date that is malformed, of another day than the scope, or further than `window_s` seconds from `now`."""
    if not _DATE.fullmatch(date):
        raise unauthenticated("x-jdcloud-date must look like 20261122T185918Z")
    try:
        at = _seconds(date)
    except ValueError:
        raise unauthenticated("x-jdcloud-date is not a date") from None
    if date[:8] != day:
        raise unauthenticated("x-jdcloud-date and the credential's date differ")
    if abs(now - at) > window_s:
        raise unauthenticated("x-jdcloud-date is too far from the server's clock")


def host_spellings(host: str) -> tuple[str, ...]:
    """The forms of Host a client may have signed: clients drop :80 and :443, proxies and libraries add or drop them."""
    name, colon, port = host.rpartition(":")
    if colon and port in _DEFAULT_PORTS:
        return host, name
    if colon and port.isdigit():
        return (host,)
    return host, *(f"{host}:{port}" for port in _DEFAULT_PORTS)


def query_forms(request: RawRequest, authorization: Authorization) -> tuple[str, ...]:
    """The forms of the query a client may have signed: as it was sent, in version 2 also in canonical form."""
    canonical = canonical_query(request.query)
    if authorization.version == "2" and canonical != request.query:
        return request.query, canonical
    return (request.query,)


def signing_key(authorization: Authorization, secret: str) -> bytes:
    """The key of a (secret, day, region, service), derived by a chain of HMACs."""
    return _derive(authorization.version, secret, authorization.day, authorization.region, authorization.service)


@lru_cache(maxsize=4096)
def _derive(version: str, secret: str, day: str, region: str, service: str) -> bytes:
    key = f"JDCLOUD{version}{secret}".encode()
    for part in (day, region, service, f"jdcloud{version}_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def signature(request: RawRequest, authorization: Authorization, date: str, key: bytes, host: str) -> str:
    """The hex signature this request should carry, if the client called the server `host`."""
    canonical = canonical_request(request, authorization, host)
    version, scope = authorization.version, (authorization.day, authorization.region, authorization.service)
    to_sign = "\n".join(
        (
            f"JDCLOUD{version}-HMAC-SHA256",
            date,
            "/".join((*scope, f"jdcloud{version}_request")),
            hashlib.sha256(canonical).hexdigest(),
        )
    )
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def canonical_request(request: RawRequest, authorization: Authorization, host: str) -> bytes:
    """The bytes both sides hash: method, path, query, signed headers, body hash. Version 2 has the path as sent."""
    path, query = request.path, request.query
    if authorization.version != "2":
        path, query = canonical_path(path), canonical_query(query)
    lines = [request.method, path, query]
    lines += canonical_headers(request, authorization, host)
    lines += ["", ";".join(authorization.signed_headers), hashlib.sha256(request.body).hexdigest()]
    return "\n".join(lines).encode()


def canonical_headers(request: RawRequest, authorization: Authorization, host: str) -> Iterator[str]:
    """`name:value` of each signed header; a repeated header is joined by commas, version 2 folds runs of spaces."""
    for name in authorization.signed_headers:
        values = [host] if name == "host" else request.headers.get(name)
        if values is None:
            raise unauthenticated(f"the signed header {name} is missing")
        value = ",".join(value.strip() for value in values)
        yield f"{name}:{_folded(authorization, value)}"


def _folded(authorization: Authorization, value: str) -> str:
    """A header's value as it is signed: values that differ in what is folded away are one."""
    return re.sub(" +", " ", value) if authorization.version == "2" else value


def canonical_path(raw: str) -> str:
    """Version 3: decode, fold slashes, encode again; ':' becomes %3A although the wire has ':'."""
    return quote(re.sub("/+", "/", unquote_plus(raw)), safe="/~") or "/"


def canonical_query(raw: str) -> str:
    """Decode and encode each `k=v` of a query, sort, drop what has no key or no '='."""
    pairs = []
    for part in raw.split("&"):
        key, equals, value = part.partition("=")
        if key and equals:
            pairs.append((quote(unquote_plus(key), safe="~"), quote(unquote_plus(value), safe="~")))
    return "&".join(f"{key}={value}" for key, value in sorted(pairs))
