"""The wire format of the API: the raw request, its parameters, and the two shapes of an answer.

An answer is `{"requestId", "result"}` or `{"requestId", "error": {"code", "status", "message"}}`; the HTTP status
equals `code`, and the request id is repeated in the header `x-jdcloud-request-id` for answers whose body a client
does not read.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from sdnctl.api.operations import Later
from sdnctl.api.progress import Held
from sdnctl.base.errors import IntentError

MAX_BODY = 1 << 20
MAX_PARAMETERS = 2000
MAX_DEPTH = 6
REQUEST_ID = "x-jdcloud-request-id"
UNDECODED = "surrogateescape"
"""The error handler that makes lone surrogates of bytes that are no UTF-8 (Python's ``codecs``), for ``storable``."""
MAX_WHOLE = 2**63 - 1
_NO_TEXT = re.compile("[\0\ud800-\udfff]")

_INDEX = re.compile(r"[1-9]\d{0,3}", re.ASCII)


class RawRequest(NamedTuple):
    """One HTTP request exactly as it arrived: nothing decoded, nothing normalised."""

    method: str
    path: str  # undecoded, as it stood in the request line
    query: str
    headers: Mapping[str, Sequence[str]]
    body: bytes

    def header(self, name: str) -> str:
        """The only value of a header, "" if absent; raises IntentError 400 when it is repeated."""
        values = self.headers.get(name, ())
        if len(values) > 1:
            raise IntentError(None, f"the header {name} is repeated", 400, "INVALID_ARGUMENT")
        return values[0].strip() if values else ""


class Answer(NamedTuple):
    """An answer: HTTP status and JSON document; for our own figures also which operation it was, if
    known, and the sequence number of its commit, 0 when it changed nothing.

    ``holds`` is the sequence number from which on the answer of a writing call is true, its commit's or that of what
    it found done already; ``again`` is in how many seconds what was refused may be granted; ``held`` says what the
    answer waits for, if it waits; ``later``, what hosts are asked for it.
    """

    code: int
    document: dict[str, Any]
    operation: str = ""
    sequence: int = 0
    holds: int = 0
    again: float = 0.0
    held: Held | None = None
    later: Later | None = None

    def body(self) -> bytes:
        """The document as bytes; ASCII, so that no string a client once sent can make an answer unsendable."""
        return json.dumps(self.document, separators=(",", ":")).encode()


def success(request_id: str, result: Mapping[str, Any]) -> Answer:
    """The answer to a call that was carried out."""
    return Answer(200, {"requestId": request_id, "result": result})


def failure(request_id: str, error: IntentError) -> Answer:
    """The answer to a refused call; the message starts with the field at fault."""
    message = f"{error.field}: {error.message}" if error.field else error.message
    return Answer(
        error.code,
        {"requestId": request_id, "error": {"code": error.code, "status": error.status, "message": message}},
        again=error.again,
    )


def invalid(field: str | None, message: str, status: str = "INVALID_ARGUMENT") -> IntentError:
    """A 400 that names the field."""
    return IntentError(field, message, 400, status)


def body_parameters(body: bytes) -> dict[str, Any]:
    """The JSON object of a POST, PUT or PATCH; an empty body is an empty object."""
    if not body.strip():
        return {}
    try:
        document = json.loads(body.decode("utf-8", UNDECODED), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise invalid(None, "the body is not valid JSON") from None
    if not isinstance(document, dict):
        raise invalid(None, "the body must be a JSON object")
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def storable(given: Mapping[str, Any]) -> None:
    """Refuse arguments that no store or answer can hold, wherever they stand, keys included; the field is named.

    A text is a sequence of characters (RFC 3629: a lone surrogate is none) without NUL, a number is finite and has at
    most 64 bits.
    """
    left: list[tuple[str, Any]] = [("", given)]
    while left:
        where, value = left.pop()
        inside: Iterable[tuple[Any, Any]]
        if isinstance(value, Mapping):
            inside = value.items()
            for key in value:
                _check_text(f"{where}{key}", key)
        elif isinstance(value, list | tuple):
            inside = ((str(number), one) for number, one in enumerate(value))
        else:
            _check_value(where.removesuffix("."), value)
            continue
        left.extend((f"{where}{key}.", one) for key, one in inside)


def _check_value(where: str, value: Any) -> None:
    if isinstance(value, str):
        _check_text(where, value)
    elif isinstance(value, int | float) and not -MAX_WHOLE <= value <= MAX_WHOLE:
        raise invalid(where, "is out of range", "OUT_OF_RANGE")


def _check_text(where: str, text: str) -> None:
    if _NO_TEXT.search(text):
        named = ascii(where)[1:-1]
        raise invalid(named[:64], "must be text: no NUL character, no lone surrogate, no bytes that are not UTF-8")


def query_parameters(query: str) -> dict[str, Any]:
    """The dotted query of a GET or DELETE as nested data.

    `filters.1.name=a&filters.1.values.2=y` becomes `{"filters": [{"name": "a", "values": ["y"]}]}`: lists are ordered
    by index, holes close. Values stay strings. A later value of the same key wins.
    """
    tree: dict[str, Any] = {}
    parts = [part for part in query.split("&") if part]
    if len(parts) > MAX_PARAMETERS:
        raise invalid(None, "too many query parameters")
    for part in parts:
        key, _, value = part.partition("=")
        _insert(tree, unquote_plus(key, errors=UNDECODED), unquote_plus(value, errors=UNDECODED))
    return {key: _listed(value) for key, value in tree.items()}


def _insert(tree: dict[str, Any], key: str, value: str) -> None:
    *path, leaf = key.split(".")
    if len(path) >= MAX_DEPTH:
        raise invalid(key[:64], "nested too deeply")
    node = tree
    for step in path:
        node = node.setdefault(step, {})
        if not isinstance(node, dict):
            raise invalid(key[:64], "is given both as a value and as a structure")
    if isinstance(node.get(leaf), dict):
        raise invalid(key[:64], "is given both as a value and as a structure")
    node[leaf] = value


def _listed(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(_INDEX.fullmatch(key) for key in node):
        return [_listed(node[key]) for key in sorted(node, key=int)]
    return {key: _listed(value) for key, value in node.items()}
