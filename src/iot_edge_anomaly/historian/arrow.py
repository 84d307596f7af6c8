"""From columns to tables of Arrow, in the types of the schema. Needs the extra `history`."""

from typing import cast

import numpy as np
from arro3.core import Array, DataType, Field, Schema, Table, list_array, struct_array
from numpy.typing import NDArray

from iot_edge_anomaly.historian.columns import Block, Lists, Structs, Values, Words
from iot_edge_anomaly.historian.schema import SCHEMAS, Kind

_CONTRIBUTOR = {
    "sensor": DataType.string(),
    "share": DataType.float64(),
    "actual": DataType.float64(),
    "expected": DataType.float64(),
    "unit": DataType.string(),
}


def _list_of(kind: DataType) -> DataType:
    return DataType.list(Field("element", kind))


TYPES = {
    Kind.DATE: DataType.date32(),
    Kind.TIMESTAMP: DataType.timestamp("us", tz="UTC"),
    Kind.STRING: DataType.string(),
    Kind.LONG: DataType.int64(),
    Kind.INTEGER: DataType.int32(),
    Kind.DOUBLE: DataType.float64(),
    Kind.BINARY: DataType.binary(),
    Kind.STRINGS: _list_of(DataType.string()),
    Kind.DOUBLES: _list_of(DataType.float64()),
    Kind.FLOATS: _list_of(DataType.float32()),
    Kind.CONTRIBUTORS: _list_of(DataType.struct([Field(name, kind) for name, kind in _CONTRIBUTOR.items()])),
}


def arrow_schema(table: str) -> Schema:
    """Return the schema of a table."""
    return Schema([Field(column.name, TYPES[column.kind]) for column in SCHEMAS[table]])


def arrow_table(table: str, block: Block) -> Table:
    """Return rows as a table of Arrow."""
    arrays = [_array(block[column.name], TYPES[column.kind]) for column in SCHEMAS[table]]
    return Table.from_arrays(arrays, schema=arrow_schema(table))


def _array(values: Values, kind: DataType) -> Array:
    match values:
        case Words():
            return Array([str(word) for word in values.words], type=DataType.string()).take(_numbers(values.codes))
        case Lists():
            return list_array(_numbers(values.offsets), _array(values.values, _inner(kind)), type=kind)
        case Structs():
            fields = [Field(name, of) for name, of in _CONTRIBUTOR.items()]
            return struct_array([_array(values.fields[field.name], field.type) for field in fields], fields=fields)
        case list():
            return Array(values, type=kind)
        case _:
            return _cast(values, kind)


def _cast(values: NDArray[np.generic], kind: DataType) -> Array:
    if DataType.is_date32(kind):
        values = values.astype(np.int32)  # there is no way from int64 to a date
    array = Array.from_numpy(np.ascontiguousarray(values))
    return array if array.type == kind else array.cast(kind)


def _inner(kind: DataType) -> DataType:
    return cast(DataType, kind.value_type)


def _numbers(values: NDArray[np.int32]) -> Array:
    return Array.from_numpy(np.ascontiguousarray(values))
