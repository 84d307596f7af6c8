"""The readings of one message of an edge node, gathered by asset into batches that a message of the stream can hold."""

from collections.abc import Iterator

from iot_edge_anomaly.connectors.rows import RAW_BYTES
from iot_edge_anomaly.connectors.sparkplug_nodes import Definition
from iot_edge_anomaly.connectors.sparkplug_payload import Metric
from iot_edge_anomaly.core.messages import Batch, Item, Quality, SetAside, SourceIdle, batch_of
from iot_edge_anomaly.core.names import AssetKey

SOURCE = "sparkplug"
MOST_READINGS = 2_000
"""Readings of one batch."""
MOST_RECORDS = 100
"""Metrics of one message set aside that get a record of their own; what is more shares one for each asset."""

_GOOD = int(Quality.GOOD)


class Gathered:
    """The readings of one message, by asset, and what of it was set aside."""

    def __init__(self, received_ns: int, asset: AssetKey) -> None:
        self.received_ns = received_ns
        self.dead: dict[AssetKey, None] = {}
        self._asset = asset
        self._readings: dict[AssetKey, list[tuple[int, str, float]]] = {}
        self._qualities: dict[AssetKey, list[int]] = {}
        self._aside: dict[AssetKey, list[SetAside]] = {}
        self._records = 0
        self._further: dict[AssetKey, int] = {}

    def add(self, definition: Definition, time: int, value: float, code: int) -> None:
        """Take a reading."""
        key = definition.key
        assert key is not None
        self._readings.setdefault(key, []).append((time, definition.sensor, value))
        self._qualities.setdefault(key, []).append(code)

    def put_aside(self, row: int, definition: Definition | None, metric: Metric, reason: str) -> None:
        """Set a metric aside."""
        key = definition.key if definition is not None and definition.key is not None else self._asset
        if self._records >= MOST_RECORDS:
            self._further[key] = self._further.get(key, 0) + 1
            return
        self._records += 1
        name = definition.name if definition is not None else _called(metric)
        record = SetAside(row, _shown(name), reason, metric.raw[:RAW_BYTES])
        self._aside.setdefault(key, []).append(record)

    def items(self) -> list[Item]:
        """Return all of it, and word of the assets that went silent."""
        idle = [SourceIdle(key.tenant, key.asset, SOURCE, self.received_ns) for key in self.dead]
        return [*self._batches(), *idle]

    def _batches(self) -> Iterator[Batch]:
        for key in {**self._readings, **self._aside, **self._further}:
            readings, codes = self._readings.get(key, []), self._qualities.get(key, [])
            for start in range(0, max(len(readings), 1), MOST_READINGS):
                part = slice(start, start + MOST_READINGS)
                yield self._batch(key, readings[part], codes[part], () if start else self._set_aside(key))

    def _batch(
        self, key: AssetKey, readings: list[tuple[int, str, float]], codes: list[int], aside: tuple[SetAside, ...]
    ) -> Batch:
        doubted = codes if any(code != _GOOD for code in codes) else None
        return batch_of(key, SOURCE, readings, received_ns=self.received_ns, quality=doubted, set_aside=aside)

    def _set_aside(self, key: AssetKey) -> tuple[SetAside, ...]:
        records = self._aside.get(key, [])
        if further := self._further.get(key, 0):
            records = [*records, SetAside(-1, "", "more metrics set aside than are listed", b"", further)]
        return tuple(records)


def _called(metric: Metric) -> str:
    return metric.name or ("" if metric.alias is None else f"alias {metric.alias}")


def _shown(name: str) -> str:
    return name.encode("utf-8", "backslashreplace")[:128].decode("utf-8", "ignore")
