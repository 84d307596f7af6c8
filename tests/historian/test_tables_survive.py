"""Ends of the writer at every step of a flush and of a compaction, and what a second writer may do: nothing."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable
from historian_world import expected_rows, told
from small_tables import CREATED, FOR_EVER, gathered, store

from iot_edge_anomaly.bus.streams import OUTCOMES, READINGS
from iot_edge_anomaly.core.errors import FatalError, UnavailableError
from iot_edge_anomaly.historian.arrow import arrow_table
from iot_edge_anomaly.historian.columns import Correction, corrections_block
from iot_edge_anomaly.historian.schema import CORRECTIONS, SCHEMAS
from iot_edge_anomaly.historian.tables import TableWriter
from iot_edge_anomaly.historian.upkeep import BESIDE, Caretaker, Upkeep, files

LAST = 21
OFTEN = Upkeep(FOR_EVER, most_files=2, clean_every=timedelta(0), rows_at_once=3)
"""Compacts and cleans up after every write, in parts of three rows."""


class End(BaseException):
    """What a kill is to the writer: nothing of it runs any more."""


def ends(monkeypatch: pytest.MonkeyPatch, place: int) -> Callable[[], bool]:
    """End the writer before or after its n-th step that changes anything; return whether it came to that."""
    steps = [(TableWriter, "append"), (TableWriter, "replace"), (Caretaker, "_moved"), (Caretaker, "_clean")]
    came = iter(range(1_000_000))
    met = []

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object) -> object:
            if next(came) == place:
                met.append(place)
                raise End
            done = real(*arguments)
            if next(came) == place:
                met.append(place)
                raise End
            return done

        return step

    for owner, name in steps:
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    return lambda: bool(met)


def write_all(folder: Path, upkeep: Upkeep) -> None:
    opened = store(folder, upkeep)
    for start in range(1, LAST, 4):
        opened.write(gathered(opened, range(start, start + 4)))


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[object, ...]]]:
    folder = tmp_path_factory.mktemp("wanted")
    opened = store(folder, Upkeep(FOR_EVER, compacts=False))
    opened.write(gathered(opened, range(1, LAST)))
    rows = told(folder)
    assert {name: len(found) for name, found in rows.items()} == expected_rows(1, LAST)
    return rows


PLACES = [*range(12), *range(12, 80, 11)]
"""Every step of the first flushes, and then some of the others."""


@pytest.mark.parametrize("place", PLACES)
def test_whenever_the_writer_ends_the_tables_hold_all_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, list[tuple[object, ...]]], place: int
) -> None:
    with monkeypatch.context() as patched:
        has_ended = ends(patched, place)
        with pytest.raises(End):
            write_all(tmp_path, OFTEN)
        assert has_ended()
    opened = store(tmp_path, OFTEN)
    opened.write(gathered(opened, range(1, LAST)))
    assert told(tmp_path) == wanted
    assert opened.positions(READINGS) == opened.positions(OUTCOMES) == {0: 2 * LAST - 1, 1: 2 * LAST}


def test_compaction_leaves_the_rows_and_few_files_sorted(
    tmp_path: Path, wanted: dict[str, list[tuple[object, ...]]]
) -> None:
    write_all(tmp_path, OFTEN)
    assert told(tmp_path) == wanted
    for name in SCHEMAS:
        table = DeltaTable(tmp_path / name)
        there = files(table)
        assert sum(not file.is_sorted for file in there) <= 1
        assert not (tmp_path / name / BESIDE).exists()
    read = DeltaTable(tmp_path / "readings").scan().read_all()
    assert {file.is_sorted for file in files(DeltaTable(tmp_path / "readings"))} >= {True}
    assert len(read) == expected_rows(1, LAST)["readings"]


def test_a_second_writer_is_refused_and_reads_where_the_tables_are(tmp_path: Path) -> None:
    one, other = store(tmp_path), store(tmp_path)
    one.write(gathered(one, range(1, 5)))
    with pytest.raises(UnavailableError, match="history cannot be written"):
        other.write(gathered(other, range(1, 5)))
    again = store(tmp_path)
    again.write(gathered(again, range(1, 9)))
    assert {name: len(found) for name, found in told(tmp_path).items()} == expected_rows(1, 9)


def test_the_streams_of_another_store_count_anew(tmp_path: Path) -> None:
    one = store(tmp_path)
    one.write(gathered(one, range(1, 5)))
    other = store(tmp_path, created=dict.fromkeys(CREATED, "2027-01-01T00:00:00Z"))
    other.write(gathered(other, range(1, 5)))
    assert len(told(tmp_path)["readings"]) == 2 * expected_rows(1, 5)["readings"]


def test_a_table_with_other_columns_is_not_written_to(tmp_path: Path) -> None:
    store(tmp_path)
    DeltaTable(tmp_path / "alarms").alter.add_columns([DeltaTable(tmp_path / "scores").schema().fields[6]])
    with pytest.raises(FatalError, match=r"alarms has other columns than this program writes; move the folder away"):
        store(tmp_path)


def test_days_that_are_too_old_go_and_what_has_no_time_stays(tmp_path: Path) -> None:
    caretaker = Caretaker(TableWriter(tmp_path, CORRECTIONS), Upkeep(timedelta(10), clean_every=timedelta(0)))
    now = datetime.now(UTC)
    kept, gone = now - timedelta(9), now - timedelta(12)
    times = [0, int(kept.timestamp() * 1e9), int(gone.timestamp() * 1e9)]
    block = corrections_block([Correction("acme/pump", time_ns, "stuck") for time_ns in times])
    caretaker.table.append(arrow_table(CORRECTIONS, block), {})
    caretaker.tend()
    days = {file.day for file in files(DeltaTable(tmp_path / CORRECTIONS))}
    assert days == {date(1970, 1, 1), kept.date()}
