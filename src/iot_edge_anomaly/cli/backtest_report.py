"""What a backtest found, in words, as JSON and as files."""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from iot_edge_anomaly.backtest.alarms import PastAlarm
from iot_edge_anomaly.backtest.known_events import Verdict
from iot_edge_anomaly.backtest.page import backtest_page
from iot_edge_anomaly.backtest.run import Judged, Outcome, Plan
from iot_edge_anomaly.backtest.times import NS, Times, lasting
from iot_edge_anomaly.backtest.words import OPEN, Counted, counted, judged, learned
from iot_edge_anomaly.cli.backtest_rows import Source
from iot_edge_anomaly.storage.whole_file import write_whole
from iot_edge_anomaly.training.score_file import score_header, score_lines
from iot_edge_anomaly.views.budget import ENOUGH, WEEK_SECONDS, BudgetLine, BudgetState, budget
from iot_edge_anomaly.views.records import LearnedAlarms

ALARMS, SCORES, PAGE = "alarms.csv", "scores.csv", "backtest.html"
NOT_YET = "not yet verifiable"
STATES = {BudgetState.WITHIN: "within", BudgetState.OVER: "over", BudgetState.TOO_EARLY: "not-yet-verifiable"}
_COLUMNS = ("alarm", "condition", "start", "end", "priority", "peak", "reason")
_OF_SENSOR = ("sensor", "share", "actual", "expected", "unit")
CONTRIBUTORS = 3


class Report(NamedTuple):
    """All that is told. `line`: learned alarms outside known events, held against the budget as false ones."""

    source: Source
    outcome: Outcome
    verdicts: Sequence[Verdict]
    counted: Counted
    line: BudgetLine

    def said(self) -> dict[str, str]:
        """Return what is told in words, by heading."""
        times, outcome = self.source.times, self.outcome
        anew = [one for one in outcome.lessons[1:] if not one.problem]
        return {
            "learned": learned(outcome.lessons[0], times),
            **({"learned anew": f"{len(anew)} times, {anew[-1].rows:,} rows the last time"} if anew else {}),
            "judged": judged(outcome, times),
            "alarms": self.counted.words,
            "budget": budget_words(self.line),
        }

    def notes(self) -> list[str]:
        """Return what else is to be known."""
        failed = [learned(one, self.source.times) for one in self.outcome.lessons if one.problem]
        unjudged = self.outcome.unjudged_rows
        by_state = [f"not judged: {unjudged:,} rows of states not to be judged, not settled or not learned"]
        return [*self.source.notes, *failed, *(by_state if unjudged else [])]


def report(source: Source, outcome: Outcome, verdicts: Sequence[Verdict]) -> Report:
    """Count alarms, and hold them against the budget."""
    found = counted(outcome, verdicts)
    seen = LearnedAlarms(outcome.past.key, found.events, found.others, 0, outcome.watched_seconds)
    line = budget([seen], lambda _: outcome.plan.false_alarms_per_week).assets[0]
    return Report(source, outcome, verdicts, found, line)


def budget_state(line: BudgetLine) -> BudgetState:
    """Say whether the budget would have been kept.

    One alarm or two before the first was due may be right, and are no proof.
    """
    is_early = line.allowed < 1.0 and line.wrong < ENOUGH
    return BudgetState.TOO_EARLY if is_early else line.state


def budget_words(line: BudgetLine) -> str:
    """Say what the alarms come to a week, and whether the budget would have been kept."""
    promised = f"at most {_rate(line.promised_per_week)} promised"
    if line.interval is None or line.wrong_per_week is None:
        return f"{promised}: {NOT_YET}, no row holds a value"
    weeks = line.watched_seconds / WEEK_SECONDS
    told = (
        f"{_rate(line.wrong_per_week)} a week ({line.wrong} in {_span(weeks)}; 95 %: {_rate(line.interval.low)} to "
        f"{_rate(line.interval.high)}), {promised}"
    )
    state = budget_state(line)
    if state is BudgetState.WITHIN:
        return f"{told}: {state}"
    if state is BudgetState.OVER:
        return f"{told}: {state}, unless some of them are right (--events)"
    if line.wrong > line.allowed and line.allowed >= 1.0:
        return f"{told}: {NOT_YET}, so many may be chance"
    return f"{told}: {NOT_YET}, it takes {_span(ENOUGH / line.promised_per_week)} for few to tell something"


def _span(weeks: float) -> str:
    return f"{weeks:.3g} weeks" if weeks >= 1 else lasting(round(weeks * WEEK_SECONDS) * NS)


def _rate(per_week: float) -> str:
    """Write a rate a week.

    >>> _rate(0.0), _rate(0.125), _rate(12.34)
    ('0', '0.13', '12.3')
    """
    if per_week >= 100:
        return f"{per_week:,.0f}"
    return f"{per_week:.{1 if per_week >= 10 else 2}f}".rstrip("0").rstrip(".")


def json_of(found: Report, files: Sequence[Path]) -> dict[str, object]:
    """Return all that is told, for programs."""
    times, outcome, line = found.source.times, found.outcome, found.line
    return {
        "of": found.source.name,
        "sensors": outcome.past.sensors,
        "detector": outcome.plan.detector,
        "learned": [
            {"from": times.stamp(one.from_ns), "rows": one.rows, "problem": one.problem} for one in outcome.lessons
        ],
        "judged": {
            "rows": len(outcome.score),
            "first": times.stamp(outcome.first_ns),
            "last": times.stamp(outcome.last_ns),
        },
        "alarms": [_alarm(alarm, times) for alarm in outcome.alarms],
        "budget": {
            "promised_per_week": line.promised_per_week,
            "false_alarms": line.wrong,
            "in_known_events": line.right,
            "limit_alarms": found.counted.limits,
            "weeks": line.watched_seconds / WEEK_SECONDS,
            "per_week": line.wrong_per_week,
            "interval_per_week": line.interval,
            "state": STATES[budget_state(line)],
        },
        "events": [_event(one, times) for one in found.verdicts],
        "notes": found.notes(),
        "files": [str(path) for path in files],
    }


def _alarm(alarm: PastAlarm, times: Times) -> dict[str, object]:
    return {
        "alarm": alarm.raised.alarm_id,
        "condition": alarm.raised.condition,
        "start": times.stamp(alarm.start_ns),
        "end": None if alarm.end_ns is None else _end(alarm, times),
        "priority": alarm.raised.priority,
        "peak": alarm.peak,
        "reason": alarm.raised.reason,
        "contributors": [
            {name: getattr(part, name) for name in _OF_SENSOR} for part in alarm.raised.contributors[:CONTRIBUTORS]
        ],
    }


def _event(one: Verdict, times: Times) -> dict[str, object]:
    return {
        "what": one.event.what,
        "start": times.stamp(one.event.start_ns),
        "end": times.stamp(one.event.end_ns),
        "result": one.found,
        "alarm": one.alarm and one.alarm.raised.alarm_id,
        "seconds_after_start": one.late_ns / NS if one.alarm else None,
    }


@contextmanager
def scores_written(out: Path | None, source: Source, plan: Plan) -> Iterator[Callable[[Judged], None]]:
    """Give what writes scored rows to the folder as they come; the file is there whole, or not at all."""
    with ExitStack() as stack:
        if out is None:
            yield lambda _: None
            return
        out.mkdir(parents=True, exist_ok=True)
        part = stack.enter_context(write_whole(out / SCORES))
        text = stack.enter_context(part.open("w", encoding="utf-8", newline=""))
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(score_header(source.past.sensors))

        def see(rows: Judged) -> None:
            stamps = source.times.stamps(rows.time_ns)
            writer.writerows(score_lines(stamps, rows.values, rows.scores, plan.false_alarms_per_week))

        yield see


def write_rest(out: Path, found: Report) -> list[Path]:
    """Write alarms and page beside the scores; return all files."""
    source, outcome = found.source, found.outcome
    with write_whole(out / ALARMS) as part, part.open("w", encoding="utf-8", newline="") as text:
        csv.writer(text, lineterminator="\n").writerows(_alarm_lines(outcome.alarms, source.times))
    page = backtest_page(source.name, outcome, source.times, found.said(), found.verdicts, found.notes())
    with write_whole(out / PAGE) as part:
        part.write_text(page, encoding="utf-8")
    return [out / name for name in (ALARMS, SCORES, PAGE)]


def _alarm_lines(alarms: Sequence[PastAlarm], times: Times) -> Iterator[list[object]]:
    numbered = [f"{name}.{place}" for place in range(1, CONTRIBUTORS + 1) for name in _OF_SENSOR]
    yield [*_COLUMNS, *numbered]
    for alarm in alarms:
        raised = alarm.raised
        cells = [getattr(part, name) for part in raised.contributors[:CONTRIBUTORS] for name in _OF_SENSOR]
        told = [raised.alarm_id, raised.condition, times.stamp(alarm.start_ns), _end(alarm, times), raised.priority]
        yield [*told, alarm.peak, raised.reason, *cells, *[""] * (len(numbered) - len(cells))]


def _end(alarm: PastAlarm, times: Times) -> str:
    return OPEN if alarm.end_ns is None else times.stamp(alarm.end_ns)
