"""The tables of history: their columns, in order, with what each means. The page `docs/history.md` says the same."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """The types of columns, as Delta Lake calls them."""

    DATE = "date"
    TIMESTAMP = "timestamp"
    STRING = "string"
    LONG = "long"
    INTEGER = "integer"
    DOUBLE = "double"
    BINARY = "binary"
    STRINGS = "array<string>"
    DOUBLES = "array<double>"
    FLOATS = "array<float>"
    CONTRIBUTORS = "array<struct<sensor:string,share:double,actual:double,expected:double,unit:string>>"


FLAT = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.STRING, Kind.LONG, Kind.INTEGER, Kind.DOUBLE})
"""Kinds that fit a cell of a CSV file."""


class Column(NamedTuple):
    """A column of a table."""

    name: str
    kind: Kind
    meaning: str


READINGS, SCORES, ALARMS, CORRECTIONS = "readings", "scores", "alarms", "corrections"

_HEAD = (
    Column("day", Kind.DATE, "the day of `time`, in UTC; the tables are partitioned by it"),
    Column("asset", Kind.STRING, "full name, `tenant/…/asset`"),
)

SCHEMAS: Mapping[str, tuple[Column, ...]] = {
    READINGS: (
        *_HEAD,
        Column("sensor", Kind.STRING, "name of the sensor"),
        Column("time", Kind.TIMESTAMP, "when it was read, as its source says, to the microsecond"),
        Column("time_ns", Kind.LONG, "the same in nanoseconds since 1970-01-01 UTC"),
        Column("value", Kind.DOUBLE, "what was read, as it came in; may be NaN or infinite"),
        Column("quality", Kind.INTEGER, "how far its source vouches for it, OPC: 192 good, 64 uncertain, 0 bad"),
        Column("source", Kind.STRING, "who sent it"),
        Column("epoch", Kind.LONG, "which life of its source it is from"),
        Column("sequence", Kind.LONG, "number of its batch in that life; -1: the source does not count"),
        Column("received", Kind.TIMESTAMP, "when it was taken in"),
    ),
    SCORES: (
        *_HEAD,
        Column("time", Kind.TIMESTAMP, "start of the grid cell, to the microsecond"),
        Column("time_ns", Kind.LONG, "the same in nanoseconds since 1970-01-01 UTC"),
        Column("grid_ns", Kind.LONG, "for how much time the row stands, in nanoseconds; 0: not told"),
        Column("score", Kind.DOUBLE, "how odd the row is; above 1 it is odd"),
        Column(
            "quality",
            Kind.STRING,
            "what the row stands on: `good`, `corrected`, `missing`, `rejected` or `not-judged` (score 0)",
        ),
        Column("phase", Kind.STRING, "how far the asset is known: `learning`, `provisional`, `calibrated`"),
        Column("model", Kind.STRING, "digest of the model; empty: none yet"),
        Column("sensors", Kind.STRINGS, "the sensors that the next three columns are about, in their order"),
        Column("value", Kind.DOUBLES, "fused values; NaN: missing"),
        Column("expected", Kind.FLOATS, "what the model expected; NaN: nothing"),
        Column("contribution", Kind.FLOATS, "each sensor's part in the score; together they are the score"),
    ),
    ALARMS: (
        *_HEAD,
        Column("time", Kind.TIMESTAMP, "when the alarm changed its state, to the microsecond"),
        Column("time_ns", Kind.LONG, "the same in nanoseconds since 1970-01-01 UTC"),
        Column("alarm", Kind.STRING, "the alarm: the same from raised to normal again"),
        Column("incident", Kind.STRING, "shared by alarms of the asset that are open at the same time"),
        Column("condition", Kind.STRING, "`score`, `limit:<sensor>:<HH, H, L or LL>`, `silence:<sensor>`, …"),
        Column("event", Kind.STRING, "what happened: `raise`, `acknowledge`, `return`, …"),
        Column("before", Kind.STRING, "state before (ISA-18.2)"),
        Column("after", Kind.STRING, "state after"),
        Column("priority", Kind.STRING, "`low`, `medium`, `high`"),
        Column("reason", Kind.STRING, "why, in words"),
        Column("score", Kind.DOUBLE, "in the units of the condition"),
        Column("threshold", Kind.DOUBLE, "in the units of the condition"),
        Column("contributors", Kind.CONTRIBUTORS, "the sensors behind it; `share` of the score is 0 to 1"),
        Column("model", Kind.STRING, "digest of the model"),
        Column("configuration", Kind.STRING, "version of the rules in force"),
        Column("by", Kind.STRING, "the person who acted, if one did"),
        Column("note", Kind.STRING, "what that person wrote"),
    ),
    CORRECTIONS: (
        *_HEAD,
        Column("time", Kind.TIMESTAMP, "when it was concluded; of a corrected row: start of its grid cell"),
        Column("time_ns", Kind.LONG, "the same in nanoseconds since 1970-01-01 UTC"),
        Column(
            "kind", Kind.STRING, "`row-corrected`, `set-aside`, or the kind of a notice: `sensor-added`, `stuck`, …"
        ),
        Column("sensor", Kind.STRING, "the sensor it is about, if one; of `feedback-…` the alarm"),
        Column("source", Kind.STRING, "of `set-aside`: who sent it"),
        Column("text", Kind.STRING, "what happened, or why, in words"),
        Column("about_ns", Kind.LONG, "the time it is about in nanoseconds; 0: none. Of `maintenance`: its end"),
        Column("count", Kind.LONG, "how many values it stands for"),
        Column("by", Kind.STRING, "the person who asked for it, if one did"),
        Column("note", Kind.STRING, "what that person wrote"),
        Column("raw", Kind.BINARY, "of `set-aside`: the first bytes of what came in"),
    ),
}
"""The columns of each table."""

SORTED_BY: Mapping[str, tuple[str, ...]] = {
    READINGS: ("asset", "sensor", "time_ns"),
    SCORES: ("asset", "time_ns"),
    ALARMS: ("asset", "time_ns"),
    CORRECTIONS: ("asset", "time_ns"),
}
"""How the rows of a day are sorted once they are compacted."""


def described() -> str:
    """Return the columns of all tables in Markdown, as `docs/history.md` shows them."""
    parts = []
    for table, columns in SCHEMAS.items():
        lines = [f"| `{name}` | {_shown(kind)} | {meaning} |" for name, kind, meaning in columns]
        parts.append("\n".join([f"### `{table}`", "", "| column | type | meaning |", "|---|---|---|", *lines]))
    return "\n\n".join(parts) + "\n"


def _shown(kind: Kind) -> str:
    """Return a type so that a browser breaks its line where it is long."""
    return " ".join(f"`{part}`" for part in kind.replace(",", ", ").split(" "))
