"""The OpenAPI 3.1 description of the routes, made from their types."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from iot_edge_anomaly import __version__
from iot_edge_anomaly.gateway.problems import MEDIA_TYPE, Problem
from iot_edge_anomaly.gateway.route import JSON, MESSAGE_PACK, Nothing, Route, Text

_REF = "#/components/schemas/{name}"
_IN_PATH = re.compile(r"\{(\w+)(?::\w+)?\}")

_ALWAYS = {"400": "The request cannot be used.", "500": "A fault of this program."}
_WITH_TOKEN = {"401": "No valid token.", "403": "The token does not allow this.", "429": "Too many requests."}
_WITH_BODY = {
    "409": "The first request with this Idempotency-Key is under way.",
    "413": "The body is too large.",
    "415": "The media type is not understood.",
    "422": "This Idempotency-Key came with another body.",
}
_UNAVAILABLE = {"503": "Something this needs is down or full; nothing was acknowledged."}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the description."""
    shapes = [shape for route in routes for shape in _shapes(route)] + [Problem]
    _, components = msgspec.json.schema_components(shapes, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(_IN_PATH.sub(r"{\1}", route.path), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "iot-edge-anomaly", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "iea_..."}},
        },
    }


def _shapes(route: Route) -> list[Any]:
    body = route.documented_body or route.body
    return [shape for shape in (body, route.answer) if shape is not None and shape is not Text]


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.act.__name__,
        "summary": route.summary,
        "responses": {str(route.status): _answer(route), **{code: _problem(text) for code, text in _errors(route)}},
    }
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    if body := route.documented_body or route.body:
        schema = _reference(body)
        media = {kind: {"schema": schema} for kind in (JSON, MESSAGE_PACK[0])}
        operation["requestBody"] = {"required": True, "content": media}
    operation["security"] = [] if route.permission is None else [{"token": []}]
    if route.permission is not None:
        operation["x-permission"] = route.permission.value
    return operation


def _answer(route: Route) -> dict[str, Any]:
    schema = {"type": "string"} if route.answer is Text else _reference(route.answer)
    media = "text/plain" if route.path == "/metrics" else JSON
    return {"description": route.summary, "content": {media: {"schema": schema}}}


def _errors(route: Route) -> list[tuple[str, str]]:
    errors = {**_ALWAYS, **_UNAVAILABLE}
    if route.permission is not None:
        errors |= _WITH_TOKEN
    if route.body is not None:
        errors |= _WITH_BODY
    if _names_something(route):
        errors["404"] = "There is no such thing."
    return sorted(errors.items())


def _names_something(route: Route) -> bool:
    named = route.parameters.__struct_fields__ + (() if route.body is None else route.body.__struct_fields__)
    return "asset" in named or _IN_PATH.search(route.path) is not None


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {MEDIA_TYPE: {"schema": _reference(Problem)}}}


def _parameters(route: Route) -> list[dict[str, Any]]:
    if route.parameters is Nothing:
        return []
    in_path = set(_IN_PATH.findall(route.path))
    _, components = msgspec.json.schema_components([route.parameters], ref_template=_REF)
    schema = components[route.parameters.__name__]
    return [
        {
            "name": name,
            "in": "path" if name in in_path else "query",
            "required": name in in_path or name in schema.get("required", ()),
            "schema": shape,
        }
        for name, shape in schema["properties"].items()
    ]


def _reference(shape: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([shape], ref_template=_REF)
    return schema
