"""Whatever a server tells of a variable is a reading, or a clear refusal; uncertain is not bad."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.connectors.opcua_values import (
    MOST_ELEMENTS,
    MOST_VALUES,
    Newest,
    Numbers,
    Told,
    batches_of,
    has_overflown,
    quality_of,
    time_of,
)
from iot_edge_anomaly.core.messages import Batch, Quality
from iot_edge_anomaly.core.names import AssetKey

NOW = datetime(2026, 11, 30, 6, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 10**9
PUMP = AssetKey("acme", "site/pump")
GOOD, UNCERTAIN, BAD = 0, 0x40000000, 0x80000000


def one(value: object, status: int = GOOD, at: datetime | None = NOW, sensor: str = "flow") -> Batch:
    (batch,) = batches_of([Told(PUMP, sensor, value, status, at)], Numbers("opcua", 1), NOW_NS)
    return batch


def readings(batch: Batch) -> list[tuple[str, float, int]]:
    names = [batch.sensors[index] for index in batch.sensor_indices()]
    return list(zip(names, batch.values().tolist(), batch.qualities().tolist(), strict=True))


@pytest.mark.parametrize(
    ("status", "quality"),
    [
        (0x00000000, 192),  # Good
        (0x00960000, 216),  # GoodLocalOverride
        (0x00A60000, 192),  # GoodClamped has no code of its own
        (0x00000500, 193),  # Good, low limited
        (0x00000600, 194),  # Good, high limited
        (0x00000700, 195),  # Good, constant
        (0x40000000, 64),  # Uncertain
        (0x40900000, 68),  # UncertainLastUsableValue
        (0x408F0000, 68),  # UncertainNoCommunicationLastUsableValue
        (0x40930000, 80),  # UncertainSensorNotAccurate
        (0x40940000, 84),  # UncertainEngineeringUnitsExceeded
        (0x40950000, 88),  # UncertainSubNormal
        (0x80000000, 0),  # Bad
        (0x80310000, 24),  # BadNoCommunication
        (0x808C0000, 16),  # BadSensorFailure
        (0x808D0000, 28),  # BadOutOfService
        (0xC0000000, 0),  # reserved, to be taken for bad
    ],
)
def test_a_status_keeps_its_severity_and_what_else_there_is_room_for(status: int, quality: int) -> None:
    assert quality_of(status) == quality


@given(st.integers(0, 0xFFFFFFFF))
def test_severity_is_kept_whatever_the_rest_of_a_status_is(status: int) -> None:
    quality = quality_of(status)
    majors = {0: Quality.GOOD, 1: Quality.UNCERTAIN, 2: Quality.BAD, 3: Quality.BAD}
    assert quality & 0xC0 == majors[status >> 30]
    assert 0 <= quality <= 255
    assert has_overflown(status) == (status & 0x0C80 == 0x0480)


def test_the_codes_are_those_that_the_library_knows_by_these_names() -> None:
    codes = pytest.importorskip("asyncua").ua.StatusCodes
    assert [
        quality_of(int(getattr(codes, name)))
        for name in (
            "GoodLocalOverride",
            "UncertainNoCommunicationLastUsableValue",
            "UncertainLastUsableValue",
            "UncertainSensorNotAccurate",
            "UncertainEngineeringUnitsExceeded",
            "UncertainSubNormal",
            "BadNoCommunication",
            "BadWaitingForInitialData",
            "BadConfigurationError",
            "BadNotConnected",
            "BadDeviceFailure",
            "BadSensorFailure",
            "BadOutOfService",
        )
    ] == [216, 68, 68, 80, 84, 88, 24, 32, 4, 8, 12, 16, 28]


def test_numbers_and_truth_values_are_readings() -> None:
    assert readings(one(21.5)) == [("flow", 21.5, 192)]
    assert readings(one(True)) == [("flow", 1.0, 192)]
    assert readings(one(-7, UNCERTAIN)) == [("flow", -7.0, 64)]
    assert readings(one(3, BAD)) == [("flow", 3.0, 0)]


def test_elements_of_an_array_are_sensors_of_their_own() -> None:
    assert readings(one([1.5, 2], UNCERTAIN)) == [("flow[0]", 1.5, 64), ("flow[1]", 2.0, 64)]
    assert len(readings(one(list(range(MOST_ELEMENTS))))) == MOST_ELEMENTS


@pytest.mark.parametrize(
    ("value", "status", "words"),
    [
        ("on", GOOD, "text"),
        (None, GOOD, "no value"),
        (None, 0x80310000, "no value (0x80310000)"),
        (b"\x00", GOOD, "bytes"),
        (NOW, GOOD, "a time"),
        ([], GOOD, "empty array"),
        ([[1, 2], [3, 4]], GOOD, "more than one dimension"),
        ([0] * (MOST_ELEMENTS + 1), GOOD, "an array of 65, more than 64"),
        ([1, "x"], GOOD, "text"),
        (object(), GOOD, "no number but object"),
        (math.nan, GOOD, "not finite"),
        (math.inf, GOOD, "not finite"),
    ],
)
def test_what_is_no_number_is_set_aside_and_says_what_it_is(value: object, status: int, words: str) -> None:
    batch = one(value, status)
    assert readings(batch) == []
    assert [(record.sensor, record.count) for record in batch.set_aside] == [("flow", 1)]
    assert words in batch.set_aside[0].reason


def test_time_is_that_of_the_source_else_of_the_server_else_of_receipt() -> None:
    null = datetime(1601, 1, 1, tzinfo=UTC)
    assert time_of(NOW, NOW + timedelta(1)) == NOW
    assert time_of(null, NOW) == NOW
    assert time_of(None, null) is None
    assert one(1.0, at=NOW - timedelta(hours=1)).times().tolist() == [NOW_NS - 3600 * 10**9]
    assert one(1.0, at=None).times().tolist() == [NOW_NS]


@pytest.mark.parametrize(
    ("at", "words"), [(datetime(1970, 1, 12, tzinfo=UTC), "before the year 2000"), (NOW + timedelta(1), "future")]
)
def test_a_clock_that_is_wrong_is_said(at: datetime, words: str) -> None:
    batch = one(1.0, at=at)
    assert readings(batch) == []
    assert words in batch.set_aside[0].reason


def test_a_value_that_is_told_again_is_no_news() -> None:
    newest = Newest()
    flow = Told(PUMP, "flow", 1.0, GOOD, NOW)
    assert [newest.is_news(flow), newest.is_news(flow)] == [True, False]
    assert newest.is_news(flow._replace(status=UNCERTAIN))
    assert newest.is_news(flow._replace(at=NOW + timedelta(seconds=1)))
    assert newest.is_news(flow._replace(sensor="power"))
    assert newest.is_news(flow)
    unknown = flow._replace(at=None)
    assert [newest.is_news(unknown), newest.is_news(unknown)] == [True, True], "who knows"


def test_batches_of_an_asset_are_numbered_without_a_gap_and_bounded() -> None:
    numbers = Numbers("opcua", 7)
    other = AssetKey("acme", "site/fan")
    told = [Told(PUMP, f"s{at}", [1, 2], GOOD, NOW) for at in range(MOST_VALUES)] + [Told(other, "x", 1, GOOD, NOW)]
    batches = batches_of(told, numbers, NOW_NS)
    assert [(batch.asset, batch.epoch, batch.sequence) for batch in batches] == [
        ("site/pump", 7, 0),
        ("site/pump", 7, 1),
        ("site/fan", 7, 0),
    ]
    assert sum(batch.accepted for batch in batches) == 2 * MOST_VALUES + 1
    assert batches_of(told[-1:], numbers, NOW_NS)[0].sequence == 1


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.uuids()
    | st.builds(object),
    lambda inner: st.lists(inner, max_size=80),
    max_leaves=100,
)


@given(
    st.lists(
        st.builds(
            Told,
            st.sampled_from([PUMP, AssetKey("acme", "fan")]),
            st.text(min_size=1, max_size=140),
            values,
            st.integers(0, 0xFFFFFFFF),
            st.none() | st.datetimes() | st.datetimes(timezones=st.just(UTC)),
        ),
        max_size=20,
    )
)
def test_every_value_is_taken_or_set_aside_with_a_reason(told: list[Told]) -> None:
    """None is lost: what is no array counts one, an array one an element or one where it is refused whole."""
    batches = batches_of(told, Numbers("opcua", 1), NOW_NS)
    least = len(told)
    most = sum(max(1, len(each.value)) if isinstance(each.value, list) else 1 for each in told)
    assert least <= sum(batch.accepted for batch in batches) <= most
    for batch in batches:
        assert all(record.reason for record in batch.set_aside)
        assert all(len(record.raw) <= 1024 for record in batch.set_aside)
        assert all(math.isfinite(value) for value in batch.values())
