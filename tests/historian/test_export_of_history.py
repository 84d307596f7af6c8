"""`export` joins the tables and what the streams hold since: no gap, no double, whatever is flushed or purged."""

import asyncio
import csv
import sys
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from click.testing import Result
from historian_world import BEGIN, NS, PARTITIONS, PUMP, Broker, expected_rows, tell
from test_history_is_written import kept, until_all_is_written
from typer.testing import CliRunner

from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.pages import IN, Page, write_page
from iot_edge_anomaly.bus.reservations import reserved
from iot_edge_anomaly.bus.settings import address_file
from iot_edge_anomaly.bus.streams import READINGS, readings_subject
from iot_edge_anomaly.cli.main import app
from iot_edge_anomaly.historian import snapshot as snapshot_room
from iot_edge_anomaly.historian.schema import SCHEMAS
from iot_edge_anomaly.historian.snapshot import Snapshot, snapshot
from iot_edge_anomaly.security.private_file import write_private

pytestmark = [pytest.mark.anyio, pytest.mark.server]


@pytest.fixture
async def data_dir(world: tuple[Broker, Bus], tmp_path: Path) -> Path:
    """A system whose history holds messages 1 to 19, and whose streams go on to 29."""
    broker, bus = world
    data_dir = tmp_path / "data"
    write_private(address_file(data_dir), msgspec.json.encode(broker.address))
    async with kept(bus, data_dir / "history"):
        await tell(bus, 1, 20)
        await until_all_is_written(bus)
    await tell(bus, 20, 30)
    return data_dir


async def run(data_dir: Path, *arguments: object) -> Result:
    words = [*map(str, arguments), "--data-dir", str(data_dir)]
    return await asyncio.to_thread(CliRunner().invoke, app, ["export", *words])


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("what", SCHEMAS)
async def test_history_and_the_streams_since_make_one_file(data_dir: Path, tmp_path: Path, what: str) -> None:
    sheet, parquet = tmp_path / "rows.csv", tmp_path / "rows.parquet"
    assert (await run(data_dir, what, "--out", sheet)).output.startswith(f"{expected_rows(1, 30)[what]} rows of {what}")
    assert (await run(data_dir, what, "--out", parquet, "--format", "parquet")).exit_code == 0
    rows = duckdb.sql(f"SELECT * FROM read_parquet('{parquet}')")
    assert rows.columns == [column.name for column in SCHEMAS[what]]
    found = {tuple(map(repr, row)) for row in rows.fetchall()}
    assert len(found) == expected_rows(1, 30)[what] == len(lines(sheet))
    times = duckdb.sql(f"SELECT asset, time_ns FROM read_parquet('{parquet}')").fetchall()
    assert sorted(times) == sorted((line["asset"], int(line["time_ns"])) for line in lines(sheet))
    assert not list(tmp_path.glob(".rows*")), "nothing is left beside"


async def test_rows_of_history_and_of_the_streams_read_alike(data_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    await run(data_dir, "readings", "--out", out)
    by_number = {(line["asset"], line["source"], int(line["sequence"]), line["sensor"]): line for line in lines(out)}
    for number in (1, 25):  # of the table, of the stream
        line = by_number[str(PUMP), "plc-0", number, "level"]
        assert line == {
            "asset": str(PUMP),
            "sensor": "level",
            "time": f"2026-09-21T14:13:{20 + number}.000000Z",
            "time_ns": str(BEGIN + number * NS + 1),
            "value": str(number + 0.5),
            "quality": "192",
            "source": "plc-0",
            "epoch": "0",
            "sequence": str(number),
            "received": f"2026-09-21T14:13:{20 + number}.000000Z",
        }


@pytest.mark.parametrize("form", ["csv", "parquet"])
async def test_an_asset_and_a_time_can_be_chosen(data_dir: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / "alarms"
    chosen = ("--asset", PUMP, "--since", "2026-09-21T14:13:30", "--until", "2026-09-21T14:13:45Z")
    done = await run(data_dir, "alarms", "--out", out, "--format", form, *chosen)
    assert done.exit_code == 0, done.output
    read = "read_csv" if form == "csv" else "read_parquet"
    rows = duckdb.sql(f"SELECT asset, alarm, reason FROM {read}('{out}') ORDER BY time_ns").fetchall()
    assert rows == [(str(PUMP), f"A{n}", f"it is odd: {n}") for n in (10, 15, 20)]


async def test_what_matches_nothing_makes_no_parquet_file_and_an_empty_sheet(data_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "none"
    done = await run(data_dir, "scores", "--out", out, "--format", "parquet", "--asset", "acme/nobody")
    assert (done.exit_code, done.output) == (0, f"there are no such scores; {out} is not written\n")
    assert not out.exists()
    assert (await run(data_dir, "scores", "--out", out, "--asset", "acme/nobody")).exit_code == 0
    assert out.read_text() == "asset,time,time_ns,grid_ns,score,quality,phase,model\n"


async def test_what_is_flushed_and_purged_while_it_is_read_is_not_missing(
    world: tuple[Broker, Bus], data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, _ = world
    snapshots: list[Snapshot | None] = []

    async def flush_and_purge() -> None:
        async with connect(broker.address) as bus:
            async with kept(bus, data_dir / "history"):
                await until_all_is_written(bus)
            done = await reserved(bus)
            for partition in range(PARTITIONS):
                place = done[READINGS][partition]
                await write_page(bus, IN, partition, Page(place), 0)
                await bus.purge(READINGS, readings_subject(partition), place + 1)

    def and_then_time_passes(*arguments: Any) -> Snapshot | None:
        snapshots.append(snapshot(*arguments))
        if len(snapshots) == 1:
            asyncio.run(flush_and_purge())
        return snapshots[-1]

    monkeypatch.setattr(snapshot_room, "snapshot", and_then_time_passes)
    out = tmp_path / "rows.csv"
    done = await run(data_dir, "readings", "--out", out)
    assert (done.exit_code, len(snapshots)) == (0, 2)
    assert len(lines(out)) == expected_rows(1, 30)["readings"]


async def test_without_the_extra_it_is_said_that_the_streams_alone_are_read(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in ("deltalake", "arro3")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[2] / "src")])
    done = await run(data_dir, "alarms", "--out", tmp_path / "rows.csv")
    assert "there is no history here: these are what the streams still hold" in done.stderr
    assert len(lines(tmp_path / "rows.csv")) == expected_rows(1, 30)["alarms"]
    done = await run(data_dir, "alarms", "--out", tmp_path / "rows", "--format", "parquet")
    assert "pip install 'iot-edge-anomaly[history]'" in str(done.exception)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--asset", "pump"), "--asset: asset name 'pump' must read tenant/.../asset"),
        (("--since", "yesterday"), "--since: 'yesterday': time is not ISO 8601; write for example 2026-11-24"),
    ],
)
async def test_what_cannot_be_meant_is_said(data_dir: Path, tmp_path: Path, option: tuple[str, str], said: str) -> None:
    done = await run(data_dir, "alarms", "--out", tmp_path / "rows", *option)
    assert said in str(done.exception)
