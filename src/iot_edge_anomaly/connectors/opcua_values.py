"""What an OPC UA server tells of variables becomes readings, or is set aside and says why. Pure; knows no library."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from iot_edge_anomaly.connectors.rows import RAW_BYTES, Columns
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Batch, Quality, SetAside
from iot_edge_anomaly.core.names import AssetKey

MOST_ELEMENTS = 64
"""Of an array: a longer one is a waveform or a recipe, not so many sensors."""

MOST_VALUES = 1_000
"""Values that share a batch, but for the last array."""

_INFO_IS_OF_A_VALUE = 0x0400
_OVERFLOW = 0x0080
_NULL_YEAR = 1601
"""A time of that year says that there is none."""

_SUBSTATUS = {
    0x0096: 0x18,  # GoodLocalOverride
    0x408F: 0x04,  # UncertainNoCommunicationLastUsableValue
    0x4090: 0x04,  # UncertainLastUsableValue
    0x4093: 0x10,  # UncertainSensorNotAccurate
    0x4094: 0x14,  # UncertainEngineeringUnitsExceeded
    0x4095: 0x18,  # UncertainSubNormal
    0x8031: 0x18,  # BadNoCommunication
    0x8032: 0x20,  # BadWaitingForInitialData
    0x8089: 0x04,  # BadConfigurationError
    0x808A: 0x08,  # BadNotConnected
    0x808B: 0x0C,  # BadDeviceFailure
    0x808C: 0x10,  # BadSensorFailure
    0x808D: 0x1C,  # BadOutOfService
}
"""The upper half of a status code, and the bits that say the same in a quality code (OPC UA part 8, annex A)."""


class Told(NamedTuple):
    """What the server said of a variable: a value (None: none), its status, and when it was so (None: not said)."""

    key: AssetKey
    sensor: str
    value: object
    status: int
    at: datetime | None


Row = dict[str, object]
"""A row as `Columns` takes it: a time, and a value a sensor."""


def quality_of(status: int) -> int:
    """Return the quality code of a status code: its severity, and as much of the rest as the code has room for.

    >>> quality_of(0), quality_of(0x40930000), quality_of(0x80310000), quality_of(0x00000500)
    (192, 80, 24, 193)
    """
    severity = status >> 30 & 3
    major = Quality.GOOD if severity == 0 else Quality.UNCERTAIN if severity == 1 else Quality.BAD
    limits = status >> 8 & 3 if status & 0x0C00 == _INFO_IS_OF_A_VALUE else 0
    return int(major) | _SUBSTATUS.get(status >> 16 & 0xFFFF, 0) | limits


def has_overflown(status: int) -> bool:
    """Tell whether the server's queue had to drop values before this one."""
    return status & 0x0C00 == _INFO_IS_OF_A_VALUE and bool(status & _OVERFLOW)


def time_of(*given: datetime | None) -> datetime | None:
    """Return the first time that is one: that of the source, else that of the server."""
    return next((at for at in given if at is not None and at.year > _NULL_YEAR), None)


def row_of(told: Told) -> Row:
    """Return the row of a value, an array as one sensor an element. Raises RejectedError saying what it is instead."""
    quality = quality_of(told.status)
    row: Row = {} if told.at is None else {"time": told.at}
    if isinstance(told.value, list | tuple):
        for at, element in enumerate(_elements(told.value)):
            row[f"{told.sensor}[{at}]"] = _entry(element, quality)
    else:
        row[told.sensor] = _entry(told.value, quality)
    return row


class Newest:
    """Knows the newest number of each sensor: a server tells it again when somebody comes back, and nothing is new."""

    def __init__(self) -> None:
        self._newest: dict[tuple[AssetKey, str], tuple[float, int, datetime]] = {}

    def is_news(self, told: Told) -> bool:
        """Tell whether it is another than the last one, or of another time, and note it. What has no time is news."""
        if told.at is None or not isinstance(told.value, int | float):
            return True
        which, what = (told.key, told.sensor), (told.value, told.status, told.at)
        is_news = self._newest.get(which) != what
        self._newest[which] = what
        return is_news


class Numbers:
    """Counts the batches of each asset: a batch that is handed in again is known by its number."""

    def __init__(self, source: str, epoch: int) -> None:
        self.source = source
        self.epoch = epoch
        self._next: defaultdict[AssetKey, int] = defaultdict(int)

    def take(self, key: AssetKey) -> int:
        """Return the next number of an asset's batches."""
        number = self._next[key]
        self._next[key] = number + 1
        return number


def batches_of(
    told: Iterable[Told], numbers: Numbers, received_ns: int, name_of: Callable[[int], str] = hex
) -> list[Batch]:
    """Return values as batches, those of an asset together; `name_of` tells what a status code is called."""
    by_asset: dict[AssetKey, list[Told]] = {}
    for each in told:
        by_asset.setdefault(each.key, []).append(each)
    return [
        _batch(key, part, numbers, received_ns) for key, values in by_asset.items() for part in _parts(values, name_of)
    ]


def _parts(values: Sequence[Told], name_of: Callable[[int], str]) -> Iterator[list[Row | SetAside]]:
    """Yield what becomes of values, in parts that are small enough for a batch."""
    part: list[Row | SetAside] = []
    count = 0
    for told in values:
        became = _row_or_refusal(len(part), told, name_of)
        part.append(became)
        count += len(became) - ("time" in became) if isinstance(became, dict) else 1
        if count >= MOST_VALUES:
            yield part
            part, count = [], 0
    if part:
        yield part


def _batch(key: AssetKey, part: Sequence[Row | SetAside], numbers: Numbers, received_ns: int) -> Batch:
    columns = Columns(received_ns, [refused for refused in part if isinstance(refused, SetAside)])
    for number, row in enumerate(part):
        if isinstance(row, dict):
            columns.add(number, row)
    return columns.batch(key, numbers.source, numbers.epoch, numbers.take(key))


def _row_or_refusal(number: int, told: Told, name_of: Callable[[int], str]) -> Row | SetAside:
    try:
        return row_of(told)
    except RejectedError as error:
        status = f" ({name_of(told.status)[:80]})" if told.status else ""
        return SetAside(number, told.sensor, f"{error}{status}", _shown(told.value))


def _entry(value: object, quality: int) -> object:
    number = _number(value)
    return number if quality == Quality.GOOD else {"value": number, "quality": quality}


def _number(value: object) -> float | int:
    if isinstance(value, bool | int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    raise RejectedError(_described(value))


def _described(value: object) -> str:
    if value is None:
        return "there is no value"
    for kind, words in (
        (str, "text"),
        (list | tuple, "an array of more than one dimension"),
        (bytes, "bytes"),
        (datetime, "a time"),
    ):
        if isinstance(value, kind):
            return f"value is {words}"
    return f"value is no number but {type(value).__name__[:40]}"


def _elements(value: Sequence[object]) -> Sequence[object]:
    if not value:
        raise RejectedError("value is an empty array")
    if len(value) > MOST_ELEMENTS:
        raise RejectedError(f"value is an array of {len(value)}, more than {MOST_ELEMENTS}")
    return value


def _shown(value: object) -> bytes:
    if isinstance(value, bytes):
        return bytes(value[:RAW_BYTES])
    if isinstance(value, list | tuple):
        value = value[:MOST_ELEMENTS]
    try:
        return str(value)[:RAW_BYTES].encode("utf-8", "backslashreplace")[:RAW_BYTES]
    except (ValueError, RecursionError):
        return b"(cannot be shown)"
