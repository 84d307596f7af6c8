"""A backtest tells the alarms that the detector and the alarm stage give, row by row, and no others."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest_pump import (  # type: ignore[import-not-found]
    BEGIN_NS,
    DAY_ROWS,
    KEY,
    LIMITED,
    NS,
    SENSORS,
    SETTINGS,
    STEP_NS,
    pump_past,
    pump_plan,
    pump_rows,
    pump_times,
    with_fault,
    write_pump,
)
from iot_edge_anomaly.alarms.book import AlarmBook
from iot_edge_anomaly.alarms.rows import ScoredRows, on_rows
from iot_edge_anomaly.alarms.settings import AlarmSettings
from iot_edge_anomaly.backtest import run as backtest_room
from iot_edge_anomaly.backtest.alarms import PastAlarm
from iot_edge_anomaly.backtest.file import read_past
from iot_edge_anomaly.backtest.run import Outcome, Past, backtest
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.registry.artefact import unpack
from iot_edge_anomaly.training.fit_file import fit_csv
from iot_edge_anomaly.training.score_file import score_csv

TRAIN = 7 * DAY_ROWS
ROWS = 12 * DAY_ROWS


def told(alarms: tuple[PastAlarm, ...]) -> list[tuple[str, str, int, int | None]]:
    return [(one.raised.condition, one.raised.reason, one.start_ns, one.end_ns) for one in alarms]


def by_the_alarm_stage(past: Past, plain: AlarmSettings, model: Path) -> list[tuple[str, int]]:
    """The score alarms of the rows after the training rows, by the plainest use of the parts."""
    detector = unpack(model.read_bytes())
    values, times = past.values[TRAIN:], past.time_ns[TRAIN:]
    _, scores = detector.score(detector.start(), values)
    rows = ScoredRows(
        SENSORS, times, values, scores.score, scores.expected, scores.contribution, values, None, True, "sha256:m"
    )
    events = on_rows(AlarmBook(), past.key, rows, plain)
    return [(event.event, event.time_ns) for event in events if event.event in ("raise", "re-raise", "return")]


# --- what it finds


@settings(max_examples=15)
@given(st.integers(TRAIN + 20, ROWS - 60), st.integers(20, 60), st.sampled_from([-3.0, 2.0, 5.0]))
def test_a_fault_is_found_when_it_begins_and_is_over_when_it_ends(start: int, rows: int, by: float) -> None:
    outcome = backtest(pump_past(with_fault(pump_rows(ROWS), start, rows, by)), pump_plan(TRAIN))
    begin_ns, end_ns = BEGIN_NS + start * STEP_NS, BEGIN_NS + (start + rows) * STEP_NS
    alarm = next(one for one in outcome.alarms if one.overlaps(begin_ns, end_ns))
    assert begin_ns + 2 * STEP_NS <= alarm.start_ns <= begin_ns + 5 * STEP_NS
    assert alarm.end_ns is None or alarm.end_ns > end_ns
    assert alarm.peak > 1
    assert alarm.raised.contributors[0].sensor == "power"
    assert alarm.raised.reason.startswith("power ")


def test_an_alarm_that_stands_at_the_end_is_open() -> None:
    outcome = backtest(pump_past(with_fault(pump_rows(ROWS), ROWS - 20, 20)), pump_plan(TRAIN))
    assert outcome.alarms[-1].end_ns is None


def test_healthy_rows_keep_the_budget() -> None:
    outcome = backtest(pump_past(pump_rows(4 * TRAIN)), pump_plan(TRAIN))
    assert outcome.watched_seconds == 3 * 7 * 86_400
    assert len(outcome.alarms) <= 6


# --- it is the product's own answer


@settings(max_examples=10)
@given(
    st.lists(st.tuples(st.integers(TRAIN, ROWS - 40), st.integers(4, 40)), max_size=4), st.integers(0, 2), st.booleans()
)
def test_alarms_are_those_of_fit_score_and_the_alarm_stage(
    tmp_path_factory: pytest.TempPathFactory, faults: list[tuple[int, int]], seed: int, has_holes: bool
) -> None:
    values = pump_rows(ROWS, seed)
    for start, rows in faults:
        values = with_fault(values, start, rows)
    if has_holes:
        values[::37, 1], values[500::90] = np.nan, np.nan
    folder = tmp_path_factory.mktemp("same")
    fit_csv(write_pump(folder / "train.csv", values[:TRAIN]), folder / "m.iea")
    score_csv(
        write_pump(folder / "rest.csv", values[TRAIN:], pump_times(ROWS)[TRAIN:]), folder / "m.iea", folder / "s.csv"
    )
    past = read_past(write_pump(folder / "all.csv", values)).past
    outcome = backtest(past, pump_plan(TRAIN))
    with (folder / "s.csv").open(encoding="utf-8") as text:
        assert outcome.score.tolist() == [float(line["score"]) for line in csv.DictReader(text)]
    spans = sorted(
        [("begin", begin) for one in outcome.alarms for begin, _ in one.spans]
        + [("end", end) for one in outcome.alarms for _, end in one.spans if end is not None]
    )
    wanted = by_the_alarm_stage(past, SETTINGS, folder / "m.iea")
    assert spans == sorted(("end" if event == "return" else "begin", at) for event, at in wanted)


@pytest.mark.parametrize("cells", [3, 100, 1_000])
def test_blocks_make_no_difference(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = with_fault(with_fault(pump_rows(ROWS), TRAIN + 100, 30), TRAIN + 140, 5)
    values[TRAIN + 300 : TRAIN + 330, 1] += 0.8
    values[TRAIN + 310 : TRAIN + 320, 1] += 0.8
    whole = backtest(pump_past(values), pump_plan(TRAIN, LIMITED))
    monkeypatch.setattr(backtest_room, "BLOCK_CELLS", cells)
    rows: list[int] = []
    parts = backtest(pump_past(values), pump_plan(TRAIN, LIMITED), lambda block: rows.extend(block.time_ns.tolist()))
    assert told(parts.alarms) == told(whole.alarms)
    assert parts.score.tolist() == whole.score.tolist()
    assert rows == whole.time_ns.tolist()


@settings(max_examples=15)
@given(st.integers(TRAIN + 50, ROWS - 1), st.booleans())
def test_what_comes_later_changes_nothing_before(cut: int, learns_anew: bool) -> None:
    values = with_fault(with_fault(pump_rows(ROWS), TRAIN + 60, 25), ROWS - 100, 30)
    plan = pump_plan(3 * DAY_ROWS, LIMITED, relearn_weeks=int(learns_anew))
    short, whole = backtest(pump_past(values[:cut]), plan), backtest(pump_past(values), plan)
    last_ns = short.last_ns
    assert short.score.tolist() == whole.score[: len(short.score)].tolist()
    known = [one if one[3] and one[3] <= last_ns else (*one[:3], None) for one in told(whole.alarms)]
    assert told(short.alarms) == [one for one in known if one[2] <= last_ns]


# --- limits, learning


def test_limits_count_from_the_first_row_and_what_is_beyond_them_is_not_learned() -> None:
    values = pump_rows(ROWS)
    values[100:120, 1] = 4.9
    values[TRAIN + 50, 1] = 5.2
    outcome = backtest(pump_past(values), pump_plan(TRAIN, LIMITED))
    assert outcome.lessons[0].rows < TRAIN - 20
    limits = {one.raised.condition: one for one in outcome.alarms if not one.is_learned}
    assert limits["limit:pressure:HH"].start_ns == BEGIN_NS + (TRAIN + 50) * STEP_NS
    assert limits["limit:pressure:HH"].peak == 5.2
    assert all(one.start_ns > outcome.first_ns for one in outcome.alarms), "one that was over before is not told"


def test_an_alarm_that_stands_when_judging_begins_is_told() -> None:
    values = pump_rows(ROWS)
    values[TRAIN - 30 : TRAIN + 30, 1] = 4.9
    outcome = backtest(pump_past(values), pump_plan(TRAIN, LIMITED))
    standing = next(one for one in outcome.alarms if not one.is_learned)
    assert standing.start_ns == BEGIN_NS + (TRAIN - 30) * STEP_NS < outcome.first_ns


def drifting(rows: int) -> np.ndarray:
    """A pump whose power creeps up by as much as it scatters in two weeks."""
    values = pump_rows(rows)
    values[:, 2] += 0.1 * np.arange(rows) / (2 * TRAIN)
    return values


def test_who_learns_anew_learns_the_trailing_window_and_follows_a_slow_drift() -> None:
    values = drifting(10 * TRAIN)
    once = backtest(pump_past(values), pump_plan(2 * TRAIN))
    weekly = backtest(pump_past(values), pump_plan(2 * TRAIN, relearn_weeks=1))
    assert [(one.from_ns - BEGIN_NS) // (7 * 86_400 * NS) for one in weekly.lessons] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert all(one.last_ns < one.from_ns for one in weekly.lessons)
    assert all(one.last_ns - one.first_ns <= 14 * 86_400 * NS for one in weekly.lessons)
    assert len(once.lessons) == 1
    assert (weekly.score[-TRAIN:] > 1).sum() < (once.score[-TRAIN:] > 1).sum() / 4


def test_what_stands_in_alarm_is_not_learned() -> None:
    values = with_fault(pump_rows(8 * TRAIN), 3 * TRAIN, 8 * TRAIN, 2.0)
    outcome = backtest(pump_past(values), pump_plan(2 * TRAIN, relearn_weeks=1))
    assert outcome.alarms[-1].end_ns is None
    assert (outcome.score[-TRAIN:] > 1).all()
    assert [bool(one.problem) for one in outcome.lessons] == [False, False, False, True, True, True]


def test_a_window_without_rows_keeps_the_model_and_says_so() -> None:
    values = pump_rows(6 * TRAIN)
    times = pump_times(len(values))
    times[TRAIN + 30 :] += 30 * 86_400 * NS
    outcome = backtest(pump_past(values, times), pump_plan(TRAIN, relearn_weeks=3))
    assert any(one.problem for one in outcome.lessons)
    assert np.isfinite(outcome.score).all()


# --- what cannot be


@pytest.mark.parametrize("train", [0, ROWS, ROWS + 1])
def test_rows_must_be_left(train: int) -> None:
    with pytest.raises(RejectedError, match="to learn from leave"):
        backtest(pump_past(pump_rows(ROWS)), pump_plan(train))


@pytest.mark.parametrize(("values", "why"), [(np.full((200, 3), np.nan), "every cell"), (pump_rows(60), "too few")])
def test_rows_that_cannot_be_learned_from_are_refused(values: np.ndarray, why: str) -> None:
    with pytest.raises(RejectedError, match=why):
        backtest(pump_past(values), pump_plan(30 if why == "too few" else 100))


def test_rows_that_may_not_be_learned_from_are_not() -> None:
    past = pump_past(pump_rows(ROWS))
    outcome: Outcome = backtest(past._replace(may_learn=np.arange(ROWS) >= 200), pump_plan(TRAIN))
    assert outcome.lessons[0].rows == TRAIN - 200
    assert outcome.past.key == KEY
