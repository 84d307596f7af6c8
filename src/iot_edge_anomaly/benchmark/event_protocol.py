"""Judge alarms by what people do with them: is an event found soon and held, how often does nothing begin an alarm.

Rows count in time order, labels and alarms are flags (n,) of the same rows. An alarm *begins* on a row that is on after
one that is off; on the first row it stands already. Nothing is point-adjusted; what alarms placed at random would find
says how much a figure is worth (Kim et al., AAAI 2022).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.benchmark.alarm_metrics import Flags
from iot_edge_anomaly.benchmark.metrics import labelled_stretches


class EventRule(NamedTuple):
    """When an event counts as found, in rows and shares.

    `soon_rows`, `soon_share`: it must begin within so many rows, and within that share of the event, after its first
    row. `held_share`: from there to the end of the event so much of it must be on. `same_event_rows`: labelled
    stretches with at most so many rows between them are one event, and what is between is not normal.
    """

    soon_rows: int
    soon_share: float
    held_share: float
    same_event_rows: int = 0


class EventFigures(NamedTuple):
    """What alarms on one series were worth.

    `delays_rows`: for each event the rows from its first one to the alarm that found it, None where none did.
    `false_onsets`: alarms that began, or stood at the start, on one of the `normal_rows`.
    """

    delays_rows: tuple[int | None, ...]
    false_onsets: int
    normal_rows: int


class RowCounts(NamedTuple):
    """How many rows were labelled and on, normal and on, labelled and off, normal and off; `pooled` adds up."""

    hits: int
    false: int
    missed: int
    quiet: int

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 0 where nothing was hit."""
        return 2 * self.hits / max(2 * self.hits + self.false + self.missed, 1)

    @property
    def false_alarm_rate(self) -> float:
        """The share of normal rows that are on (FAR)."""
        return self.false / max(self.false + self.quiet, 1)

    @property
    def missed_alarm_rate(self) -> float:
        """The share of labelled rows that are off (MAR)."""
        return self.missed / max(self.hits + self.missed, 1)


def onsets(alarms: Flags) -> NDArray[np.intp]:
    """Return the first row of each unbroken run of alarm rows.

    >>> onsets(np.array([1, 1, 0, 1, 0], bool)).tolist()
    [0, 3]
    """
    return np.flatnonzero(alarms & ~np.concatenate(([False], alarms[:-1])))


def joined(labels: Flags, most_rows: int) -> Flags:
    """Return labels in which stretches with at most so many rows between them are one.

    >>> joined(np.array([1, 0, 1, 0, 0, 1], bool), 1).astype(int).tolist()
    [1, 1, 1, 0, 0, 1]
    """
    whole, stretches = labels.copy(), labelled_stretches(labels)
    for (_, end), (begin, _) in pairwise(stretches):
        if begin - end - 1 <= most_rows:
            whole[end:begin] = True
    return whole


def delay_rows(alarms: Flags, begin: int, end: int, rule: EventRule) -> int | None:
    """Return after how many rows the event `begin`..`end` (both of it) was found; None if it was not.

    >>> rule = EventRule(soon_rows=1800, soon_share=0.25, held_share=0.5)
    >>> alarms = np.array([0, 0, 0, 1, 1, 0, 1, 1, 0, 0], bool)
    >>> delay_rows(alarms, 2, 9, rule), delay_rows(alarms, 3, 9, rule)
    (1, None)
    """
    latest = begin + min(rule.soon_rows, rule.soon_share * (end + 1 - begin))
    first = begin + 1
    for onset in (onsets(alarms[begin : end + 1]) + begin).tolist():
        is_soon = first <= onset <= latest
        if is_soon and float(alarms[onset : end + 1].mean()) >= rule.held_share:
            return int(onset) - begin
    return None


def judge_events(labels: Flags, alarms: Flags, rule: EventRule) -> EventFigures:
    """Compare alarms with the events of one series."""
    whole = joined(labels, rule.same_event_rows)
    delays = tuple(delay_rows(alarms, begin, end, rule) for begin, end in labelled_stretches(whole))
    return EventFigures(delays, int((~whole[onsets(alarms)]).sum()), int((~whole).sum()))


def share_found(figures: Sequence[EventFigures]) -> float:
    """Return the share of all events that were found; 0 where there is none."""
    delays = [delay for one in figures for delay in one.delays_rows]
    return sum(delay is not None for delay in delays) / max(len(delays), 1)


def count_rows(labels: Flags, alarms: Flags) -> RowCounts:
    """Count rows by label and alarm.

    >>> count_rows(np.array([1, 1, 0, 0, 0], bool), np.array([1, 0, 1, 0, 0], bool))
    RowCounts(hits=1, false=1, missed=1, quiet=2)
    """
    counts = np.bincount(2 * labels + alarms, minlength=4).tolist()
    return RowCounts(counts[3], counts[1], counts[2], counts[0])


def pooled(counts: Sequence[RowCounts]) -> RowCounts:
    """Add counts up, as if all rows were of one series."""
    return RowCounts(*(sum(column) for column in zip(*counts, strict=True)))


def best_cut(labels: Flags, score: NDArray[np.float64], most_false_alarm_rate: float = 1.0) -> tuple[float, RowCounts]:
    """Return the cut with the best F1 that labels could choose, `score > cut`, and its counts: an oracle, no result.

    Only cuts with at most this false alarm rate are tried. Cost: a sort.
    """
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    hits, on = np.cumsum(labels[order]), np.arange(1, len(score) + 1)
    false, events, normal = on - hits, int(labels.sum()), int((~labels).sum())
    is_cut = np.append(falling[1:] < falling[:-1], True) & (false <= most_false_alarm_rate * normal)
    if not is_cut.any():
        return float(falling[0]), RowCounts(0, 0, events, normal)
    best = int(np.argmax(np.where(is_cut, 2 * hits / (on + events), -1.0)))
    cut = float(falling[best + 1]) if best + 1 < len(score) else -np.inf
    caught, wrong = int(hits[best]), int(false[best])
    return cut, RowCounts(caught, wrong, events - caught, normal - wrong)


def placed_at_random(alarms: Flags, random: np.random.Generator) -> Flags:
    """Return alarms with the same runs, in any order, at any places: as many, as long, as many rows on."""
    stretches = labelled_stretches(alarms)
    lengths = random.permutation(np.array([end + 1 - begin for begin, end in stretches], np.intp))
    free = len(alarms) - int(lengths.sum()) - max(len(lengths) - 1, 0)
    before = np.sort(random.choice(free + len(lengths), len(lengths), replace=False))
    # `before` places the runs among the free rows; what separates two runs is one row at least.
    begins = before + np.concatenate(([0], np.cumsum(lengths[:-1]))).astype(np.intp)[: len(lengths)]
    placed = np.zeros(len(alarms), bool)
    for begin, length in zip(begins.tolist(), lengths.tolist(), strict=True):
        placed[begin : begin + length] = True
    return placed


def found_by_chance(
    labels: Sequence[Flags], alarms: Sequence[Flags], rule: EventRule, *, repeats: int, seed: int
) -> NDArray[np.float64]:
    """Return the shares of events found (repeats,) by the same alarms placed at random over all series end to end.

    A run that crosses from one series into the next stands at the start of that one.
    """
    random, ends = np.random.default_rng(seed), np.cumsum([len(one) for one in alarms])[:-1]
    end_to_end = np.concatenate(alarms)
    shares = [
        share_found(
            [
                judge_events(label, placed, rule)
                for label, placed in zip(labels, np.split(placed_at_random(end_to_end, random), ends), strict=True)
            ]
        )
        for _ in range(repeats)
    ]
    return np.array(shares)
