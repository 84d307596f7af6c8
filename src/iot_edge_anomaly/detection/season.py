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
            found += lines[bins, 0] + lines[bins, 1] * place[:, None]
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
            f"rows of {seen_ns / NS / 86_400:.1f} days: to learn what a {rule.length} is like takes {LEAST_PERIODS}"
        )
    _, period = np.unique((clock + MONDAY_NS) // (cycle.seconds * NS), return_inverse=True)
    sensors = rows.shape[1]
    lines = {length: np.zeros((CYCLES[length].bins, 2, sensors)) for length in PARTS[rule.length]}
    explained = np.zeros(rows.shape)
    for number in range(sensors):  # one by one: lessons of weeks are large
        known = np.flatnonzero(np.isfinite(rows[:, number])) if measured is None or measured[number] else period[:0]
        if len(known):
            unit = float(np.abs(rows[known, number]).max()) or 1.0
            rest = rows[known, number] / unit
            rest -= rest.mean()
            for length, of_length in lines.items():
                found, told = _learn(rest, clock[known], period[known], CYCLES[length])
                rest -= told
                of_length[..., number] = found * unit
                explained[known, number] += told * unit
    daily, weekly = [*lines.values(), np.zeros((0, 2, sensors))][:2]
    return Season(rule, daily, weekly), explained


def _seen_ns(time_ns: NDArray[np.int64]) -> int:
    """Return for how long there are rows, each standing for the time to the next."""
    steps = np.diff(np.unique(time_ns))
    return int(steps.sum() + np.median(steps)) if len(steps) else 0


class _Sums(NamedTuple):
    """Of the rows of each period and bin (p, b): how many, sums of places, values, their squares and products."""

    rows: Matrix
    places: Matrix
    values: Matrix
    squares: Matrix
    products: Matrix

    def whole(self) -> "_Sums":
        """Return the sums (b,) over all periods."""
        return _Sums(*(part.sum(axis=0) for part in self))

    def lines(self) -> Matrix:
        """Return lines (b, 2) of sums (b,) by least squares; where no row was seen, level ones as around it."""
        seen = self.rows >= 1.0
        count = np.where(seen, self.rows, 1.0)
        rise = (count * self.products - self.places * self.values) / (
            count * (self.squares + SLOPE_STRENGTH) - self.places**2
        )
        level = np.where(seen, (self.values - rise * self.places) / count, 0.0)
        return np.stack((_filled(level, seen), np.where(seen, rise, 0.0)), axis=1)


def _learn(
    rest: NDArray[np.float64], clock: NDArray[np.int64], period: NDArray[np.intp], cycle: Cycle
) -> tuple[Matrix, NDArray[np.float64]]:
    """Return the lines (b, 2) of one sensor over all periods, and what the other periods say of each row (n,)."""
    bins, place = _places(clock, cycle)
    shape = (int(period.max()) + 1, cycle.bins)
    cell = period * cycle.bins + bins
    parts = (np.ones(len(rest)), place, rest, place**2, place * rest)
    sums = _Sums(
        *(np.asarray(np.bincount(cell, part, shape[0] * shape[1]), np.float64).reshape(shape) for part in parts)
    )
    trust, whole = _trust(sums.values, sums.rows), sums.whole()
    others = np.stack(
        [
            _Sums(*(all_ - own[number] for all_, own in zip(whole, sums, strict=True))).lines()
            for number in range(shape[0])
        ]
    )
    told = others[period, bins, 0] + others[period, bins, 1] * place
    return whole.lines() * trust, told * trust


def _places(clock: NDArray[np.int64], cycle: Cycle) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the bin of each time (n,), and where in it that is (n,): from -1/2 to 1/2."""
    bin_ns = cycle.seconds * NS // cycle.bins
    bins, past = np.divmod((clock + MONDAY_NS) % (cycle.seconds * NS), bin_ns)
    return bins, np.asarray(past / bin_ns - 0.5, np.float64)


def _trust(values: Matrix, rows: Matrix) -> float:
    """Return how much of a profile is more than chance, by how far periods (p, b) agree about it."""
    seen = rows >= 1.0
    profile = np.where(seen, values / np.where(seen, rows, 1.0), 0.0)
    count = seen.sum(axis=0)
    mean = profile.sum(axis=0) / np.maximum(count, 1)
    spread = np.where(seen, (profile - mean) ** 2, 0.0).sum(axis=0)
    is_told = count >= 2
    noise = float(np.where(is_told, spread / np.maximum(count - 1, 1) / np.maximum(count, 1), 0.0).sum())
    power = float(np.where(is_told, mean**2, 0.0).sum())
    return 1.0 - noise / power if power > noise else 0.0


def _filled(level: NDArray[np.float64], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return levels (b,); where nothing was seen, what lies between its neighbours around the clock."""
    if seen.all() or not seen.any():
        return level
    there = np.flatnonzero(seen)
    return np.asarray(np.interp(np.arange(len(level)), there, level[there], period=len(level)), np.float64)
