"""Which fault is there when: a timetable that goes round for ever, the same at every start.

The first fault, a leak at the first pump, begins 35 seconds of the clock after the first row; 30 quiet seconds follow
each, so that no two faults of one asset pass for the same alarm.
"""

from enum import StrEnum
from typing import NamedTuple

FIRST_FAULT_ROW = 700
PAUSE_ROWS = 600


class FaultKind(StrEnum):
    """What goes wrong, as in life."""

    LEAK = "leak"
    WEAR = "bearing wear"
    STUCK = "stuck sensor"
    DRIFT = "drifting sensor"


class FaultPlan(NamedTuple):
    """A fault of the timetable: of an asset, for sensor faults of one of its sensors, for so many rows."""

    kind: FaultKind
    asset: str
    sensor: str | None
    rows: int


TIMETABLE = (
    FaultPlan(FaultKind.LEAK, "pump-1", None, 240),
    FaultPlan(FaultKind.WEAR, "pump-2", None, 400),
    FaultPlan(FaultKind.STUCK, "tank-1", "level", 240),
    FaultPlan(FaultKind.DRIFT, "pump-2", "suction_pressure", 300),
)
ROWS_PER_ROUND = sum(fault.rows + PAUSE_ROWS for fault in TIMETABLE)


class Fault(NamedTuple):
    """A fault that is there. `severity` is how far it has come, 0 to 1."""

    kind: FaultKind
    asset: str
    sensor: str | None
    severity: float


def fault_at(row: int) -> Fault | None:
    """Return the fault that is there in this row; there is at most one."""
    if row < FIRST_FAULT_ROW:
        return None
    into = (row - FIRST_FAULT_ROW) % ROWS_PER_ROUND
    for plan in TIMETABLE:
        if into < plan.rows:
            return Fault(plan.kind, plan.asset, plan.sensor, _severity(plan, into))
        into -= plan.rows + PAUSE_ROWS
        if into < 0:
            return None
    return None


def _severity(plan: FaultPlan, into: int) -> float:
    """Leaks and stuck sensors come at once; wear and drift grow over half their time, and stay."""
    if plan.kind in (FaultKind.LEAK, FaultKind.STUCK):
        return 1.0
    return min(2.0 * (into + 1) / plan.rows, 1.0)
