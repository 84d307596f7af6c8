"""What a step of the pipeline concludes: one Commit is one OUTCOMES message.

Values only; the wire form is `bus/codec.py`. A commit is the only trace a step leaves, so views, historian and
`reconcile` are projections of commits and nothing else.
"""

from enum import StrEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.core.messages import SetAside
from iot_edge_anomaly.core.names import AssetKey


class Phase(StrEnum):
    """How much of an asset is known. Only a calibrated asset raises learned alarms; static limits work in all."""

    LEARNING = "learning"
    PROVISIONAL = "provisional"
    CALIBRATED = "calibrated"


class RowQuality(StrEnum):
    """What a scored row stands on. A rejected row has score 0.

    So has one that is not judged, whatever it stands on: in its operating state nothing is, or not yet.
    """

    GOOD = "good"
    CORRECTED = "corrected"
    MISSING = "missing"
    REJECTED = "rejected"
    NOT_JUDGED = "not-judged"


ROW_QUALITIES = tuple(RowQuality)
"""Row qualities in the order of their codes in `Rows.quality`."""


class AlarmState(StrEnum):
    """The states of ISA-18.2 (IEC 62682), figure 3."""

    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out-of-service"


class Priority(StrEnum):
    """How soon a person must act."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Origin(StrEnum):
    """Where an odd row comes from, as far as the sensors tell: one of them is at fault, or the machine is."""

    UNTOLD = ""
    SENSOR = "sensor"
    MACHINE = "machine"


class Rows(msgspec.Struct, frozen=True, array_like=True):
    """The grid rows that a step closed for one asset, n rows by k sensors, row-major little-endian bytes.

    `time_ns` int64 n; `value` float64 n*k (NaN: missing); `score` float64 n (above 1 is odd, never NaN); `quality`
    uint8 n (index into ROW_QUALITIES); `expected` and `contribution` float32 n*k (NaN: not predicted). Each row stands
    for `grid_ns` of time (0: written before this was told).
    """

    sensors: tuple[str, ...]
    time_ns: bytes
    value: bytes
    score: bytes
    quality: bytes
    expected: bytes
    contribution: bytes
    phase: Phase
    model: str = ""
    grid_ns: int = 0

    def times(self) -> NDArray[np.int64]:
        """Start of each grid cell, ns UTC."""
        return np.frombuffer(self.time_ns, "<i8")

    def values(self) -> NDArray[np.float64]:
        """Fused values, n rows by k sensors."""
        return np.frombuffer(self.value, "<f8").reshape(-1, len(self.sensors))

    def scores(self) -> NDArray[np.float64]:
        """Scores, n."""
        return np.frombuffer(self.score, "<f8")

    def qualities(self) -> NDArray[np.uint8]:
        """Codes of row quality, n."""
        return np.frombuffer(self.quality, "u1")

    def expectations(self) -> NDArray[np.float32]:
        """What the model expected, n rows by k sensors."""
        return np.frombuffer(self.expected, "<f4").reshape(-1, len(self.sensors))

    def contributions(self) -> NDArray[np.float32]:
        """Each sensor's share of the score, n rows by k sensors; a row sums to its score."""
        return np.frombuffer(self.contribution, "<f4").reshape(-1, len(self.sensors))


class Contributor(msgspec.Struct, frozen=True, array_like=True):
    """One sensor's part in an alarm: its share of the score (0 to 1), what it read and what was expected."""

    sensor: str
    share: float
    actual: float
    expected: float
    unit: str = ""


class AlarmEvent(msgspec.Struct, frozen=True, array_like=True):
    """One transition of one alarm.

    `alarm_id` stays the same from raised to normal again; `incident_id` is shared by all alarms of an asset that are
    open at the same time. `condition` is `score`, `limit:<sensor>:<HH|H|L|LL>`, `silence:<sensor>` or
    `stuck:<sensor>`. `score` and `threshold` are in the units of the condition; for `score` the threshold is 1, or more
    where people called alarms wrong. `origin` is told where a score raises an alarm, if the sensors tell it.
    """

    alarm_id: str
    incident_id: str
    condition: str
    event: str
    before: AlarmState
    after: AlarmState
    time_ns: int
    priority: Priority
    reason: str
    score: float = 0.0
    threshold: float = 1.0
    contributors: tuple[Contributor, ...] = ()
    model: str = ""
    configuration: str = ""
    by: str = ""
    note: str = ""
    origin: Origin = Origin.UNTOLD


class Notice(msgspec.Struct, frozen=True, array_like=True):
    """Something a person may want to know that is no alarm: `sensor-added`, `sensor-vanished`, `stuck`, `gap`, …

    `by` and `note`: who asked for it and why, where a person did. A verdict (`feedback-right`, `feedback-wrong`) names
    its alarm in `sensor`; so does an `alarm-level` that a verdict moved. A drift (`drift`, `drift-over`) says in `note`
    of what: `data` or `score`.
    """

    kind: str
    sensor: str
    text: str
    time_ns: int
    by: str = ""
    note: str = ""


DRIFT = "drift"
DRIFT_OVER = "drift-over"
"""Kinds of notices: an asset moves away from what its model learned from, and does so no longer. Each comes once."""

ALARM_LEVEL = "alarm-level"
"""The kind of a notice that tells that the score of an asset has to pass another level from now on, and why."""


def rows_dropped(rows: int, sensors: int, at_ns: int) -> Notice:
    """Say that rows were worked out and are not kept."""
    text = f"{rows} rows of {sensors} sensors in one step are too many to keep; alarms and counts are kept"
    return Notice("rows-dropped", "", text, at_ns)


class SourceCount(msgspec.Struct, frozen=True, array_like=True):
    """What became of the values of one source in this step: accepted = used + duplicate + late + set_aside + held.

    `held` is the change in the number of values that wait for their grid cell to close; it may be negative. `gaps`
    is the change in the number of sequences known to be missing, batches and not values.
    """

    source: str
    accepted: int = 0
    used: int = 0
    duplicate: int = 0
    late: int = 0
    set_aside: int = 0
    held: int = 0
    gaps: int = 0


class FitRequest(msgspec.Struct, frozen=True, array_like=True):
    """Asks a trainer for a model from this asset's rows.

    `first_seq` and `last_seq` are the READINGS range that holds them; of the rows only those with a time inside one
    of `spans` (closed, ns UTC) may be learned from: the learning gate. Where `state_sensor` tells the operating state,
    `states` says in which one the machine was during each span; a state settled for `settle_seconds` before it.
    `season`: the asset follows the time of the `day` or `week`, as clocks of `time_zone` show it; empty: no clock.
    `shifts`: the calendar that tells the state by those clocks; empty: a sensor does.
    """

    first_seq: int
    last_seq: int
    spans: tuple[tuple[int, int], ...]
    false_alarms_per_week: float
    detector: str
    why: str
    state_sensor: str = ""
    states: tuple[float, ...] = ()
    settle_seconds: float = 0.0
    season: str = ""
    time_zone: str = "UTC"
    shifts: tuple[str, ...] = ()


class AlarmLevel(msgspec.Struct, frozen=True, array_like=True):
    """What the score of an asset has to pass for an alarm, after so many verdicts of people on its score alarms."""

    score: float
    verdicts: int


class AssetOutcome(msgspec.Struct, frozen=True, array_like=True):
    """What a step concluded for one asset. `progress` is the learned share of what a first fit needs, 0 to 1.

    `alarm_level` None: the score has to pass 1, as the model is calibrated.
    """

    tenant: str
    asset: str
    phase: Phase
    progress: float
    counts: tuple[SourceCount, ...] = ()
    rows: Rows | None = None
    alarms: tuple[AlarmEvent, ...] = ()
    notices: tuple[Notice, ...] = ()
    set_aside: tuple[tuple[str, SetAside], ...] = ()
    fit_request: FitRequest | None = None
    alarm_level: AlarmLevel | None = None

    @property
    def key(self) -> AssetKey:
        """The asset this is about."""
        return AssetKey(self.tenant, self.asset)


class Commit(msgspec.Struct, frozen=True, array_like=True):
    """One OUTCOMES message: what the step over READINGS messages `first_seq` to `last_seq` of a partition concluded."""

    partition: int
    first_seq: int
    last_seq: int
    now_ns: int
    assets: tuple[AssetOutcome, ...]
