"""What the pipeline remembers of an asset and of a partition, and how that is written down."""

from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.alarms.book import AlarmBook
from iot_edge_anomaly.alarms.feedback import CALIBRATED
from iot_edge_anomaly.component.detector import Detector, DetectorState
from iot_edge_anomaly.core.errors import FatalError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmLevel, Phase
from iot_edge_anomaly.detection.drift import Watch
from iot_edge_anomaly.pipeline.agreeing import Fusing
from iot_edge_anomaly.pipeline.identity import Identity
from iot_edge_anomaly.pipeline.operating import Operating
from iot_edge_anomaly.pipeline.profile import Profile
from iot_edge_anomaly.pipeline.settings import AssetRule

SCHEMA = 2
LONG_AGO_NS = -(1 << 62)


class Source(msgspec.Struct, array_like=True):
    """One source of an asset: its numbering, and how far its event time has come."""

    identity: Identity = msgspec.field(default_factory=Identity)
    latest_ns: int = LONG_AGO_NS
    is_idle: bool = False
    number: int = 0


class Learning(msgspec.Struct, array_like=True):
    """What has been gathered towards a fit. `since_seq` 0: nothing to be learned.

    `spans`: first and last time of each run of rows that may be learned from, and how many there are. Where a sensor
    tells the state, a run is of one state: `states` has it. `unanswered` counts such rows since a model was asked for.
    `least_ns`: how long the first and the last row must be apart at least.
    """

    since_seq: int = 0
    why: str = ""
    needed: int = 0
    rows: int = 0
    spans: list[tuple[int, int, int]] = []
    is_open: bool = False
    is_asked: bool = False
    unanswered: int = 0
    states: list[float] = []
    state_sensor: str = ""
    least_ns: int = 0


@dataclass
class Channels:
    """What is remembered of each sensor; one entry a sensor.

    The value that is held and its time, the value last read and since when it reads so, the event time of the last
    reading, the receipt time of the last message, whether it has vanished.
    """

    last_value: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    last_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    raw_value: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    changed_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    seen_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    heard_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    has_vanished: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))

    def grow(self, by: int) -> None:
        """Add sensors of which nothing is known."""
        for name, column in vars(self).items():
            unknown = {"f": np.nan, "i": LONG_AGO_NS, "b": False}[column.dtype.kind]
            setattr(self, name, np.append(column, np.full(by, unknown, column.dtype)))

    def to_bytes(self) -> tuple[bytes, ...]:
        """Write the columns."""
        return tuple(column.tobytes() for column in vars(self).values())

    @classmethod
    def from_bytes(cls, stored: tuple[bytes, ...]) -> "Channels":
        """Read what `to_bytes` wrote. Raises ValueError if columns are missing or broken."""
        kinds = [column.dtype for column in vars(cls()).values()]
        return cls(*(np.frombuffer(data, kind).copy() for data, kind in zip(stored, kinds, strict=True)))


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
    """One asset. `channels` are in the order of `sensors`."""

    key: AssetKey
    profile: Profile
    sensors: list[str] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    waiting: Waiting = field(default_factory=Waiting)
    closed_ns: int = LONG_AGO_NS
    channels: Channels = field(default_factory=Channels)
    book: AlarmBook = field(default_factory=AlarmBook)
    phase: Phase = Phase.LEARNING
    model: str = ""
    learning: Learning = field(default_factory=Learning)
    detector: Detector | None = None
    detector_state: DetectorState | None = None
    stored_detector_state: bytes = b""
    drift: Watch | None = None
    stored_drift: bytes = b""
    operating: Operating = field(default_factory=Operating)
    fused: dict[str, Fusing] = field(default_factory=dict)
    columns: dict[tuple[str, ...], NDArray[np.int64]] = field(default_factory=dict)

    def add_sensors(self, names: list[str]) -> None:
        """Give new sensors their columns."""
        if not names:
            return
        self.sensors += names
        self.columns.clear()
        self.channels.grow(len(names))
        self.profile = self.profile.for_sensors(tuple(self.sensors))

    def forget_detector(self) -> None:
        """Start scoring anew, and watching for drift; another model may know other states."""
        self.detector, self.detector_state, self.stored_detector_state = None, None, b""
        self.drift, self.stored_drift = None, b""
        self.operating = msgspec.structs.replace(self.operating, told=())

    @property
    def vanished(self) -> set[str]:
        """The sensors that have not been read for long."""
        return {sensor for sensor, gone in zip(self.sensors, self.channels.has_vanished, strict=True) if gone}

    @property
    def last_ns(self) -> NDArray[np.int64]:
        """The event time of each sensor's value."""
        return self.channels.last_ns

    @property
    def heard_ns(self) -> NDArray[np.int64]:
        """The receipt time of the last message with a reading of each sensor."""
        return self.channels.heard_ns

    def heard(self) -> dict[str, int]:
        """Return for each sensor that was ever heard when that was last."""
        pairs = zip(self.sensors, self.heard_ns.tolist(), strict=True)
        return {sensor: at_ns for sensor, at_ns in pairs if at_ns > LONG_AGO_NS}

    @property
    def last_heard_ns(self) -> int:
        """The receipt time of the last message."""
        return int(self.channels.heard_ns.max(initial=LONG_AGO_NS))

    @property
    def progress(self) -> float:
        """The learned share of what a first fit needs."""
        if self.phase is Phase.CALIBRATED:
            return 1.0
        learning = self.learning
        rows = learning.rows / max(learning.needed or self.profile.learn_rows, 1)
        watched_ns = learning.spans[-1][1] - learning.spans[0][0] if learning.spans else 0
        return min(rows, watched_ns / learning.least_ns if learning.least_ns else 1.0, 1.0)

    @property
    def alarm_level(self) -> AlarmLevel | None:
        """What the score has to pass for an alarm; None: 1, as the model is calibrated."""
        verdicts = self.book.verdicts
        return None if verdicts.level == CALIBRATED else AlarmLevel(verdicts.level, verdicts.given)


@dataclass
class PartitionState:
    """All assets of a partition, the rules they follow, the time of the last tick, and since when ticks came."""

    assets: dict[AssetKey, Asset] = field(default_factory=dict)
    rules: tuple[AssetRule, ...] = ()
    version: str = ""
    now_ns: int = 0
    listening_ns: int = 0
    dirty: set[AssetKey] = field(default_factory=set)


class _AssetRecord(msgspec.Struct, array_like=True):
    schema: int
    sensors: list[str]
    sources: dict[str, Source]
    waiting: tuple[bytes, bytes, bytes, bytes]
    closed_ns: int
    channels: tuple[bytes, ...]
    book: AlarmBook
    phase: Phase
    model: str
    learning: Learning
    detector_state: bytes
    drift: bytes = b""
    operating: Operating = Operating()
    fused: dict[str, Fusing] = {}


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
        asset.channels.to_bytes(),
        asset.book,
        asset.phase,
        asset.model,
        asset.learning,
        asset.stored_detector_state if state is None else state.to_bytes(),
        asset.stored_drift if asset.drift is None else asset.drift.to_bytes(),
        asset.operating,
        asset.fused,
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
    return Asset(
        key,
        profile.for_sensors(tuple(record.sensors)),
        record.sensors,
        record.sources,
        waiting,
        record.closed_ns,
        Channels.from_bytes(record.channels),
        record.book,
        record.phase,
        record.model,
        record.learning,
        stored_detector_state=record.detector_state,
        stored_drift=record.drift,
        operating=record.operating,
        fused=record.fused,
    )
