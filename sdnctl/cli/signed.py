"""A tenant's call to the region: the public API, signed with the tenant's keys as every client of it signs.

The signature is computed by what the API verifies with (``sdnctl.api.signature``), so the two cannot drift apart; it is
imported by the first call.
"""

import hashlib
import json
import time
import urllib.request
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from sdnctl.cli.exchange import NO_FILE, Refused, Trust, exchange, no_region

Json = dict[str, Any]
Query = Iterable[tuple[str, str]]
VERSION, CONTENT_TYPE = "3", "application/json"
NONCE = "x-jdcloud-nonce"
SIGNED_HEADERS = ("content-type", "host", NONCE)
PAGE = 100  # the largest page that the API gives
BUSY = "RATE_LIMIT_EXCEEDED"
BUSY_PAUSE_S, BUSY_TRIES = 0.3, 40
HINTS = {
    "UNAUTHENTICATED": "check the access key and secret key, and this machine's clock",
    "NOT_IMPLEMENTED": "this region does not serve it",
}


@dataclass(frozen=True, slots=True)
class Tenant:
    """One account of one region; ``endpoint`` is HOST:PORT or a URL in front of it."""

    endpoint: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)
    rehearsal: str = ""
    """The token of the rehearsal in which calls are checked and not carried out; "" when they are real."""
    trust: Trust = NO_FILE

    def get(self, service: str, path: str, query: Query = ()) -> Json:
        """Ask for something; ``path`` is what follows ``/v1/regions/{regionId}/``."""
        return self.call(service, "GET", path, query=query)

    def post(self, service: str, path: str, body: Json) -> Json:
        """Have something made or done."""
        return self.call(service, "POST", path, body)

    def pages(self, service: str, path: str, plural: str, query: Query = ()) -> Iterator[Json]:
        """Everything in a list, page by page."""
        fixed, number, seen = [*query, ("pageSize", str(PAGE))], 1, 0
        while True:
            result = self.get(service, path, [*fixed, ("pageNumber", str(number))])
            yield from result[plural]
            seen += len(result[plural])
            if seen >= result["totalCount"] or not result[plural]:
                return
            number += 1

    def call(self, service: str, method: str, path: str, body: Json | None = None, query: Query = ()) -> Json:
        """Carry out one call and return its result; Refused when it was refused, NotRunning when nobody answered."""
        for _ in range(BUSY_TRIES):
            try:
                return self._call(service, method, path, body, query)
            except Refused as refused:
                if refused.status != BUSY:
                    raise
            time.sleep(BUSY_PAUSE_S)  # a call beyond the rate was not carried out: asking again is safe
        return self._call(service, method, path, body, query)

    def _call(self, service: str, method: str, path: str, body: Json | None, query: Query) -> Json:
        request = self.request(service, method, path, body, query)
        result = exchange(request, self.endpoint, HINTS, self.trust).get("result")
        if not isinstance(result, dict):
            raise no_region(self.endpoint)
        return result

    def request(
        self, service: str, method: str, path: str, body: Json | None = None, query: Query = (), when: float = 0.0
    ) -> urllib.request.Request:
        """The signed request, ready to be sent; ``when`` is its date in epoch seconds (0: now)."""
        scheme, _, host = self.endpoint.rpartition("://")
        within = f"rehearsals/{self.rehearsal}/" if self.rehearsal else ""
        target = f"/v1/regions/{quote(self.region, safe='')}/{within}{path}"
        text = "&".join(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in query)
        data = b"" if body is None else json.dumps(body).encode()
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(when or None))
        headers = {
            "Content-Type": CONTENT_TYPE,
            "Host": host,
            "x-jdcloud-date": date,
            NONCE: str(uuid.uuid4()),
            "x-jdcloud-content-sha256": hashlib.sha256(data).hexdigest(),
        }
        raw = method, target, text, data, headers[NONCE]
        headers["Authorization"] = self._authorization(*raw, service, date, host)
        url = f"{scheme or 'http'}://{host}{target}" + (f"?{text}" if text else "")
        return urllib.request.Request(url, data=data or None, method=method, headers=headers)

    def _authorization(
        self, method: str, target: str, query: str, data: bytes, nonce: str, service: str, date: str, host: str
    ) -> str:
        from sdnctl.api.signature import Authorization, canonical_query, signature, signing_key
        from sdnctl.api.wire import RawRequest

        raw = RawRequest(method, target, canonical_query(query), {"content-type": [CONTENT_TYPE], NONCE: [nonce]}, data)
        scope = Authorization(VERSION, self.access_key, date[:8], self.region, service, SIGNED_HEADERS, "")
        signed = signature(raw, scope, date, signing_key(scope, self.secret_key), host)
        credential = f"{self.access_key}/{date[:8]}/{self.region}/{service}/jdcloud{VERSION}_request"
        names = ";".join(SIGNED_HEADERS)
        return f"JDCLOUD{VERSION}-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signed}"


def conditions(filters: Iterable[tuple[str, Iterable[str]]]) -> list[tuple[str, str]]:
    """Filters as a query says them: ``filters.1.name=vpcId&filters.1.values.1=vpc-…``."""
    query = []
    for number, (name, values) in enumerate(filters, 1):
        query.append((f"filters.{number}.name", name))
        query += [(f"filters.{number}.values.{index}", value) for index, value in enumerate(values, 1)]
    return query
