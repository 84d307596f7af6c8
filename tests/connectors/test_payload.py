"""Payloads become batches: golden forms, and whatever bytes there are."""

import json
import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iot_edge_anomaly.connectors.payload import MAX_ROWS, decode_http, decode_message, is_one_value
from iot_edge_anomaly.connectors.rows import LARGEST, MAX_RECORDS, MAX_SENSORS, RAW_BYTES
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import UNNUMBERED, Batch
from iot_edge_anomaly.core.names import AssetKey

KEY = AssetKey("acme", "site/pump")
SECOND = 10**9
NOW = 1_795_500_000 * SECOND
JSON, MESSAGE_PACK = "application/json", "application/msgpack"


def message(content: bytes | Any, sensor: str | None = None) -> Batch:
    content = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return decode_message(content, KEY, sensor, "mqtt", received_ns=NOW)


def readings(batch: Batch) -> list[tuple[int, str, float]]:
    names = [batch.sensors[at] for at in batch.sensor_indices()]
    return list(zip(batch.times().tolist(), names, batch.values().tolist(), strict=True))


def test_a_single_value_is_of_the_sensor_that_the_topic_names() -> None:
    assert readings(message(b"21.5", "flow")) == [(NOW, "flow", 21.5)]
    assert readings(message(b"true", "running")) == [(NOW, "running", 1.0)]
    assert readings(message({"value": 2, "time": 1_795_400_000}, "flow")) == [(1_795_400_000 * SECOND, "flow", 2.0)]


def test_a_value_can_say_how_good_it_is() -> None:
    batch = message({"a": 1, "b": {"value": 2, "quality": "uncertain"}, "c": {"value": 3, "quality": 7}})
    assert batch.qualities().tolist() == [192, 64, 7]
    assert message({"a": 1}).quality == b""
    assert [record.sensor for record in message({"a": {"value": 1, "quality": "fine"}}).set_aside] == ["a"]


def test_an_object_a_list_of_rows_and_the_numbered_form() -> None:
    assert readings(message({"flow": 1, "power": 2.5})) == [(NOW, "flow", 1.0), (NOW, "power", 2.5)]
    rows = [{"time": 1_795_400_000, "flow": 1}, {"time": 1_795_400_001, "flow": 2}]
    assert [value for _, _, value in readings(message(rows))] == [1.0, 2.0]
    batch = message({"source": "plc", "epoch": "12", "sequence": 4, "rows": rows})
    assert (batch.source, batch.epoch, batch.sequence, len(readings(batch))) == ("plc", 12, 4, 2)
    assert (message(rows).epoch, message(rows).sequence, message(rows).source) == (0, UNNUMBERED, "mqtt")


@pytest.mark.parametrize(
    ("content", "single"),
    [
        (b"5", True),
        (b'"ON"', True),
        (b"rubbish", True),
        (b'{"value": 1, "time": 5}', True),
        (b'{"flow": 1}', False),
        (b'[{"value": 1}]', False),
        (msgspec.msgpack.encode(1.5), True),
        (msgspec.msgpack.encode({"flow": 1}), False),
    ],
)
def test_a_message_tells_whether_it_is_one_value(content: bytes, single: bool) -> None:
    assert is_one_value(content) is single


@pytest.mark.parametrize(
    ("given_time", "expected"),
    [
        (1_795_400_000, 1_795_400_000 * SECOND),
        (1_795_400_000.25, 1_795_400_000 * SECOND + SECOND // 4),
        (1_795_400_000_123, 1_795_400_000_123 * 10**6),
        (1_795_400_000_123_456, 1_795_400_000_123_456 * 1000),
        (1_795_400_000_123_456_789, 1_795_400_000_123_456_789),
        ("2026-11-23T02:13:20Z", 1_795_400_000 * SECOND),
        ("2026-11-23T02:13:20", 1_795_400_000 * SECOND),
        ("2026-11-23 04:13:20+02:00", 1_795_400_000 * SECOND),
        ("2026-11-23T02:13:20.123456789Z", 1_795_400_000_123_456_789),
        (None, NOW),
    ],
)
def test_times_of_all_units_mean_the_same_moment(given_time: object, expected: int) -> None:
    assert readings(message({"time": given_time, "x": 1})) == [(expected, "x", 1.0)]


@pytest.mark.parametrize(
    "bad", ["yesterday", "", True, [], {}, 5, -1, NOW + 61 * SECOND, "1999-12-31T23:59:59Z", "0001-01-01", 1e300]
)
def test_a_row_with_an_impossible_time_is_set_aside_whole(bad: object) -> None:
    batch = message([{"x": 1, "y": 2, "time": bad}, {"x": 3}])
    assert readings(batch) == [(NOW, "x", 3.0)]
    assert [(record.row, record.count) for record in batch.set_aside] == [(0, 2)]
    assert batch.accepted == 3


@pytest.mark.parametrize("bad", ["warm", None, [1], {"deep": 1}, 1.1e300, -(10**301), {"value": "x"}])
def test_a_value_that_is_no_number_is_set_aside_alone(bad: object) -> None:
    batch = message(json.dumps({"x": bad, "y": 1}).encode())
    assert readings(batch) == [(NOW, "y", 1.0)]
    (record,) = batch.set_aside
    assert (record.row, record.sensor, record.count) == (0, "x", 1)
    assert record.reason
    assert record.raw


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("encode", [msgspec.msgpack.encode, lambda row: json.dumps(row).encode()])
def test_a_value_that_is_not_finite_is_set_aside(bad: float, encode: Callable[[object], bytes]) -> None:
    batch = message(encode({"x": bad, "y": 1}))
    assert readings(batch) == [(NOW, "y", 1.0)]
    assert [(record.sensor, record.raw) for record in batch.set_aside] == [("x", repr(bad).encode())]


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "9" * 5_000])
def test_what_is_not_quite_json_costs_the_value_alone_over_http_too(number: str) -> None:
    content = f'{{"asset": "acme/pump", "rows": [{{"x": {number}, "y": 1}}]}}'.encode()
    (batch,) = decode_http(content, JSON, received_ns=NOW)
    assert readings(batch) == [(NOW, "y", 1.0)]
    assert [(record.row, record.sensor) for record in batch.set_aside] == [(0, "x")]


@pytest.mark.parametrize("content", [b'[{"x": 1}, 5, null]', b'{"rows": [{"x": 1}, 5, null]}'])
def test_a_row_that_is_no_object_is_set_aside_alone(content: bytes) -> None:
    batch = message(content)
    assert readings(batch) == [(NOW, "x", 1.0)]
    assert [(record.row, record.raw) for record in batch.set_aside] == [(1, b"5"), (2, b"null")]


def test_a_sensor_whose_name_is_no_text_is_set_aside() -> None:
    batch = message(b"\x82\x01\x02\xa1x\x03")  # MessagePack of {1: 2, "x": 3}
    assert readings(batch) == [(NOW, "x", 3.0)]
    assert [(record.sensor, record.reason) for record in batch.set_aside] == [("1", "sensor name is no text")]


def test_a_retained_message_without_a_time_is_no_new_reading() -> None:
    def retained(document: object) -> Batch:
        return decode_message(msgspec.json.encode(document), KEY, None, "mqtt", received_ns=NOW, retained=True)

    assert readings(retained({"timestamp": 1_795_400_000, "x": 1})) == [(1_795_400_000 * SECOND, "x", 1.0)]
    stale = retained({"x": 1, "y": 2})
    assert (len(stale.value), [record.count for record in stale.set_aside]) == (0, [2])


def test_a_message_that_says_it_is_of_another_asset_than_its_topic_is_not_believed() -> None:
    assert readings(message({"asset": "acme/site/pump", "rows": [{"x": 1}]})) == [(NOW, "x", 1.0)]
    other = message({"asset": "other/site/pump", "rows": [{"x": 1}]})
    assert (len(other.value), other.accepted, str(other.key)) == (0, 1, "acme/site/pump")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ON",
        b"\xff\xff",
        b"{",
        b"[" * 100_000,
        b"\x91" * 100_000,
        b'{"rows": [], "sequence": -1}',
        b'{"rows": [], "sequence": 9223372036854775808}',
        b'{"rows": [], "epoch": "x"}',
    ],
)
def test_a_message_that_cannot_be_used_is_kept_and_counted(content: bytes) -> None:
    batch = message(content)
    (record,) = batch.set_aside
    assert (len(batch.value), batch.accepted, batch.sequence) == (0, 1, UNNUMBERED)
    assert record.raw == content[:RAW_BYTES]
    assert record.reason


def test_a_sensor_cannot_take_the_place_of_the_time() -> None:
    assert message(b"5", "time").accepted == len(message(b"5", "time").set_aside) == 1


def test_payloads_that_are_too_large_are_refused() -> None:
    rows = [{"x": 1}] * (MAX_ROWS + 1)
    columns = [{f"s{number}": 1 for number in range(MAX_SENSORS + 1)}]
    for too_large in (rows, columns):
        with pytest.raises(RejectedError, match="more than"):
            decode_http(msgspec.json.encode({"asset": "a/b", "rows": too_large}), JSON, received_ns=NOW)
        assert "more than" in message(too_large).set_aside[0].reason
    assert message(rows[:-1]).accepted == MAX_ROWS


def test_many_bad_values_share_a_record_and_stay_counted() -> None:
    batch = message([{"x": None}] * (MAX_RECORDS + 50))
    assert len(batch.set_aside) == MAX_RECORDS + 1
    assert batch.accepted == MAX_RECORDS + 50


def test_raw_is_cut_to_a_kilobyte() -> None:
    (record,) = message({"x": "y" * 5000}).set_aside
    assert len(record.raw) == RAW_BYTES


values = st.one_of(
    st.floats(), st.integers(), st.booleans(), st.none(), st.text(max_size=5), st.lists(st.integers(), max_size=2)
)
packable = st.one_of(
    st.floats(), st.integers(-(2**63), 2**64 - 1), st.booleans(), st.none(), st.text(max_size=5), st.binary(max_size=3)
)
times = st.one_of(st.none(), st.text(max_size=5), st.integers(-5, 2**62), st.floats(), st.just(NOW))
rows = st.lists(
    st.tuples(st.dictionaries(st.text(max_size=4).filter(lambda name: name != "time"), packable, max_size=4), times),
    max_size=5,
)


@given(rows)
def test_every_value_of_a_payload_is_taken_or_set_aside(given_rows: list[tuple[dict[str, Any], Any]]) -> None:
    payload = {"asset": "acme/pump", "rows": [{**row, "time": time} for row, time in given_rows]}
    (batch,) = decode_http(msgspec.msgpack.encode(payload), MESSAGE_PACK, received_ns=NOW)
    assert batch.accepted == sum(len(row) for row, _ in given_rows)
    assert len(batch.times()) == len(batch.values()) == len(batch.sensor_indices()) == len(batch.qualities())
    assert all(abs(value) <= LARGEST for value in batch.values())
    assert all(0 <= at < len(batch.sensors) for at in batch.sensor_indices())


@given(st.binary(), st.sampled_from([JSON, MESSAGE_PACK]))
@example(b"\xde\x00\x01\xa0\x00\x00", MESSAGE_PACK)  # a strange key, and bytes behind the end
def test_whatever_bytes_come_over_http_nothing_but_a_rejection_is_raised(content: bytes, media_type: str) -> None:
    try:
        batches = decode_http(content, media_type, received_ns=NOW)
    except RejectedError:
        return
    assert all(isinstance(batch, Batch) for batch in batches)


json_like = st.recursive(
    values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@given(st.one_of(st.binary(), st.text().map(str.encode), json_like.map(lambda value: repr(value).encode())))
def test_whatever_bytes_come_over_mqtt_there_is_a_batch(content: bytes) -> None:
    assert isinstance(is_one_value(content), bool)
    batch = message(content, "x")
    assert msgspec.msgpack.encode(batch)


@given(json_like)
def test_whatever_document_comes_over_mqtt_there_is_a_batch(document: Any) -> None:
    try:
        content = msgspec.msgpack.encode({"rows": document, "x": document})
    except OverflowError:
        return
    assert msgspec.msgpack.encode(message(content))
