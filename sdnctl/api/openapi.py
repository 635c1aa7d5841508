"""The API's document (OpenAPI 3.1), made from the declared operations.

Calls are signed; the document describes paths, parameters and bodies. Where two services share a path and method, one
entry names both.
"""

import re
from typing import Any

from sdnctl.api.operations import OPERATOR, Operation
from sdnctl.api.schema import Json

_PARAMETER = re.compile(r"\{(\w+)\}")
_REFERENCE = "#/components/schemas/{model}"
PAGE = """<!DOCTYPE html>
<html>
<head>
<meta name="viewport" content="width=device-width, initial-scale=1.0">
<link rel="stylesheet" href="https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/swagger-ui.css">
<title>sdnctl</title>
</head>
<body>
<div id="swagger-ui"></div>
<script src="https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true})</script>
</body>
</html>
"""
"""The document for people: a page whose reader's browser fetches Swagger UI."""


def document(operations: tuple[Operation, ...], region: str) -> Json:
    """The OpenAPI document of these operations, as this region serves them."""
    paths: dict[str, Json] = {}
    schemas: dict[str, Any] = {}
    for operation in operations:
        described = paths.setdefault(operation.path, {}).setdefault(operation.method.lower(), {})
        if described:
            described["tags"].append(operation.service)
        else:
            described.update(_describe(operation, schemas, region))
    return {
        "openapi": "3.1.0",
        "info": {"title": "sdnctl", "version": "1", "description": "The network part of the JD Cloud OpenAPI."},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SECURITY},
    }


_SECURITY = {
    "signature": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "JDCLOUD3-HMAC-SHA256"},
    "operator": {"type": "http", "scheme": "bearer"},
}


def _describe(operation: Operation, schemas: dict[str, Any], region: str) -> Json:
    schema = operation.request.model_json_schema(ref_template=_REFERENCE)
    schemas.update(schema.pop("$defs", {}))
    in_path = _PARAMETER.findall(operation.path)
    rest = {name: value for name, value in schema.get("properties", {}).items() if name not in (*in_path, "regionId")}
    required = [name for name in schema.get("required", []) if name in rest]
    text = {"type": "string", "minLength": 1}
    here = {"type": "string", "enum": [region]}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": here if name == "regionId" else text}
        for name in in_path
    ]
    described: Json = {
        "operationId": f"{operation.service}_{operation.name}",
        "summary": operation.summary,
        "tags": [operation.service],
        "parameters": parameters,
        "security": [{"operator" if operation.service == OPERATOR else "signature": []}],
        "responses": _RESPONSES,
    }
    if operation.method in ("GET", "DELETE"):
        parameters += [{"name": n, "in": "query", "required": n in required, "schema": s} for n, s in rest.items()]
    else:
        body = {"type": "object", "properties": rest, "required": required}
        described["requestBody"] = {"content": {"application/json": {"schema": body}}}
    return described


_RESPONSES = {
    "200": {"description": "carried out", "content": {"application/json": {"schema": {"type": "object"}}}},
    "default": {
        "description": "refused; nothing changed",
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
}
