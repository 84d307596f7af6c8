"""What the pipeline remembers of an asset and of a partition, and how that is written down."""

from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.alarms.book import AlarmBook
from iot_edge_anomaly.component.detector import Detector, DetectorState
from iot_edge_anomaly.core.errors import FatalError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import Phase
from iot_edge_anomaly.pipeline.identity import Identity
from iot_edge_anomaly.pipeline.profile import Profile
from iot_edge_anomaly.pipeline.settings import AssetRule

SCHEMA = 1
LONG_AGO_NS = -(1 << 62)


class Source(msgspec.Struct, array_like=True):
    """One source of an asset: its numbering, and how far its event time has come."""

    identity: Identity = msgspec.field(default_factory=Identity)
    latest_ns: int = LONG_AGO_NS
    is_idle: bool = False
    number: int = 0


class Learning(msgspec.Struct, array_like=True):
    """What has been gathered towards a fit. `since_seq` 0: nothing to be learned."""

    since_seq: int = 0
    rows: int = 0
    needed: int = 0
    spans: list[tuple[int, int]] = []
    is_open: bool = False
    is_asked: bool = False


@dataclass
class Waiting:
    """Readings whose cell is not closed yet, in order of arrival.

    `known` holds (time, sensor) of each, to find repeats of senders that number nothing; None: not worked out yet.
    """

    time_ns: list[NDArray[np.int64]] = field(default_factory=list)
    sensor: list[NDArray[np.int64]] = field(default_factory=list)
    value: list[NDArray[np.float64]] = field(default_factory=list)
    source: list[NDArray[np.int64]] = field(default_factory=list)
    count: int = 0
    known: set[tuple[int, int]] | None = None


@dataclass
class Asset:
    """One asset. Arrays have one entry a sensor, in order of `sensors`."""

    key: AssetKey
    profile: Profile
    sensors: list[str] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    waiting: Waiting = field(default_factory=Waiting)
    closed_ns: int = LONG_AGO_NS
    last_value: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    last_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    raw_value: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    changed_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    heard_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    vanished: set[str] = field(default_factory=set)
    book: AlarmBook = field(default_factory=AlarmBook)
    phase: Phase = Phase.LEARNING
    model: str = ""
    learning: Learning = field(default_factory=Learning)
    detector: Detector | None = None
    detector_state: DetectorState | None = None
    stored_detector_state: bytes = b""
    columns: dict[tuple[str, ...], NDArray[np.int64]] = field(default_factory=dict)

    def add_sensor(self, name: str) -> None:
        """Give a sensor a column."""
        self.sensors.append(name)
        self.last_value = np.append(self.last_value, np.nan)
        self.last_ns = np.append(self.last_ns, LONG_AGO_NS)
        self.raw_value = np.append(self.raw_value, np.nan)
        self.changed_ns = np.append(self.changed_ns, LONG_AGO_NS)
        self.heard_ns = np.append(self.heard_ns, LONG_AGO_NS)
        self.profile = self.profile.for_sensors(tuple(self.sensors))

    @property
    def progress(self) -> float:
        """The learned share of what a first fit needs."""
        if self.phase is Phase.CALIBRATED:
            return 1.0
        return min(self.learning.rows / max(self.learning.needed or self.profile.learn_rows, 1), 1.0)


@dataclass
class PartitionState:
    """All assets of a partition, the rules they follow, and the time of the last tick."""

    assets: dict[AssetKey, Asset] = field(default_factory=dict)
    rules: tuple[AssetRule, ...] = ()
    version: str = ""
    now_ns: int = 0
    dirty: set[AssetKey] = field(default_factory=set)


class _AssetRecord(msgspec.Struct, array_like=True):
    schema: int
    sensors: list[str]
    sources: dict[str, Source]
    waiting: tuple[bytes, bytes, bytes, bytes]
    closed_ns: int
    columns: tuple[bytes, bytes, bytes, bytes, bytes]
    vanished: list[str]
    book: AlarmBook
    phase: Phase
    model: str
    learning: Learning
    detector_state: bytes


def dump_asset(asset: Asset) -> bytes:
    """Write an asset; the same state always gives the same bytes."""
    waiting = asset.waiting
    columns = (waiting.time_ns, waiting.sensor, waiting.value, waiting.source)
    state = asset.detector_state
    record = _AssetRecord(
        SCHEMA,
        asset.sensors,
        asset.sources,
        tuple(b"".join(part.tobytes() for part in column) for column in columns),  # type: ignore[arg-type]  # four
        asset.closed_ns,
        (
            asset.last_value.tobytes(),
            asset.last_ns.tobytes(),
            asset.raw_value.tobytes(),
            asset.changed_ns.tobytes(),
            asset.heard_ns.tobytes(),
        ),
        sorted(asset.vanished),
        asset.book,
        asset.phase,
        asset.model,
        asset.learning,
        asset.stored_detector_state if state is None else state.to_bytes(),
    )
    return msgspec.msgpack.encode(record)


def load_asset(key: AssetKey, data: bytes, profile: Profile) -> Asset:
    """Read an asset back. Raises FatalError when it was written by another version."""
    try:
        record = msgspec.msgpack.decode(data, type=_AssetRecord)
    except msgspec.MsgspecError as error:
        raise FatalError(f"the stored state of {key} cannot be read: {error}") from error
    if record.schema != SCHEMA:
        raise FatalError(f"the stored state of {key} has schema {record.schema}, this program reads {SCHEMA}")
    times, sensors, values, sources = record.waiting
    count = len(times) // 8
    waiting = Waiting(
        [np.frombuffer(times, "<i8")] if count else [],
        [np.frombuffer(sensors, "<i8")] if count else [],
        [np.frombuffer(values, "<f8")] if count else [],
        [np.frombuffer(sources, "<i8")] if count else [],
        count,
    )
    last_value, last_ns, raw_value, changed_ns, heard_ns = record.columns
    return Asset(
        key,
        profile.for_sensors(tuple(record.sensors)),
        record.sensors,
        record.sources,
        waiting,
        record.closed_ns,
        np.frombuffer(last_value, "<f8").copy(),
        np.frombuffer(last_ns, "<i8").copy(),
        np.frombuffer(raw_value, "<f8").copy(),
        np.frombuffer(changed_ns, "<i8").copy(),
        np.frombuffer(heard_ns, "<i8").copy(),
        set(record.vanished),
        record.book,
        record.phase,
        record.model,
        record.learning,
        stored_detector_state=record.detector_state,
    )
