"""Rows of a payload become the columns of a batch; a value that is no reading is set aside, the rest is taken."""

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from iot_edge_anomaly.connectors.misspelt import time_meant
from iot_edge_anomaly.connectors.times import EARLIEST_NS, time_ns
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Batch, Quality, SetAside
from iot_edge_anomaly.core.names import AssetKey, sensor_name

MAX_SENSORS = 5_000
MAX_RECORDS = 1_000
"""Values set aside that get a record of their own; what is more shares one."""

LARGEST = 1e300
AHEAD_NS = 60 * 10**9
TIMES_NS = range(1 << 63)
"""What a time column can hold: 1970 to 2262."""
RAW_BYTES = 1024

_NUMBERS = frozenset((float, int, bool))
_NO_NUMBER: dict[type, str] = {type(None): "missing", str: "text", list: "a list", dict: "an object"}
_GOOD = int(Quality.GOOD)
_QUALITIES = {quality.name.lower(): int(quality) for quality in Quality}
_known_name = lru_cache(maxsize=16_384)(sensor_name)


class Columns:
    """Collects the readings of one asset, row by row.

    A live row was measured between the year 2000 and a minute from now; a row of a file at any time. A row without a
    time was measured when it was received, unless it `needs_time`.
    """

    def __init__(
        self, received_ns: int, set_aside: Sequence[SetAside] = (), *, live: bool = True, needs_time: bool = False
    ) -> None:
        self._received_ns = received_ns
        self._live = live
        self._needs_time = needs_time
        self._index: dict[str, int] = {}
        self._sensors: dict[str, int] = {}
        self._times: list[int] = []
        self._which: list[int] = []
        self._values: list[float] = []
        self._qualities: dict[int, int] = {}
        self._set_aside = list(set_aside)
        self._further = 0

    def add(self, number: int, row: Any) -> None:
        """Take a row in, and use it up: `time` or `timestamp`, and a value a sensor."""
        if type(row) is not dict:
            self._put_aside(number, "", "row is no object", row, 1)
            return
        given = row.pop("time", None)
        if given is None and "timestamp" in row:
            given = row.pop("timestamp")
        try:
            time = self._received_without_time(row) if given is None else self._checked_time(given)
        except RejectedError as error:
            self._put_aside(number, "", str(error), {"time": given, **row}, len(row))
            return
        index, times, which, values = self._index, self._times, self._which, self._values
        for name, value in row.items():
            is_number = type(value) in _NUMBERS and -LARGEST <= value <= LARGEST
            try:
                taken, quality = (value, _GOOD) if is_number else _reading(value)
                at = index.get(name)
                if at is None:
                    at = self._sensor(name)
            except RejectedError as error:
                self._put_aside(number, name, str(error), value, 1)
                continue
            if quality != _GOOD:
                self._qualities[len(values)] = quality
            times.append(time)
            which.append(at)
            values.append(taken)

    def batch(self, key: AssetKey, source: str, epoch: int, sequence: int) -> Batch:
        """Return what was collected. Raises RejectedError when it is of too many sensors."""
        if len(self._sensors) > MAX_SENSORS:
            raise RejectedError(f"more than {MAX_SENSORS} sensors in one payload: send them in several")
        count = len(self._values)
        set_aside = self._set_aside
        if self._further:
            set_aside = [*set_aside, SetAside(-1, "", "more values set aside than are listed", b"", self._further)]
        return Batch(
            key.tenant,
            key.asset,
            source,
            epoch,
            sequence,
            self._received_ns,
            tuple(self._sensors),
            struct.pack(f"<{count}q", *self._times),
            struct.pack(f"<{count}q", *self._which),
            struct.pack(f"<{count}d", *self._values),
            self._quality_column(count),
            tuple(set_aside),
        )

    def _received_without_time(self, row: dict[object, object]) -> int:
        if (name := time_meant(row)) is not None:
            raise RejectedError(f"{_shown(name)!r} looks like a time: call it 'time' or 'timestamp'")
        if self._needs_time:
            raise RejectedError("it has no time, and when a retained or mended message was measured is not known")
        return self._received_ns

    def _checked_time(self, given: object) -> int:
        time = time_ns(given)
        if not self._live:
            if time not in TIMES_NS:
                raise RejectedError("time is not between the years 1970 and 2262")
            return time
        if time < EARLIEST_NS:
            raise RejectedError("time is before the year 2000")
        if time > self._received_ns + AHEAD_NS:
            raise RejectedError("time is more than 60 s in the future")
        return time

    def _sensor(self, name: Any) -> int:
        if not isinstance(name, str):  # MessagePack has keys of any kind
            raise RejectedError("sensor name is no text")
        at = self._sensors.setdefault(_known_name(name), len(self._sensors))
        self._index[name] = at
        return at

    def _put_aside(self, row: int, sensor: object, reason: str, raw: object, count: int) -> None:
        if not count:
            return
        if len(self._set_aside) < MAX_RECORDS:
            self._set_aside.append(SetAside(row, _shown(sensor), reason, _raw(raw), count))
        else:
            self._further += count

    def _quality_column(self, count: int) -> bytes:
        if not self._qualities:
            return b""
        codes = [self._qualities.get(number, _GOOD) for number in range(count)]
        return struct.pack(f"<{count}q", *codes)


def _reading(given: Any) -> tuple[float, int]:
    if type(given) in _NUMBERS:
        return _number(given), _GOOD
    if isinstance(given, dict) and "value" in given and given.keys() <= {"value", "quality"}:
        return _number(given["value"]), _quality(given.get("quality", _GOOD))
    return _number(given), _GOOD


def _number(given: Any) -> float:
    if type(given) in _NUMBERS:
        if -LARGEST <= given <= LARGEST:
            return float(given)
        raise RejectedError(f"value is not finite or beyond {LARGEST:g}")
    raise RejectedError(f"value is {_NO_NUMBER.get(type(given), 'no number')}")


def _quality(given: object) -> int:
    if isinstance(given, str) and given.lower() in _QUALITIES:
        return _QUALITIES[given.lower()]
    if type(given) is int and 0 <= given <= 255:
        return given
    raise RejectedError("quality is neither good, uncertain, bad nor a code from 0 to 255")


def _shown(name: object) -> str:
    return str(name).encode("utf-8", "backslashreplace")[:128].decode("utf-8", "ignore")


def _raw(value: object) -> bytes:
    if type(value) is float:
        return repr(value).encode()  # JSON has no word for what is not finite
    try:
        return msgspec.json.encode(value)[:RAW_BYTES]
    except (TypeError, ValueError, RecursionError):
        return b"(cannot be shown)"
