"""POST /v1/readings against a real server and a real bus."""

import httpx
import msgspec
import pytest
from gateway_system import System  # type: ignore[import-not-found]

from iot_edge_anomaly.security.principal import Permission

pytestmark = pytest.mark.server
ROW = {"time": "2026-11-24T06:00:00Z", "flow": 12.1, "power": 3.5}


def payload(asset: str, **more: object) -> dict[str, object]:
    return {"asset": asset, "rows": [ROW], **more}


def assert_problem(response: httpx.Response, status: int, words: str = "") -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem.keys() == {"type", "title", "status", "detail", "instance"}
    assert problem["status"] == status
    assert words in problem["detail"]


def test_what_was_answered_202_is_in_the_stream(system: System, client: httpx.Client) -> None:
    response = client.post("/v1/readings", json=payload("acme/site/pump-1", source="plc", epoch="1", sequence=42))
    assert response.status_code == 202
    assert response.json() == {"accepted": 2, "duplicate": False, "set_aside": []}
    (batch,) = system.batches("acme/site/pump-1")
    assert (batch.source, batch.epoch, batch.sequence) == ("plc", 1, 42)
    assert dict(zip(batch.sensors, batch.values(), strict=True)) == {"flow": 12.1, "power": 3.5}
    assert list(batch.times()) == [1_795_500_000 * 10**9] * 2


def test_a_list_of_payloads_and_messagepack_are_taken_too(system: System, client: httpx.Client) -> None:
    both = [payload("acme/list/a"), payload("acme/list/b")]
    response = client.post(
        "/v1/readings", content=msgspec.msgpack.encode(both), headers={"Content-Type": "application/msgpack"}
    )
    assert response.status_code == 202
    assert response.json()["accepted"] == 4
    assert len(system.batches("acme/list/a")) == len(system.batches("acme/list/b")) == 1


def test_a_repeat_is_told_and_stored_for_the_pipeline_to_judge(system: System, client: httpx.Client) -> None:
    numbered = payload("acme/repeat", source="plc", epoch=3, sequence=7)
    answers = [client.post("/v1/readings", json=numbered).json()["duplicate"] for _ in range(3)]
    assert answers == [False, True, True]
    unnumbered = payload("acme/repeat-unnumbered")
    assert [client.post("/v1/readings", json=unnumbered).json()["duplicate"] for _ in range(2)] == [False, False]


@pytest.mark.parametrize(
    "asset",
    ["acme/a.b", "acme/pump 1", "acme/*", "acme/>", "acme/über/pümp", "acme/🏭/🔧", "acme/$SYS", "acme/a=b"],
)
def test_names_with_dots_spaces_wildcards_and_emoji_are_just_names(
    system: System, client: httpx.Client, asset: str
) -> None:
    assert client.post("/v1/readings", json=payload(asset)).status_code == 202
    assert len(system.batches(asset)) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"7",
        b'"text"',
        b"[]]",
        b"[7]",
        b"\xff\xfe\x00",
        b'{"asset": "acme/\xff", "rows": []}',
        b'{"rows": []}',
        b'{"asset": 7, "rows": []}',
        b'{"asset": "no-tenant", "rows": [{"time": "2026-11-24T06:00:00Z", "x": 1}]}',
        b'{"asset": "acme//x", "rows": [{"time": "2026-11-24T06:00:00Z", "x": 1}]}',
        b'{"asset": "acme/a", "rows": 7}',
        b'{"asset": "acme/a", "epoch": -1, "sequence": 1, "rows": [{"time": "2026-11-24T06:00:00Z", "x": 1}]}',
        b'{"asset": "acme/a", "epoch": "x", "sequence": 1, "rows": [{"time": "2026-11-24T06:00:00Z", "x": 1}]}',
        b"[" * 100_000,
    ],
)
def test_what_cannot_be_used_is_a_problem_that_says_why(client: httpx.Client, body: bytes) -> None:
    response = client.post("/v1/readings", content=body, headers={"Content-Type": "application/json"})
    assert_problem(response, 400)


@pytest.mark.parametrize(
    ("row", "sensor"),
    [
        ({"time": "2026-11-24T06:00:00Z", "x": "warm"}, "x"),
        ({"time": "2026-11-24T06:00:00Z", "x": [1, 2]}, "x"),
        ({"time": "2026-11-24T06:00:00Z", "x": {"deep": 1}}, "x"),
        ({"time": "1970-01-01T00:00:01Z", "x": 1.0}, None),
        ({"time": "2100-01-01T00:00:00Z", "x": 1.0}, None),
        ({"time": "yesterday", "x": 1.0}, None),
    ],
)
def test_one_bad_reading_is_set_aside_with_a_reason_and_the_rest_is_taken(
    client: httpx.Client, row: dict[str, object], sensor: str | None
) -> None:
    response = client.post("/v1/readings", json={"asset": "acme/mixed", "rows": [ROW, row]})
    assert response.status_code == 202, response.text
    answer = response.json()
    assert answer["accepted"] == 3
    assert [record["row"] for record in answer["set_aside"]] == [1]
    assert all(record["reason"] for record in answer["set_aside"])
    if sensor is not None:
        assert answer["set_aside"][0]["sensor"] == sensor


@pytest.mark.parametrize("number", ["1e999", str(10**400), "NaN", "-Infinity"])
def test_what_is_no_finite_number_is_refused_or_set_aside_and_never_stored_as_a_value(
    system: System, client: httpx.Client, number: str
) -> None:
    asset = f"acme/no-number-{number[:5]}"
    body = f'{{"asset": "{asset}", "rows": [{{"time": "2026-11-24T06:00:00Z", "x": {number}, "y": 1e100}}]}}'
    response = client.post("/v1/readings", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (202, 400)
    if response.status_code == 202:
        assert [record["sensor"] for record in response.json()["set_aside"]] == ["x"]
    stored = [value for batch in system.batches(asset) for value in batch.values()]
    assert stored == ([1e100] if response.status_code == 202 else [])


def test_a_body_that_is_too_large_is_refused_whether_announced_or_not(client: httpx.Client) -> None:
    large = b'{"asset": "acme/a", "rows": [' + b" " * 10_000_000 + b"]}"

    def chunks() -> object:
        for start in range(0, len(large), 65_536):
            yield large[start : start + 65_536]

    for content in (large, chunks()):
        try:
            response = client.post("/v1/readings", content=content, headers={"Content-Type": "application/json"})
        except httpx.TransportError:
            continue  # the server may hang up on a sender that goes on sending
        assert_problem(response, 413, "1000000 bytes")
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("media", ["text/plain", "application/xml", "multipart/form-data; boundary=x"])
def test_other_media_types_are_refused(client: httpx.Client, media: str) -> None:
    assert_problem(client.post("/v1/readings", content=b"x", headers={"Content-Type": media}), 415, "application/json")


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer iea_nope_nope"}, {"Authorization": "Basic eDp5"}, {"Authorization": ""}]
)
def test_without_a_valid_token_nothing_is_taken(system: System, header: dict[str, str]) -> None:
    response = httpx.post(f"{system.url}/v1/readings", json=payload("acme/nobody"), headers=header)
    assert_problem(response, 401)
    assert response.headers["www-authenticate"] == "Bearer"
    assert system.batches("acme/nobody") == []


def test_a_token_writes_to_its_tenants_only_all_or_nothing(system: System) -> None:
    with system.client(Permission.WRITE_READINGS, tenants=frozenset({"acme"}), name="plc") as plc:
        assert plc.post("/v1/readings", json=payload("acme/mine")).status_code == 202
        both = [payload("acme/with-other"), payload("other/asset")]
        assert_problem(plc.post("/v1/readings", json=both), 403, "'other'")
        assert_problem(plc.get("/metrics"), 403, "'read'")
    assert system.batches("acme/with-other") == system.batches("other/asset") == []


def test_a_token_without_the_permission_reads_only(system: System) -> None:
    with system.client(Permission.READ, name="viewer") as viewer:
        assert_problem(viewer.post("/v1/readings", json=payload("acme/viewer")), 403, "'readings:write'")
        assert viewer.get("/metrics").status_code == 200


def test_the_same_idempotency_key_gets_the_same_answer_and_stores_once(system: System, client: httpx.Client) -> None:
    key = {"Idempotency-Key": "order-1"}
    first = client.post("/v1/readings", json=payload("acme/keyed"), headers=key)
    again = client.post("/v1/readings", json=payload("acme/keyed"), headers=key)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(system.batches("acme/keyed")) == 1
    assert_problem(client.post("/v1/readings", json=payload("acme/other"), headers=key), 422, "another body")


def test_a_failed_request_does_not_use_up_its_key(client: httpx.Client) -> None:
    key = {"Idempotency-Key": "order-2", "Content-Type": "application/json"}
    assert_problem(client.post("/v1/readings", content=b"{", headers=key), 400)
    assert client.post("/v1/readings", json=payload("acme/keyed-2"), headers=key).status_code == 202


def test_answers_say_how_much_more_may_be_sent(client: httpx.Client) -> None:
    response = client.post("/v1/readings", json=payload("acme/limits"))
    assert response.headers["ratelimit-policy"].startswith('"principal";q=')
    assert response.headers["ratelimit"].startswith('"principal";r=')
