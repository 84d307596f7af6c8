"""The page of a backtest: what it told, score over the most telling sensors, and each alarm from near.

One HTML file that loads nothing: style and drawings (SVG) stand in it.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

import numpy as np

from iot_edge_anomaly.backtest.alarms import PastAlarm
from iot_edge_anomaly.backtest.known_events import Verdict
from iot_edge_anomaly.backtest.plot import Column, Drawn, View, score_panel, sensor_panel, time_axis
from iot_edge_anomaly.backtest.run import Outcome
from iot_edge_anomaly.backtest.times import Times
from iot_edge_anomaly.backtest.words import SENSORS, end, found, why
from iot_edge_anomaly.benchmark.line_plot import LINE_COLOURS
from iot_edge_anomaly.benchmark.page import STYLE

MOST_FIGURES = 20
MOST_LINES = 500
NEAR_ROWS = 60
"""An alarm is shown with so many rows before and after it, or as many as it lasted where those are more."""

MORE_STYLE = """
:root { --known: #8250df; }
@media (prefers-color-scheme: dark) { :root { --known: #b692f6; } }
table.told { white-space: normal; }
table.told td, table.told th { text-align: left; vertical-align: top; }
table.told td.when { white-space: nowrap; }
table.told td p { margin: 0; }
table.told td p + p { color: var(--faint); white-space: pre-wrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { color: var(--faint); } dd { margin: 0; }
figure svg { margin: 0; }
"""

LEGEND = (
    "Shaded: an alarm stands. Violet, below: a known event. A column of pixels shows lowest and highest; dotted: the "
    "same of what was expected from what came before and from the other sensors. Dashed: threshold and limits."
)


def backtest_page(
    name: str,
    outcome: Outcome,
    times: Times,
    said: Mapping[str, str],
    verdicts: Sequence[Verdict] = (),
    notes: Sequence[str] = (),
) -> str:
    """Return the page as HTML; `said`: what is told in words, by heading."""
    told = "".join(f"<dt>{escape(head)}</dt><dd>{escape(text)}</dd>" for head, text in said.items())
    parts = [
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Backtest of {escape(name)}</title>"
        f"<meta name='viewport' content='width=device-width'><style>{STYLE}{MORE_STYLE}</style></head><body>",
        f"<h1>Would it have fired? {escape(name)}</h1>",
        f"<dl>{told}</dl>",
        *(f"<p class='note'>{escape(note)}</p>" for note in notes),
        *_events(verdicts, times),
        "<h2>All of it</h2>",
        f"<p class='note'>{LEGEND}{' Times are UTC.' if not times.counter_ns else ''}</p>",
        _overview(outcome, times, verdicts),
        "<h2>Alarms</h2>",
        *_alarms(outcome, times),
        *_figures(outcome, times, verdicts),
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def telling(outcome: Outcome) -> list[int]:
    """Return the numbers of the sensors that had most to do with the alarms; those that strayed furthest come next."""
    share = np.zeros(len(outcome.past.sensors))
    for alarm in outcome.alarms:
        for part in alarm.raised.contributors:
            share[outcome.past.sensors.index(part.sensor)] += part.share
    learned_from = outcome.past.values[: outcome.first]
    with np.errstate(invalid="ignore", over="ignore"):
        strayed = np.abs(outcome.values - outcome.expected)
    strayed[~np.isfinite(strayed)] = 0.0
    spread = np.array([_spread(column) for column in learned_from.T])
    furthest = strayed.mean(axis=0) / np.where(spread > 0, spread, np.inf)
    return sorted(np.lexsort((-furthest, -share))[:SENSORS].tolist())


def _spread(column: Column) -> float:
    there = column[np.isfinite(column)]
    return float(np.ptp(there)) if len(there) else 0.0


def _overview(outcome: Outcome, times: Times, verdicts: Sequence[Verdict]) -> str:
    view = _view(outcome, verdicts, outcome.first_ns, outcome.last_ns)
    return f"<figure>{''.join(_panels(outcome, view, times, telling(outcome)))}</figure>"


def _figures(outcome: Outcome, times: Times, verdicts: Sequence[Verdict]) -> Iterator[str]:
    time_ns = outcome.time_ns
    for alarm in outcome.alarms[:MOST_FIGURES]:
        start = int(np.searchsorted(time_ns, alarm.start_ns))
        stop = len(time_ns) if alarm.end_ns is None else int(np.searchsorted(time_ns, alarm.end_ns, "right"))
        near = max(NEAR_ROWS, stop - start)
        since_ns = int(time_ns[max(start - near, 0)])
        until_ns = int(time_ns[min(stop + near, len(time_ns)) - 1])
        view = _view(outcome, verdicts, since_ns, until_ns)
        chosen = [outcome.past.sensors.index(part.sensor) for part in alarm.raised.contributors[:SENSORS]]
        yield (
            f"<figure id='{alarm.raised.alarm_id}'><figcaption>{escape(times.shown(alarm.start_ns))}: "
            f"{escape(alarm.raised.reason)}</figcaption>{''.join(_panels(outcome, view, times, chosen))}</figure>"
        )
    if len(outcome.alarms) > MOST_FIGURES:
        yield f"<p class='note'>The first {MOST_FIGURES} of {len(outcome.alarms)} alarms are drawn.</p>"


def _panels(outcome: Outcome, view: View, times: Times, sensors: Sequence[int]) -> Iterator[str]:
    begin, stop = np.searchsorted(outcome.time_ns, [view.since_ns, view.until_ns + 1]).tolist()
    time_ns = outcome.time_ns[begin:stop]
    yield score_panel(time_ns, outcome.score[begin:stop], view)
    for number in sensors:
        sensor = outcome.past.sensors[number]
        limits = [one.value for one in outcome.plan.alarms.limits if one.sensor == sensor]
        shown = Drawn(*outcome.plan.alarms.text_of(sensor), number % LINE_COLOURS, limits)
        values, expected = outcome.values[begin:stop, number], outcome.expected[begin:stop, number].astype(float)
        yield sensor_panel(shown, time_ns, values, expected, view)
    yield time_axis(view, times)


def _view(outcome: Outcome, verdicts: Sequence[Verdict], since_ns: int, until_ns: int) -> View:
    return View(
        since_ns,
        until_ns,
        [
            (begin_ns, outcome.last_ns if end_ns is None else end_ns)
            for alarm in outcome.alarms
            if alarm.overlaps(since_ns, until_ns)
            for begin_ns, end_ns in alarm.spans
            if begin_ns <= until_ns and (end_ns is None or end_ns >= since_ns)
        ],
        [
            (one.event.start_ns, one.event.end_ns)
            for one in verdicts
            if one.event.start_ns <= until_ns and one.event.end_ns >= since_ns
        ],
    )


def _alarms(outcome: Outcome, times: Times) -> Iterator[str]:
    if not outcome.alarms:
        yield "<p>There would have been none.</p>"
        return
    yield "<div class='wide'><table class='told'><thead><tr><th>start</th><th>end</th><th>priority</th><th>peak</th>"
    yield "<th>why</th></tr></thead><tbody>"
    drawn = {alarm.raised.alarm_id for alarm in outcome.alarms[:MOST_FIGURES]}
    for alarm in outcome.alarms[:MOST_LINES]:
        yield _line(alarm, times, is_drawn=alarm.raised.alarm_id in drawn)
    yield "</tbody></table></div>"
    if len(outcome.alarms) > MOST_LINES:
        yield f"<p class='note'>… and {len(outcome.alarms) - MOST_LINES} more; alarms.csv has all.</p>"


def _line(alarm: PastAlarm, times: Times, *, is_drawn: bool) -> str:
    start = escape(times.shown(alarm.start_ns))
    shown = f"<a href='#{alarm.raised.alarm_id}'>{start}</a>" if is_drawn else start
    said = "".join(f"<p>{escape(text)}</p>" for text in why(alarm))
    return (
        f"<tr><td class='when'>{shown}</td><td class='when'>{escape(end(alarm, times))}</td>"
        f"<td>{alarm.raised.priority}</td><td>{alarm.peak:.3g}</td><td>{said}</td></tr>"
    )


def _events(verdicts: Sequence[Verdict], times: Times) -> Iterator[str]:
    if verdicts:
        lines = "".join(f"<li>{escape(found(one, times))}</li>" for one in verdicts)
        yield f"<h2>Known events</h2><ul>{lines}</ul>"
