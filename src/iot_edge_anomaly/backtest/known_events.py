"""What is known to have happened, held against the alarms that would have been: found, how late, missed."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.backtest.alarms import PastAlarm
from iot_edge_anomaly.backtest.times import NS, Times
from iot_edge_anomaly.core.errors import ConfigError, RejectedError

START, END, WHAT = COLUMNS = ("start", "end", "what")
DAY_NS = 86_400 * NS


class KnownEvent(NamedTuple):
    """From when to when (both included, ns UTC) something was wrong, and what."""

    start_ns: int
    end_ns: int
    what: str


class Found(StrEnum):
    """What became of an event."""

    BEFORE = "already in alarm"
    DURING = "found"
    MISSED = "missed"
    LEARNED = "not tested"
    """It lies in the rows that were learned from."""
    NO_ROWS = "no rows"


class Verdict(NamedTuple):
    """An event, and the alarm that found it: the first one that stood while it lasted.

    `late_ns`: from the start of the event to that alarm; below 0: it stood already. `is_partly_learned`: the event
    began in the rows that were learned from.
    """

    event: KnownEvent
    found: Found
    alarm: PastAlarm | None = None
    late_ns: int = 0
    is_partly_learned: bool = False


def judge(
    events: Iterable[KnownEvent], alarms: Sequence[PastAlarm], time_ns: NDArray[np.int64], first_ns: int
) -> list[Verdict]:
    """Say of each event whether an alarm stood while it lasted.

    `time_ns`: of all rows; `first_ns`: of the first one that was judged.
    """
    return [_judge(event, alarms, time_ns, first_ns) for event in events]


def _judge(event: KnownEvent, alarms: Sequence[PastAlarm], time_ns: NDArray[np.int64], first_ns: int) -> Verdict:
    begin, end = np.searchsorted(time_ns, event.start_ns), np.searchsorted(time_ns, event.end_ns, "right")
    if begin == end:
        return Verdict(event, Found.NO_ROWS)
    if time_ns[end - 1] < first_ns:
        return Verdict(event, Found.LEARNED)
    is_partly_learned = bool(time_ns[begin] < first_ns)
    since_ns = max(event.start_ns, first_ns)
    first = next((alarm for alarm in alarms if alarm.overlaps(since_ns, event.end_ns)), None)
    if first is None:
        return Verdict(event, Found.MISSED, is_partly_learned=is_partly_learned)
    late_ns = first.start_ns - event.start_ns
    return Verdict(event, Found.BEFORE if late_ns < 0 else Found.DURING, first, late_ns, is_partly_learned)


def read_events(path: Path, times: Times) -> list[KnownEvent]:
    """Read events in order of time; one without an end lasts a day. Raises ConfigError, RejectedError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            return sorted(_events(path, csv.reader(text), times))
    except UnicodeDecodeError as error:
        raise RejectedError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except csv.Error as error:
        raise RejectedError(f"{path} cannot be read: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error


def _events(path: Path, lines: Iterator[list[str]], times: Times) -> Iterator[KnownEvent]:
    header = [name.strip() for name in next(lines, [])]
    missing = [name for name in (START, WHAT) if name not in header]
    if missing:
        raise ConfigError(f"{path} has no column {missing[0]!r}; its first line must read: {','.join(COLUMNS)}")
    for number, cells in enumerate(lines, 2):
        if any(cell.strip() for cell in cells):
            yield _event(f"{path}, line {number}", dict(zip(header, cells, strict=False)), times)


def _event(where: str, cells: dict[str, str], times: Times) -> KnownEvent:
    try:
        start_ns = times.read(cells[START])
        end = cells.get(END, "").strip()
        end_ns = times.read(end) if end else start_ns + DAY_NS
    except RejectedError as error:
        raise RejectedError(f"{where}: {error}") from error
    if end_ns < start_ns:
        raise RejectedError(f"{where}: it ends ({end}) before it starts ({cells[START].strip()})")
    return KnownEvent(start_ns, end_ns, cells.get(WHAT, "").strip())
