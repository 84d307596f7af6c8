"""Durations as people write them, and as they should not."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.operations.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("1.5h", timedelta(minutes=90)),
        ("1d12h", timedelta(hours=36)),
        (" 1 h 30 m ", timedelta(minutes=90)),
        ("2w", timedelta(days=14)),
        ("0s", timedelta()),
    ],
)
def test_good(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    "text", ["", " ", "2", "h", "2 hours", "-2h", "2h!", "2H", "1e3s", "٢h", "1..5h", "999999999w", "nan", "2h 3"]
)
def test_bad_ones_say_what_to_write(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_duration(text)


@given(st.text())
def test_any_text_is_a_duration_or_a_clear_error(text: str) -> None:
    try:
        span = parse_duration(text)
    except ConfigError:
        return
    assert span >= timedelta()
