"""The schema of calls: the types of their parameters, their limits, and how a mistake is told.

A request is a pydantic model whose fields have the names of the wire. Unknown keys are ignored and null is absent,
because clients of other versions send both; an empty string, or a list of one, is absent where a parameter is optional
and that is none of its values, because scripts and some SDKs send one for what they do not use. Queries carry strings
only, so numbers and booleans are read from strings too.
"""

import datetime
import re
from functools import cache, lru_cache
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.fields import FieldInfo

from sdnctl.base.addresses import Cidr, Ip4, Mac
from sdnctl.base.errors import IntentError

MAX_NAME, MAX_VM_NAME, MAX_DESCRIPTION, MAX_ID, MAX_TAGS = 32, 128, 256, 64, 10
MAX_MESSAGE = 300
_NAME = re.compile(r"[\u4e00-\u9fffA-Za-z0-9_-]+")
_VM_NAME = re.compile(r"[\u4e00-\u9fffA-Za-z0-9_-]([\u4e00-\u9fffA-Za-z0-9_.-]*[\u4e00-\u9fffA-Za-z0-9_-])?")
_TAG = re.compile(r"[\u4e00-\u9fffA-Za-z0-9_.,:\\/=+@-]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_RANGE_ERRORS = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}
_PLAIN = {
    "missing": "is required",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "string_type": "must be a string",
}
Json = dict[str, Any]
SAID = "said"
"""The mark of a parameter of which even an empty string is meant: it is a value, or a mistake, but not absent."""


class Model(BaseModel):
    """A structure inside a request."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_absent(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if not _is_absent(cls, key, value)}


def _is_absent(model: type[Model], key: str, value: Any) -> bool:
    if value is None:
        return True
    return (value == "" and key in _refusing(model, "")) or (value == [""] and key in _refusing(model, ("",)))


@cache
def _refusing(model: type[Model], nothing: str | tuple[str]) -> frozenset[str]:
    """The optional parameters of a model of which an empty string, or a list of one, is no value."""
    optional = {name: field for name, field in model.model_fields.items() if not field.is_required()}
    return frozenset(name for name, field in optional.items() if not _takes(field, nothing))


def _takes(field: FieldInfo, nothing: str | tuple[str]) -> bool:
    if SAID in field.metadata:
        return True
    kind: Any = Annotated[field.annotation, Field(), *field.metadata]
    try:
        TypeAdapter(kind).validate_python(nothing if isinstance(nothing, str) else list(nothing))
    except ValidationError:
        return False
    return True


class Request(Model):
    """The parameters of one operation: path, query and body together."""

    regionId: str = ""


def _name(text: str) -> str:
    if len(text) > MAX_NAME or not _NAME.fullmatch(text):
        raise ValueError(f"must be 1 to {MAX_NAME} Chinese characters, letters, digits, '_' or '-'")
    return text


def _vm_name(text: str) -> str:
    if not 2 <= len(text) <= MAX_VM_NAME or not _VM_NAME.fullmatch(text):
        raise ValueError(f"must be 2 to {MAX_VM_NAME} Chinese characters, letters, digits, '_', '-' or inner '.'")
    return text


def _text(text: str) -> str:
    if len(text) > MAX_DESCRIPTION:
        raise ValueError(f"must have at most {MAX_DESCRIPTION} characters")
    if _CONTROL.search(text):
        raise ValueError("must not contain control characters")
    return text


def _id(text: str) -> str:
    if not text or len(text) > MAX_ID or not text.isprintable():
        raise ValueError("must be the id of a resource")
    return text


def _address(value: Any) -> Ip4:
    if not isinstance(value, str):
        raise ValueError("must be an IPv4 address")
    try:
        return Ip4.parse(value)
    except ValueError:
        raise ValueError("must be an IPv4 address such as 10.0.0.5") from None


def _cidr(value: Any) -> Cidr:
    if not isinstance(value, str) or len(value) > len("255.255.255.255/32"):
        raise ValueError("must be a CIDR block such as 10.0.0.0/16")
    return Cidr.parse(value)


def _mac(value: Any) -> Mac:
    if not isinstance(value, str):
        raise ValueError("must be a MAC address")
    mac = Mac.parse(value[:MAX_ID])
    if mac >> 40 & 1 or not mac:
        raise ValueError("must be a unicast MAC address")
    return mac


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _commas(value: Any) -> Any:
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) != len(values):
        raise ValueError("must not repeat a value")
    return values


def without_empty(value: Any) -> Any:
    """A list less its empty strings, which clients send for one without members."""
    return [one for one in value if one != ""] if isinstance(value, list) else value


def in_any_case(*words: str) -> AfterValidator:
    """The condition that a text is one of these words, whatever the case; it stays as its caller spells it."""

    def check(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"must be {' or '.join(words)}")
        return text

    return AfterValidator(check)


Name = Annotated[str, AfterValidator(_name)]
VmName = Annotated[str, AfterValidator(_vm_name)]
Text = Annotated[str, AfterValidator(_text)]
Id = Annotated[str, AfterValidator(_id)]
Whole = Annotated[int, BeforeValidator(_no_bool)]
Address = Annotated[Ip4, PlainValidator(_address), WithJsonSchema({"type": "string", "format": "ipv4"})]
Block = Annotated[Cidr, PlainValidator(_cidr), WithJsonSchema({"type": "string", "examples": ["10.0.0.0/16"]})]
MacAddress = Annotated[Mac, PlainValidator(_mac), WithJsonSchema({"type": "string"})]
Addresses = Annotated[tuple[Address, ...], BeforeValidator(_commas), AfterValidator(_distinct)]
Ids = Annotated[tuple[Id, ...], AfterValidator(_distinct)]
Token = Annotated[str, Field(max_length=MAX_ID)]
"""The client's name for an order: the same one again gets the same answer, and nothing is done twice."""


class Tag(Model):
    """A tenant's own mark on a resource."""

    key: Annotated[str, Field(min_length=1, max_length=127)]
    value: Annotated[str, Field(max_length=255)] = ""

    @model_validator(mode="after")
    def _characters(self) -> "Tag":
        if not _TAG.fullmatch(self.key) or not _TAG.fullmatch(self.value):
            raise ValueError("must consist of Chinese characters, letters, digits and _.,:\\/=+-@")
        if self.key.startswith(("jrn:", "jdc-")):
            raise ValueError("must not start with jrn: or jdc-")
        return self


Tags = Annotated[tuple[Tag, ...], Field(max_length=MAX_TAGS)]


def tag_dict(tags: tuple[Tag, ...]) -> dict[str, str]:
    """Tags as a record keeps them."""
    return {tag.key: tag.value for tag in tags}


def show_tags(tags: dict[str, str]) -> list[Json]:
    """Tags as an answer shows them."""
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


@lru_cache(maxsize=4096)
def iso(when: float) -> str | None:
    """A time as the API shows it (ISO 8601, UTC, whole seconds); None for "not set"."""
    return _utc(when).strftime("%Y-%m-%dT%H:%M:%SZ") if when else None


def plain_time(when: float) -> str:
    """A time as the vm service shows it (UTC)."""
    return _utc(when).strftime("%Y-%m-%d %H:%M:%S")


def _utc(when: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(when, datetime.UTC)


def explain(error: ValidationError) -> IntentError:
    """The first thing wrong with a request, told with its field."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(step) for step in first["loc"] if not isinstance(step, str) or step.isidentifier())
    message = first["msg"].removeprefix("Value error, ")
    message = _PLAIN.get(first["type"], message)
    status = "OUT_OF_RANGE" if first["type"] in _RANGE_ERRORS else "INVALID_ARGUMENT"
    return IntentError(field[:MAX_ID] or None, message[:MAX_MESSAGE], 400, status)
