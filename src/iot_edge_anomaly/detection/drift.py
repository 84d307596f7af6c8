"""Notice that sensors have moved away from what a model learned from, or that the model errs more than it did.

Rows are averaged by block, and a slow average over blocks is followed: an exponentially weighted moving average chart
(Roberts 1959), the smoother sister of Page's cumulative sums (1954), against limits that hold for values that depend on
each other (`detection.usual`). A drift begins when a slow average passes its limit and is over when all of them are
back half way to what was usual: so noise at a limit is one drift and not many.

Sums run row by row and blocks are counted from the first row: cutting rows into other calls changes no bit.
"""

import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.detection.usual import BLOCK, CHANNELS, ERROR, LEAST_KNOWN, LEVEL, SPREAD, Usual

WEIGHT = 0.125
"""Weight of the newest block: after ten blocks three quarters of a step are in the slow average."""

FARTHEST = 4.0
"""A block counts for no more than so many times its limit: one wild block is no drift, three may be."""

MOST = 2.0
"""A slow average is not taken further, so that it comes back in time."""

REACH = 16.0
"""A value counts for no more than so many times its sensor's limit, a wild reading among 64 for little."""

NEVER = -(1 << 62)
DATA, SCORE = range(2)
"""What drifts: the values of sensors, or how far they are from what the model expects."""

_CHANNELS_OF = {DATA: slice(LEVEL, ERROR), SCORE: slice(ERROR, CHANNELS)}
_COUNTED_BY = np.array((0, 0, 1))
"""Which count each channel goes by: that of values or that of errors."""

_HEADER = struct.Struct("<4sIIq2?")
_MAGIC = b"drf1"


class Evidence(NamedTuple):
    """One sensor's part: which (its column), which average, its latest value and what it was, in the sensor's unit.

    `is_beyond`: it is at least so far out (a value was cut). `since_ns`: when its slow average left what was usual.
    """

    sensor: int
    channel: int
    value: float
    low: float
    high: float
    mean: float
    is_beyond: bool
    since_ns: int


class Drift(NamedTuple):
    """A drift of `what` (DATA or SCORE) begins, with its evidence, the farthest first; or, with none, is over."""

    what: int
    time_ns: int
    evidence: tuple[Evidence, ...]


@dataclass
class Watch:
    """What is remembered of k sensors: 54 bytes each.

    Of the block under way `rows`, the time it was opened, sums (3, k) of values, their squares and errors, counts (2,
    k) of values and errors. Slow averages (3, k) in units of their limits; since when each sensor is out (2, k);
    whether there is a drift of data and of score.
    """

    rows: int
    opened_ns: int
    sums: Matrix
    counts: NDArray[np.uint8]
    slow: NDArray[np.float32]
    since_ns: NDArray[np.int64]
    stands: tuple[bool, bool] = (False, False)

    @classmethod
    def begin(cls, sensors: int) -> "Watch":
        """Return what is remembered before the first row."""
        return cls(
            0,
            0,
            np.zeros((CHANNELS, sensors)),
            np.zeros((2, sensors), np.uint8),
            np.zeros((CHANNELS, sensors), np.float32),
            np.full((2, sensors), NEVER),
        )

    @property
    def sensors(self) -> int:
        """How many sensors are watched."""
        return int(self.sums.shape[1])

    def to_bytes(self) -> bytes:
        """Serialise; the same state always gives the same bytes."""
        header = _HEADER.pack(_MAGIC, self.sums.shape[1], self.rows, self.opened_ns, *self.stands)
        return header + b"".join(
            part.tobytes()
            for part in (
                self.sums.astype("<f8"),
                self.counts,
                self.slow.astype("<f4"),
                self.since_ns.astype("<i8"),
            )
        )

    @classmethod
    def from_bytes(cls, state: bytes) -> "Watch | None":
        """Read what `to_bytes` wrote; None where nothing was, or where another version wrote it: it begins anew."""
        if len(state) < _HEADER.size:
            return None
        magic, sensors, rows, opened_ns, data, score = _HEADER.unpack_from(state)
        if magic != _MAGIC or len(state) != _HEADER.size + BYTES_A_SENSOR * sensors or rows >= BLOCK:
            return None
        parts, offset = [], _HEADER.size
        for kind, lines in (("<f8", CHANNELS), ("u1", 2), ("<f4", CHANNELS), ("<i8", 2)):
            part = np.frombuffer(state, kind, lines * sensors, offset)
            offset += part.nbytes
            parts.append(part.reshape(lines, sensors).astype(part.dtype.newbyteorder("=")))
        sums, counts, slow, since_ns = parts
        return cls(rows, opened_ns, sums, counts, slow, since_ns, (data, score))


BYTES_A_SENSOR = 8 * CHANNELS + 2 + 4 * CHANNELS + 8 * 2


class Yardstick:
    """What is usual, worked out for comparing: u = (average - middle) / half is beyond ±1 where there is a drift."""

    def __init__(self, usual: Usual) -> None:
        self.usual = usual
        watched = np.isfinite(usual.margin)
        spans = (usual.high - usual.low) / 2
        self.middle: Matrix = (usual.high + usual.low) / 2
        self.half: Matrix = spans + usual.margin
        self.inside: Matrix = np.where(watched, spans / np.where(watched, self.half, 1.0), 1.0)
        """A slow average below is where it was while learning."""
        self.calm: Matrix = (1.0 + self.inside) / 2
        """Below it a drift is over."""
        level = np.where(watched[LEVEL], self.half[LEVEL], 0.0)
        unit = np.maximum(level, np.where(watched[SPREAD], usual.high[SPREAD], 0.0))
        self.unit: NDArray[np.float64] = np.where(unit > 0.0, unit, np.inf)
        self._finite_unit = np.where(unit > 0.0, unit, 0.0)
        self._middle_error = self.middle[ERROR] / self.half[ERROR]

    def features(self, values: Matrix, errors: Matrix) -> tuple[Matrix, NDArray[np.bool_]]:
        """Return what is added up of n rows, (n, 3, k), and what of it is there, (n, 2, k)."""
        there = np.empty((len(values), 2, values.shape[1]), bool)
        there[:, 0], there[:, 1] = np.isfinite(values), np.isfinite(errors)
        added = np.empty((len(values), CHANNELS, values.shape[1]))
        with np.errstate(over="ignore", invalid="ignore"):
            standard = np.minimum(np.maximum((values - self.middle[LEVEL]) / self.unit, -REACH), REACH)
            wrong = np.minimum(errors / self.half[ERROR], REACH)
        if not there.all():
            standard, wrong = np.where(there[:, 0], standard, 0.0), np.where(there[:, 1], wrong, 0.0)
        added[:, LEVEL], added[:, SPREAD], added[:, ERROR] = standard, standard * standard, wrong
        return added, there

    def averages(self, sums: Matrix, counts: NDArray[np.uint8]) -> Matrix:
        """Return the averages (3, k) of a block in units of limits: 0 in the middle, ±1 at a limit."""
        known = np.maximum(counts, 1)
        means = sums / known[_COUNTED_BY]
        found = np.empty_like(sums)
        found[LEVEL] = means[LEVEL] * self._finite_unit
        found[SPREAD] = np.sqrt(np.maximum(means[SPREAD] - means[LEVEL] * means[LEVEL], 0.0)) * self._finite_unit
        found[SPREAD] -= self.middle[SPREAD]
        found[:ERROR] /= self.half[:ERROR]
        found[ERROR] = np.maximum(means[ERROR] - self._middle_error, 0.0)
        return found


def follow(
    yardstick: Yardstick, watch: Watch, time_ns: NDArray[np.int64], values: Matrix, errors: Matrix
) -> tuple[Watch, list[Drift]]:
    """Take n rows that count, in time order; return the watch after them and what begins or ends with one of them.

    `values` and `errors` (n, k), NaN where there is none. The watch given is consumed.
    """
    added, there = yardstick.features(values, errors)
    drifts: list[Drift] = []
    start = 0
    while start < len(values):
        stop = min(len(values), start + BLOCK - watch.rows)
        if watch.rows == 0:
            watch.opened_ns = int(time_ns[start])
        part = added[start:stop]
        part[0] += watch.sums
        watch.sums = np.add.accumulate(part, axis=0)[-1]
        watch.counts = watch.counts + there[start:stop].sum(axis=0, dtype=np.uint8)
        watch.rows += stop - start
        if watch.rows == BLOCK:
            drifts += _close(yardstick, watch, int(time_ns[stop - 1]))
        start = stop
    return watch, drifts


def _close(yardstick: Yardstick, watch: Watch, time_ns: int) -> list[Drift]:
    """Take the block into the slow averages, and begin another."""
    latest = yardstick.averages(watch.sums, watch.counts)
    enough = watch.counts[_COUNTED_BY] >= LEAST_KNOWN
    step = WEIGHT * (np.minimum(np.maximum(latest, -FARTHEST), FARTHEST) - watch.slow)
    slow = np.minimum(np.maximum(watch.slow + step, -MOST), MOST)
    watch.slow = np.where(enough, slow, watch.slow).astype(np.float32)
    size = np.abs(watch.slow)
    out = size > yardstick.inside
    watch.since_ns = _since(watch, out) if out.any() else np.full_like(watch.since_ns, NEVER)
    drifts, stands = [], list(watch.stands)
    for what, channels in _CHANNELS_OF.items():
        if not stands[what] and (size[channels] > 1.0).any():
            stands[what] = True
            drifts.append(Drift(what, time_ns, _evidence(yardstick, watch, np.where(enough, latest, watch.slow), what)))
        elif stands[what] and (size[channels] < yardstick.calm[channels]).all():
            stands[what] = False
            drifts.append(Drift(what, time_ns, ()))
    watch.stands = (stands[DATA], stands[SCORE])
    watch.rows, watch.sums, watch.counts = 0, np.zeros_like(watch.sums), np.zeros_like(watch.counts)
    return drifts


def _since(watch: Watch, out: NDArray[np.bool_]) -> NDArray[np.int64]:
    is_out = np.stack((out[LEVEL] | out[SPREAD], out[ERROR]))
    return np.where(is_out, np.where(watch.since_ns == NEVER, watch.opened_ns, watch.since_ns), NEVER)


def _evidence(yardstick: Yardstick, watch: Watch, latest: Matrix, what: int) -> tuple[Evidence, ...]:
    """Return the sensors that are further out than where a drift is over, the farthest first, each once."""
    channels = _CHANNELS_OF[what]
    size = np.abs(watch.slow[channels])
    largest = size.argmax(axis=0)
    beyond = (size >= yardstick.calm[channels]).any(axis=0)
    found = []
    for sensor in sorted(np.flatnonzero(beyond).tolist(), key=lambda column: -size[:, column].max()):
        channel = channels.start + int(largest[sensor])
        found.append(_one(yardstick, watch, latest, channel, sensor, int(watch.since_ns[what, sensor])))
    return tuple(found)


def _one(yardstick: Yardstick, watch: Watch, latest: Matrix, channel: int, sensor: int, since_ns: int) -> Evidence:
    at, usual = (channel, sensor), yardstick.usual
    value = latest[at]
    if abs(value) < abs(watch.slow[at]):
        value = watch.slow[at]
    cut = abs(value) >= 0.9 * REACH * (yardstick.unit[sensor] / yardstick.half[at] if channel == LEVEL else 1.0)
    shown = float(value) * yardstick.half[at] + yardstick.middle[at]
    return Evidence(
        sensor,
        channel,
        float(shown),
        float(usual.low[at]),
        float(usual.high[at]),
        float(usual.mean[at]),
        bool(cut),
        since_ns,
    )
