"""Alarms of which is known whether a sensor or the machine is at fault, and what each of them told."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from benchmarks import injected
from benchmarks.demo_plant import ROW_NS, ROWS_WITH_FAULTS, SEEDS, alarms, rows_of
from benchmarks.injections import FAULTS
from benchmarks.labelled_data import all_series, data_folder, learn
from benchmarks.root_cause_events import causes
from numpy.typing import NDArray

from iot_edge_anomaly.alarms.book import AlarmBook
from iot_edge_anomaly.alarms.rows import ScoredRows, on_rows
from iot_edge_anomaly.alarms.settings import AlarmSettings
from iot_edge_anomaly.benchmark.suites import Series, Split, load
from iot_edge_anomaly.component.detector import Detector, Matrix, TellsOrigin
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, Origin
from iot_edge_anomaly.demo.faults import FIRST_FAULT_ROW, PAUSE_ROWS, TIMETABLE, fault_at
from iot_edge_anomaly.pipeline.settings import DEFAULTS

SINGLE = tuple(kind for kind in FAULTS if kind != "swap")
"""Faults of one sensor; where two are swapped, two are at fault."""

LEAST_CHANNELS = 2
"""Events of smd and asd that name fewer channels are left out: one channel that is odd alone is no case to decide."""

SAME_EVENT_SECONDS = 300.0
_KEY = AssetKey("bench", "asset")
_RAISED = ("raise", "re-raise")

Span = tuple[int, int]
"""The first row of an event, and the one after its last."""


class Told(NamedTuple):
    """The first alarm of a fault or event: what is at fault, and what the alarm said.

    `is_held_back`: not among what the limits of the rule were chosen on.
    """

    place: str
    group: str
    kind: str
    truth: Origin
    told: Origin
    is_held_back: bool


def raised(detector: Detector, rows: Matrix, interval_seconds: float = 1.0) -> list[tuple[int, AlarmEvent]]:
    """Return the score alarms of rows (n, k), as the alarm stage that ships raises them, with the row of each."""
    assert isinstance(detector, TellsOrigin)
    _, scores = detector.score(detector.start(), rows)
    times = (np.arange(len(rows)) * (interval_seconds * 1e9)).astype(np.int64)
    judged = ScoredRows(
        detector.sensors, times, rows, scores.score, scores.expected, scores.contribution, rows, None, True, "",
        detector.origin,
    )  # fmt: skip
    stage = AlarmSettings(DEFAULTS.on_delay_rows or 1, DEFAULTS.off_delay_rows or 1, (), {}, {}, "")
    events = [event for event in on_rows(AlarmBook(), _KEY, judged, stage) if event.event in _RAISED]
    return list(zip(np.searchsorted(times, [event.time_ns for event in events]).tolist(), events, strict=True))


def first_in(span: Span, found: list[tuple[int, AlarmEvent]]) -> AlarmEvent | None:
    """Return the first alarm that is raised within an event; None where there is none."""
    return next((event for row, event in found if span[0] <= row < span[1]), None)


def put_in(grounds: list[injected.Ground], a_kind: int, seed: int) -> Iterator[Told]:
    """Yield the first alarm of each of so many single faults a kind and group that raised one."""
    groups: dict[tuple[str, str], list[injected.Ground]] = {}
    for ground in grounds:
        groups.setdefault((ground.place, ground.group), []).append(ground)
    for number, ((place, group), own) in enumerate(groups.items()):
        for kind_number, kind in enumerate(SINGLE):
            random = np.random.default_rng((seed, number, kind_number))
            for turn in range(a_kind):
                event = _of_fault(own[turn % len(own)], kind, random)
                if event is not None:
                    yield Told(place, group, kind, Origin.SENSOR, event.origin, True)


def _of_fault(ground: injected.Ground, kind: str, random: np.random.Generator) -> AlarmEvent | None:
    drawn = injected.draw(ground, kind, random)
    if drawn is None:
        return None
    rows = injected.in_units(ground, drawn)
    return first_in((injected.RUN_UP_ROWS, len(rows)), raised(ground.detector, rows))


def of_demo() -> Iterator[Told]:
    """Yield the alarms of the demo plant's own faults: leak and wear of a pump, a stuck and a drifting sensor."""
    for number, seed in enumerate(SEEDS):
        for asset in sorted({plan.asset for plan in TIMETABLE}):
            events = alarms(asset, rows_of(asset, seed, ROWS_WITH_FAULTS, fault_at))
            found = [(event.time_ns // ROW_NS, event) for event in events]
            begins = FIRST_FAULT_ROW
            for plan in TIMETABLE:
                event = first_in((begins, begins + plan.rows), found)
                if event is not None and plan.asset == asset:
                    truth = Origin.MACHINE if plan.sensor is None else Origin.SENSOR
                    yield Told("demo", asset, str(plan.kind), truth, event.origin, number % 2 == 1)
                begins += plan.rows + PAUSE_ROWS


def of_events() -> Iterator[Told]:
    """Yield the first alarm of each labelled event of a machine that raised one; every second series is held back."""
    for suite in ("skab", "three_w", "tep", "smd", "asd"):
        own = [series for series in all_series() if series.suite == suite and not series.name.startswith("class4")]
        for number, series in enumerate(own):
            split = load(series)
            spans = _spans(series, split)
            if not spans:
                continue
            found = raised(learn(split), split.test, split.interval_seconds)
            for span in spans:
                event = first_in(span, found)
                if event is not None:
                    yield Told("events", suite, "event", Origin.MACHINE, event.origin, number % 2 == 1)


def _spans(series: Series, split: Split) -> list[Span]:
    """Return the events of a series: those that name several channels, where channels are named, else those labelled.

    A well of 3W that is odd from its first row on (class 4) has nothing normal to learn from and is left out.
    """
    if series.suite in ("smd", "asd"):
        known = causes(data_folder() / series.suite / "manifest.json").get(series.name, [])
        return [(one.begin, one.end) for one in known if len(one.columns) >= LEAST_CHANNELS]
    return labelled_spans(split.labels, round(SAME_EVENT_SECONDS / split.interval_seconds))


def labelled_spans(labels: NDArray[np.bool_], join_rows: int) -> list[Span]:
    """Return the runs of labelled rows; those that so few rows part are one.

    >>> labelled_spans(np.array([0, 1, 0, 1, 0, 0, 1], bool), 1)
    [(1, 4), (6, 7)]
    """
    rows = np.flatnonzero(labels)
    if not len(rows):
        return []
    last = np.flatnonzero(np.diff(rows) > join_rows + 1)
    begins, ends = rows[np.concatenate(([0], last + 1))], rows[np.concatenate((last, [len(rows) - 1]))]
    return list(zip(begins.tolist(), (ends + 1).tolist(), strict=True))
