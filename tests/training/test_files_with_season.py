"""Files of a plant that follows the clock: learned, scored and tested back by the time of each row."""

import csv
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from clock_plant import DAY_ROWS, SENSORS, load, plant, rows, times  # type: ignore[import-not-found]
from iot_edge_anomaly.cli.main import app
from iot_edge_anomaly.core.errors import ConfigError, RejectedError
from iot_edge_anomaly.detection.season import WEEK, SeasonRule
from iot_edge_anomaly.training.fit_file import fit_csv
from iot_edge_anomaly.training.score_file import score_csv

DAYS = 14
RULE = SeasonRule(WEEK)


def write(path: Path, values: np.ndarray, first_day: float = 0.0) -> Path:
    at = times(len(values) / DAY_ROWS, first_day) // 1_000_000_000
    lines = [",".join((str(when), *map(repr, row))) for when, row in zip(at.tolist(), values.tolist(), strict=True)]
    path.write_text("\n".join(["timestamp," + ",".join(SENSORS), *lines]) + "\n", encoding="utf-8")
    return path


def later() -> np.ndarray:
    """A week after the lesson, of which the fourth night is like a day."""
    at = times(7, DAYS)
    busy = load(at)
    busy[3 * DAY_ROWS : 3 * DAY_ROWS + 42] = 1.0
    return np.asarray(rows(at, busy))


def anomalous(path: Path) -> np.ndarray:
    with path.open(encoding="utf-8") as text:
        return np.array([row["anomaly"] == "1" for row in csv.DictReader(text)])


def test_a_file_is_scored_by_the_time_of_its_rows(tmp_path: Path) -> None:
    train, data = write(tmp_path / "train.csv", plant(DAYS)), write(tmp_path / "later.csv", later(), DAYS)
    fit_csv(train, tmp_path / "m.iea", season=RULE)
    score_csv(data, tmp_path / "m.iea", tmp_path / "out.csv")
    found = anomalous(tmp_path / "out.csv")
    night = slice(3 * DAY_ROWS, 3 * DAY_ROWS + 42)
    assert found[night][6:].mean() > 0.9
    assert found[: night.start].mean() < 0.01
    moved = write(tmp_path / "moved.csv", later(), DAYS + 0.5)
    score_csv(moved, tmp_path / "m.iea", tmp_path / "moved-out.csv")
    assert anomalous(tmp_path / "moved-out.csv").mean() > 0.3, "the same rows at other hours are odd"


def test_too_short_a_file_says_how_long_it_has_to_be(tmp_path: Path) -> None:
    with pytest.raises(RejectedError, match="what a week is like takes 2"):
        fit_csv(write(tmp_path / "train.csv", plant(9)), tmp_path / "m.iea", season=RULE)
    with pytest.raises(ConfigError, match="coldstart learns no seasons"):
        fit_csv(write(tmp_path / "t.csv", plant(DAYS)), tmp_path / "m.iea", detector="coldstart", season=RULE)
    assert not (tmp_path / "m.iea").exists()


def test_the_command_line_fits_and_tests_back_with_a_season(tmp_path: Path) -> None:
    path = write(tmp_path / "all.csv", np.concatenate((plant(DAYS), later())))
    runner = CliRunner()
    made = runner.invoke(app, ["fit", str(path), "--model", str(tmp_path / "m.iea"), "--season", "week"])
    assert made.exit_code == 0, made.output
    told = {}
    for options in ([], ["--season", "week"]):
        ran = runner.invoke(app, ["backtest", str(path), "--train-rows", str(DAYS * DAY_ROWS), "--json", *options])
        assert ran.exit_code == 0, ran.output
        told[bool(options)] = ran.output
    assert "at this time of the week" in told[True]
    assert "at this time" not in told[False]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--time-zone", "Europe/Berlin"], "--season"),
        (["--season", "day", "--time-zone", "Europe/Berlln"], "Europe/Berlln"),
        (["--season", "year"], "year"),
    ],
)
def test_what_is_no_season_is_wrong_usage(tmp_path: Path, options: list[str], problem: str) -> None:
    path = write(tmp_path / "all.csv", plant(3))
    ran = CliRunner().invoke(app, ["fit", str(path), "--model", str(tmp_path / "m.iea"), *options])
    assert ran.exit_code != 0
    assert problem in ran.output + str(ran.exception)
