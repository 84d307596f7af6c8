"""A spreadsheet that opens an export works nothing out that somebody wrote into a name."""

import csv
from pathlib import Path

import numpy as np
import pytest

from iot_edge_anomaly.historian.columns import Words
from iot_edge_anomaly.historian.files import csv_columns, csv_file
from iot_edge_anomaly.historian.schema import READINGS, Kind


@pytest.mark.parametrize(("name", "written"), [('=HYPERLINK("http://x")', "'="), ("@SUM(1)", "'@"), ("pump", "pump")])
def test_no_name_is_a_formula(tmp_path: Path, name: str, written: str) -> None:
    words = Words((name,), np.zeros(1, np.int32))
    numbers = {Kind.TIMESTAMP: np.array([0], np.int64)}
    block = {
        column: words if kind is Kind.STRING else numbers.get(kind, np.array([-1.5]))
        for column, kind in csv_columns(READINGS).items()
    }
    with csv_file(tmp_path / "x.csv", READINGS) as file:
        file.add_block(block)
    with (tmp_path / "x.csv").open(newline="") as lines:
        row = next(csv.DictReader(lines))
    assert row["asset"].startswith(written)
    assert row["value"] == "-1.5", "numbers stay numbers"
