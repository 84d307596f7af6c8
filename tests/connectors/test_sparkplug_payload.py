"""Payloads of Sparkplug B: whatever the bytes, they are read or refused; and what a metric says as a number."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sparkplug_nodes import (  # type: ignore[import-not-found]
    BOOLEAN,
    DATASET,
    DATETIME,
    DOUBLE,
    FLOAT,
    INT8,
    INT16,
    INT32,
    INT64,
    STRING,
    TEMPLATE,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    metric,
    payload,
    piece,
    value_field,
    varint,
    whole,
)

from iot_edge_anomaly.connectors.sparkplug_payload import MAX_BYTES, MAX_METRICS, Metric, decode, rebirth_request
from iot_edge_anomaly.connectors.sparkplug_values import number, quality
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Quality

NOW_MS = 1_795_500_000_000


def read(raw: bytes) -> Metric:
    (found,) = decode(payload([raw])).metrics
    return found


def test_all_of_a_payload_is_read() -> None:
    content = payload(
        [metric("Hall/Flow", 1.5, alias=7, time_ms=NOW_MS, historical=True, quality=192), metric(alias=8, null=True)],
        time_ms=NOW_MS + 1,
        seq=255,
    )
    found = decode(content)
    assert (found.time_ms, found.seq) == (NOW_MS + 1, 255)
    one, other = found.metrics
    assert (one.name, one.alias, one.time_ms, one.datatype) == ("Hall/Flow", 7, NOW_MS, DOUBLE)
    assert (one.is_historical, one.is_null, one.kind, one.value, one.quality) == (True, False, "double_value", 1.5, 192)
    assert (other.name, other.alias, other.time_ms, other.is_null, other.kind) == (None, 8, None, True, "")
    assert decode(b"") == (None, None, ())


def test_one_broken_metric_spoils_no_other() -> None:
    content = payload([metric("a", 1.0), b"\xff\xff\xff", piece(1, b"\xff"), metric("b", 2.0)])
    good, broken, nameless, other = decode(content).metrics
    assert (good.name, other.name) == ("a", "b")
    assert (broken.trouble, broken.raw) == ("it is no metric of Sparkplug B", b"\xff\xff\xff")
    assert nameless.trouble == "its name is no UTF-8"
    assert read(metric("ä" * 5_000, 1.0)).name == "ä" * 400


def test_fields_that_nobody_told_us_of_are_passed_over() -> None:
    more = whole(99, 7) + piece(100, b"x" * 50) + varint(101 << 3 | 5) + b"\0\0\0\0"
    found = decode(payload([metric("a", 1.0) + more], seq=3) + more)
    assert (found.seq, found.metrics[0].name, found.metrics[0].value) == (3, "a", 1.0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\0" * (MAX_BYTES + 1), "larger than"),
        (b"not protobuf at all", "no payload"),
        (b"\x12", "no payload"),
        (piece(2, b"") * (MAX_METRICS + 1), f"more than {MAX_METRICS} metrics"),
        (piece(4, b"SPBV1.0_COMPRESSED") + piece(5, b"\x1f\x8b\x08"), "compressed"),
    ],
)
def test_what_is_no_payload_says_why(content: bytes, words: str) -> None:
    with pytest.raises(RejectedError, match=words):
        decode(content)


def test_nothing_nests_however_deep_it_goes() -> None:
    deep = b""
    for _ in range(50_000):
        deep = piece(18, piece(2, deep)) if len(deep) < 100_000 else deep
    assert read(metric("a", 1.0) + deep).name == "a"
    groups = varint(50 << 3 | 3) * 10_000
    with pytest.raises(RejectedError, match="no payload"):
        decode(groups)


@pytest.mark.parametrize(
    ("datatype", "field", "raw", "value"),
    [
        (INT8, 10, 0xFF, -1.0),
        (INT8, 10, 0xFFFFFFFF, -1.0),
        (INT8, 10, 127, 127.0),
        (INT8, 11, (1 << 64) - 128, -128.0),
        (INT16, 10, 0x8000, -32768.0),
        (INT32, 10, 0xFFFFFFFE, -2.0),
        (INT32, 11, 0xFFFFFFFE, -2.0),
        (INT32, 11, (1 << 64) - 2, -2.0),
        (INT64, 11, (1 << 64) - 5, -5.0),
        (INT64, 11, 1 << 62, 2.0**62),
        (INT64, 10, 12, 12.0),
        (UINT8, 10, 255, 255.0),
        (UINT16, 10, 65_535, 65_535.0),
        (UINT32, 10, 0xFFFFFFFF, 4_294_967_295.0),
        (UINT32, 11, 0xFFFFFFFF, 4_294_967_295.0),
        (UINT64, 11, (1 << 64) - 1, 2.0**64),
        (BOOLEAN, 14, 1, 1.0),
        (BOOLEAN, 14, 0, 0.0),
    ],
)
def test_whole_numbers_and_truth_are_read(datatype: int, field: int, raw: int, value: float) -> None:
    assert number(read(whole(4, datatype) + whole(field, raw)), datatype) == value


def test_broken_numbers_are_read() -> None:
    assert number(read(metric("a", 1.5, FLOAT)), FLOAT) == 1.5
    assert number(read(metric("a", -2.25, DOUBLE)), DOUBLE) == -2.25
    assert number(read(metric("a", -2.25, DOUBLE)), 0) == -2.25


@pytest.mark.parametrize(
    ("raw", "datatype", "words"),
    [
        (metric("a", null=True), DOUBLE, "it is null"),
        (metric("a"), DOUBLE, "no value"),
        (metric("a", math.nan, DOUBLE), DOUBLE, "not finite"),
        (metric("a", math.inf, FLOAT), FLOAT, "not finite"),
        (metric("a", 1e301, DOUBLE), DOUBLE, "not finite"),
        (metric("a", b"on", STRING), STRING, "no number but String"),
        (metric("a", NOW_MS, DATETIME), DATETIME, "no number but DateTime"),
        (metric("a", b"\x08\x01", DATASET), DATASET, "no number but DataSet"),
        (metric("a", b"\x08\x01", TEMPLATE), TEMPLATE, "no number but Template"),
        (metric("a", b"\0\0", 22), 22, "no number but Int8Array"),
        (metric("a", b"1", 4711), 4711, "of the unknown type 4711"),
        (metric("a", 1, INT32, says_type=False), 0, "datatype is not known"),
        (metric("a", 1.5, DOUBLE), INT32, "no place for an integer"),
        (metric("a", 1, INT32), FLOAT, "int_value, which is no place for a Float"),
        (whole(10, 256), UINT8, "does not fit an unsigned integer of 8 bits"),
        (whole(10, 300), INT8, "does not fit a signed integer of 8 bits"),
        (whole(10, 0xFFFFFFFF), INT64, "does not fit a signed integer of 64 bits"),
    ],
)
def test_what_is_no_number_says_why(raw: bytes, datatype: int, words: str) -> None:
    with pytest.raises(RejectedError, match=words):
        number(read(raw), datatype)


@given(st.sampled_from([INT8, INT16, INT32, INT64]), st.data())
def test_signed_numbers_come_back_from_their_two_s_complement(datatype: int, data: st.DataObject) -> None:
    bits = 8 << (datatype - 1)
    value = data.draw(st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1))
    assert number(read(value_field(datatype, value)), datatype) == float(value)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (None, Quality.GOOD),
        (192, Quality.GOOD),
        (0, Quality.BAD),
        (500, Quality.UNCERTAIN),
        (68, 68),
        (404, Quality.BAD),
        (-1, Quality.BAD),
    ],
)
def test_quality_is_carried_over(code: int | None, expected: int) -> None:
    assert quality(read(metric("a", 1.0, quality=code))) == expected


def test_properties_that_cannot_be_read_hide_no_bad_quality() -> None:
    assert read(metric("a", 1.0) + piece(9, b"\xff\xff")).trouble
    assert read(metric("a", 1.0) + piece(9, piece(1, b"Unit") + piece(2, b"\xff"))).quality is None
    assert read(metric("a", 1.0) + piece(9, piece(1, b"Quality"))).quality is None


def test_a_request_for_births_can_be_read() -> None:
    (found,) = decode(rebirth_request(NOW_MS)).metrics
    assert (found.name, found.value, found.datatype, found.time_ms) == ("Node Control/Rebirth", True, BOOLEAN, NOW_MS)


NUMBERS = st.integers(0, (1 << 64) - 1)
PARTS = st.one_of(
    st.binary(max_size=60),
    st.builds(whole, st.integers(1, 30), NUMBERS),
    st.builds(piece, st.integers(1, 30), st.binary(max_size=60)),
)
SOUP = st.lists(PARTS, max_size=12).map(b"".join)


@given(
    st.one_of(st.binary(max_size=400), st.lists(st.one_of(PARTS, SOUP.map(lambda soup: piece(2, soup)))).map(b"".join))
)
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        found = decode(content)
    except RejectedError:
        return
    for one in found.metrics:
        assert 0 <= quality(one) <= 255
        for datatype in range(40):
            value: Any = None
            try:
                value = number(one, datatype)
            except RejectedError:
                continue
            assert math.isfinite(value)
