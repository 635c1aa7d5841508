"""A tenant's call to the region: the public API, signed with the tenant's keys as every client of it signs.

The signature is computed by what the API verifies with (``sdnctl.api.signature``), so the two cannot drift apart.
"""

import hashlib
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from sdnctl.api.signature import Authorization, signature, signing_key
from sdnctl.api.wire import RawRequest
from sdnctl.cli.client import TIMEOUT_S, NotRunning, Refused

Json = dict[str, Any]
Query = Iterable[tuple[str, str]]
VERSION, CONTENT_TYPE = "3", "application/json"
SIGNED_HEADERS = ("content-type", "host")
PAGE = 100  # the largest page that the API gives
BUSY = "RATE_LIMIT_EXCEEDED"
BUSY_PAUSE_S, BUSY_TRIES = 0.3, 40
HINTS = {
    "UNAUTHENTICATED": "check the access key and secret key, and this machine's clock",
    "NOT_IMPLEMENTED": "this region does not serve it",
}


class Denied(Refused):
    """The API refused a call: ``code`` and ``status`` as it said them, and what may be done about it."""

    def __init__(self, status_code: int, status: str, message: str) -> None:
        hint = HINTS.get(status)
        super().__init__(f"{message} ({status})" + (f": {hint}" if hint else ""))
        self.status_code = status_code
        self.status = status

    @property
    def gone(self) -> bool:
        """Whether what the call was about does not exist."""
        return self.status_code == 404


@dataclass(frozen=True, slots=True)
class Tenant:
    """One account of one region; ``endpoint`` is HOST:PORT or a URL in front of it."""

    endpoint: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)

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
        """Carry out one call and return its result; Denied when it was refused, NotRunning when nobody answered."""
        for _ in range(BUSY_TRIES):
            try:
                return self._call(service, method, path, body, query)
            except Denied as denied:
                if denied.status != BUSY:
                    raise
            time.sleep(BUSY_PAUSE_S)  # a call beyond the rate was not carried out: asking again is safe
        return self._call(service, method, path, body, query)

    def _call(self, service: str, method: str, path: str, body: Json | None, query: Query) -> Json:
        request = self.request(service, method, path, body, query)
        # A proxy of the environment would only be in the way of what is on this machine or named exactly.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=TIMEOUT_S) as answer:
                result: Json = json.load(answer)["result"]
                return result
        except urllib.error.HTTPError as error:
            with error:
                raise _denied(error.code, error.read()) from None
        except (ValueError, KeyError, TypeError):
            raise NotRunning(f"{self.endpoint} is no sdnctl region: check --endpoint") from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise NotRunning(
                f"the region at {self.endpoint} does not answer ({reason}): is 'sdnctl up' running there?"
            ) from None

    def request(
        self, service: str, method: str, path: str, body: Json | None = None, query: Query = (), when: float = 0.0
    ) -> urllib.request.Request:
        """The signed request, ready to be sent; ``when`` is its date in epoch seconds (0: now)."""
        scheme, _, host = self.endpoint.rpartition("://")
        target = f"/v1/regions/{quote(self.region, safe='')}/{path}"
        text = "&".join(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in query)
        data = b"" if body is None else json.dumps(body).encode()
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(when or None))
        headers = {
            "Content-Type": CONTENT_TYPE,
            "Host": host,
            "x-jdcloud-date": date,
            "x-jdcloud-nonce": str(uuid.uuid4()),
            "x-jdcloud-content-sha256": hashlib.sha256(data).hexdigest(),
        }
        raw = RawRequest(method, target, text, {"content-type": [CONTENT_TYPE]}, data)
        headers["Authorization"] = self._authorization(raw, service, date, host)
        url = f"{scheme or 'http'}://{host}{target}" + (f"?{text}" if text else "")
        return urllib.request.Request(url, data=data or None, method=method, headers=headers)

    def _authorization(self, raw: RawRequest, service: str, date: str, host: str) -> str:
        scope = Authorization(VERSION, self.access_key, date[:8], self.region, service, SIGNED_HEADERS, "")
        signed = signature(raw, scope, date, signing_key(scope, self.secret_key), host)
        credential = f"{self.access_key}/{date[:8]}/{self.region}/{service}/jdcloud{VERSION}_request"
        names = ";".join(SIGNED_HEADERS)
        return f"JDCLOUD{VERSION}-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signed}"


def _denied(code: int, body: bytes) -> Denied:
    try:
        error = json.loads(body)["error"]
        return Denied(code, error["status"], error["message"])
    except (ValueError, KeyError, TypeError):
        return Denied(code, "UNKNOWN", f"the region answered with status {code}")


def conditions(filters: Iterable[tuple[str, Iterable[str]]]) -> list[tuple[str, str]]:
    """Filters as a query says them: ``filters.1.name=vpcId&filters.1.values.1=vpc-…``."""
    query = []
    for number, (name, values) in enumerate(filters, 1):
        query.append((f"filters.{number}.name", name))
        query += [(f"filters.{number}.values.{index}", value) for index, value in enumerate(values, 1)]
    return query
