"""From messages of the streams to columns of the tables; joined as bytes, so that no value is touched one by one.

Rows of an asset stand together, in the order of its name: then a filter for an asset reads few of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.core.messages import Batch, Quality, SetAside
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import ROW_QUALITIES, AlarmEvent, AssetOutcome, Commit, Notice, RowQuality, Rows

_Thing = TypeVar("_Thing")

DAY_NS = 86_400 * 1_000_000_000
_GOOD = np.array([int(Quality.GOOD)], "<i8").tobytes()
_CORRECTED = ROW_QUALITIES.index(RowQuality.CORRECTED)


class Words(NamedTuple):
    """A column of words: for each row the place of its word in a list of a few."""

    words: Sequence[str]
    codes: NDArray[np.int32]


class Lists(NamedTuple):
    """A column of lists: row i holds the values from offset i to offset i + 1."""

    offsets: NDArray[np.int32]
    values: "Values"


class Structs(NamedTuple):
    """A column of structures, field by field."""

    fields: Mapping[str, "Values"]


Values: TypeAlias = (
    NDArray[np.int64] | NDArray[np.float64] | NDArray[np.float32] | Words | Lists | Structs | list[bytes]
)
Block: TypeAlias = dict[str, Values]
"""Rows of a table, column by column. Times are int64 nanoseconds; those kept as timestamps are microseconds."""


class Correction(NamedTuple):
    """A row of the table of corrections."""

    asset: str
    time_ns: int
    kind: str
    sensor: str = ""
    source: str = ""
    text: str = ""
    about_ns: int = 0
    stands_for: int = 0
    by: str = ""
    note: str = ""
    raw: bytes = b""


class _Index:
    """Gives each word a number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def codes(self, words: Iterable[str]) -> NDArray[np.int32]:
        numbers = self._numbers
        return np.array([numbers.setdefault(word, len(numbers)) for word in words], np.int32)

    def words(self, codes: NDArray[np.int32]) -> Words:
        return Words(list(self._numbers) or [""], codes)


class _Tables:
    """The sensors of many messages in one list: of each message, where its own begin."""

    def __init__(self) -> None:
        self._index = _Index()
        self._starts: dict[tuple[str, ...], int] = {}
        self._codes: list[NDArray[np.int32]] = []
        self._end = 0

    def starts(self, several: Iterable[tuple[str, ...]]) -> NDArray[np.int64]:
        return np.array([self._start(sensors) for sensors in several], np.int64)

    def words(self, places: NDArray[np.int64]) -> Words:
        codes = np.concatenate(self._codes) if self._codes else np.empty(0, np.int32)
        return self._index.words(codes[places])

    def _start(self, sensors: tuple[str, ...]) -> int:
        if sensors not in self._starts:
            self._starts[sensors] = self._end
            self._codes.append(self._index.codes(sensors))
            self._end += len(sensors)
        return self._starts[sensors]


def words(column: Iterable[str]) -> Words:
    """Return a column of words."""
    index = _Index()
    return index.words(index.codes(column))


def readings_block(batches: Iterable[Batch]) -> Block:
    """Return the readings of batches, asset by asset."""
    ordered = _by_asset((batch.key, batch) for batch in batches if batch.value)
    chosen = [batch for _, batch in ordered]
    counts = np.array([len(batch.value) // 8 for batch in chosen], np.int64)
    sensors = _Tables()
    starts = sensors.starts(batch.sensors for batch in chosen)
    return {
        **_head(_spread(words(name for name, _ in ordered), counts), _joined((b.time_ns for b in chosen), "<i8")),
        "sensor": sensors.words(np.repeat(starts, counts) + _joined((batch.sensor for batch in chosen), "<i8")),
        "value": _joined((batch.value for batch in chosen), "<f8"),
        "quality": _joined((b.quality or _GOOD * (len(b.value) // 8) for b in chosen), "<i8"),
        "source": _spread(words(batch.source for batch in chosen), counts),
        "epoch": np.repeat(np.array([batch.epoch for batch in chosen], np.int64), counts),
        "sequence": np.repeat(np.array([batch.sequence for batch in chosen], np.int64), counts),
        "received": np.repeat(np.array([batch.received_ns for batch in chosen], np.int64) // 1000, counts),
    }


def scores_block(rows: Iterable[tuple[AssetKey, Rows]]) -> Block:
    """Return scored rows, asset by asset; the columns that hold a value for each sensor are lists."""
    ordered = _by_asset((key, one) for key, one in rows if one.quality)
    chosen = [one for _, one in ordered]
    counts = np.array([len(one.quality) for one in chosen], np.int64)
    widths = np.repeat(np.array([len(one.sensors) for one in chosen], np.int64), counts)
    offsets = np.concatenate(([0], np.cumsum(widths)))
    sensors = _Tables()
    starts = np.repeat(sensors.starts(one.sensors for one in chosen), counts)
    places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], widths)
    ends = offsets.astype(np.int32)
    return {
        **_head(_spread(words(name for name, _ in ordered), counts), _joined((one.time_ns for one in chosen), "<i8")),
        "grid_ns": np.repeat(np.array([one.grid_ns for one in chosen], np.int64), counts),
        "score": _joined((one.score for one in chosen), "<f8"),
        "quality": Words(ROW_QUALITIES, _joined((one.quality for one in chosen), "u1").astype(np.int32)),
        "phase": _spread(words(one.phase for one in chosen), counts),
        "model": _spread(words(one.model for one in chosen), counts),
        "sensors": Lists(ends, sensors.words(places)),
        "value": Lists(ends, _joined((one.value for one in chosen), "<f8")),
        "expected": Lists(ends, _joined((one.expected for one in chosen), "<f4")),
        "contribution": Lists(ends, _joined((one.contribution for one in chosen), "<f4")),
    }


def alarms_block(transitions: Iterable[tuple[AssetKey, AlarmEvent]]) -> Block:
    """Return transitions of alarms, asset by asset."""
    ordered = _by_asset(transitions)
    events = [event for _, event in ordered]
    parts = [part for event in events for part in event.contributors]
    ends = np.concatenate(([0], np.cumsum([len(event.contributors) for event in events]))).astype(np.int32)
    contributors: dict[str, Values] = {
        "sensor": words(part.sensor for part in parts),
        "share": np.array([part.share for part in parts], np.float64),
        "actual": np.array([part.actual for part in parts], np.float64),
        "expected": np.array([part.expected for part in parts], np.float64),
        "unit": words(part.unit for part in parts),
    }
    return {
        **_head(words(name for name, _ in ordered), np.array([event.time_ns for event in events], np.int64)),
        "alarm": words(event.alarm_id for event in events),
        "incident": words(event.incident_id for event in events),
        "condition": words(event.condition for event in events),
        "event": words(event.event for event in events),
        "before": words(event.before for event in events),
        "after": words(event.after for event in events),
        "priority": words(event.priority for event in events),
        "reason": words(event.reason for event in events),
        "score": np.array([event.score for event in events], np.float64),
        "threshold": np.array([event.threshold for event in events], np.float64),
        "contributors": Lists(ends, Structs(contributors)),
        "model": words(event.model for event in events),
        "configuration": words(event.configuration for event in events),
        "by": words(event.by for event in events),
        "note": words(event.note for event in events),
    }


def corrections_block(corrections: Iterable[Correction]) -> Block:
    """Return what was not taken as it came, and what else is to be known, asset by asset."""
    chosen = sorted(corrections, key=attrgetter("asset"))
    return {
        **_head(words(one.asset for one in chosen), np.array([one.time_ns for one in chosen], np.int64)),
        "kind": words(one.kind for one in chosen),
        "sensor": words(one.sensor for one in chosen),
        "source": words(one.source for one in chosen),
        "text": words(one.text for one in chosen),
        "about_ns": np.array([one.about_ns for one in chosen], np.int64),
        "count": np.array([one.stands_for for one in chosen], np.int64),
        "by": words(one.by for one in chosen),
        "note": words(one.note for one in chosen),
        "raw": [one.raw for one in chosen],
    }


def taken(block: Block, rows: NDArray[np.intp]) -> Block:
    """Return some rows of a block."""
    return {name: _taken(values, rows) for name, values in block.items()}


def _taken(values: Values, rows: NDArray[np.intp]) -> Values:
    match values:
        case Words():
            return Words(values.words, values.codes[rows])
        case Structs():
            return Structs({name: _taken(field, rows) for name, field in values.fields.items()})
        case Lists():
            sizes = np.diff(values.offsets)[rows]
            ends = np.concatenate(([0], np.cumsum(sizes)))
            places = np.arange(ends[-1]) + np.repeat(values.offsets[:-1][rows] - ends[:-1], sizes)
            return Lists(ends.astype(np.int32), _taken(values.values, places))
        case list():
            return [values[row] for row in rows.tolist()]
        case _:
            return values[rows]


def corrections_of(commit: Commit) -> list[Correction]:
    """Return the corrections that a commit tells of."""
    return [one for outcome in commit.assets for one in _corrections(outcome, commit.now_ns)]


def _corrections(outcome: AssetOutcome, now_ns: int) -> list[Correction]:
    name = str(outcome.key)
    return [
        *(_notice(name, notice, now_ns) for notice in outcome.notices),
        *(_set_aside(name, source, record, now_ns) for source, record in outcome.set_aside),
        *_corrected(name, outcome.rows),
    ]


def _notice(name: str, notice: Notice, now_ns: int) -> Correction:
    return Correction(
        name,
        now_ns or notice.time_ns,
        notice.kind,
        notice.sensor,
        text=notice.text,
        about_ns=notice.time_ns,
        by=notice.by,
        note=notice.note,
    )


def _set_aside(name: str, source: str, record: SetAside, now_ns: int) -> Correction:
    return Correction(
        name, now_ns, "set-aside", record.sensor, source, record.reason, stands_for=record.count, raw=record.raw
    )


def _corrected(name: str, rows: Rows | None) -> list[Correction]:
    if rows is None:
        return []
    times = rows.times()[rows.qualities() == _CORRECTED].tolist()
    return [
        Correction(name, time_ns, "row-corrected", about_ns=time_ns, stands_for=len(rows.sensors)) for time_ns in times
    ]


def _by_asset(pairs: Iterable[tuple[AssetKey, _Thing]]) -> list[tuple[str, _Thing]]:
    """Sort by the name of the asset; what is of one asset stays in the order of the stream."""
    return sorted(((str(key), thing) for key, thing in pairs), key=itemgetter(0))


def _head(asset: Words, time_ns: NDArray[np.int64]) -> Block:
    return {"day": time_ns // DAY_NS, "asset": asset, "time": time_ns // 1000, "time_ns": time_ns}


def _spread(column: Words, counts: NDArray[np.int64]) -> Words:
    return Words(column.words, np.repeat(column.codes, counts))


def _joined(columns: Iterable[bytes], dtype: str) -> NDArray:  # type: ignore[type-arg]  # the type is in the argument
    return np.frombuffer(b"".join(columns), dtype)
