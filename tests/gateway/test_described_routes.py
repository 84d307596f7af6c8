"""The document at /openapi.json is what the server does: every operation it lists is fuzzed from its own schema."""

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from gateway_system import System  # type: ignore[import-not-found]
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from iot_edge_anomaly.gateway.routes import DOCUMENT, ROUTES

pytestmark = pytest.mark.server
DESCRIPTION: dict[str, Any] = json.loads(DOCUMENT)
OPERATIONS = [
    (path, method, operation)
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
    if path != "/openapi.json"
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=20) | st.sampled_from(["acme/a", "2026-11-24T06:00:00Z", "1795500000", "*", ">"]),
    "number": st.floats() | st.integers(),
    "integer": st.integers() | st.integers(-2, 3),
    "boolean": st.booleans(),
    "null": st.none(),
}


def follows(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return values that a schema allows."""
    if "$ref" in schema:
        return follows(DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return st.one_of([follows(choice) for choice in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of([of_kind(kind, schema) for kind in kinds])


def of_kind(kind: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if kind == "array":
        return st.lists(follows(schema["items"]), max_size=4)
    if kind != "object":
        return SCALARS[kind]
    if isinstance(schema.get("additionalProperties"), dict):
        return st.dictionaries(
            st.sampled_from(["time", "flow"]) | st.text(max_size=8), follows(schema["additionalProperties"]), max_size=4
        )
    known = {name: follows(shape) for name, shape in schema["properties"].items()}
    required = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {name: shape for name, shape in known.items() if name in required},
        optional={name: shape for name, shape in known.items() if name not in required},
    )


def body_of(operation: dict[str, Any]) -> st.SearchStrategy[bytes | None]:
    if "requestBody" not in operation:
        return st.none()
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    sensible = (follows(schema) | ANYTHING).map(lambda value: json.dumps(value).encode())
    return sensible | st.binary(max_size=40)


def parameters_of(operation: dict[str, Any], place: str) -> st.SearchStrategy[dict[str, str]]:
    shapes = {p["name"]: p for p in operation.get("parameters", ()) if p["in"] == place}
    values = {name: (follows(p["schema"]) | ANYTHING).map(str) for name, p in shapes.items()}
    required = {name: value for name, value in values.items() if shapes[name]["required"]}
    optional = {name: value for name, value in values.items() if not shapes[name]["required"]}
    return st.fixed_dictionaries(required, optional=optional)


def sendable(parameters: dict[str, str]) -> bool:
    return all(value.isprintable() and value.strip("./ ") for value in parameters.values())


@pytest.mark.parametrize(
    ("path", "method", "operation"), OPERATIONS, ids=lambda part: part if type(part) is str else ""
)
def test_every_operation_answers_as_described_and_never_fails(
    client: httpx.Client, path: str, method: str, operation: dict[str, Any]
) -> None:
    @settings(
        max_examples=60,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(
        body_of(operation),
        parameters_of(operation, "query"),
        parameters_of(operation, "path").filter(sendable),
    )
    def fuzz(body: bytes | None, query: dict[str, str], in_path: dict[str, str]) -> None:
        address = path
        for name, value in in_path.items():
            address = address.replace(f"{{{name}}}", quote(value, safe=""))
        headers = {"Content-Type": "application/json"} if body is not None else {}
        response = client.request(method, address, content=body, params=query, headers=headers)
        assert response.status_code < 500, (response.status_code, response.text)
        assert str(response.status_code) in operation["responses"], response.text
        assert_described(response, operation["responses"][str(response.status_code)])

    fuzz()


def assert_described(response: httpx.Response, described: dict[str, Any]) -> None:
    media = response.headers["content-type"].partition(";")[0]
    assert media in described["content"]
    schema = described["content"][media]["schema"]
    if "$ref" in schema:
        shape = DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        assert set(shape.get("required", ())) <= response.json().keys() <= shape["properties"].keys()


def test_the_document_lists_every_route_and_is_served_to_all(system: System) -> None:
    served = httpx.get(f"{system.url}/openapi.json")
    assert served.json() == DESCRIPTION
    assert DESCRIPTION["openapi"].startswith("3.1")
    assert len(ROUTES) == sum(map(len, DESCRIPTION["paths"].values()))
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(names) == len(set(names))


def test_every_reference_of_the_document_leads_somewhere() -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [ref for value in node.values() for ref in references(value)]
        return [ref for value in node for ref in references(value)] if isinstance(node, list) else []

    found = references(DESCRIPTION)
    assert found
    assert {ref.removeprefix("#/components/schemas/") for ref in found} <= DESCRIPTION["components"]["schemas"].keys()


@pytest.mark.parametrize(
    ("path", "method", "operation"), OPERATIONS, ids=lambda part: part if type(part) is str else ""
)
def test_only_what_says_so_is_open_to_all(system: System, path: str, method: str, operation: dict[str, Any]) -> None:
    response = httpx.request(method, f"{system.url}{path.replace('{', '').replace('}', '')}")
    assert (response.status_code == 401) == bool(operation["security"])


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused_with_a_problem(client: httpx.Client, method: str) -> None:
    response = client.request(method, "/v1/readings")
    assert response.status_code in (200, 405)
    if response.status_code == 405:
        assert "POST" in response.headers["allow"]
        assert response.headers["content-type"] == "application/problem+json"
