"""What keeps a value from being of the shape that is wanted: every fault, each with its place and in plain words."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from iot_edge_anomaly.app.locate import Place
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.toml import as_toml

_NOUNS = {
    "int": "a whole number",
    "float": "a number",
    "str": 'text in "quotes"',
    "bool": "true or false",
    "object": "a table",
    "array": "a list",
}
_BOUNDS = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}


class Fault(NamedTuple):
    """Something wrong, and where it stands."""

    place: Place
    text: str


def faults(value: object, shape: Any, place: Place = ()) -> Iterator[Fault]:
    """Yield all that is wrong with a value of a document, nested tables included."""
    struct, inner, item = _struct_in(shape), _values_of(shape), _items_of(shape)
    if struct is not None and isinstance(value, dict):
        yield from _faults_of_table(value, struct, place)
    elif item is not None and isinstance(value, list):
        for number, below in enumerate(value):
            yield from faults(below, item, (*place, number))
    elif inner is not None and isinstance(value, dict):
        for key, below in value.items():
            yield from faults(below, inner, (*place, key))
    else:
        try:
            msgspec.convert(value, shape)
        except msgspec.ValidationError as error:
            yield Fault(place, _worded(str(error), value, shape))


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return what may have been meant, to end a sentence with."""
    names = sorted(known)
    close = [each for each in names if each.startswith(f"{name}_")] + difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(names)}"


def _faults_of_table(table: Mapping[str, object], struct: type[msgspec.Struct], place: Place) -> Iterator[Fault]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    found = [
        Fault((*place, key), f"unknown key{_meant(key, fields)}")
        for key in table
        if key not in fields and key != struct.__struct_config__.tag_field
    ]
    for name, field in fields.items():
        if name in table:
            found += faults(table[name], field.type, (*place, name))
        elif field.required:
            found.append(Fault(place, f"{name} is missing{_example(name, field.type)}"))
    yield from found
    if not found:
        try:
            msgspec.convert(table, struct)
        except (msgspec.ValidationError, ConfigError) as error:
            text = str(error).partition(" - at `")[0]
            named = [name for name in fields if re.match(rf"(a )?{name}\b", text) and name in table]
            yield Fault((*place, *named[:1]), text)


def _meant(key: str, fields: Mapping[str, msgspec.structs.FieldInfo]) -> str:
    """Return what may have been meant by a key: one of this table, or one of the tables below it."""
    for name, field in fields.items():
        below = _struct_in(_values_of(field.type))
        if below is not None and key in below.__struct_fields__:
            return f"; it is said of one of the {name}, in a table such as [asset.{name}.flow]"
        listed = _items_of(field.type)
        if listed is not None and key in listed.__struct_fields__:
            return f"; it is said of each of the {name}"
    return suggestion(key, fields)


def _struct_in(shape: Any) -> type[msgspec.Struct] | None:
    """Return the struct that a value may be, through annotations and `| None`."""
    if isinstance(shape, type):
        return shape if issubclass(shape, msgspec.Struct) else None
    if get_origin(shape) in (Annotated, Union, UnionType):
        return next(filter(None, map(_struct_in, get_args(shape))), None)
    return None


def _items_of(shape: Any) -> type[msgspec.Struct] | None:
    """Return the struct that every item of a list is."""
    bare = get_args(shape)[0] if get_origin(shape) is Annotated else shape
    return _struct_in(get_args(bare)[0]) if get_origin(bare) is tuple else None


def _values_of(shape: Any) -> Any:
    """Return the shape of a table's values where its keys are free."""
    bare = get_args(shape)[0] if get_origin(shape) is Annotated else shape
    return get_args(bare)[1] if get_origin(bare) is dict else None


def _choices(shape: Any) -> list[str]:
    if isinstance(shape, type):
        return [str(each.value) for each in shape] if issubclass(shape, Enum) else []
    if get_origin(shape) is Literal:
        return [str(each) for each in get_args(shape)]
    return [choice for part in get_args(shape) for choice in _choices(part)] if get_origin(shape) else []


def _worded(text: str, value: object, shape: Any) -> str:
    """Say in plain words what msgspec says of one value."""
    text, _, where = text.partition(" - at `$")
    if kinds := re.match(r"Expected `([^`]+)`, got `(\w+)`", text):
        wanted = " or ".join(_NOUNS.get(kind, kind) for kind in kinds[1].split(" | ") if kind != "null")
        text = f"must be {wanted}; it is {_NOUNS.get(kinds[2], kinds[2])}{_without_unit(value, wanted)}"
        text += "" if _without_unit(value, wanted) else _example("", shape)
    elif bound := re.match(r"Expected `\w+` (>=|>|<=|<) (\S+)", text):
        text = f"must be {_BOUNDS[bound[1]]} {float(bound[2]):g}; it is {value}"
    elif text.startswith("Invalid enum value"):
        text = f"must be one of {', '.join(_choices(shape))}; it is {value!r}"
    return f"{text} (in {where.rstrip('`')})" if where else text


def _without_unit(value: object, wanted: str) -> str:
    """Return how a number is written that came as text with a unit."""
    number = re.match(r"\s*(\d+(?:\.\d+)?)", value) if isinstance(value, str) else None
    return f": write {number[1]}, the name tells the unit" if number and "number" in wanted else ""


def _example(name: str, shape: Any) -> str:
    """Return an example to end a sentence with, where the shape has one."""
    for meta in getattr(shape, "__metadata__", ()):
        if meta.examples:
            return f", for example {name + ' = ' if name else ''}{as_toml(meta.examples[0])}"
    return ""
