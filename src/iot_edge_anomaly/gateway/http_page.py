"""The reference page of the HTTP API, worked out from its OpenAPI description."""

from collections.abc import Iterator, Mapping
from typing import Any

Described = Mapping[str, Any]

_HEAD = """\
# HTTP API

<!-- Written by: iot-edge-anomaly reference http. Change the routes and their types, not this page. -->

`iot-edge-anomaly up` prints the address, by default `http://127.0.0.1:8080`. A running system describes itself at
`/openapi.json`, for generators of clients.

    curl http://127.0.0.1:8080/v1/assets -H "Authorization: Bearer $(cat iot-edge-anomaly-data/security/owner.token)"

A program gets a token of its own with `iot-edge-anomaly token create NAME`. Bodies are JSON, or MessagePack where the
`Content-Type` is `application/msgpack`. A POST with an `Idempotency-Key` that is repeated gets the first answer again.
Every answer to a token carries `RateLimit` headers. Times that end in `_ns` count nanoseconds since 1970, UTC.
"""


def page(document: Described) -> str:
    """Return the page."""
    routes = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    parts = [_HEAD, _summary(routes), *(_route(*route) for route in routes), _errors(routes), "## Types\n"]
    bodies = {_shape(_media(operation["requestBody"])) for _, _, operation in routes if "requestBody" in operation}
    for name, schema in sorted(document["components"]["schemas"].items()):
        parts.append(_type(name, schema, must_be_given=any(f"[{name}]" in body for body in bodies)))
    return "\n".join(parts)


def _summary(routes: list[tuple[str, str, Described]]) -> str:
    lines = ["| route | does | permission |", "|---|---|---|"]
    for method, path, operation in routes:
        link = f"[`{method} {path}`](#{_anchor(f'{method} {path}')})"
        lines.append(f"| {link} | {operation['summary']} | {_permission(operation)} |")
    return "\n".join([*lines, ""])


def _route(method: str, path: str, operation: Described) -> str:
    lines = [f"## {method} {path}", "", operation["summary"], ""]
    if "parameters" in operation:
        lines += ["| parameter | in | values | default |", "|---|---|---|---|"]
        lines += [_parameter(one) for one in operation["parameters"]]
        lines.append("")
    if "requestBody" in operation:
        lines.append(f"- Body: {_shape(_media(operation['requestBody']))}")
    status, answer = next(iter(operation["responses"].items()))
    lines.append(f"- Answer: {status}, {_shape(_media(answer))}")
    return "\n".join([*lines, ""])


def _errors(routes: list[tuple[str, str, Described]]) -> str:
    meant = {
        status: answer["description"]
        for _, _, operation in routes
        for status, answer in operation["responses"].items()
        if status >= "400"
    }
    said = "All are [Problem](#problem) documents (RFC 9457), with the media type `application/problem+json`."
    lines = ["## Errors", "", said, ""]
    lines += ["| status | means |", "|---|---|", *(f"| {status} | {text} |" for status, text in sorted(meant.items()))]
    return "\n".join([*lines, ""])


def _type(name: str, schema: Described, *, must_be_given: bool) -> str:
    """Return a type: what it says of itself, then its fields or its values, and what `must_be_given` of a body."""
    lines = [f"### {name}", "", _joined(schema.get("description", "")), ""]
    if "enum" in schema:
        lines += [_values(schema), ""]
    if schema.get("properties"):
        lines += ["| field | is | default |", "|---|---|---|"]
        required = schema.get("required", ()) if must_be_given else ()
        lines += [_field(field, one, field in required) for field, one in schema["properties"].items()]
        lines.append("")
    return "\n".join(lines)


def _parameter(one: Described) -> str:
    default = "must be given" if one["required"] else _default(one["schema"])
    return f"| `{one['name']}` | {one['in']} | {_shape(one['schema'])} | {default} |"


def _field(name: str, schema: Described, is_required: bool) -> str:
    return f"| `{name}` | {_shape(schema)} | {'must be given' if is_required else _default(schema)} |"


def _permission(operation: Described) -> str:
    return f"`{operation['x-permission']}`" if "x-permission" in operation else "public"


def _media(content: Described) -> Described:
    media: Described = next(iter(content["content"].values()))
    schema: Described = media["schema"]
    return schema


def _default(schema: Described) -> str:
    default = schema.get("default")
    if default in (None, "", [], {}):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _shape(schema: Described) -> str:
    """Say what may stand there."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_shape(one) for one in schema["anyOf"])
    if "enum" in schema:
        return _values(schema)
    match schema.get("type"):
        case "array":
            return f"list of {_shape(schema.get('items', {}))}"
        case "object":
            return f"for each name {_shape(schema.get('additionalProperties', {}))}"
        case "integer" | "number":
            kind = "whole number" if schema["type"] == "integer" else "number"
            return ", ".join([kind, *_bounds(schema)])
        case "string":
            return "text in base64" if schema.get("contentEncoding") == "base64" else "text"
        case "boolean":
            return "`true` or `false`"
        case "null":
            return "`null`"
        case _:
            return "anything"


def _bounds(schema: Described) -> Iterator[str]:
    if "minimum" in schema:
        yield f"at least {schema['minimum']}"
    if "exclusiveMinimum" in schema:
        yield f"above {schema['exclusiveMinimum']}"
    if "maximum" in schema:
        yield f"at most {schema['maximum']}"


def _values(schema: Described) -> str:
    return ", ".join(f'`"{value}"`' for value in schema["enum"])


def _joined(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _anchor(heading: str) -> str:
    """Return the anchor that a web page of Markdown gives to a heading."""
    return "".join(c for c in heading.lower().replace(" ", "-") if c.isalnum() or c in "-_")
