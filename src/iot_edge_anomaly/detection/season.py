"""What is usual at each time of a day or a week, learned from the days or weeks that were seen.

Each half hour of a day, and each hour of a week, has a straight line of its own, fitted by least squares: so a slow
rise is followed, and a shift that begins with the hour is a step. A week is a day that all days share, and what each
hour of the week adds to it. What the periods disagree about is noise: by as much a profile is drawn towards nothing
(Efron & Morris 1973: positive part James-Stein), so that a sensor that does not follow the clock stays as it is.

Rows are to be learned from as if they had not been seen, or a method learns how well a profile fits its own rows: each
period is compared with a profile of the others.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.core.local_time import MONDAY_NS, UTC, local_ns

NS = 1_000_000_000
LEAST_PERIODS = 2
"""With a single one nothing tells what comes back from what happened once."""

SLOPE_STRENGTH = 0.5
"""A line is drawn towards a level one by so much; the rows of an hour, spread evenly, weigh a twelfth each."""


class Cycle(NamedTuple):
    """A time after which things repeat, and into how many bins it is cut."""

    seconds: int
    bins: int


DAY, WEEK = "day", "week"
CYCLES = {DAY: Cycle(86_400, 48), WEEK: Cycle(604_800, 168)}
PARTS = {DAY: (DAY,), WEEK: (DAY, WEEK)}
"""What a season is made of, each what those before it leave."""


class SeasonRule(NamedTuple):
    """What an asset follows: the time of the *day* or of the *week*, as clocks of a time zone show it."""

    length: str
    zone: str = UTC

    @property
    def least_ns(self) -> int:
        """How long it must have been watched at least before it can be learned."""
        return LEAST_PERIODS * CYCLES[self.length].seconds * NS


@dataclass(frozen=True)
class Season:
    """How far k sensors are from their mean by the clock: lines (48, 2, k) of a day, (168, 2, k) of a week or none.

    A line is the level in the middle of its bin, and by how much it rises over the bin.
    """

    rule: SeasonRule
    daily: NDArray[np.float64]
    weekly: NDArray[np.float64]

    @classmethod
    def flat(cls, sensors: int) -> "Season":
        """Return the season of a machine that follows no clock."""
        return cls(SeasonRule(DAY), np.zeros((CYCLES[DAY].bins, 2, sensors)), np.zeros((0, 2, sensors)))

    def at(self, time_ns: NDArray[np.int64]) -> Matrix:
        """Return how far values (n, k) at these times are usually from their mean."""
        clock = local_ns(time_ns, self.rule.zone)
        found = np.zeros((len(clock), self.daily.shape[-1]))
        for length, lines in zip(PARTS[self.rule.length], (self.daily, self.weekly), strict=False):
            bins, place = _places(clock, CYCLES[length])
            found += lines[bins, 0] + lines[bins, 1] * place
        return found


def learn_season(
    rows: Matrix, time_ns: NDArray[np.int64], rule: SeasonRule, measured: NDArray[np.bool_] | None = None
) -> tuple[Season, Matrix]:
    """Return the season of rows (n, k), and what it explains of each as the other periods tell it.

    `measured` (k,): which sensors may follow the clock; None: all. Raises ValueError where too few periods were seen.
    """
    cycle, clock = CYCLES[rule.length], local_ns(time_ns, rule.zone)
    seen_ns = _seen_ns(time_ns)
    if seen_ns < rule.least_ns:
        raise ValueError(
            f"rows of {seen_ns / NS / 86_400:.1f} days: to learn what a {rule.length} is like takes "
            f"{LEAST_PERIODS} of them, better 4"
        )
    _, period = np.unique((clock + MONDAY_NS) // (cycle.seconds * NS), return_inverse=True)
    known = np.isfinite(rows) if measured is None else np.isfinite(rows) & measured
    counts = np.maximum(known.sum(axis=0), 1)
    largest = np.abs(np.where(known, rows, 0.0)).max(axis=0)
    unit = np.where(largest > 0, largest, 1.0)
    rest = np.where(known, rows, 0.0) / unit
    rest = np.where(known, rest - rest.sum(axis=0) / counts, 0.0)
    explained, parts = np.zeros(rows.shape), []
    for length in PARTS[rule.length]:
        lines, told = _learn(rest, known, clock, period, CYCLES[length])
        rest = np.where(known, rest - told, 0.0)
        explained += told
        parts.append(lines * unit)
    daily, weekly = [*parts, np.zeros((0, 2, rows.shape[1]))][:2]
    return Season(rule, daily, weekly), explained * unit


def _seen_ns(time_ns: NDArray[np.int64]) -> int:
    """Return for how long there are rows, each standing for the time to the next."""
    steps = np.diff(np.unique(time_ns))
    return int(steps.sum() + np.median(steps)) if len(steps) else 0


class _Sums(NamedTuple):
    """Of the rows of each period and bin (p, b, k): how many, sums of places, values, their squares and products."""

    rows: NDArray[np.float64]
    places: NDArray[np.float64]
    values: NDArray[np.float64]
    squares: NDArray[np.float64]
    products: NDArray[np.float64]

    def whole(self) -> "_Sums":
        """Return the sums over all periods."""
        return _Sums(*(part.sum(axis=0) for part in self))

    def without(self, period: int) -> "_Sums":
        """Return the sums over all periods but one."""
        return _Sums(*(part.sum(axis=0) - part[period] for part in self))

    def lines(self) -> NDArray[np.float64]:
        """Return lines (b, 2, k) by least squares; where no row was seen, level ones between those around it."""
        seen = self.rows >= 1.0
        count = np.where(seen, self.rows, 1.0)
        rise = (count * self.products - self.places * self.values) / (
            count * (self.squares + SLOPE_STRENGTH) - self.places**2
        )
        level = np.where(seen, (self.values - rise * self.places) / count, 0.0)
        return np.stack((_filled(level, seen), np.where(seen, rise, 0.0)), axis=1)


def _learn(
    rest: Matrix, known: NDArray[np.bool_], clock: NDArray[np.int64], period: NDArray[np.intp], cycle: Cycle
) -> tuple[NDArray[np.float64], Matrix]:
    """Return lines (b, 2, k) of all periods, and what those of the other periods say of each row (n, k)."""
    bins, place = _places(clock, cycle)
    periods = int(period.max()) + 1
    shape = (periods, cycle.bins, rest.shape[1])
    cell, there = period * cycle.bins + bins, known.astype(float)
    parts = (there, place * there, rest, place**2 * there, place * rest)
    sums = _Sums(*(_gathered(cell, part, shape) for part in parts))
    trust = _trust(sums.values, sums.rows)
    others = np.stack([sums.without(number).lines() for number in range(periods)])
    told = others[period, bins, 0] + others[period, bins, 1] * place
    return sums.whole().lines() * trust, told * trust


def _places(clock: NDArray[np.int64], cycle: Cycle) -> tuple[NDArray[np.int64], Matrix]:
    """Return the bin of each time (n,), and where in it that is (n, 1): from -1/2 to 1/2."""
    bin_ns = cycle.seconds * NS // cycle.bins
    bins, past = np.divmod((clock + MONDAY_NS) % (cycle.seconds * NS), bin_ns)
    place: Matrix = np.asarray(past / bin_ns, np.float64)[:, None]
    return bins, place - 0.5


def _gathered(cell: NDArray[np.intp], values: Matrix, shape: tuple[int, ...]) -> NDArray[np.float64]:
    size = shape[0] * shape[1]
    columns = [np.bincount(cell, column, size) for column in values.T]
    return np.asarray(np.stack(columns, axis=1), np.float64).reshape(shape)


def _trust(values: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much of a profile (k,) is more than chance, by how far periods (p, b, k) agree about it."""
    seen = rows >= 1.0
    profile = np.where(seen, values / np.where(seen, rows, 1.0), 0.0)
    count = seen.sum(axis=0)
    mean = profile.sum(axis=0) / np.maximum(count, 1)
    spread = np.where(seen, (profile - mean) ** 2, 0.0).sum(axis=0)
    is_told = count >= 2
    noise = np.where(is_told, spread / np.maximum(count - 1, 1) / np.maximum(count, 1), 0.0).sum(axis=0)
    power = np.where(is_told, mean**2, 0.0).sum(axis=0)
    return np.where(power > noise, 1.0 - noise / np.where(power > noise, power, 1.0), 0.0)


def _filled(level: Matrix, seen: NDArray[np.bool_]) -> Matrix:
    """Return levels (b, k); where nothing was seen, what lies between its neighbours around the clock."""
    bins = np.arange(len(level))
    for column in np.flatnonzero(seen.any(axis=0) & ~seen.all(axis=0)).tolist():
        there = np.flatnonzero(seen[:, column])
        level[:, column] = np.interp(bins, there, level[there, column], period=len(level))
    return level
