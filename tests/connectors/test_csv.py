"""CSV files: as a connector, and replayed over HTTP into a real gateway."""

import asyncio
import gzip
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from intakes import RecordingIntake, in_background, until  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.codec import encode_items
from iot_edge_anomaly.connectors.csv_blocks import BLOCK_ROWS, blocks
from iot_edge_anomaly.connectors.csv_file import CsvConnector, CsvSettings
from iot_edge_anomaly.connectors.replay import replay_csv
from iot_edge_anomaly.connectors.rows import MAX_SENSORS
from iot_edge_anomaly.connectors.times import EARLIEST_NS
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.errors import ConfigError, RejectedError
from iot_edge_anomaly.core.messages import Batch
from iot_edge_anomaly.gateway.settings import GatewaySettings
from iot_edge_anomaly.pipeline.identity import Identity, Verdict

sys.path.append(str(Path(__file__).parents[1] / "gateway"))
from gateway_system import System, running  # type: ignore[import-not-found]

START = 1_790_000_000


def write(path: Path, rows: int) -> Path:
    lines = [f"{START + row},{row},{row / 2}" for row in range(rows)]
    path.write_text("\n".join(["time,flow,power", *lines, ""]))
    return path


def read(path: Path, wanted: int) -> list[Batch]:
    return read_with(CsvSettings(path=str(path), asset="acme/pump"), wanted)


def read_with(settings: CsvSettings, wanted: int) -> list[Batch]:
    async def scenario() -> list[Batch]:
        intake = RecordingIntake()
        connector = CsvConnector(settings)
        async with in_background(connector.run(intake, SystemClock())):
            await until(lambda: len(intake.batches) >= wanted)
        return list(intake.batches)

    return asyncio.run(scenario())


def identity(batch: Batch) -> tuple[object, ...]:
    return (batch.source, batch.epoch, batch.sequence, batch.time_ns, batch.value)


def test_a_file_read_twice_gives_the_same_numbers_and_another_file_others(tmp_path: Path) -> None:
    path = write(tmp_path / "pump.csv", 250)
    first, second = read(path, 3), read(path, 3)
    assert list(map(identity, first)) == list(map(identity, second))
    assert [batch.sequence for batch in first] == [0, 1, 2]
    assert sum(batch.accepted for batch in first) == 500
    write(path, 251)
    (changed, *_) = read(path, 3)
    assert changed.source != first[0].source
    assert changed.source.startswith("pump.csv#")


def test_a_file_that_changed_is_told_from_a_repeat_whatever_its_content(tmp_path: Path) -> None:
    seen: dict[str, Identity] = defaultdict(Identity)
    for rows in range(20, 30):
        (batch,) = read(write(tmp_path / "pump.csv", rows), 1)
        assert seen[batch.source].judge(batch.epoch, batch.sequence) is Verdict.NEW
        assert seen[batch.source].judge(batch.epoch, batch.sequence) is Verdict.DUPLICATE


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_bad_cells_are_set_aside_with_their_row(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "pump.csv"
    rows = [
        ("timestamp", "flow", "", "power"),
        ("2026-01-01 00:00:00", "1", "7", "2"),
        ("2026-01-01 00:00:01", "warm", "", "nan"),
        ("someday", "5", "", "6"),
        ("2026-01-01 00:00:03", "1", "", "2", "3"),
    ]
    path.write_text("\ufeff" + "\n".join(delimiter.join(row) for row in rows), encoding="utf-8")
    (batch,) = read(path, 1)
    assert batch.sensors == ("flow", "column_3", "power", "column_5")
    assert batch.values().tolist() == [1, 7, 2, 1, 2, 3]
    found = [(record.row, record.sensor, record.count) for record in batch.set_aside]
    assert found == [(1, "flow", 1), (1, "power", 1), (2, "", 2)]


def test_a_count_of_rows_becomes_times_that_a_gateway_takes(tmp_path: Path) -> None:
    path = tmp_path / "tep.csv.gz"
    path.write_bytes(gzip.compress(b"timestamp,x,label\n0,1,0\n1,2,1\n,3,0\n2.5,4,0\n"))
    settings = CsvSettings(path=str(path), asset="acme/tep", row_seconds=180)
    (batch,) = read_with(settings, 1)
    assert batch.sensors == ("x",)
    assert ((batch.times() - EARLIEST_NS) / 180e9).tolist() == [0, 1, 2.5]
    assert [(record.row, record.count) for record in batch.set_aside] == [(2, 1)]


def test_times_of_a_file_may_be_of_any_year(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_text("timestamp,x\n1985-01-01,1\n2100-01-01,2\n1800-01-01,3\n9999-01-01,4\n")
    (batch,) = read(path, 1)
    assert batch.values().tolist() == [1, 2]
    assert [record.row for record in batch.set_aside] == [2, 3]


def test_a_wide_file_travels_in_blocks_that_fit_a_message(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    names = ",".join(f"sensor_{at}" for at in range(MAX_SENSORS))
    lines = (f"{START + row}," + ",".join(["1.5"] * MAX_SENSORS) for row in range(9))
    path.write_text("\n".join([f"time,{names}", *lines, ""]))
    found = read(path, 3)
    assert [len(batch.values()) // MAX_SENSORS for batch in found] == [3, 3, 3]
    assert max(len(encode_items([batch])) for batch in found) < 1 << 20


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("flow,power", "names no column 'timestamp'"),
        ("time,flow,flow", "'flow' twice"),
        ("time,timestamp,flow", "'time' twice"),
        ("time," + ",".join(map(str, range(MAX_SENSORS + 1))), "5001 sensors"),
    ],
)
def test_a_header_that_cannot_work_says_why(tmp_path: Path, header: str, words: str) -> None:
    path = tmp_path / "pump.csv"
    path.write_text(f"{header}\n1,2,3\n")
    with pytest.raises(ConfigError, match=words):
        list(blocks(path))


def test_a_file_that_is_cut_short_is_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(b"time,x\n" + b"1790000000,1\n" * 5000)[:-20])
    with pytest.raises(ConfigError, match=r"cut\.csv\.gz"):
        list(blocks(path))


@pytest.mark.parametrize("content", [b"", b"\n1,2\n", b"\xff\xfe\x00", b"time\n" + b"x" * 200_000])
def test_what_is_no_csv_file_is_a_mistake_in_the_configuration(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pump.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"pump\.csv"):
        list(blocks(path))


def test_a_file_that_is_not_there_is_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    connector = CsvConnector(CsvSettings(path=str(tmp_path / "none.csv"), asset="acme/pump"))
    with pytest.raises(ConfigError, match=r"none\.csv"):
        asyncio.run(connector.run(RecordingIntake(), SystemClock()))


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    yield from running(tmp_path / "data", GatewaySettings(requests_per_second=1000, burst=1000))


def token(system: System) -> str:
    with system.client(name="replay") as client:
        return str(client.headers["Authorization"].removeprefix("Bearer "))


@pytest.mark.server
def test_a_replay_loses_nothing_and_numbers_repeats_alike_while_gateway_and_bus_go_down(
    system: System, tmp_path: Path
) -> None:
    path = write(tmp_path / "pump.csv", 6 * BLOCK_ROWS)
    secret = token(system)
    restarts: list[threading.Thread] = []

    def disturb(rows: int) -> None:
        if rows == 2 * BLOCK_ROWS:
            system.kill_broker()
            restarts.append(threading.Thread(target=system.start_broker))
            restarts[-1].start()
        if rows == 4 * BLOCK_ROWS:
            system.gateway.terminate()
            system.gateway.wait(20)
            restarts.append(threading.Thread(target=system.start_gateway))
            restarts[-1].start()

    accepted = replay_csv(path, "acme/replay", system.url, secret, progress=disturb)
    for restart in restarts:
        restart.join()
    assert accepted == 2 * 6 * BLOCK_ROWS
    assert replay_csv(path, "acme/replay", system.url, secret) == accepted
    stored = system.batches("acme/replay")
    assert {batch.sequence for batch in stored} == set(range(6))
    assert len(set(map(identity, stored))) == 6


@pytest.mark.server
def test_a_replay_that_is_refused_says_why(system: System, tmp_path: Path) -> None:
    path = write(tmp_path / "pump.csv", 1)
    with pytest.raises(RejectedError, match="401"):
        replay_csv(path, "acme/replay", system.url, "iea_wrong_wrong")
    with pytest.raises(RejectedError, match="tenant"):
        replay_csv(path, "no-tenant", system.url, token(system))
    with pytest.raises(ConfigError, match="no address"):
        replay_csv(path, "acme/replay", "pump", "x")
