"""A list of one empty string, which some SDKs send for a list that they do not use, is absent, or refused by name."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import ValidationError

from sdnctl.api.operations import OPERATOR, Operation, discover
from sdnctl.api.schema import Ids, Model, Request, Text, explain
from tests.api.raw import Call
from tests.api.region import NAME, TOKEN, Refused, Region, Tenant, call
from tests.api.test_store_lost import asked
from tests.api.test_walk import SERVED, WALK, World, region

__all__ = ["region"]

OPERATIONS = discover()


class Part(Model):
    """A structure with an optional list."""

    ids: Ids = ()


class Order(Request):
    """A request with lists of each kind."""

    needed: Ids
    unused: Ids = ()
    words: tuple[Text, ...] = ()
    parts: tuple[Part, ...] = ()


def test_an_optional_list_of_one_empty_string_is_absent_and_a_needed_one_is_named() -> None:
    made = Order.model_validate({"needed": ["a"], "unused": [""], "parts": [{"ids": [""]}]})
    assert (made.unused, made.parts) == ((), (Part(),))
    assert Order.model_validate({"needed": ["a"], "words": [""]}).words == ("",)  # where it is a value, it is one
    for wrong in ({"needed": [""]}, {"needed": ["a"], "unused": ["", ""]}, {"needed": ["a"], "unused": ["b", ""]}):
        with pytest.raises(ValidationError) as refused:
            Order.model_validate(wrong)
        assert (explain(refused.value).field or "").split(".")[0] in wrong


def lists(kind: Any) -> Iterator[list[str]]:
    """The paths to the lists of a request, by the names of the fields on the way."""
    for name, field in kind.model_fields.items():
        for inner in models(field.annotation):
            yield from ([name, *path] for path in lists(inner))
        if tuple in {get_origin(one) for one in spread(field.annotation)}:
            yield [name]


def spread(kind: Any) -> Iterator[Any]:
    """A type and what it is made of."""
    yield kind
    for part in get_args(kind):
        if get_origin(kind) is not Annotated or part is get_args(kind)[0]:
            yield from spread(part)


def models(kind: Any) -> Iterator[Any]:
    """The structures that a type is made of."""
    for one in spread(kind):
        if isinstance(one, type) and issubclass(one, Model):
            yield one


def nested(kind: Any, path: list[str]) -> Any:
    """Parameters of which the list at a path has one empty string."""
    name, *rest = path
    if not rest:
        return {name: [""]}
    field = kind.model_fields[name].annotation
    inner = nested(next(one for one in models(field) if rest[0] in one.model_fields), rest)
    listed = tuple in {get_origin(one) for one in spread(field)}
    return {name: [inner] if listed else inner}


def query(value: Any, key: str = "") -> Iterator[str]:
    """Parameters as a dotted query."""
    if isinstance(value, str):
        yield f"{key}={value}"
        return
    pairs = value.items() if isinstance(value, dict) else enumerate(value, 1)
    for name, inner in pairs:
        yield from query(inner, f"{key}.{name}" if key else str(name))


def answered(region: Region, tenant: Tenant, operation: Operation, given: Any) -> tuple[int, Any]:
    """The code and the answer of a call with these parameters; what its path names is not there."""
    path = operation.path.replace("{regionId}", NAME)
    while "{" in path:
        path = path[: path.index("{")] + "x" + path[path.index("}") + 1 :]
    body = b""
    if operation.method in ("GET", "DELETE"):
        path += "?" + "&".join(query(given))
    else:
        body = json.dumps(given).encode()
    if operation.service == OPERATOR:
        headers = {"Authorization": f"Bearer {TOKEN}"}
    else:
        scope = NAME if "{regionId}" in operation.path else "jdcloud-api"
        made = Call(operation.method, path.encode(), body, service=operation.service, region=scope)
        headers = made.sign(tenant).headers
    code, text = asked(region, operation.method, path, headers, body)
    return code, json.loads(text)


def test_no_operation_fails_on_one(region: Region) -> None:
    tenant = region.tenant("lists", requestRate=10_000)
    seen = 0
    for operation in OPERATIONS:
        for path in lists(operation.request):
            code, answer = answered(region, tenant, operation, nested(operation.request, path))
            assert code != 500, (operation.name, path, answer)
            seen += 1
    assert seen > 50


@pytest.mark.parametrize("key", sorted(WALK), ids=".".join)
def test_beside_parameters_that_are_right_it_is_absent_or_named(region: Region, key: tuple[str, str]) -> None:
    service, name = key
    given = WALK[key][0]
    paths = [path for path in lists(SERVED[key].request) if len(path) == 1]
    if not paths:
        return
    tenant = region.tenant(f"{service}-{name}"[-32:], requestRate=10_000)
    world = World(tenant)
    client = tenant.vm_client if service == "vm" else tenant.vpc_client
    for (field,) in paths:
        try:
            call(client, service, name, {**given(world), field: [""]})
        except Refused as refused:
            assert refused.code != 500
            assert refused.status != "INVALID_ARGUMENT" or field in refused.message, (field, refused.message)
