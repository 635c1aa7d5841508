"""Calls byte by byte: signed here without the server's own code, sent without any client library's care."""

import hashlib
import hmac
import json
import re
import socket
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote_plus

from tests.api.region import NAME, Tenant


@dataclass
class Call:
    """One request; change any of it before or after signing."""

    method: str = "GET"
    target: bytes = b"/v1/regions/cn-test-1/vpcs/"
    body: bytes = b""
    service: str = "vpc"
    region: str = NAME
    version: str = "3"
    as_sent: bool = True
    """Version 2 only: the query is signed as it is sent; else sorted and encoded anew."""
    headers: dict[str, str] = field(default_factory=dict)

    def sign(self, tenant: Tenant, date: str = "", signed: str = "content-type;host", secret: str = "") -> "Call":
        """Add the headers that a client would send."""
        date = date or time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        given = {"host": tenant.endpoint, "content-type": "application/json", **self.headers, "x-jdcloud-date": date}
        scope = f"{date[:8]}/{self.region}/{self.service}/jdcloud{self.version}_request"
        block = "".join(f"{name}:{given[name]}\n" for name in signed.split(";"))
        path, query = self._canonical()
        digest = hashlib.sha256(self.body).hexdigest()
        request = "\n".join((self.method, path, query, block, signed, digest))
        algorithm = f"JDCLOUD{self.version}-HMAC-SHA256"
        to_sign = "\n".join((algorithm, date, scope, hashlib.sha256(request.encode()).hexdigest()))
        key = f"JDCLOUD{self.version}{secret or tenant.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        credential = f"Credential={tenant.access_key}/{scope}"
        given["authorization"] = f"{algorithm} {credential}, SignedHeaders={signed}, Signature={signature}"
        self.headers = given
        return self

    def _canonical(self) -> tuple[str, str]:
        path, _, query = self.target.decode().partition("?")
        if self.version == "2" and self.as_sent:
            return path, query
        pairs = sorted(
            [quote(unquote_plus(x), safe="~") for x in part.split("=", 1)] for part in query.split("&") if part
        )
        joined = "&".join("=".join(pair) for pair in pairs if pair[0] and len(pair) == 2)
        if self.version == "2":
            return path, joined
        return quote(re.sub("/+", "/", unquote_plus(path)), safe="/~") or "/", joined

    def send(self, endpoint: str) -> tuple[int, dict[str, str], Any]:
        """Send it as it is; returns status, headers and the JSON of the answer (None when there is no body)."""
        host, port = endpoint.split(":")
        lines = [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"content-length: {len(self.body)}", "connection: close"]
        head = self.method.encode() + b" " + self.target + b" HTTP/1.1\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n"
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head + self.body)
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        top, _, rest = received.partition(b"\r\n\r\n")
        status, *fields = top.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in fields)}
        code = int(status.split()[1])
        return code, headers, json.loads(rest) if headers.get("content-type") == "application/json" and rest else None
