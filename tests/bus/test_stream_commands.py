"""`reconcile` and `export` as a person runs them: what is said, the exit code, the file."""

import asyncio
import csv
import json
from pathlib import Path

import msgspec
import pytest
from books import PARTITIONS, work
from bus_server import BusServer
from click.testing import Result
from typer.testing import CliRunner

from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.settings import address_file
from iot_edge_anomaly.bus.streams import OUTCOMES
from iot_edge_anomaly.cli.main import app
from iot_edge_anomaly.security.private_file import write_private

pytestmark = [pytest.mark.anyio, pytest.mark.server]

ROUNDS = 4


@pytest.fixture
async def data_dir(bus_server: BusServer, nats_bus: Bus) -> Path:
    write_private(address_file(bus_server.data_dir), msgspec.json.encode(bus_server.address))
    await work(nats_bus, ROUNDS)
    return bus_server.data_dir


async def run(data_dir: Path, *arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--data-dir", str(data_dir)])


async def test_books_that_balance_say_so(data_dir: Path) -> None:
    done = await run(data_dir, "reconcile")
    assert done.exit_code == 0
    assert "balanced: yes; 0 messages wait" in done.stdout


async def test_what_is_wrong_is_said_in_words_and_with_the_exit_code(data_dir: Path, nats_bus: Bus) -> None:
    await nats_bus._api(f"STREAM.MSG.DELETE.{OUTCOMES}", {"seq": 3})
    done = await run(data_dir, "reconcile")
    assert done.exit_code == 1
    assert "OUTCOMES lacks message 3: removed, and not by the janitor" in done.stdout
    assert "acme/pump-0 plc: 3 values came in that no commit accounts for" in done.stdout
    assert "balanced: NO" in done.stdout
    as_json = json.loads((await run(data_dir, "reconcile", "--json")).stdout.splitlines()[-1])
    assert not as_json["is_balanced"]
    assert not as_json["is_moving"]
    assert len(as_json["findings"]) == 2


async def test_readings_are_exported_and_what_cannot_be_read_is_counted(
    data_dir: Path, nats_bus: Bus, tmp_path: Path
) -> None:
    await nats_bus.publish("readings.0", b"\x01garbage")
    out = tmp_path / "readings.csv"
    done = await run(data_dir, "export", "readings", "--out", str(out))
    assert done.exit_code == 0, done.output
    assert f"{3 * ROUNDS * PARTITIONS} rows of readings are in {out}" in done.output
    assert "1 messages could not be read and are left out" in done.output
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * ROUNDS * PARTITIONS
    assert {row["asset"] for row in rows} == {"acme/pump-0", "acme/pump-1"}
    assert {row["value"] for row in rows} == {"1.0"}


async def test_a_file_that_cannot_be_written_is_named(data_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "nowhere" / "alarms.csv"
    done = await run(data_dir, "export", "alarms", "--out", str(out))
    assert done.exit_code == 1
    assert str(done.exception) == f"[Errno 2] No such file or directory: '{out}'"
