"""What stands in a READINGS message: batches of readings, control messages and ticks, in one order a partition.

Values only; the wire form is `bus/codec.py`. Columns are little-endian bytes so that decoding copies nothing.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.core.names import AssetKey

UNNUMBERED = -1
"""The sequence of a batch whose sender counts nothing."""


class Quality(IntEnum):
    """How far a source vouches for a reading: the major codes of OPC. Any code between keeps its meaning."""

    BAD = 0
    UNCERTAIN = 64
    GOOD = 192


class SetAside(msgspec.Struct, frozen=True, array_like=True):
    """A record that could not be taken as a reading, kept for a person to look at.

    `row` and `sensor` say where in the payload (-1 and "" when all of it is meant); `raw` holds at most its first
    1,024 bytes; `count` is how many values it stands for in the conservation sum.
    """

    row: int
    sensor: str
    reason: str
    raw: bytes = b""
    count: int = 1


class Batch(msgspec.Struct, frozen=True, array_like=True, tag="batch"):
    """Readings of one asset from one source, as they came in.

    `time_ns` int64 (UTC), `sensor` int64 (index into `sensors`), `value` float64, `quality` int64 (empty: all good);
    all columns have one entry a reading. (tenant, source, asset, epoch, sequence) is the identity of the batch; an
    unnumbered batch has sequence -1, and its readings are identified by (sensor, time).
    """

    tenant: str
    asset: str
    source: str
    epoch: int
    sequence: int
    received_ns: int
    sensors: tuple[str, ...]
    time_ns: bytes
    sensor: bytes
    value: bytes
    quality: bytes = b""
    set_aside: tuple[SetAside, ...] = ()

    @property
    def key(self) -> AssetKey:
        """The asset these readings are of."""
        return AssetKey(self.tenant, self.asset)

    @property
    def accepted(self) -> int:
        """How many values were taken in, those set aside among them."""
        return len(self.value) // 8 + sum(record.count for record in self.set_aside)

    def times(self) -> NDArray[np.int64]:
        """Event times, ns UTC."""
        return np.frombuffer(self.time_ns, "<i8")

    def sensor_indices(self) -> NDArray[np.int64]:
        """Index into `sensors`, one a reading."""
        return np.frombuffer(self.sensor, "<i8")

    def values(self) -> NDArray[np.float64]:
        """Readings as they came in; may be non-finite."""
        return np.frombuffer(self.value, "<f8")

    def qualities(self) -> NDArray[np.int64]:
        """Quality codes, one a reading."""
        if not self.quality:
            return np.full(len(self.value) // 8, int(Quality.GOOD), np.int64)
        return np.frombuffer(self.quality, "<i8")


def batch_of(
    key: AssetKey,
    source: str,
    readings: Sequence[tuple[int, str, float]],
    *,
    received_ns: int,
    epoch: int = 0,
    sequence: int = UNNUMBERED,
    quality: Iterable[int] | None = None,
    set_aside: tuple[SetAside, ...] = (),
) -> Batch:
    """Pack (time_ns, sensor, value) triples into a batch."""
    sensors = tuple(dict.fromkeys(sensor for _, sensor, _ in readings))
    index = {sensor: number for number, sensor in enumerate(sensors)}
    return Batch(
        key.tenant,
        key.asset,
        source,
        epoch,
        sequence,
        received_ns,
        sensors,
        np.array([time for time, _, _ in readings], "<i8").tobytes(),
        np.array([index[sensor] for _, sensor, _ in readings], "<i8").tobytes(),
        np.array([value for _, _, value in readings], "<f8").tobytes(),
        b"" if quality is None else np.array(list(quality), "<i8").tobytes(),
        set_aside,
    )


class Tick(msgspec.Struct, frozen=True, array_like=True, tag="tick"):
    """The wall clock as input: one a second a partition, so that silence and timers replay exactly.

    `resumed`: the first one of a worker. Nobody may have listened before it: that is no silence of a sensor.
    """

    now_ns: int
    resumed: bool = False


class SourceIdle(msgspec.Struct, frozen=True, array_like=True, tag="source-idle"):
    """A source has stopped sending: the watermark of its asset no longer waits for it."""

    tenant: str
    asset: str
    source: str
    at_ns: int


class ModelActivated(msgspec.Struct, frozen=True, array_like=True, tag="model-activated"):
    """From here on this asset is scored by the model with this digest.

    `note`: what a person should know of the rows that it was learned from.
    """

    tenant: str
    asset: str
    digest: str
    at_ns: int
    by: str = "trainer"
    note: str = ""


class FitFailed(msgspec.Struct, frozen=True, array_like=True, tag="fit-failed"):
    """The trainer could not fit what was asked; the asset gathers rows anew, more of them where that may help."""

    tenant: str
    asset: str
    reason: str
    at_ns: int
    wants_more: bool = True


class Acknowledge(msgspec.Struct, frozen=True, array_like=True, tag="acknowledge"):
    """A person has seen this alarm (or, with `alarm_id` empty, all alarms of the asset)."""

    tenant: str
    asset: str
    alarm_id: str
    at_ns: int
    by: str
    note: str = ""


class Shelve(msgspec.Struct, frozen=True, array_like=True, tag="shelve"):
    """Silence one condition of an asset until `until_ns`; an `until_ns` not after `at_ns` ends it."""

    tenant: str
    asset: str
    condition: str
    until_ns: int
    at_ns: int
    by: str
    reason: str = ""


class Maintenance(msgspec.Struct, frozen=True, array_like=True, tag="maintenance"):
    """The asset is being worked on until `until_ns`: no alarms, nothing learned. Not after `at_ns`: it is over."""

    tenant: str
    asset: str
    until_ns: int
    at_ns: int
    by: str
    reason: str = ""


class Feedback(msgspec.Struct, frozen=True, array_like=True, tag="feedback"):
    """A person's verdict on an alarm; of a score alarm it moves the level that the score has to pass."""

    tenant: str
    asset: str
    alarm_id: str
    was_right: bool
    at_ns: int
    by: str
    note: str = ""


class NewNormal(msgspec.Struct, frozen=True, array_like=True, tag="new-normal"):
    """What the asset does from `at_ns` on is normal: learn it anew."""

    tenant: str
    asset: str
    at_ns: int
    by: str
    reason: str = ""


class Noted(msgspec.Struct, frozen=True, array_like=True, tag="noted"):
    """Somebody did something to the asset that is no message of its own, such as setting limits: keep it in mind."""

    tenant: str
    asset: str
    kind: str
    sensor: str
    text: str
    at_ns: int
    by: str
    note: str = ""


class PlantConfigured(msgspec.Struct, frozen=True, array_like=True, tag="plant-configured"):
    """The rules that assets of this partition follow from here on; `rules` is for `pipeline/settings.py` to read."""

    version: str
    rules: bytes
    at_ns: int


AssetControl = (
    SourceIdle | ModelActivated | FitFailed | Acknowledge | Shelve | Maintenance | Feedback | NewNormal | Noted
)
"""Control messages that concern one asset."""

Item = (
    Batch
    | Tick
    | SourceIdle
    | ModelActivated
    | FitFailed
    | Acknowledge
    | Shelve
    | Maintenance
    | Feedback
    | NewNormal
    | Noted
    | PlantConfigured
)
"""Anything that may stand in a READINGS message."""


class Envelope(msgspec.Struct, frozen=True):
    """One READINGS message: what one publish brought, and its place in the stream (0: not stored yet)."""

    items: tuple[Item, ...]
    seq: int = 0
