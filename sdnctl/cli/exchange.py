"""One exchange with a region over HTTP: a request goes out, a JSON object comes back, a refusal is told in words."""

import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdnctl.base.problem import Problem, Usage

if TYPE_CHECKING:
    import ssl

Json = dict[str, Any]
TIMEOUT_S = 30.0


class Refused(Problem):
    """The region understood the request and said no: ``code`` and ``status`` as it said them."""

    def __init__(self, status_code: int, status: str, message: str, hint: str = "") -> None:
        super().__init__(f"{message} ({status})" + (f": {hint}" if hint else ""))
        self.message = message
        self.hint = hint
        self.status_code = status_code
        self.status = status

    def told(self, message: str) -> "Refused":
        """The same refusal in other words."""
        return Refused(self.status_code, self.status, message, self.hint)

    @property
    def gone(self) -> bool:
        """True when what the call was about does not exist."""
        return self.status_code == 404


class NotRunning(Usage):
    """The failure of a call that nobody answered, or somebody who is no region."""

    status = "NOT_RUNNING"


@dataclass(frozen=True, slots=True)
class Trust:
    """The certificates that a region over https is believed by.

    With ``ca`` those of that PEM file, else the system's.  ``served`` is the file that a region of this machine serves
    with: that very certificate then is enough, whatever names it is for.
    """

    ca: str = ""
    served: str = ""

    def context(self) -> "ssl.SSLContext":
        """The settings of a connection; Usage when the file cannot be used."""
        import ssl

        try:
            if self.ca or not self.served:
                return ssl.create_default_context(cafile=self.ca or None)
            own = re.search(r"-+BEGIN CERTIFICATE-+.*?-+END CERTIFICATE-+", Path(self.served).read_text(), re.DOTALL)
            made = ssl.create_default_context(cadata=own[0] if own else "")
        except (OSError, ValueError) as error:
            raise Usage(f"{self.ca or self.served} has no certificates to trust ({error})") from None
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        made.check_hostname = False
        return made


NO_FILE = Trust()


def url(endpoint: str) -> str:
    """The URL of an endpoint, which may lack its scheme: http then."""
    return endpoint if "://" in endpoint else f"http://{endpoint}"


def exchange(request: urllib.request.Request, endpoint: str, hints: Mapping[str, str], trust: Trust = NO_FILE) -> Json:
    """The answer to a request; ``hints`` says what may be done about a refusal, by its status.

    Raises Refused when it was refused, NotRunning when no region answered at ``endpoint``.
    """
    # A proxy of the environment would only be in the way of what is on this machine or named exactly.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if request.type == "https":
        handlers.append(urllib.request.HTTPSHandler(context=trust.context()))
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(error.code, error.read(), hints) from None
    except (ValueError, http.client.HTTPException) as error:
        if isinstance(error, OSError):  # the connection ended without an answer
            raise _silent(endpoint, error) from None
        raise no_region(endpoint) from None
    except OSError as error:
        raise _silent(endpoint, error) from None
    if not isinstance(found, dict):
        raise no_region(endpoint)
    return found


def _silent(endpoint: str, error: OSError) -> NotRunning:
    reason = getattr(error, "reason", error)
    if "CERTIFICATE_VERIFY_FAILED" in str(reason):
        text = "name its CA with --ca or SDNCTL_CA"
        return NotRunning(f"the certificate of {endpoint} is not trusted ({reason}): {text}")
    return NotRunning(f"the region at {endpoint} does not answer ({reason}): is 'sdnctl up' running there?")


def no_region(endpoint: str) -> NotRunning:
    """The refusal of an answer that no region gives."""
    return NotRunning(f"{endpoint} is no sdnctl region: check --endpoint")


def _refused(code: int, body: bytes, hints: Mapping[str, str]) -> Refused:
    try:
        error = json.loads(body)["error"]
        return Refused(code, error["status"], error["message"], hints.get(error["status"], ""))
    except (ValueError, KeyError, TypeError):
        return Refused(code, "UNKNOWN", f"the region answered with status {code}")
