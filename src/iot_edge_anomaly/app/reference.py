"""The pages about configuration, worked out from the settings types: a sample file, a JSON Schema, the reference."""

import inspect
import operator
from collections.abc import Iterator
from functools import reduce
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect as shapes

from iot_edge_anomaly.app.settings import CONNECTORS, ENVIRONMENT_PREFIX, SINKS, TABLES, AssetTable
from iot_edge_anomaly.core.toml import as_toml
from iot_edge_anomaly.pipeline.settings import DEFAULTS, FusedSettings, SensorSettings

_BY_NAME: dict[str, type[msgspec.Struct]] = {
    "asset.sensors.flow": SensorSettings,
    "asset.fused.temperature": FusedSettings,
}
"""Tables of an asset that have a name, with one for an example."""

_TABLES_BELOW = "tables, see below"
_ENDLESS = 1e8
"""A bound as far out as this is there for the program, not for people."""

_SAMPLE_HEAD = """\
# A sample configuration of iot-edge-anomaly, written by: iot-edge-anomaly config sample
#
# A line such as `#port = 0` shows the default, or an example where there is none. Take the # away to change it.
# Check the file with: iot-edge-anomaly config check FILE
"""
_PAGE_HEAD = f"""\
# Configuration

<!-- Written by: iot-edge-anomaly config reference. Change the settings types, not this page. -->

One TOML file, given with `--config`; without one all defaults hold. A flag beats the environment, the environment
beats the file, the file beats the default. The environment speaks as `{ENVIRONMENT_PREFIX}<TABLE>__<KEY>`, for
example `{ENVIRONMENT_PREFIX}GATEWAY__PORT=9000`. Connectors and asset rules that are set up in the console stand in
`console.toml` of the data folder and come after those of this file, see [connect.md](connect.md#from-the-page).

    iot-edge-anomaly config sample > plant.toml     every key, with its default
    iot-edge-anomaly config check plant.toml        every mistake, with its line
    iot-edge-anomaly config schema > schema.json    JSON Schema, for editors
"""


class Entry(NamedTuple):
    """A key as people are told of it; `example` is None where the default says enough."""

    key: str
    values: str
    default: object
    example: object
    meaning: str
    is_required: bool

    @property
    def shown(self) -> str:
        """The default, or else an example, as TOML."""
        says_nothing = self.default in (None, "", ())
        return as_toml(self.example if says_nothing and self.example is not None else self.default)


def sample() -> str:
    """Return a configuration file with every key, all but the table headers commented out."""
    parts = [_SAMPLE_HEAD]
    for name, table in TABLES.items():
        parts.append(f"# {_doc(table)}\n[{name}]\n{_sampled(entries(table))}")
    for header, kind, table in _typed():
        parts.append(f'# {_doc(table)}\n#{header}\n#type = "{kind}"\n{_sampled(entries(table))}')
        parts += [f"# {_doc(each)}\n#{name}\n{_sampled(entries(each))}" for name, each in _below(header, table)]
    parts.append(f"# {_doc(AssetTable)}\n#[[asset]]\n{_sampled(entries(AssetTable))}")
    parts += [f"# {_doc(table)}\n#[{name}]\n{_sampled(entries(table))}" for name, table in _BY_NAME.items()]
    return "\n".join(parts)


def schema() -> str:
    """Return the JSON Schema of a configuration file."""
    connectors: Any = reduce(operator.or_, CONNECTORS.values())
    sinks: Any = reduce(operator.or_, SINKS.values())
    tables: list[tuple[str, Any, Any]] = [(name, table, table()) for name, table in TABLES.items()]
    several = [
        ("connector", tuple[connectors, ...], ()),
        ("sink", tuple[sinks, ...], ()),
        ("asset", tuple[AssetTable, ...], ()),
    ]
    document = msgspec.defstruct("Configuration", [*tables, *several], forbid_unknown_fields=True)
    said = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(document)}
    return msgspec.json.format(msgspec.json.encode(said, order="deterministic"), indent=2).decode() + "\n"


def reference() -> str:
    """Return the reference page."""
    parts = [_PAGE_HEAD]
    for name, table in TABLES.items():
        parts.append(f"## `[{name}]`\n\n{_doc(table)}\n\n{_tabled(entries(table))}")
    for header, kind, table in _typed():
        parts.append(f'## `{header}` with `type = "{kind}"`\n\n{_doc(table)}\n\n{_tabled(entries(table))}')
        parts += [f"## `{name}`\n\n{_doc(each)}\n\n{_tabled(entries(each))}" for name, each in _below(header, table)]
    parts.append(f"## `[[asset]]`\n\n{_doc(AssetTable)}\n\n{_tabled(entries(AssetTable))}")
    parts += [f"## `[{name}]`\n\n{_doc(table)}\n\n{_tabled(entries(table))}" for name, table in _BY_NAME.items()]
    return "\n".join(parts)


def entries(struct: type[msgspec.Struct]) -> list[Entry]:
    """Return what may stand in a table: what must be given, then the rest in the order of its type."""
    described = shapes.type_info(struct)
    assert isinstance(described, shapes.StructType)
    return sorted((_entry(field, struct) for field in described.fields), key=lambda entry: not entry.is_required)


def _typed() -> Iterator[tuple[str, str, type[msgspec.Struct]]]:
    """Yield the header, the type and the shape of every table that may stand several times and has a `type`."""
    for name, kinds in (("connector", CONNECTORS), ("sink", SINKS)):
        for kind, table in kinds.items():
            yield f"[[{name}]]", kind, table


def _below(header: str, table: type[msgspec.Struct]) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """Yield the header and the shape of every list of tables that stands in a table, and in those."""
    described = shapes.type_info(table)
    assert isinstance(described, shapes.StructType)
    for field in described.fields:
        match field.type:
            case shapes.Metadata(type=shapes.VarTupleType(item_type=shapes.StructType() as item)) if _is_table(item):
                name = f"{header.removesuffix(']]')}.{field.encode_name}]]"
                yield name, item.cls
                yield from _below(name, item.cls)


def _is_table(item: shapes.StructType) -> bool:
    """Tell whether the items of a list are tables with a header of their own: something must be given in each."""
    return any(field.required for field in item.fields)


def _entry(field: shapes.Field, struct: type[msgspec.Struct]) -> Entry:
    assert isinstance(field.type, shapes.Metadata), f"{struct.__name__}.{field.name} has no description"
    said = field.type.extra_json_schema or {}
    default = getattr(DEFAULTS, field.name, None) if issubclass(struct, type(DEFAULTS)) else field.default
    if default is msgspec.NODEFAULT:
        default = None
    return Entry(
        field.encode_name,
        _values(field.type.type),
        default,
        next(iter(said.get("examples", ())), None),
        said["description"],
        field.required,
    )


def _values(shape: shapes.Type) -> str:
    """Say which values a key may have."""
    match shape:
        case shapes.Metadata():
            return _values(shape.type)
        case shapes.UnionType():
            return " or ".join(_values(each) for each in shape.types if not isinstance(each, shapes.NoneType))
        case shapes.IntType():
            return f"whole number{_bounds(shape)}"
        case shapes.FloatType():
            return f"number{_bounds(shape)}"
        case shapes.BoolType():
            return "`true` or `false`"
        case shapes.EnumType():
            return ", ".join(f'`"{each.value}"`' for each in shape.cls)
        case shapes.LiteralType():
            return ", ".join(f'`"{each}"`' for each in shape.values)
        case shapes.VarTupleType(item_type=shapes.StructType() as item) if _is_table(item):
            return _TABLES_BELOW
        case shapes.VarTupleType():
            return f"list of {_values(shape.item_type)}"
        case shapes.StructType():
            return " or ".join(f"`{{ {field.encode_name} = … }}`" for field in shape.fields)
        case shapes.DictType():
            return _TABLES_BELOW
        case _:
            return "text"


def _bounds(shape: shapes.IntType | shapes.FloatType) -> str:
    least, most = shape.ge if shape.ge is not None else shape.gt, shape.le
    has_least, has_most = least is not None and least > -_ENDLESS, most is not None and most < _ENDLESS
    above = "" if shape.gt is None else "above "
    if has_least and has_most:
        return f", {above}{_plain(least)} to {_plain(most)}"
    return f", {above or 'at least '}{_plain(least)}" if has_least else ""


def _plain(bound: float | None) -> str:
    """Write a bound without an exponent or a needless `.0`."""
    return f"{bound:.3f}".rstrip("0").rstrip(".")


def _doc(struct: type[msgspec.Struct]) -> str:
    """Return what a settings type says of itself, on one line."""
    return " ".join((inspect.getdoc(struct) or "").split())


def _sampled(table: list[Entry]) -> str:
    told = [entry for entry in table if entry.values != _TABLES_BELOW]
    return "".join(f"# {entry.meaning}\n#{entry.key} = {entry.shown}\n" for entry in told)


def _tabled(table: list[Entry]) -> str:
    return "\n".join(["| key | values | default | meaning |", "|---|---|---|---|", *map(_row, table), ""])


def _row(entry: Entry) -> str:
    default = "must be given" if entry.is_required else f"`{as_toml(entry.default)}`"
    if entry.default in (None, {}):
        default = default if entry.is_required else ""
    example = f" Example: `{as_toml(entry.example)}`" if entry.example is not None else ""
    return f"| `{entry.key}` | {entry.values} | {default} | {entry.meaning}{example} |"


def pages() -> Iterator[tuple[str, str]]:
    """Yield the name of each page under `docs/` and what must stand there."""
    yield "configuration.md", reference()
    yield "configuration.schema.json", schema()
    yield "configuration.sample.toml", sample()
