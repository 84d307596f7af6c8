"""The tables of the view database. Times are ns UTC; days are counted from 1970-01-01 (UTC).

Every row names the partition that it came from, so that each partition is kept and pruned by its own clock.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text

LAYOUT = 2
"""Another number: what was kept is set aside and built anew from the streams."""

TABLES = MetaData()

_Name = Text().with_variant(Text(collation="C"), "postgresql")
"""Compared byte by byte everywhere, so that a level of a name is a range."""

POSITIONS = Table(
    "positions",
    TABLES,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("committed", BigInteger, nullable=False),
    Column("clock_ns", BigInteger, nullable=False),
    Column("missing_up_to", BigInteger, nullable=False),
    Column("pruned_up_to", BigInteger, nullable=False),
)
"""How far each partition has come: `position` in OUTCOMES, `committed` in READINGS; `clock_ns` as its commits tell it.

`missing_up_to`: commits up to that one were purged before they were worked in; 0: none were. `pruned_up_to`: the latest
commit of which a transition was forgotten here, since it was old enough; 0: none was.
"""

ALARMS = Table(
    "alarms",
    TABLES,
    Column("alarm_id", _Name, primary_key=True),
    Column("tenant", _Name, nullable=False),
    Column("asset", _Name, nullable=False),
    Column("condition", Text, nullable=False),
    Column("incident_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("raised_ns", BigInteger, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("is_raised", Boolean, nullable=False),
    Column("transitions", Integer, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("verdict_by", Text, nullable=False),
    Column("verdict_note", Text, nullable=False),
    Column("verdict_ns", BigInteger, nullable=False),
    Column("words", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("touched_ns", BigInteger, nullable=False),
    Index("alarms_newest", "raised_ns", "alarm_id"),
    Index("alarms_open", "is_open", "raised_ns", "alarm_id"),
    Index("alarms_judged", "verdict", "raised_ns", "alarm_id"),
    Index("alarms_of_tenant", "tenant", "raised_ns", "alarm_id"),
    Index("alarms_of_tenant_open", "tenant", "is_open", "raised_ns", "alarm_id"),
    Index("alarms_of_tenant_judged", "tenant", "verdict", "raised_ns", "alarm_id"),
    Index("alarms_of_asset", "tenant", "asset", "raised_ns", "alarm_id"),
    Index("alarms_of_incident", "incident_id"),
    Index("alarms_over", "partition", "is_open", "touched_ns"),
    Index("alarms_long", "partition", "transitions"),
)
"""Each alarm as it stands. `is_open`: in any state but normal; `is_raised`: its raising was seen.

`words`: what is searched, case folded.
"""

TRANSITIONS = Table(
    "transitions",
    TABLES,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("alarm_id", _Name, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("tenant", _Name, nullable=False),
    Column("asset", _Name, nullable=False),
    Column("event", LargeBinary, nullable=False),
    Column("touched_ns", BigInteger, nullable=False),
    Index("transitions_of_alarm", "alarm_id", "ordinal"),
)
"""Each transition of each alarm: its place in the stream, its place (`ordinal`, from 1) in the life of the alarm."""

VERDICTS_GIVEN = Table(
    "verdicts",
    TABLES,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("alarm_id", _Name, nullable=False),
    Column("tenant", _Name, nullable=False),
    Column("asset", _Name, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("touched_ns", BigInteger, nullable=False),
    Index("verdicts_newest", "at_ns"),
)

NOTICES = Table(
    "notices",
    TABLES,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("tenant", _Name, nullable=False),
    Column("asset", _Name, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sensor", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("touched_ns", BigInteger, nullable=False),
    Index("notices_of_asset", "tenant", "asset", "touched_ns"),
    Index("notices_newest", "touched_ns"),
)

DAYS = Table(
    "days",
    TABLES,
    Column("tenant", _Name, primary_key=True),
    Column("asset", _Name, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("good", BigInteger, nullable=False),
    Column("corrected", BigInteger, nullable=False),
    Column("missing", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("duplicate", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False),
    Column("set_aside", BigInteger, nullable=False),
    Column("raised", BigInteger, nullable=False),
    Column("watched_ns", BigInteger, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("touched_ns", BigInteger, nullable=False),
    Index("days_newest", "day"),
)
"""Sums of each asset and day: rows by quality, values by fate, alarms raised, time watched by a calibrated model."""

ROW_COLUMNS = ("good", "corrected", "missing", "rejected")
COUNT_COLUMNS = ("accepted", "used", "duplicate", "late", "set_aside")
SUMS = (*ROW_COLUMNS, *COUNT_COLUMNS, "raised", "watched_ns")
