"""Six weeks of a plant's past in a view database: days with rows, alarms that are over, verdicts."""

from seeded_plant import OTHER, PUMP_1, PUMP_3, TANK  # type: ignore[import-not-found]
from seeded_records import (  # type: ignore[import-not-found]
    DAY_NS,
    HOUR_NS,
    SeededRecords,
    learned_alarm,
    outcome,
    over,
)

from iot_edge_anomaly.core.outcomes import Notice, Priority

DAYS = 42
ALARMS = 50
REASON = "level 0.31 m below what inflow and outflow predict"
WATCHED = (PUMP_1, PUMP_3, TANK)


def tell_past(records: SeededRecords, now_ns: int) -> None:
    """Tell fifty alarms of the last weeks, `T0` the oldest, one in four false; a day of each asset a day."""
    today = now_ns // DAY_NS * DAY_NS
    for ago in range(DAYS, -1, -1):
        hours = 24 if ago else (now_ns - today) // HOUR_NS
        records.days(WATCHED, today - ago * DAY_NS, hours)
    step = (DAYS * DAY_NS) // ALARMS
    for number in range(ALARMS):
        at_ns = now_ns - DAYS * DAY_NS + number * step
        _tell_alarm(records, number, at_ns)
    secret = learned_alarm("TX", now_ns - 5 * HOUR_NS, Priority.HIGH, "secret pressure too high")
    records.alarms(OTHER, *over(secret))


def _tell_alarm(records: SeededRecords, number: int, at_ns: int) -> None:
    key = (TANK, PUMP_3)[number % 2]
    priority = tuple(Priority)[number % 3]
    life = over(learned_alarm(f"T{number}", at_ns, priority, REASON if key == TANK else ""))
    said = {0: "wrong", 1: "right", 2: "right", 3: ""}[number % 4]
    note = "pump was being flushed" if said == "wrong" else ""
    verdict = (Notice(f"feedback-{said}", f"T{number}", "", life[-1].time_ns, "ben", note),) if said else ()
    records.tell(at_ns + HOUR_NS, [outcome(key, alarms=life, notices=verdict)])
