"""`backtest` of an asset: rows of the tables, settings of the running system or of a file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_system import SmallSystem, typed  # type: ignore[import-not-found]

from backtest_pump import (  # type: ignore[import-not-found]
    DAY_ROWS,
    KEY,
    SENSORS,
    STEP_NS,
    pump_rows,
    pump_times,
    with_fault,
    write_pump,
)
from iot_edge_anomaly.app.history import history_folder
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import ROW_QUALITIES, Phase, RowQuality, Rows
from iot_edge_anomaly.historian.arrow import arrow_table
from iot_edge_anomaly.historian.columns import scores_block
from iot_edge_anomaly.historian.schema import SCORES
from iot_edge_anomaly.historian.tables import TableWriter

TRAIN, ROWS = 7 * DAY_ROWS, 10 * DAY_ROWS
CONFIGURATION = """
[[asset]]
match = "acme/*"
false_alarms_per_week = 2.0
on_delay_rows = 1
learn_rows = 900
[asset.sensors.pressure]
unit = "bar"
title = "outlet pressure"
high_limit = 4.7
deadband = 0.1
"""


def write_scores(folder: Path, values: np.ndarray, sensors: tuple[str, ...] = SENSORS, first: int = 0) -> None:
    """Write rows as the historian does, two days at a time; they were scored before there was a model."""
    table = TableWriter(folder, SCORES)
    for part, start in enumerate(range(0, len(values), 2 * DAY_ROWS)):
        rows = values[start : start + 2 * DAY_ROWS]
        times = pump_times(first + len(values))[first + start :][: len(rows)]
        there = np.isfinite(rows).any(axis=1)
        quality = np.where(there, 0, ROW_QUALITIES.index(RowQuality.REJECTED)).astype("u1")
        empty = np.full(rows.shape, np.nan, "<f4").tobytes()
        told = Rows(
            sensors,
            times.astype("<i8").tobytes(),
            rows.astype("<f8").tobytes(),
            np.zeros(len(rows), "<f8").tobytes(),
            quality.tobytes(),
            empty,
            empty,
            Phase.PROVISIONAL,
            "",
            STEP_NS,
        )
        block = scores_block([(KEY, told), (AssetKey("rival", "pump"), told)])
        table.append(arrow_table(SCORES, block), {f"part.{first}": part + 1})


def values() -> np.ndarray:
    made = with_fault(pump_rows(ROWS), TRAIN + 100, 40)
    made[TRAIN + 200 : TRAIN + 220, 1] += 0.9
    made[300:310] = np.nan
    return made


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with history, of a system that does not run."""
    folder = tmp_path_factory.mktemp("past")
    write_scores(history_folder(folder), values())
    (folder / "plant.toml").write_text(CONFIGURATION)
    return folder


def told(data_dir: Path, *arguments: object) -> Any:
    config = ("--config", data_dir / "plant.toml", "--data-dir", data_dir)
    done = typed("backtest", *arguments, *config, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_asset_is_treated_as_its_settings_say(data_dir: Path) -> None:
    found = told(data_dir, KEY)
    assert found["learned"][0]["rows"] == 890, "of its own learn_rows those that hold nothing are not learned"
    assert found["budget"]["promised_per_week"] == 2.0
    limit = next(one for one in found["alarms"] if one["condition"] == "limit:pressure:H")
    assert limit["reason"] == "outlet pressure 5 bar above its high limit of 4.7 bar"
    assert limit["peak"] > 4.7
    assert found["notes"][0] == "not tested: silence, which the running system watches"
    assert found["notes"][1].startswith("learned from as many rows as the asset would")
    power = [one for one in found["alarms"] if one["contributors"][0]["sensor"] == "power"]
    assert power


def test_history_and_a_file_of_the_same_rows_tell_the_same(data_dir: Path, tmp_path: Path) -> None:
    path = write_pump(tmp_path / "same.csv", values()[310:])
    (tmp_path / "plain.toml").write_text("")
    begin = np.datetime64(int(pump_times(311)[310]) // 10**9, "s")
    asked = ("--from", begin, "--train-rows", TRAIN - 310, "--config", tmp_path / "plain.toml")
    done = typed("backtest", KEY, *asked, "--data-dir", data_dir, "--json")
    past = json.loads(done.stdout)
    done = typed("backtest", path, "--train-rows", TRAIN - 310, "--json")
    file = json.loads(done.stdout)
    shift_ns = 310 * STEP_NS
    starts = [[np.datetime64(one["start"].rstrip("Z")) for one in found["alarms"]] for found in (past, file)]
    assert [at - np.timedelta64(shift_ns, "ns") for at in starts[0]] == starts[1]
    assert [one["reason"] for one in past["alarms"]] == [one["reason"] for one in file["alarms"]]


def test_what_is_asked_for_beats_the_settings(data_dir: Path) -> None:
    found = told(data_dir, KEY, "--budget", "5/week", "--train-until", "2026-01-12", "--until", "2026-01-14")
    assert found["budget"]["promised_per_week"] == 5.0
    assert (found["judged"]["first"], found["judged"]["last"]) == ("2026-01-12T00:00:00Z", "2026-01-13T23:50:00Z")


def test_nothing_in_the_folder_is_changed(data_dir: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in sorted(data_dir.rglob("*"))}
    told(data_dir, KEY, "--out", tmp_path / "out")
    assert {path: path.stat().st_mtime_ns for path in sorted(data_dir.rglob("*"))} == before


def test_a_sensor_that_came_later_is_taken_in(tmp_path: Path) -> None:
    write_scores(history_folder(tmp_path), values()[: 2 * DAY_ROWS, :2], SENSORS[:2])
    write_scores(history_folder(tmp_path), values()[2 * DAY_ROWS :], SENSORS, 2 * DAY_ROWS)
    (tmp_path / "plant.toml").write_text(CONFIGURATION)
    found = told(tmp_path, KEY, "--train-rows", TRAIN)
    assert found["sensors"] == list(SENSORS)
    assert any(one["contributors"][0]["sensor"] == "power" for one in found["alarms"])


@pytest.mark.parametrize(
    ("asset", "arguments", "said"),
    [
        ("acme/site-1/pump-2", [], "has no rows of such an asset; did you mean acme/site-1/pump-1?"),
        ("quite/else", [], "it has rows of acme/site-1/pump-1, rival/pump"),
        (KEY, ["--from", "2027-01-01"], "no rows of acme/site-1/pump-1 in that time; there are rows from 2026-01-05"),
        (KEY, ["--from", "7"], "no rows of acme/site-1/pump-1"),
        (KEY, ["--train-rows", "5000"], "5,000 rows to learn from leave none to judge"),
        ("acme//pump", [], "neither a file here nor an asset"),
    ],
)
def test_what_is_not_there_is_said(data_dir: Path, asset: object, arguments: list[str], said: str) -> None:
    config = ("--config", data_dir / "plant.toml", "--data-dir", data_dir)
    if arguments == ["--from", "7"]:
        arguments = ["--until", "7"]
    done = typed("backtest", asset, *arguments, *config)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr


def test_no_folder_no_history_no_system(data_dir: Path, tmp_path: Path) -> None:
    assert "there is no data folder" in typed("backtest", KEY, "--data-dir", tmp_path / "none").stderr
    assert "it is empty" in typed("backtest", KEY, "--data-dir", tmp_path).stderr
    done = typed("backtest", KEY, "--data-dir", data_dir)
    assert done.returncode == 2
    assert "start it, or name its configuration file with --config" in done.stderr


@pytest.mark.server
def test_the_settings_are_those_of_the_running_system(system: SmallSystem, tmp_path: Path) -> None:
    """Its rules say: a high limit for the pressure of 7 bar; the tables are others, beside a copy of its address."""
    values_high = values()
    values_high[TRAIN + 300, 1] = 7.5
    write_scores(history_folder(tmp_path), values_high)
    (tmp_path / "run").mkdir()
    run = system.data_dir / "run"
    for path in run.glob("*"):
        if path.is_file():
            (tmp_path / "run" / path.name).write_bytes(path.read_bytes())
    done = typed("backtest", KEY, "--data-dir", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    limits = [one for one in json.loads(done.stdout)["alarms"] if one["condition"].startswith("limit")]
    assert [one["reason"] for one in limits] == ["pressure 7.5 bar above its high limit of 7 bar"]
