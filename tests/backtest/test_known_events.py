"""Known events against alarms: found, already in alarm, missed, learned; and files of them, right and wrong."""

from pathlib import Path

import numpy as np
import pytest

from iot_edge_anomaly.backtest.alarms import PastAlarm, held
from iot_edge_anomaly.backtest.known_events import DAY_NS, Found, KnownEvent, judge, read_events
from iot_edge_anomaly.backtest.times import NS, Times, lasting
from iot_edge_anomaly.core.errors import ConfigError, IotEdgeAnomalyError
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, Priority

TIMES = np.arange(100) * NS


def event(at: int, kind: str, alarm: str = "A1") -> AlarmEvent:
    normal, raised = AlarmState.NORMAL, AlarmState.UNACKNOWLEDGED
    return AlarmEvent(alarm, "I1", "score", kind, normal, raised, at * NS, Priority.HIGH, "odd", 2.0)


def alarm(start: int, end: int | None) -> PastAlarm:
    return PastAlarm(event(start, "raise"), ((start * NS, None if end is None else end * NS),), 2.0)


@pytest.mark.parametrize(
    ("start", "end", "found", "late"),
    [
        (45, 60, Found.DURING, 5),
        (50, 60, Found.DURING, 0),
        (52, 60, Found.BEFORE, -2),
        (55, 55, Found.BEFORE, -5),
        (56, 70, Found.MISSED, 0),
        (10, 15, Found.LEARNED, 0),
        (200, 300, Found.NO_ROWS, 0),
        (85, 95, Found.DURING, 5),
    ],
)
def test_what_becomes_of_an_event(start: int, end: int, found: Found, late: int) -> None:
    (verdict,) = judge([KnownEvent(start * NS, end * NS, "leak")], [alarm(50, 55), alarm(90, None)], TIMES, 20 * NS)
    assert (verdict.found, verdict.late_ns // NS) == (found, late)
    assert (verdict.alarm is None) == (found not in (Found.DURING, Found.BEFORE))
    assert not verdict.is_partly_learned


def test_an_event_that_began_in_the_rows_that_were_learned_from_says_so() -> None:
    (verdict,) = judge([KnownEvent(10 * NS, 60 * NS, "leak")], [alarm(5, 15), alarm(50, 55)], TIMES, 20 * NS)
    assert (verdict.found, verdict.late_ns, verdict.is_partly_learned) == (Found.DURING, 40 * NS, True)


def test_when_conditions_held() -> None:
    happened = [
        event(1, "raise"),
        event(4, "return"),
        event(5, "re-raise"),
        event(6, "suppress"),
        event(7, "release-active"),
        event(9, "return"),
        event(9, "supersede"),
        event(20, "raise", "A2"),
        event(21, "suppress", "A2"),
        event(22, "release-normal", "A2"),
        event(30, "raise", "A3"),
        event(31, "return", "nobody knows"),
    ]
    spans = [(begin // NS, end if end is None else end // NS) for begin, end in held(happened)]
    assert spans == [(1, 4), (5, 9), (20, 22), (30, None)]


def test_a_file_of_events(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(
        '﻿start, end ,what,by\n2026-03-04,,"seal, worn",ada\n\n2026-03-03T06:30Z,2026-03-03T07:30+01:00,leak\n',
        encoding="utf-8",
    )
    leak, seal = read_events(path, Times())
    assert (leak.what, leak.end_ns - leak.start_ns) == ("leak", 0)
    assert (seal.what, seal.end_ns - seal.start_ns) == ("seal, worn", DAY_NS)


def test_events_of_counted_rows(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("start,end,what\n7,9,leak\n")
    assert read_events(path, Times(1e9)) == [KnownEvent(7 * NS, 9 * NS, "leak")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column 'start'; its first line must read: start,end,what"),
        ("start,end\n1,2\n", "no column 'what'"),
        ("start,end,what\n\nyesterday,,leak\n", "line 3: 'yesterday': time is not ISO 8601; write for example"),
        ("start,end,what\n2026-03-04,2026-03-03,leak\n", "line 2: it ends (2026-03-03) before it starts"),
        ("start,end,what\n,,leak\n", "line 2: ''"),
        ("start,end,what\nnan,,leak\n", "line 2: 'nan' is further away than times reach"),
        ("start,end,what\n1e19,,leak\n", "line 2: '1e19' is further away"),
        ("start,end,what\n9999-01-01,,leak\n", "line 2: '9999-01-01' is further away"),
        ('start,end,what\n"\x00', "line 2"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "events.csv"
    path.write_text(text)
    with pytest.raises(IotEdgeAnomalyError) as error:
        read_events(path, Times())
    assert str(error.value).startswith(str(path))
    assert said in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.csv cannot be read: No such file"):
        read_events(tmp_path / "none.csv", Times())
    (tmp_path / "binary.csv").write_bytes(b"start,end,what\n\xff\xfe")
    with pytest.raises(IotEdgeAnomalyError, match="not UTF-8"):
        read_events(tmp_path / "binary.csv", Times())


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (90, "1 min 30 s"), (93_600, "1 d 2 h")]
)
def test_lengths_of_time(seconds: int, said: str) -> None:
    assert lasting(seconds * NS) == said


def test_times_as_a_file_has_them() -> None:
    at_ns = np.array([0, 1_500_000_000])
    assert Times().stamps(at_ns) == ["1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:01.500000Z"]
    assert Times().stamps(at_ns[:1]) == ["1970-01-01T00:00:00Z"]
    assert Times(5e8).stamps(at_ns) == ["0", "3"]
    assert Times(5e8).read("3") == 1_500_000_000
