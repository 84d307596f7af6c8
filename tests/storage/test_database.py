"""A database in a file: built, read by others, set aside when it is damaged or of another layout."""

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, Text, insert, select

from iot_edge_anomaly.core.errors import FatalError, UnavailableError
from iot_edge_anomaly.storage.database import build_database, discard, open_database, reading, view_database, writing
from iot_edge_anomaly.storage.upsert import upsert

TABLES = MetaData()
NOTES = Table("notes", TABLES, Column("id", Integer, primary_key=True), Column("text", Text), Column("count", Integer))


def add(engine: Engine, *numbers: int) -> None:
    with writing(engine) as connection:
        connection.execute(insert(NOTES), [{"id": number, "text": "x" * 500, "count": 1} for number in numbers])


def ids(engine: Engine) -> list[int]:
    with reading(engine) as connection:
        return list(connection.scalars(select(NOTES.c.id).order_by(NOTES.c.id)))


def closed(path: Path, *numbers: int) -> None:
    """Leave a database behind with all of it in the file."""
    engine = build_database(path, TABLES, 1)
    add(engine, *numbers)
    engine.dispose()


@pytest.mark.parametrize("name", ["views.db", "a b/ü?#%20.db"])
def test_what_is_written_is_read_by_others_whatever_the_folder_is_called(tmp_path: Path, name: str) -> None:
    writer, reader = build_database(tmp_path / name, TABLES, 1), open_database(tmp_path / name)
    add(writer, 1, 2)
    assert ids(reader) == [1, 2]
    writer.dispose()
    assert ids(reader) == [1, 2], "when nobody writes any more, too"
    assert ids(build_database(tmp_path / name, TABLES, 1)) == [1, 2]
    assert (tmp_path / name).stat().st_mode & 0o077 == 0, "others may not read it"


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    engine = build_database(tmp_path / "views.db", TABLES, 1)

    def fail() -> None:
        with writing(engine) as connection:
            connection.execute(insert(NOTES), [{"id": 1}])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert ids(engine) == []


def test_a_look_is_consistent_while_others_write(tmp_path: Path) -> None:
    engine = build_database(tmp_path / "views.db", TABLES, 1)
    add(engine, 1)
    with reading(open_database(tmp_path / "views.db")) as connection:
        before = connection.scalars(select(NOTES.c.id)).all()
        add(engine, 2)
        assert connection.scalars(select(NOTES.c.id)).all() == before == [1]


def test_readers_make_no_file_and_change_none(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"views.db cannot be used now"):
        ids(open_database(view_database(tmp_path)))
    assert list(tmp_path.iterdir()) == []
    closed(view_database(tmp_path), 1)
    with (
        pytest.raises(UnavailableError, match="readonly"),
        reading(open_database(view_database(tmp_path))) as connection,
    ):
        connection.execute(insert(NOTES), [{"id": 2}])


def test_another_layout_and_damage_are_set_aside_and_what_was_there_is_kept_beside(tmp_path: Path) -> None:
    path, aside = tmp_path / "views.db", tmp_path / "views.db.set-aside"
    closed(path, 1)
    engine = build_database(path, TABLES, 2)
    assert ids(engine) == []
    assert ids(open_database(aside)) == [1]
    engine.dispose()
    path.write_bytes(b"no database at all, but longer than its header would be" * 100)
    assert ids(build_database(path, TABLES, 2)) == []
    assert aside.read_bytes().startswith(b"no database at all")


def test_one_that_was_never_finished_is_finished(tmp_path: Path) -> None:
    (tmp_path / "views.db").touch()
    add(build_database(tmp_path / "views.db", TABLES, 1), 1)
    assert ids(open_database(tmp_path / "views.db")) == [1]


def test_a_reader_sees_the_new_file_and_does_not_harm_it(tmp_path: Path) -> None:
    """A connection to the old file that is closed late must not take the log of the new file away."""
    path = tmp_path / "views.db"
    engine, reader = build_database(path, TABLES, 1), open_database(path)
    add(engine, 1)
    late = reader.connect()
    assert late.scalars(select(NOTES.c.id)).all() == [1]
    discard(engine, path, TABLES, "a test says so")
    engine = build_database(path, TABLES, 1)
    add(engine, 2)
    late.close()
    add(engine, 3)
    assert (tmp_path / "views.db-wal").exists()
    assert ids(reader) == [2, 3]
    engine.dispose()
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert ids(reader) == [2, 3]


def test_damage_that_shows_later_is_told_to_writers_and_readers(tmp_path: Path) -> None:
    path = tmp_path / "views.db"
    closed(path, *range(500))
    engine = build_database(path, TABLES, 1)
    engine.dispose()  # its pages are read from the file again
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\x55" * (path.stat().st_size - 4096))
    with pytest.raises(FatalError, match="is damaged"):
        add(engine, 500)
    with pytest.raises(UnavailableError, match="is damaged"):
        ids(open_database(path))


def test_a_writer_waits_for_one_that_writes(tmp_path: Path) -> None:
    first, second = (build_database(tmp_path / "views.db", TABLES, 1) for _ in range(2))
    begun, ended = threading.Event(), threading.Event()

    def write() -> None:
        with writing(first) as connection:
            connection.execute(insert(NOTES), [{"id": 1}])
            begun.set()
            ended.wait(10)

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait(10)
    other = threading.Thread(target=add, args=(second, 2))
    other.start()
    ended.set()
    thread.join()
    other.join()
    assert ids(first) == [1, 2]


def test_rows_of_the_same_key_are_replaced_or_added_to(tmp_path: Path) -> None:
    engine = build_database(tmp_path / "views.db", TABLES, 1)
    for text in ("a", "b"):
        with writing(engine) as connection:
            upsert(
                connection, NOTES, [{"id": 1, "text": text, "count": 2}, {"id": 2, "text": text, "count": 0}], ["count"]
            )
            upsert(connection, NOTES, [])
    with reading(engine) as connection:
        assert [tuple(row) for row in connection.execute(select(NOTES))] == [(1, "b", 4), (2, "b", 0)]
