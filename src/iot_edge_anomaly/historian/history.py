"""Reads the tables of history: trends for charts. Needs the extra `history`.

All calls wait for the disk: call them in a thread. They may be made while the writer works and tidies up: what it puts
aside stays there for an hour.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from arro3.core import Array, DataType, Table, dictionary_dictionary, dictionary_indices, list_flatten, list_offsets
from deltalake import DeltaTable
from numpy.typing import NDArray

from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import ROW_QUALITIES, RowQuality
from iot_edge_anomaly.core.stretch import Stretch, joined, widened
from iot_edge_anomaly.historian.reading import days_of, opened, read
from iot_edge_anomaly.historian.schema import SCORES
from iot_edge_anomaly.historian.sql import day_of, on_days, within

ROWS_AT_ONCE = 1_000_000
MORE_DAYS = 4
_COLUMNS = ["time_ns", "score", "quality", "sensors", "value", "expected", "contribution"]
_Number = TypeVar("_Number", np.float32, np.float64)
_WORDS = DataType.dictionary(DataType.int32(), DataType.string())


class Fused(NamedTuple):
    """All rows of an asset in the order of time, as they were fused: n rows by k sensors; NaN: missing.

    `quality` uint8 (n,), index into ROW_QUALITIES.
    """

    sensors: tuple[str, ...]
    time_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    quality: NDArray[np.uint8]


class History:
    """The tables of a folder; where there are none yet, nothing is known of any asset."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def trend(self, key: AssetKey, since_ns: int, until_ns: int, most_points: int) -> Stretch | None:
        """Return the rows of an asset from a time on and before another, thinned to at most so many points (4 or more).

        A chart of them looks like a chart of all (M4). None where there are no rows. Raises UnavailableError.
        """
        return read(self._folder, lambda: self._trend(key, since_ns, until_ns, most_points))

    def span(self, key: AssetKey) -> tuple[int, int] | None:
        """Return the times of the first and the last row of an asset. Raises UnavailableError."""
        return read(self._folder, lambda: self._span(key))

    def fused(self, key: AssetKey, since_ns: int, until_ns: int) -> Fused | None:
        """Return every row of an asset from a time on and before another. None where there are no rows.

        Takes 9 + 8 k bytes a row. Raises UnavailableError.
        """
        return read(self._folder, lambda: self._fused(key, since_ns, until_ns))

    def newest_assets(self) -> list[str]:
        """Return the full names of the assets that have rows on the last day. Raises UnavailableError."""
        return read(self._folder, self._newest_assets)

    def _fused(self, key: AssetKey, since_ns: int, until_ns: int) -> Fused | None:
        table = opened(self._folder / SCORES)
        found = [] if table is None else [_of_stretch(part) for part in _parts(table, key, since_ns, until_ns)]
        if not found:
            return None
        sensors = tuple(dict.fromkeys(name for part in found for name in part.sensors))
        return Fused(
            sensors,
            np.concatenate([part.time_ns for part in found]),
            np.concatenate([widened(part.values, part.sensors, sensors) for part in found]),
            np.concatenate([part.quality for part in found]),
        )

    def _newest_assets(self) -> list[str]:
        table = opened(self._folder / SCORES)
        days = [] if table is None else days_of(table)
        if table is None or not days:
            return []
        names, _ = _coded(
            table.scan(["asset"], on_days(days[-1], days[-1])).read_all().column("asset").combine_chunks()
        )
        return sorted(names)

    def _trend(self, key: AssetKey, since_ns: int, until_ns: int, most_points: int) -> Stretch | None:
        table = opened(self._folder / SCORES)
        if table is None:
            return None
        parts = [part.thin(most_points) for part in _parts(table, key, since_ns, until_ns)]
        return joined(parts).thin(most_points) if parts else None

    def _span(self, key: AssetKey) -> tuple[int, int] | None:
        table = opened(self._folder / SCORES)
        if table is None:
            return None
        days = days_of(table)
        first = next((ends for day in days if (ends := _ends(table, key, day))), None)
        last = next((ends for day in reversed(days) if (ends := _ends(table, key, day))), None)
        return None if first is None or last is None else (first[0], last[1])


def _parts(table: DeltaTable, key: AssetKey, since_ns: int, until_ns: int) -> Iterator[Stretch]:
    """Yield the rows in parts of some days, as many as keep the number of rows bounded."""
    days = [day for day in days_of(table) if day_of(since_ns) <= day <= day_of(until_ns)]
    start, count = 0, 1
    while start < len(days):
        chosen = days[start : start + count]
        where = f"{on_days(chosen[0], chosen[-1])} AND {within(str(key), since_ns, until_ns)}"
        rows = table.scan(_COLUMNS, where).read_all()
        if len(rows):
            yield _stretch(rows)
        start += count
        count = max(min(MORE_DAYS * count, ROWS_AT_ONCE * count // max(len(rows), 1)), 1)


def _of_stretch(part: Stretch) -> Fused:
    return Fused(part.sensors, part.times, part.values, part.quality)


def _ends(table: DeltaTable, key: AssetKey, day: date) -> tuple[int, int] | None:
    rows = table.scan(["time_ns"], f"{on_days(day, day)} AND {within(str(key))}").read_all()
    if not len(rows):
        return None
    times = rows.column("time_ns").to_numpy()
    return int(times.min()), int(times.max())


def _stretch(rows: Table) -> Stretch:
    times = rows.column("time_ns").to_numpy()
    lists = rows.column("sensors").combine_chunks()
    names, codes = _coded(list_flatten(lists))
    widths, first = np.diff(list_offsets(lists).to_numpy()), codes[: len(names)]
    is_whole = bool((widths == len(names)).all() and (codes.reshape(len(times), -1) == first).all())
    places = None if is_whole else (np.repeat(np.arange(len(times)), widths), codes)
    words, qualities = _coded(rows.column("quality").combine_chunks())
    code_of = np.array([ROW_QUALITIES.index(RowQuality(word)) for word in words], np.uint8)
    whole = Stretch(
        tuple(names[code] for code in first) if is_whole else tuple(names),
        times,
        rows.column("score").to_numpy(),
        _matrix(rows, "value", np.dtype(np.float64), len(names), places),
        _matrix(rows, "expected", np.dtype(np.float32), len(names), places),
        _matrix(rows, "contribution", np.dtype(np.float32), len(names), places),
        code_of[qualities],
    )
    return whole if (np.diff(times) >= 0).all() else whole.at(np.argsort(times, kind="stable"))


def _matrix(
    rows: Table, name: str, dtype: np.dtype[_Number], width: int, places: tuple[NDArray[Any], NDArray[Any]] | None
) -> NDArray[_Number]:
    """Return lists as rows by sensors; `places` says which cell each value is of, where rows lack some sensors."""
    flat = list_flatten(rows.column(name).combine_chunks()).to_numpy()
    if places is None:
        return flat.reshape(-1, width)
    filled = np.full((len(rows), width), np.nan, dtype)
    filled[places] = flat
    return filled


def _coded(words: Array) -> tuple[list[str], NDArray[np.int32]]:
    """Return the different words, and for each place which one stands there."""
    coded = words.cast(_WORDS)
    return list(dictionary_dictionary(coded).to_pylist()), dictionary_indices(coded).to_numpy()
