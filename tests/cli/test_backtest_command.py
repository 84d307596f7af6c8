"""`backtest` as a person types it, on files: what it tells, what it writes, and what it says of what is wrong."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_system import Done, typed  # type: ignore[import-not-found]

from backtest_pump import (  # type: ignore[import-not-found]
    BEGIN_NS,
    DAY_ROWS,
    SENSORS,
    STEP_NS,
    pump_rows,
    pump_times,
    with_fault,
    write_pump,
)
from iot_edge_anomaly.registry.artefact import unpack
from iot_edge_anomaly.training.fit_file import fit_csv
from iot_edge_anomaly.training.score_file import score_csv

ROWS = 4 * 7 * DAY_ROWS
FAULT = 3 * 7 * DAY_ROWS
EVENTS = """\
start,end,what
2026-01-07,2026-01-07T12:00,pump cleaned
2026-01-26,2026-01-26T12:00,bearing
2026-01-30T00:00,2026-01-30T06:00,filter changed
2026-05-01,,not yet
"""


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    values = with_fault(pump_rows(ROWS), FAULT + 6, 40)
    values[FAULT + 300, 1] = np.nan
    return write_pump(tmp_path_factory.mktemp("rows") / "readings.csv", values)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.csv"
    path.write_text(EVENTS)
    return path


def told(*arguments: object) -> Any:
    done = typed("backtest", *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def refused(*arguments: object) -> str:
    done: Done = typed("backtest", *arguments)
    assert done.returncode in (1, 2), done.stdout
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return str(done.stderr)


def test_a_person_is_told_what_when_and_why(readings: Path, events: Path) -> None:
    done = typed("backtest", readings, "--train-until", "2026-01-19", "--budget", "2/week", "--events", events)
    assert done.returncode == 0, done.stderr
    said = done.stdout
    assert re.search(r"2026-01-26 01:\d\d .*(high|medium)", said)
    assert re.search(r"power \d.* above what flow and outlet|power .* above what flow and pressure predict", said)
    assert re.search(r"\d\d%  power: 1\d\.\d+, expected 1\d", said)
    assert re.search(r"bearing, 2026-01-26 00:00: found 1 h \d+ min after its start: power", said)
    assert "pump cleaned, 2026-01-07 00:00: not tested: it lies in the rows that were learned from" in said
    assert re.search(r"filter changed, .*: missed\n", said)
    assert "not yet, 2026-05-01 00:00: no rows of that time" in said
    assert "learned       2,016 rows, 2026-01-05 00:00 to 2026-01-18 23:50" in said
    assert re.search(r"budget +\S+ a week \(\d+ in 2 weeks; 95 %: \S+ to \S+\), at most 2 promised: ", said)
    assert said.endswith("Nothing was changed. No model was registered, no alarm was sent.\n")


def test_programs_are_told_the_same(readings: Path, events: Path) -> None:
    found = told(readings, "--train-rows", 2 * 7 * DAY_ROWS, "--events", events)
    assert [one["result"] for one in found["events"]] == ["not tested", "found", "missed", "no rows"]
    bearing = found["events"][1]
    alarm = next(one for one in found["alarms"] if one["alarm"] == bearing["alarm"])
    assert bearing["seconds_after_start"] == 3600 + 1200
    assert (alarm["condition"], alarm["start"][:10], alarm["contributors"][0]["sensor"]) == (
        "score",
        "2026-01-26",
        "power",
    )
    assert found["budget"]["promised_per_week"] == 1.0
    assert found["budget"]["in_known_events"] >= 1
    assert found["budget"]["state"] in ("not-yet-verifiable", "over")
    assert found["judged"]["rows"] == ROWS - 2 * 7 * DAY_ROWS
    assert found["sensors"] == list(SENSORS)


def test_files_are_written_and_the_scores_are_those_of_score(readings: Path, tmp_path: Path) -> None:
    train = 2 * 7 * DAY_ROWS
    out = tmp_path / "deep" / "results"
    found = told(readings, "--train-rows", train, "--out", out)
    assert found["files"] == [str(out / name) for name in ("alarms.csv", "scores.csv", "backtest.html")]
    assert sorted(path.name for path in out.iterdir()) == ["alarms.csv", "backtest.html", "scores.csv"]
    lines = readings.read_text().splitlines(keepends=True)
    (tmp_path / "train.csv").write_text("".join(lines[: train + 1]))
    (tmp_path / "rest.csv").write_text("".join([lines[0], *lines[train + 1 :]]))
    fit_csv(tmp_path / "train.csv", tmp_path / "m.iea")
    score_csv(tmp_path / "rest.csv", tmp_path / "m.iea", tmp_path / "scores.csv")
    assert (out / "scores.csv").read_text() == (tmp_path / "scores.csv").read_text()
    with (out / "alarms.csv").open(newline="", encoding="utf-8") as text:
        alarms = list(csv.DictReader(text))
    assert [(one["alarm"], one["start"]) for one in alarms] == [(one["alarm"], one["start"]) for one in found["alarms"]]
    assert alarms[0]["sensor.1"] in SENSORS
    page = (out / "backtest.html").read_text()
    assert page.count("<svg") >= 5
    assert not re.search(r"(?:src|href)=['\"](?!#)", page), "it loads nothing"
    assert unpack((tmp_path / "m.iea").read_bytes()).sensors == SENSORS


def test_names_are_shown_and_never_obeyed(tmp_path: Path) -> None:
    path = write_pump(tmp_path / "<b>&'.csv", with_fault(pump_rows(1_500), 1_200, 40))
    path.write_text(path.read_text().replace("power", "<script>x['</script>"))
    typed("backtest", path, "--train-rows", "1000", "--out", tmp_path / "out")
    page = (tmp_path / "out" / "backtest.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_where_nothing_odd_is_there_is_no_alarm(tmp_path: Path) -> None:
    path = write_pump(tmp_path / "calm.csv", np.tile(pump_rows(DAY_ROWS), (10, 1)))
    done = typed("backtest", path, "--train-rows", 5 * DAY_ROWS)
    assert "There would have been no alarm." in done.stdout
    assert "not yet verifiable, it takes 3 weeks for few to tell something" in done.stdout


def test_a_plant_that_learns_anew(readings: Path) -> None:
    found = told(readings, "--train-until", "2026-01-12", "--relearn", "1")
    assert [one["from"] for one in found["learned"]] == [f"2026-01-{day}T00:00:00Z" for day in (12, 19, 26)]
    said = typed("backtest", readings, "--train-until", "2026-01-12", "--relearn", "1").stdout
    assert "learned anew  2 times, 1,008 rows the last time" in said


def test_a_time_range_and_the_rows_that_an_asset_learns_from(readings: Path) -> None:
    found = told(readings, "--from", "2026-01-06", "--until", "2026-01-20")
    assert (found["learned"][0]["rows"], found["judged"]["last"]) == (600, "2026-01-19T23:50:00Z")


def test_counted_rows(tmp_path: Path) -> None:
    lines = [f"{number},{','.join(map(repr, row))}" for number, row in enumerate(pump_rows(1_000).tolist())]
    path = tmp_path / "counted.csv"
    path.write_text("timestamp,flow,pressure,power\n" + "\n".join(lines) + "\n")
    (tmp_path / "events.csv").write_text("start,end,what\n900,910,leak\n")
    found = told(path, "--train-until", "700", "--interval", "10m", "--events", tmp_path / "events.csv")
    assert found["judged"] == {"rows": 300, "first": "700", "last": "999"}
    assert found["events"][0]["start"] == "900"
    assert round(found["budget"]["weeks"] * 1_008) == 300


def test_rows_out_of_order_are_sorted_and_it_is_said(tmp_path: Path) -> None:
    values, times = pump_rows(1_000), pump_times(1_000)
    order = np.r_[0:500, 510:520, 500:510, 520:1000]
    path = write_pump(tmp_path / "mixed.csv", values[order], times[order])
    found = told(path, "--train-rows", "600")
    assert found["notes"] == ["the rows went back in time and were sorted"]
    ordered = told(write_pump(tmp_path / "mixed.csv", values), "--train-rows", "600")
    assert found["alarms"] == ordered["alarms"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--train-rows", "9", "--train-until", "2026-01-19"], "give one of them"),
        (["--train-rows", "20"], "nothing can be learned from the first 20 rows of readings.csv: 20 rows are too few"),
        (
            ["--train-rows", "99999"],
            "99,999 rows to learn from leave none to judge; readings.csv has 4,032 rows, 2026-",
        ),
        (["--train-until", "2025-01-01"], "leaves no row to learn from; readings.csv has 4,032 rows, 2026-01-05 00:00"),
        (["--train-until", "2027-01-01"], "leaves no row to judge; readings.csv has 4,032 rows"),
        (["--train-until", "soon"], "--train-until: 'soon': time is not ISO 8601; write for example"),
        (["--from", "2027-01-01"], "has no rows in that time; there are rows from 2026-01-05 00:00 to 2026-02-01"),
        (["--from", "2026-01-20", "--until", "2026-01-20"], "--until 2026-01-20 is not after --from 2026-01-20"),
        (["--until", "2026-01-06"], "the asset's learn_rows: 600 rows to learn from leave none to judge"),
        (["--budget", "often"], 'must read like "1/week"'),
        (["--detector", "oracle"], "there is no detector 'oracle'; there are: linear"),
        (["--events", "none.csv"], "none.csv cannot be read: No such file"),
        (["--config", "plant.toml"], "a CSV file is of none"),
    ],
)
def test_what_is_wrong_is_said(readings: Path, arguments: list[str], said: str) -> None:
    assert said in refused(readings, *arguments).replace("\n", " ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("timestamp\n1\n", "no sensor columns"),
        ("time,flow\n1,2\n", "no column 'timestamp'"),
        ("timestamp,flow\n", "no rows"),
        ("timestamp,flow\n2026-01-01,warm\n", "line 2, column 'flow'"),
        ("timestamp,flow\n2026-01-01\n", "line 2: 1 cells"),
    ],
)
def test_a_file_that_is_wrong_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    assert said in refused(tmp_path / "bad.csv")


def test_a_file_that_is_not_there_and_a_folder_that_is_a_file(tmp_path: Path, readings: Path) -> None:
    assert "none.csv cannot be read: No such file" in refused(tmp_path / "none.csv")
    assert "neither a file here nor an asset" in refused("pump")
    (tmp_path / "file").touch()
    assert "file" in refused(readings, "--out", tmp_path / "file")


def test_help_shows_examples() -> None:
    said = typed("backtest", "--help").stdout
    assert said.count("iot-edge-anomaly backtest ") >= 2


def test_the_first_row_of_the_fault_is_where_it_was_put() -> None:
    assert np.datetime64((BEGIN_NS + FAULT * STEP_NS) // 10**9, "s") == np.datetime64("2026-01-26T00:00:00")


def test_states_of_a_file_are_told_on_the_command_line_and_those_of_an_asset_are_not(tmp_path: Path) -> None:
    values = np.concatenate((pump_rows(1_200), 0.1 * pump_rows(200), pump_rows(200)))
    states = np.repeat([1.0, 0.0, 1.0], [1_200, 200, 200])
    path = write_pump(tmp_path / "states.csv", values)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([f"{lines[0]},mode", *(f"{a},{b:g}" for a, b in zip(lines[1:], states, strict=True))]))
    declared = ("--state-sensor", "mode", "--judged-states", "1", "--settle-seconds", "1200")
    found = told(path, *declared)
    assert found["learned"][0]["rows"] == 600
    assert found["judged"]["rows"] == 1_600 - 602, "two rows until the first state has settled are not learned"
    assert found["alarms"] == []
    assert found["notes"][-1].startswith("not judged: 202 rows")
    assert told(path, "--train-rows", "1000")["alarms"] != []
    assert "is for files" in refused("acme/pump-1", *declared, "--data-dir", tmp_path)
    assert "says nothing without --state-sensor" in refused(path, "--judged-states", "1")
