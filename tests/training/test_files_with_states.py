"""Files of a machine with several states: learned by state, scored where it is judged, and what may be wrong."""

import csv
import doctest
from pathlib import Path

import numpy as np
import pytest

from iot_edge_anomaly.backtest.file import read_past
from iot_edge_anomaly.backtest.run import Plan, backtest
from iot_edge_anomaly.cli import states as command_line
from iot_edge_anomaly.cli.states import declared
from iot_edge_anomaly.core.errors import ConfigError, RejectedError
from iot_edge_anomaly.pipeline.operating import StateRule
from iot_edge_anomaly.pipeline.profile import profile_of
from iot_edge_anomaly.training import csv_files
from iot_edge_anomaly.training.fit_file import fit_csv
from iot_edge_anomaly.training.score_file import score_csv
from state_pump import HIGH, LOW, MODE, OFF, SENSORS, pump_rows  # type: ignore[import-not-found]

NS = 1_000_000_000
RULE = StateRule("mode", (LOW, HIGH), 30 * NS)
LESSON = np.repeat([LOW, HIGH, LOW, HIGH], 200)
LATER = np.tile(np.repeat([OFF, LOW, HIGH], [50, 70, 70]), 5)
ROWS = pump_rows([*LESSON, *LATER])


def write(path: Path, rows: np.ndarray, first: int = 0, *, changes_only: bool = False) -> Path:
    lines = ["timestamp," + ",".join(SENSORS)]
    for number, row in enumerate(rows.tolist()):
        cells = [repr(cell) for cell in row]
        if changes_only and number and row[MODE] == rows[number - 1, MODE]:
            cells[MODE] = ""
        lines.append(",".join((str(1_767_225_600 + first + number), *cells)))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def scores(path: Path) -> np.ndarray:
    with path.open(encoding="utf-8") as text:
        return np.array([float(row["score"]) for row in csv.DictReader(text)])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    fit_csv(write(folder / "train.csv", ROWS[: len(LESSON)]), folder / "m.iea", states=RULE)
    return folder / "m.iea"


def test_starts_that_were_not_learned_are_not_scored_and_what_runs_is(tmp_path: Path, model: Path) -> None:
    data = write(tmp_path / "later.csv", ROWS[len(LESSON) :], len(LESSON))
    summary = score_csv(data, model, tmp_path / "out.csv")
    since = np.concatenate([np.arange(count) for count in [50, 70, 70] * 5])
    is_judged = (LATER != OFF) & (since >= 30)
    np.testing.assert_array_equal(scores(tmp_path / "out.csv") > 0, is_judged)
    assert (summary.anomalous_rows, summary.unscored_rows) == (0, int((~is_judged).sum()))
    fit_csv(model.parent / "train.csv", tmp_path / "plain.iea")
    assert score_csv(data, tmp_path / "plain.iea", tmp_path / "plain.csv").unscored_rows == 0


def test_neither_chunks_nor_empty_cells_between_changes_change_a_score(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, changes = ROWS[len(LESSON) :], tmp_path / "changes.csv"
    score_csv(write(tmp_path / "whole.csv", whole), model, tmp_path / "whole.out")
    monkeypatch.setattr(csv_files, "CHUNK_CELLS", 7 * (1 + len(SENSORS)))
    score_csv(write(changes, whole, changes_only=True), model, tmp_path / "cut.out")
    assert (tmp_path / "cut.out").read_text().replace("corrected", "good") == (tmp_path / "whole.out").read_text()


def test_a_backtest_of_a_file_scores_as_fit_and_score_do(tmp_path: Path, model: Path) -> None:
    past = read_past(write(tmp_path / "all.csv", ROWS)).past
    alarms = profile_of(past.key, (), "").for_sensors(past.sensors).alarms
    outcome = backtest(past, Plan("linear", 1.0, alarms, len(LESSON), states=RULE))
    score_csv(write(tmp_path / "later.csv", ROWS[len(LESSON) :], len(LESSON)), model, tmp_path / "out.csv")
    assert outcome.score.tolist() == scores(tmp_path / "out.csv").tolist()
    assert outcome.unjudged_rows == int((outcome.score == 0).sum())
    assert outcome.watched_seconds == len(outcome.score) - outcome.unjudged_rows


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", ROWS[:100])
    with pytest.raises(ConfigError, match="has no column 'modus', which is to say in which state"):
        fit_csv(train, tmp_path / "m.iea", states=RULE._replace(sensor="modus"))
    with pytest.raises(RejectedError, match="no row is judged; the states in column 'mode': 1"):
        fit_csv(train, tmp_path / "m.iea", states=RULE._replace(judged=(7.0,)))
    with pytest.raises(RejectedError, match="state 1: 20 rows are too few"):
        fit_csv(train, tmp_path / "m.iea", states=RULE._replace(settle_ns=80 * NS))
    past = read_past(train).past
    alarms = profile_of(past.key, (), "").for_sensors(past.sensors).alarms
    with pytest.raises(RejectedError, match="no sensor is called modus"):
        backtest(past, Plan("linear", 1.0, alarms, 50, states=RULE._replace(sensor="modus")))


def test_what_is_typed_becomes_a_rule() -> None:
    assert declared(None, None, 30.0) is None
    assert declared("mode", None, 1.5) == StateRule("mode", (), 1_500_000_000)
    assert declared("mode", "1,2", 30.0) == RULE
    with pytest.raises(ConfigError, match="says nothing without --state-sensor"):
        declared(None, "1", 30.0)
    with pytest.raises(ConfigError, match="write the numbers of the states, such as 1,2"):
        declared("mode", "1;2", 30.0)
    assert doctest.testmod(command_line).failed == 0
