"""Trends from the tables equal what was concluded; the tables are read as they stand by other programs."""

import threading
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from deltalake import DeltaTable
from historian_world import BEGIN, NS, PARTITIONS, PUMP, TANK, expected_rows, rows
from small_tables import FOR_EVER, gathered, store

from iot_edge_anomaly.bus.answers import Message
from iot_edge_anomaly.bus.codec import encode_commit
from iot_edge_anomaly.bus.streams import OUTCOMES
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AssetOutcome, Commit, Phase, Rows
from iot_edge_anomaly.core.thinning import thinned
from iot_edge_anomaly.historian import history as history_room
from iot_edge_anomaly.historian.columns import alarms_block, readings_block, scores_block, taken
from iot_edge_anomaly.historian.gathered import Gathered
from iot_edge_anomaly.historian.history import History
from iot_edge_anomaly.historian.schema import SCHEMAS, Kind
from iot_edge_anomaly.historian.store import Store
from iot_edge_anomaly.historian.upkeep import Upkeep

EVER = 1 << 62
DAYS = 86_400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of messages 1 to 39, some of them compacted."""
    folder = tmp_path_factory.mktemp("history")
    opened = store(folder, Upkeep(FOR_EVER, most_files=3))
    for start in range(1, 40, 3):
        opened.write(gathered(opened, range(start, start + 3)))
    return folder


def write_rows(opened: Store, seq: int, *several: tuple[AssetKey, Rows]) -> None:
    found = Gathered(opened.written())
    outcomes = tuple(AssetOutcome(key.tenant, key.asset, Phase.CALIBRATED, 1.0, rows=one) for key, one in several)
    found.add(OUTCOMES, 0, Message(seq, "", encode_commit(Commit(0, seq, seq, BEGIN, outcomes))))
    opened.write(found)


# --- all rows


def test_all_rows_are_those_that_were_concluded(folder: Path) -> None:
    found = History(folder).fused(PUMP, 0, EVER)
    assert found is not None
    wanted = [rows(number) for number in range(1, 40, 2)]
    assert found.sensors == ("flow", "level")
    assert found.time_ns.tolist() == np.concatenate([one.times() for one in wanted]).tolist()
    assert found.values.tolist() == np.concatenate([one.values() for one in wanted]).tolist()
    assert found.quality.tolist() == np.concatenate([one.qualities() for one in wanted]).tolist()
    middle = History(folder).fused(PUMP, BEGIN + 20 * NS, BEGIN + 40 * NS)
    assert middle is not None
    assert middle.time_ns.tolist() == [at for at in found.time_ns.tolist() if 20 <= (at - BEGIN) // NS < 40]


def test_rows_of_which_there_are_none(folder: Path, tmp_path: Path) -> None:
    assert History(folder).fused(AssetKey("acme", "nobody"), 0, EVER) is None
    assert History(tmp_path).fused(PUMP, 0, EVER) is None
    assert History(tmp_path).newest_assets() == []
    assert History(folder).newest_assets() == sorted([str(PUMP), str(TANK)])


# --- trends


def test_a_trend_is_what_was_concluded(folder: Path) -> None:
    stretch = History(folder).trend(PUMP, 0, EVER, 1_000)
    assert stretch is not None
    wanted = [rows(number) for number in range(1, 40, 2)]
    assert stretch.sensors == ("flow", "level")
    for name, column, dtype in (
        ("times", [one.times() for one in wanted], np.int64),
        ("score", [one.scores() for one in wanted], np.float64),
        ("values", [one.values() for one in wanted], np.float64),
        ("expected", [one.expectations() for one in wanted], np.float32),
        ("contributions", [one.contributions() for one in wanted], np.float32),
        ("quality", [one.qualities() for one in wanted], np.uint8),
    ):
        found = getattr(stretch, name)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, np.concatenate(column))


def test_a_trend_begins_with_its_first_time_and_ends_before_the_other(folder: Path) -> None:
    history = History(folder)
    whole = history.trend(PUMP, 0, EVER, 1_000)
    assert whole is not None
    part = history.trend(PUMP, int(whole.times[3]), int(whole.times[7]), 1_000)
    assert part is not None
    assert part.times.tolist() == whole.times[3:7].tolist()
    assert history.trend(PUMP, int(whole.times[7]) + 1, int(whole.times[8]), 1_000) is None
    assert history.span(PUMP) == (whole.times[0], whole.times[-1])


def test_nothing_is_known_of_a_stranger_nor_where_there_is_no_folder(folder: Path, tmp_path: Path) -> None:
    stranger = AssetKey("acme", "site/it's nobody")
    assert History(folder).trend(stranger, 0, EVER, 10) is None
    assert History(folder).span(stranger) is None
    for empty in (tmp_path, tmp_path / "none"):
        assert History(empty).trend(PUMP, 0, EVER, 10) is None
        assert History(empty).span(PUMP) is None


def test_sensors_that_come_and_go_have_no_values_meanwhile(tmp_path: Path) -> None:
    opened = store(tmp_path)
    for number, sensors in enumerate((("flow",), ("level", "flow"), ("level",)), 1):
        write_rows(opened, number, (PUMP, rows(number, sensors, 1)), (TANK, rows(number, ("tank only",), 1)))
    stretch = History(tmp_path).trend(PUMP, 0, EVER, 10)
    assert stretch is not None
    column = {name: stretch.values[:, place].tolist() for place, name in enumerate(stretch.sensors)}
    assert {name: [value for value in values if value == value] for name, values in column.items()} == {
        "flow": [1.0, 3.0],
        "level": [2.0, 3.0],
    }
    assert np.isnan(stretch.values).tolist() == np.isnan(stretch.expected).tolist()


def test_a_long_trend_is_read_in_parts_and_thinned_so_that_what_stands_out_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_room, "ROWS_AT_ONCE", 500)
    count, chance = 6_000, np.random.default_rng(5)
    times = BEGIN + np.arange(count) * 60 * NS
    values = chance.normal(size=(count, 2))
    score = np.abs(values[:, 0])
    score[4_321] = values[1_234, 1] = 99.0
    whole = Rows(
        ("flow", "level"), times.astype("<i8").tobytes(), values.tobytes(), score.tobytes(), bytes(count),
        values.astype("<f4").tobytes(), values.astype("<f4").tobytes(), Phase.CALIBRATED,
    )  # fmt: skip
    write_rows(store(tmp_path), 1, (PUMP, whole))
    history = History(tmp_path)
    everything = history.trend(PUMP, 0, EVER, count)
    assert everything is not None
    np.testing.assert_array_equal(everything.times, times)
    np.testing.assert_array_equal(everything.values, values)
    thin = history.trend(PUMP, 0, EVER, 200)
    assert thin is not None
    assert len(thinned(score, values, 200)) * 0.8 < len(thin.times) <= 200
    assert (thin.times[0], thin.times[-1]) == (times[0], times[-1])
    assert {times[4_321], times[1_234]} <= set(thin.times.tolist())
    assert thin.score.max() == 99.0


def test_history_is_read_while_it_is_written_and_tidied_up(tmp_path: Path) -> None:
    opened = store(tmp_path, Upkeep(FOR_EVER, most_files=2))
    opened.write(gathered(opened, range(1, 3)))
    stop, troubles, read = threading.Event(), list[BaseException](), 0

    def write() -> None:
        try:
            for start in range(3, 63, 3):
                opened.write(gathered(opened, range(start, start + 3)))
        except BaseException as error:  # noqa: BLE001 - the test tells it
            troubles.append(error)
        finally:
            stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    history, known = History(tmp_path), 0
    while not stop.is_set():
        stretch = history.trend(PUMP, 0, EVER, 1_000)
        assert stretch is not None
        assert len(stretch.times) >= known, "what was there once stays"
        assert (np.diff(stretch.times) > 0).all(), "nothing stands twice"
        known, read = len(stretch.times), read + 1
    writer.join()
    assert troubles == []
    assert read > 3


def test_a_history_that_was_tampered_with_is_said_to_be_unreadable(tmp_path: Path) -> None:
    opened = store(tmp_path)
    opened.write(gathered(opened, range(1, 5)))
    for file in (tmp_path / "scores").glob("day=*/*.parquet"):
        file.unlink()
    with pytest.raises(UnavailableError, match="history cannot be read"):
        History(tmp_path).trend(PUMP, 0, EVER, 10)


# --- columns


def test_some_rows_of_a_block_are_those_rows(folder: Path) -> None:
    from historian_world import commit, items

    batches = [item for number in range(6) for item in items(0, number) if hasattr(item, "sensors")]
    block = readings_block(batches)
    assert block["sensor"].words == ["flow", "level"]  # type: ignore[union-attr]
    some = taken(block, np.array([3, 0]))
    assert some["time_ns"].tolist() == [block["time_ns"][3], block["time_ns"][0]]  # type: ignore[index,union-attr]
    outcomes = [outcome for number in range(11) for outcome in commit(0, number).assets]
    for made in (
        scores_block((one.key, one.rows) for one in outcomes if one.rows),
        alarms_block((one.key, alarm) for one in outcomes for alarm in one.alarms),
    ):
        whole = [str(row) for row in as_rows(made)]
        places = np.array([2, 1])
        assert [str(row) for row in as_rows(taken(made, places))] == [whole[2], whole[1]]


def as_rows(block: object) -> list[tuple[object, ...]]:
    from iot_edge_anomaly.historian.arrow import arrow_table

    table = arrow_table("scores" if "sensors" in block else "alarms", block)  # type: ignore[operator,arg-type]
    return list(zip(*(table.column(name).to_pylist() for name in table.column_names), strict=True))


# --- other programs


@pytest.mark.parametrize("name", SCHEMAS)
def test_duckdb_reads_the_files_of_a_table_as_it_stands(folder: Path, name: str) -> None:
    files = DeltaTable(folder / name).file_uris()
    found = duckdb.sql(f"SELECT * FROM read_parquet({files}, hive_partitioning=true, hive_types={{'day': DATE}})")
    assert len(found) == expected_rows(1, 40)[name]
    assert set(found.columns) == {column.name for column in SCHEMAS[name]}
    zoned = dict(zip(found.columns, found.types, strict=True))["time"]
    assert str(zoned) == "TIMESTAMP WITH TIME ZONE"


def test_duckdb_finds_what_a_person_asks_for(folder: Path) -> None:
    files = DeltaTable(folder / "scores").file_uris()
    answer = duckdb.sql(
        f"SELECT sensor, max(value) FROM (SELECT unnest(sensors) AS sensor, unnest(value) AS value FROM "
        f"read_parquet({files}) WHERE asset = 'acme/site/tank') GROUP BY sensor ORDER BY sensor"
    ).fetchall()
    assert answer == [("flow", 41.0), ("level", 42.0)]


@pytest.mark.parametrize("name", SCHEMAS)
def test_polars_reads_a_table_as_it_stands(folder: Path, name: str) -> None:
    found = pl.scan_delta(str(folder / name)).collect()
    assert found.height == expected_rows(1, 40)[name]
    assert found.columns == [column.name for column in SCHEMAS[name]]
    assert found.schema["time"] == pl.Datetime("us", "UTC")
    assert (found["time"].cast(pl.Int64) == found["time_ns"] // 1000).all()
    assert (found["day"] == found["time"].dt.date()).all()


def test_polars_reads_the_rows_of_one_asset(folder: Path) -> None:
    found = pl.scan_delta(str(folder / "readings")).filter(pl.col("asset") == str(PUMP), pl.col("sensor") == "flow")
    values = found.sort("time").select("sequence", "value", "quality").collect()
    assert values["sequence"].to_list() == [number for number in range(1, 40) for _ in range(number % 3)]
    assert (values["value"] == values["sequence"]).all()
    assert values["quality"].unique().to_list() == [192]


def test_the_types_in_the_tables_are_those_of_the_schema(folder: Path) -> None:
    for name, columns in SCHEMAS.items():
        found = {field.name: field.type for field in DeltaTable(folder / name).schema().fields}
        assert list(found) == [column.name for column in columns]
        for column in columns:
            if "<" not in column.kind:
                assert found[column.name].type == column.kind
        assert found["day"].type == Kind.DATE
    assert PARTITIONS == 2
