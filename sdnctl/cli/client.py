"""The command line's client of the running region: the operator's HTTP API, by the token in the region's directory."""

import json
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdnctl.base.paths import DEFAULT_REGION
from sdnctl.cli.exchange import NO_FILE, NotRunning, Refused, Trust, exchange, url

ENDPOINT = "endpoint.json"
WAIT_S = 60.0
PIECE_S = 20.0  # of one waiting call, below what a call may take


@dataclass(frozen=True, slots=True)
class Client:
    """One region's operator API."""

    endpoint: str
    token: str
    region: str = DEFAULT_REGION
    trust: Trust = NO_FILE

    @classmethod
    def at(cls, data: Path) -> "Client":
        """The region whose data directory this is; NotRunning when none serves there."""
        try:
            found = json.loads((data / ENDPOINT).read_text())
            scheme = f"{found['scheme']}://" if "scheme" in found else ""
            trust = Trust(served=found.get("certificate", ""))
            return cls(scheme + found["endpoint"], found["operator"], found.get("region", DEFAULT_REGION), trust)
        except FileNotFoundError:
            raise NotRunning(
                f"no region is running on {data}: start one with 'sdnctl up --data {data}', "
                "or name another with --data or SDNCTL_DATA"
            ) from None
        except PermissionError:
            raise NotRunning(
                f"{data / ENDPOINT} belongs to another user: run this as the user who runs 'sdnctl up'"
            ) from None
        except (ValueError, KeyError, TypeError):
            raise NotRunning(f"{data / ENDPOINT} is damaged: restart 'sdnctl up --data {data}'") from None

    def get(self, path: str) -> dict[str, Any]:
        """Ask for something under /x/v1."""
        return self._call("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Have something made under /x/v1."""
        return self._call("POST", path, body)

    def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Change."""
        return self._call("PATCH", path, body)

    def delete(self, path: str) -> dict[str, Any]:
        """Have something removed under /x/v1."""
        return self._call("DELETE", path, None)

    def trouble(self) -> str:
        """The reason for which the region would not take a change now, as it says itself; "" when it would."""
        request = urllib.request.Request(f"{url(self.endpoint)}/readyz")
        try:
            exchange(request, self.endpoint, {}, self.trust)
        except Refused as refused:
            return refused.message
        return ""

    def until_applied(self, sequence: int | None, seconds: float) -> dict[str, Any]:
        """The hosts' progress once all that are alive have ``sequence`` (None: the latest), or after ``seconds``."""
        end = time.monotonic() + seconds
        while True:
            left = max(0.0, end - time.monotonic())
            asked = "" if sequence is None else f"&sequence={sequence}"
            found = self.get(f"/wait?timeout={min(left, PIECE_S):.3f}{asked}")
            if found["applied"] or left <= PIECE_S:
                return found
            sequence = found["sequence"]

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{url(self.endpoint)}/x/v1{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        return exchange(request, self.endpoint, {}, self.trust)
