"""Fitting and scoring CSV files: every form of the input, and every way it can be wrong."""

import csv
import gzip
import math
import os
from pathlib import Path

import numpy as np
import pytest

from iot_edge_anomaly.core.errors import ConfigError, IotEdgeAnomalyError, RejectedError
from iot_edge_anomaly.storage.whole_file import write_whole
from iot_edge_anomaly.training.csv_files import Table, read_history
from iot_edge_anomaly.training.fit_file import fit_csv, parse_budget
from iot_edge_anomaly.training.score_file import score_csv

ROWS = 400


def plant_csv(path: Path, rows: int = ROWS, first: int = 0) -> Path:
    """A pump's flow and pressure; the pressure's cell is empty now and then; from row 350 it is off by far."""
    random = np.random.default_rng(0)
    flow = 100 + np.cumsum(random.normal(size=rows))
    pressure = 0.05 * flow + random.normal(size=rows) * 0.02
    pressure[350:] -= 2
    lines = ["timestamp,flow,pressure,label"]
    for row in range(first, rows):
        shown = "" if row % 37 == 5 else f"{pressure[row]:.4f}"
        lines.append(f"2026-11-24T06:{row // 60:02}:{row % 60:02}Z,{flow[row]:.4f},{shown},{int(row >= 350)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def scored(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as source:
        return list(csv.DictReader(source))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    fit_csv(plant_csv(tmp_path / "train.csv", 340), tmp_path / "m.iea")
    return tmp_path / "m.iea"


def test_fit_and_score(tmp_path: Path, model: Path) -> None:
    told: list[int] = []
    summary = score_csv(plant_csv(tmp_path / "data.csv"), model, tmp_path / "out.csv", progress=told.append)
    rows = scored(tmp_path / "out.csv")
    assert [*rows[0]] == [
        "timestamp", "score", "anomaly", "quality", "expected_false_alarms_per_week",
        "contribution.flow", "contribution.pressure",
    ]  # fmt: skip
    assert (len(rows), summary.rows, told[-1]) == (ROWS, ROWS, ROWS)
    assert [row["timestamp"] for row in rows[:2]] == ["2026-11-24T06:00:00Z", "2026-11-24T06:00:01Z"]
    assert [row["anomaly"] for row in rows[:350]] == ["0"] * 350
    assert [row["anomaly"] for row in rows[353:370]] == ["1"] * 17
    assert summary.anomalous_rows == sum(row["anomaly"] == "1" for row in rows)
    assert {row["quality"] for row in rows[6:40]} == {"good"}
    assert rows[5]["quality"] == "corrected"
    assert all(float(row["contribution.pressure"]) > float(row["contribution.flow"]) for row in rows[355:365])


def test_the_same_file_gives_the_same_model_and_a_prefix_the_same_scores(tmp_path: Path, model: Path) -> None:
    digest, _ = fit_csv(plant_csv(tmp_path / "again.csv", 340), tmp_path / "again.iea")
    assert (tmp_path / "again.iea").read_bytes() == model.read_bytes()
    assert digest.startswith("sha256:")
    score_csv(plant_csv(tmp_path / "all.csv"), model, tmp_path / "all.out")
    lines = (tmp_path / "all.csv").read_text().splitlines(keepends=True)
    (tmp_path / "some.csv").write_text("".join(lines[:124]))
    score_csv(tmp_path / "some.csv", model, tmp_path / "some.out")
    part = (tmp_path / "some.out").read_text()
    assert part.count("\n") == 124
    assert (tmp_path / "all.out").read_text().startswith(part)


def test_rows_that_cannot_be_scored_score_nothing(tmp_path: Path, model: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("timestamp,pressure,flow\n0,5,100\n1,,\n2,inf,-inf\n3,1e308,-1e308\n4,5,100\n")
    score_csv(data, model, tmp_path / "out.csv")
    rows = scored(tmp_path / "out.csv")
    assert [row["quality"] for row in rows] == ["good", "missing", "rejected", "good", "good"]
    assert [float(row["score"]) for row in rows[1:3]] == [0.0, 0.0]
    assert all(math.isfinite(float(row["score"])) for row in rows)


@pytest.mark.parametrize(
    ("stamps", "interval", "seconds"),
    [
        (["0", "1", "2"], None, [0, 1, 2]),
        (["7", "8", "9"], 60.0, [420, 480, 540]),
        (["1700000000", "1700000001.5", "1700000003"], None, [1700000000, 1700000001.5, 1700000003]),
        (["1700000000000", "1700000000250", "1700000000500"], None, [1700000000, 1700000000.25, 1700000000.5]),
        (["1970-01-01 00:00:05", "1970-01-01T00:00:06Z", "1970-01-01T01:00:07+01:00"], None, [5, 6, 7]),
    ],
)
def test_forms_of_the_timestamp(
    tmp_path: Path, stamps: list[str], interval: float | None, seconds: list[float]
) -> None:
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(("timestamp,a\n" + "".join(f"{stamp},1\n" for stamp in stamps)).encode()))
    assert read_history(Table(path, interval)).times_ns.tolist() == [round(second * 1e9) for second in seconds]


def test_gaps_and_steps_back_start_anew(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("timestamp,a\n" + "".join(f"{stamp},1\n" for stamp in (0, 1, 2, 3, 9, 10, 11, 4, 5, 6)))
    assert np.flatnonzero(read_history(Table(path)).starts).tolist() == [0, 4, 7]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"bad.csv is empty"),
        (b"timestamp,a\n", r"no rows"),
        (b"time,a\n1,2\n", r"no column 'timestamp'; its columns are time, a"),
        (b"timestamp,label\n1,2\n", r"no sensor columns"),
        (b"timestamp,a,a\n1,2,3\n", r"the column 'a' twice"),
        (b"timestamp,a,\n1,2,3\n", r"line 1: sensor name is empty"),
        (b"timestamp,a\n1,2\n\n2,3,4\n", r"line 4: 3 cells, but the header has 2"),
        (b"timestamp,a,b\n1,2,3\n2,x1,4\n", r"line 3, column 'a': 'x1' is no number"),
        (b"timestamp,a\n1,2\nmonday,3\n", r"line 3, column 'timestamp': 'monday' is not a number"),
        (b"timestamp,a\nmonday,2\n", r"line 2, column 'timestamp': 'monday' is not ISO 8601"),
        (
            b"timestamp,a\n2300-01-01T00:00:00Z,2\n",
            r"line 2, column 'timestamp': '2300-01-01T00:00:00Z' is before 1678",
        ),
        (b"timestamp,a\n1,2\n1e20,3\n", r"line 3, column 'timestamp': '1e20' is before 1678 or after 2261"),
        (b"timestamp,a\n1,2\nnan,3\n", r"line 3, column 'timestamp'"),
        (b"timestamp,a\n1,\xff\xfe\n", r"not UTF-8"),
        (b"timestamp,a\n1,2\n", r"1 rows are too few"),
        (b'timestamp,a\n1,"' + b"x" * 200_000 + b'"\n', r"cannot be read: field larger"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises(IotEdgeAnomalyError, match=message):
        fit_csv(tmp_path / "bad.csv", tmp_path / "m.iea")
    assert not (tmp_path / "m.iea").exists()


def test_broken_and_absent_files(tmp_path: Path, model: Path) -> None:
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(b"timestamp,a\n" + b"1,2\n" * 1000)[:-12])
    with pytest.raises(RejectedError, match=r"cut.csv.gz cannot be read"):
        fit_csv(cut, tmp_path / "x.iea")
    (tmp_path / "plain.csv.gz").write_bytes(b"timestamp,a\n1,2\n")
    with pytest.raises(RejectedError, match="cannot be read"):
        fit_csv(tmp_path / "plain.csv.gz", tmp_path / "x.iea")
    with pytest.raises(ConfigError, match="No such file"):
        fit_csv(tmp_path / "none.csv", tmp_path / "x.iea")
    with pytest.raises(FileNotFoundError, match=r"x\.iea"):
        fit_csv(plant_csv(tmp_path / "t.csv"), tmp_path / "no" / "x.iea")
    other = tmp_path / "other.csv"
    other.write_text("timestamp,flow\n1,2\n")
    with pytest.raises(ConfigError, match="no column 'pressure'"):
        score_csv(other, model, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    with pytest.raises(RejectedError, match="no model file"):
        score_csv(other, other, tmp_path / "out.csv")


def test_five_thousand_columns(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    header = "timestamp," + ",".join(f"s{number}" for number in range(5000))
    path.write_text(header + "\n" + "".join(f"{row}" + ",1.5" * 5000 + "\n" for row in range(120)))
    assert read_history(Table(path)).rows.shape == (120, 5000)


@pytest.mark.parametrize(
    ("text", "per_week"), [("1/week", 1.0), ("2 / day", 14.0), ("0.5/hour", 84.0), ("12/year", 12 / 52.18)]
)
def test_budgets(text: str, per_week: float) -> None:
    assert parse_budget(text) == pytest.approx(per_week)


@pytest.mark.parametrize("text", ["", "1", "0/week", "-1/week", "1/fortnight", "x/week"])
def test_budgets_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError, match="1/week"):
        parse_budget(text)


def test_a_device_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with write_whole(pipe) as part:
        part.write_text("rows")
    assert os.read(reader, 100) == b"rows"
    assert pipe.is_fifo()
    os.close(reader)
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"), write_whole(Path("/dev/full")) as part:
        part.write_text("rows")
    assert Path("/dev/full").is_char_device()
