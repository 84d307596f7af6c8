"""Databases: a file of this machine (SQLite), or a server of its own (any URL that SQLAlchemy knows).

What stands in one is a projection of the streams, so a file that is damaged, or that another version wrote, is set
aside and built anew.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog
from sqlalchemy import URL, Column, Connection, Engine, Integer, MetaData, Table, create_engine, event, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from iot_edge_anomaly.core.errors import FatalError, UnavailableError

log = structlog.get_logger(__name__)

BUSY_SECONDS = 10.0
"""So long a statement waits for one that writes."""

SET_ASIDE = ".set-aside"
_FILES = ("-wal", "-shm", "")
"""What a database consists of; the log goes first, for left behind it would be taken for that of the next file."""

_DAMAGED = frozenset({"SQLITE_CORRUPT", "SQLITE_NOTADB"})
_KIND = "sqlite"

_layout = MetaData()
_versions = Table("layout", _layout, Column("version", Integer, primary_key=True, autoincrement=False))


def view_database(data_dir: Path) -> Path:
    """Return the file of the view database of a data folder."""
    return data_dir / "views.db"


def open_database(where: str | Path) -> Engine:
    """Return an engine that reads a database which somebody else builds; nothing is touched before it is used.

    Connections are not kept, so that one that is opened after the file was set aside sees the new file. They only
    read: SQLite removes the log of a file by its name when the last connection that may write is closed, and by then
    the name may be that of a new file.
    """
    return _engine(where, "ro")


def build_database(where: str | Path, tables: MetaData, version: int) -> Engine:
    """Return an engine that writes, on tables of this version: those there are, or empty ones. One at a time.

    It keeps its connection: closing the last one would bring the log into the file, and sync, after every transaction.
    Raises UnavailableError when the database cannot be reached or written.
    """
    engine = _engine(where, "rwc")
    with _said(where):
        if (wrong := _what_is_wrong(engine, version)) is not None:
            _set_aside(engine, where, tables, wrong)
        with engine.begin() as connection:
            if not _versions_of(connection):
                tables.create_all(connection)
                _layout.create_all(connection)
                connection.execute(insert(_versions).values(version=version))
    return engine


def discard(engine: Engine, where: str | Path, tables: MetaData, why: str) -> None:
    """Set a database aside that does not fit the streams; `build_database` makes a new one."""
    with _said(where):
        _set_aside(engine, where, tables, why)


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open one consistent look at a database for the time of the block. Raises UnavailableError."""
    try:
        with _said(engine.url.database), engine.connect() as connection:
            yield connection
    except FatalError as error:
        raise UnavailableError(str(error)) from error


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction for the time of the block: all of it is kept, or nothing.

    Raises UnavailableError, or FatalError where the file is damaged: the next start sets it aside.
    """
    with _said(engine.url.database), engine.begin() as connection:
        yield connection


def _engine(where: str | Path, mode: str) -> Engine:
    if isinstance(where, str) and "://" in where:
        return create_engine(where)
    path = Path(where).absolute()

    def connect() -> sqlite3.Connection:
        if mode == "rwc":
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        uri = f"file:{quote(str(path))}?mode={mode}"
        return sqlite3.connect(uri, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)

    kept: dict[str, Any] = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
    pool = kept if mode == "rwc" else {"poolclass": NullPool}
    engine = create_engine(URL.create(_KIND, database=str(path)), creator=connect, **pool)
    event.listen(engine, "connect", _prepare_writing if mode == "rwc" else _prepare)
    event.listen(engine, "begin", _begin_writing if mode == "rwc" else _begin)
    return engine


def _prepare(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA foreign_keys = ON")


def _prepare_writing(connection: Any, record: Any) -> None:
    """Write ahead, and sync at checkpoints only: what a loss of power takes is read from the streams again."""
    _prepare(connection, record)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_writing(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _what_is_wrong(engine: Engine, version: int) -> str | None:
    """Say why what is there cannot be used; None where it can, or where nothing is there."""
    try:
        with engine.connect() as connection:
            if engine.dialect.name == _KIND:
                found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
                if found != "ok":
                    return f"it is damaged ({found})"
            versions = _versions_of(connection)
    except DBAPIError as error:
        if _is_damage(error):
            return f"it is damaged ({error.orig})"
        raise
    return None if versions in ([], [version]) else f"it has layout {versions}, this program writes {version}"


def _versions_of(connection: Connection) -> list[int]:
    if not connection.dialect.has_table(connection, _versions.name):
        return []
    return list(connection.scalars(select(_versions.c.version)))


def _set_aside(engine: Engine, where: str | Path, tables: MetaData, why: str) -> None:
    engine.dispose()
    if engine.dialect.name != _KIND:
        log.warning("what the database holds is dropped and built anew from the streams", why=why)
        tables.drop_all(engine)
        _layout.drop_all(engine)
        return
    log.warning("the database is set aside and built anew from the streams", file=str(where), why=why)
    for suffix in _FILES:
        Path(f"{where}{SET_ASIDE}{suffix}").unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            Path(f"{where}{suffix}").rename(f"{where}{SET_ASIDE}{suffix}")


@contextlib.contextmanager
def _said(where: object) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if _is_damage(error):
            text = (
                f"the database {where} is damaged ({error.orig}); the role that writes it builds it anew when it starts"
            )
            raise FatalError(text) from error
        raise UnavailableError(f"the database {where} cannot be used now: {error.orig}") from error


def _is_damage(error: DBAPIError) -> bool:
    name = getattr(error.orig, "sqlite_errorname", "")
    return any(name == known or name.startswith(f"{known}_") for known in _DAMAGED)
