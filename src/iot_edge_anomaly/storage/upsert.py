"""Write rows over those of the same key, in the dialect of the database."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]], sums: Sequence[str] = ()) -> None:
    """Insert rows; where a key is there already, its columns are replaced, those of `sums` added to."""
    if not rows:
        return
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(table)
    given = [column for column in table.columns if not column.primary_key]
    changed = {
        column.name: column + statement.excluded[column.name]
        if column.name in sums
        else statement.excluded[column.name]
        for column in given
    }
    connection.execute(statement.on_conflict_do_update(index_elements=table.primary_key, set_=changed), rows)
