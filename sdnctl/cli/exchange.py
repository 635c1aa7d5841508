"""One exchange with a region over HTTP: a request goes out, a JSON object comes back, a refusal is told in words."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from sdnctl.base.problem import Problem, Usage

Json = dict[str, Any]
TIMEOUT_S = 30.0


class Refused(Problem):
    """The region understood the request and said no: ``code`` and ``status`` as it said them."""

    def __init__(self, status_code: int, status: str, message: str, hint: str = "") -> None:
        super().__init__(f"{message} ({status})" + (f": {hint}" if hint else ""))
        self.status_code = status_code
        self.status = status

    @property
    def gone(self) -> bool:
        """True when what the call was about does not exist."""
        return self.status_code == 404


class NotRunning(Usage):
    """The failure of a call that nobody answered, or somebody who is no region."""


def exchange(request: urllib.request.Request, endpoint: str, hints: Mapping[str, str]) -> Json:
    """The answer to a request; ``hints`` says what may be done about a refusal, by its status.

    Raises Refused when it was refused, NotRunning when no region answered at ``endpoint``.
    """
    # A proxy of the environment would only be in the way of what is on this machine or named exactly.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(error.code, error.read(), hints) from None
    except ValueError:
        raise no_region(endpoint) from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise NotRunning(
            f"the region at {endpoint} does not answer ({reason}): is 'sdnctl up' running there?"
        ) from None
    if not isinstance(found, dict):
        raise no_region(endpoint)
    return found


def no_region(endpoint: str) -> NotRunning:
    """The refusal of an answer that no region gives."""
    return NotRunning(f"{endpoint} is no sdnctl region: check --endpoint")


def _refused(code: int, body: bytes, hints: Mapping[str, str]) -> Refused:
    try:
        error = json.loads(body)["error"]
        return Refused(code, error["status"], error["message"], hints.get(error["status"], ""))
    except (ValueError, KeyError, TypeError):
        return Refused(code, "UNKNOWN", f"the region answered with status {code}")
