"""What clocks showed: as Python says, for many times at once, and where clocks are set."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.local_time import NS, local_ns, zone_of

ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu")


def seconds(year: int, month: int, day: int, hour: int, minute: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp())


@given(st.sampled_from(ZONES), st.lists(st.integers(0, 4_000_000_000), max_size=20))
def test_it_is_what_python_says_of_each_time(zone: str, times: list[int]) -> None:
    found = local_ns(np.array(times, np.int64) * NS, zone)
    epoch = datetime(1970, 1, 1)
    for at, shown in zip(times, found.tolist(), strict=True):
        wall = datetime.fromtimestamp(at, ZoneInfo(zone)).replace(tzinfo=None)
        assert shown == round((wall - epoch).total_seconds()) * NS


@pytest.mark.parametrize(
    ("at", "hour"),
    [
        (seconds(2026, 3, 29, 0, 59), 1),
        (seconds(2026, 3, 29, 1), 3),
        (seconds(2026, 10, 25, 0, 59), 2),
        (seconds(2026, 10, 25, 1), 2),
        (seconds(2026, 10, 25, 2), 3),
    ],
)
def test_clocks_are_set_forward_in_spring_and_back_in_autumn(at: int, hour: int) -> None:
    (shown,) = (local_ns(np.array([at * NS]), "Europe/Berlin") // NS % 86_400 // 3600).tolist()
    assert shown == hour


def test_nanoseconds_stay_as_they_are() -> None:
    assert local_ns(np.array([1, 7 * NS + 3]), "Asia/Kathmandu").tolist() == [19_800 * NS + 1, 19_807 * NS + 3]


@pytest.mark.parametrize("name", ["Europe/Berlln", "", "../etc/passwd", "Europe", "/etc/localtime", "a\0b"])
def test_a_zone_that_there_is_not_is_a_mistake_that_says_what_names_read_like(name: str) -> None:
    with pytest.raises(ConfigError, match="Europe/Berlin"):
        zone_of(name)
