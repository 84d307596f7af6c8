"""Labelled events whose makers say which channels they are about, and whether contributions name them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from benchmarks.labelled_data import all_series, data_folder, learn
from benchmarks.naming import chance, is_named, ranking, zscores

from iot_edge_anomaly.benchmark.suites import Series, load
from iot_edge_anomaly.component.detector import Matrix

SUITES = ("asd", "smd")
MOST_SHARE = 1 / 3
"""Events that name more of the channels are left out: there any ranking is right."""


class Cause(NamedTuple):
    """An event: the first row of the scored part and the one after the last, and the columns that are named."""

    begin: int
    end: int
    columns: frozenset[int]


class Named(NamedTuple):
    """An event judged: whether our first contributions name a right channel, and whether z-scores do."""

    suite: str
    series: str
    rows: str
    channels: int
    right: int
    chance: float
    by_contributions: bool
    by_zscores: bool
    has_alarm: bool
    first: list[int]
    """Our first channels, counted from 1 as the manifest does."""


class _Entry(msgspec.Struct, frozen=True):
    series: str
    root_cause: list[tuple[str, list[int]]] = []


class _Manifest(msgspec.Struct, frozen=True):
    series: list[_Entry]


def cause(rows: str, channels: list[int]) -> Cause:
    """Read an event of a manifest: rows counted from 0, the last included; channels counted from 1.

    >>> cause("486-498", [1, 4])
    Cause(begin=486, end=499, columns=frozenset({0, 3}))
    """
    first, _, last = rows.partition("-")
    return Cause(int(first), int(last) + 1, frozenset(channel - 1 for channel in channels))


def causes(manifest: Path) -> dict[str, list[Cause]]:
    """Return the events of each series of a suite that say what they are about."""
    entries = msgspec.json.decode(manifest.read_bytes(), type=_Manifest).series
    return {entry.series: [cause(*one) for one in entry.root_cause] for entry in entries}


def judge_series(series: Series, events: list[Cause], change: Callable[[Matrix], Matrix]) -> list[Named]:
    """Judge the events of one series: contributions, as `change` leaves them, summed over the rows of the event."""
    split = load(series)
    detector = learn(split)
    _, scores = detector.score(detector.start(), split.test)
    plain = zscores(split.train, split.test)
    channels, found = len(split.sensors), []
    for event in events:
        rows = slice(event.begin, event.end)
        if len(event.columns) > MOST_SHARE * channels:
            continue
        order = ranking(change(scores.contribution[rows]))
        found.append(
            Named(
                series.suite,
                series.name,
                f"{event.begin}-{event.end - 1}",
                channels,
                len(event.columns),
                chance(channels, len(event.columns)),
                is_named(order, event.columns),
                is_named(ranking(plain[rows]), event.columns),
                bool((scores.score[rows] > 1.0).any()),
                [column + 1 for column in order[:3]],
            )
        )
    return found


def judge_all(change: Callable[[Matrix], Matrix] = np.asarray) -> list[Named]:
    """Judge the events of all series of the two suites."""
    found = []
    for suite in SUITES:
        known = causes(data_folder() / suite / "manifest.json")
        for series in all_series():
            if series.suite == suite and known.get(series.name):
                found += judge_series(series, known[series.name], change)
    return found
