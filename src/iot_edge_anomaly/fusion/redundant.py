"""Several sensors read one quantity: which of them is believed, and what is read. Row by row, pure.

What most of those read that have a vote is what is so: their median, if more than half of them lie around it. Where
they do not settle it, all that are there are asked, those without a vote too. Whoever is farther from the median than
the tolerance is left out of that row and loses trust; who agrees regains it, more slowly. Where nobody can tell (of two
that disagree either may be right) the first is followed, all keep their trust, and the row is in conflict.
"""

from collections.abc import Sequence
from enum import StrEnum
from statistics import median
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

LOST = 0.7
"""What is left of the trust in a sensor after a row in which it was off: three such rows cost it its vote."""

REGAINED = 0.03
"""Of the trust that it has lost, so much comes back with each row in which it agrees: some 70 rows to a vote."""

OUT, IN = 0.4, 0.9
"""It has no vote below the one, and has it again above the other."""

NOISE = 0.01
"""Weight of the newest row in how noisy a sensor is."""


class Choice(StrEnum):
    """What is read of the sensors that agree: the first of them, their median, or their mean, weighed by noise."""

    PRIORITY = "priority"
    MEDIAN = "median"
    WEIGHTED = "weighted"


class Trust(msgspec.Struct, array_like=True, frozen=True):
    """What is remembered of one sensor: how far it is trusted, 0 to 1, whether it has a vote, and how noisy it is.

    `noise`: its mean squared distance from the median, in units of the tolerance.
    """

    level: float = 1.0
    has_vote: bool = True
    noise: float = 0.05


class Read(NamedTuple):
    """Of n rows of m sensors: the value (n,), NaN where none is there; which of them it follows (n, m).

    `is_conflict` (n,): somebody is off, or nobody is left to trust. `has_vote` (n, m): after each row.
    """

    value: NDArray[np.float64]
    follows: NDArray[np.bool_]
    is_conflict: NDArray[np.bool_]
    has_vote: NDArray[np.bool_]


def read_as_one(
    before: Sequence[Trust], values: NDArray[np.float64], choice: Choice, tolerance: float
) -> tuple[tuple[Trust, ...], Read]:
    """Read rows (n, m), in time order, NaN where a sensor is missing; the sensors are in order of preference.

    `tolerance`: how far a sensor may be from the median, in its unit. Some 10 microseconds a row.

    >>> _, read = read_as_one([Trust()] * 3, np.array([[1.0, 1.2, 7.0], [1.1, np.nan, 7.0]]), Choice.MEDIAN, 0.5)
    >>> read.value.tolist(), read.is_conflict.tolist()
    ([1.1, 1.1], [True, True])
    """
    trusts, count = tuple(before), len(values)
    read = Read(
        np.full(count, np.nan), np.zeros(values.shape, bool), np.zeros(count, bool), np.zeros(values.shape, bool)
    )
    for row, line in enumerate(values.tolist()):
        there = [number for number, value in enumerate(line) if value - value == 0.0]
        if there:
            followed, is_conflict, trusts = _judged(trusts, line, there, tolerance)
            read.value[row] = _chosen(trusts, line, followed, choice)
            read.follows[row, followed] = True
            read.is_conflict[row] = is_conflict
        read.has_vote[row] = [trust.has_vote for trust in trusts]
    return trusts, read


def _judged(
    trusts: tuple[Trust, ...], line: list[float], there: list[int], tolerance: float
) -> tuple[list[int], bool, tuple[Trust, ...]]:
    """Return who is followed in a row, whether there is a conflict, and what is thought of each after it."""
    voters = [number for number in there if trusts[number].has_vote]
    middle = _settled(line, voters, len(there), tolerance)
    if middle is None:
        middle = _settled(line, there, len(there), tolerance)
    if middle is None:
        return (voters or there)[:1], True, trusts
    off = {number for number in there if abs(line[number] - middle) > tolerance}
    after = list(trusts)
    for number in there:
        after[number] = _after(trusts[number], abs(line[number] - middle) / tolerance, is_off=number in off)
    agree = [number for number in voters if number not in off] or [number for number in there if number not in off]
    return agree, not voters or any(number in off for number in voters), tuple(after)


def _settled(line: list[float], asked: list[int], there: int, tolerance: float) -> float | None:
    """Return the median of those who are asked, if more than half of them lie around it; None: they do not settle it.

    One alone settles it only where nobody else is there. Two agree that are no farther apart than the tolerance.
    """
    if not asked or (len(asked) == 1 and there > 1):
        return None
    values = [line[number] for number in asked]
    middle = median(values)
    near = tolerance / 2.0 if len(asked) == 2 else tolerance
    around = sum(abs(value - middle) <= near for value in values)
    return float(middle) if 2 * around > len(asked) else None


def _after(trust: Trust, distance: float, *, is_off: bool) -> Trust:
    if is_off:
        level = trust.level * LOST
        return Trust(level, trust.has_vote and level >= OUT, trust.noise)
    level = trust.level + (1.0 - trust.level) * REGAINED
    noise = trust.noise + NOISE * (distance * distance - trust.noise)
    return Trust(level, trust.has_vote or level > IN, noise)


def _chosen(trusts: tuple[Trust, ...], line: list[float], followed: list[int], choice: Choice) -> float:
    if choice is Choice.PRIORITY or len(followed) == 1:
        return line[followed[0]]
    if choice is Choice.MEDIAN:
        return float(median(line[number] for number in followed))
    weights = [1.0 / (trusts[number].noise + 1e-9) for number in followed]
    whole = sum(weights)
    return sum(weight / whole * line[number] for weight, number in zip(weights, followed, strict=True))
