"""Which pumps run, and how fast: what the station's controller decides from level and demand.

One pump or two, with a dead band between; the pump that has run longest stops first and the one that is at rest starts
next, so that both wear alike. Drives are soft: they take more than half a minute of the plant from rest to speed.
"""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

from iot_edge_anomaly.demo.hydraulics import CURVE, MAIN_LOSS, SHUT_OFF_HEAD, SUPPLY_LOSS, VALVE_LOSS
from iot_edge_anomaly.demo.operation import Orders

FLOW_PER_METRE = 220.0
"""So much more flow is asked for, m³/h, for each metre that the level is below its set-point."""

SECOND_ABOVE, SECOND_BELOW = 162.0, 138.0
"""Flow asked for, m³/h, above which a second pump starts and below which one stops."""

SLOWEST, FASTEST = 0.60, 1.05
SPEED_PER_ROW = 0.05
"""How fast a drive that is at work may change speed: 74 rpm in six seconds."""

RAMP_PER_ROW = 0.15
"""How fast it starts and stops: from rest to speed in some 36 seconds."""

OPENING_PER_ROW = 0.15
"""How fast a discharge valve moves."""

USUAL_LIFT = 8.5
"""From the supply main's surface to an empty tank, m."""


class Duty(NamedTuple):
    """One pump's part: does it run, and for how many rows has that been so."""

    is_on: bool
    rows: int


def next_duties(before: Sequence[Duty], flow_asked: float) -> tuple[Duty, ...]:
    """Return which pumps run from now on."""
    running = [number for number, duty in enumerate(before) if duty.is_on]
    change = None
    if not running or (flow_asked > SECOND_ABOVE and len(running) < len(before)):
        change = max((n for n in range(len(before)) if n not in running), key=lambda n: before[n].rows)
    elif flow_asked < SECOND_BELOW and len(running) > 1:
        change = max(running, key=lambda n: before[n].rows)
    return tuple(
        Duty(not duty.is_on, 1) if number == change else Duty(duty.is_on, duty.rows + 1)
        for number, duty in enumerate(before)
    )


def flow_asked(level: float, orders: Orders) -> float:
    """Return what the pumps are to deliver together, m³/h: the demand, and what the tank lacks."""
    return max(orders.demand + FLOW_PER_METRE * (orders.level_setpoint - level), 0.0)


def speed_for(flow: float, pumps: int, level: float) -> float:
    """Return the speed at which so many pumps deliver a flow together, as the station's data sheet has it."""
    losses = (MAIN_LOSS + SUPPLY_LOSS) * flow**2 + (CURVE + VALVE_LOSS) * (flow / pumps) ** 2
    return min(max(sqrt((USUAL_LIFT + level + losses) / SHUT_OFF_HEAD), SLOWEST), FASTEST)


def towards(speed: float, wanted: float) -> float:
    """Return a drive's speed one row later; a drive that starts or stops goes along its ramp."""
    starts_or_stops = wanted == 0.0 or speed < SLOWEST - SPEED_PER_ROW
    most = RAMP_PER_ROW if starts_or_stops else SPEED_PER_ROW
    return speed + min(max(wanted - speed, -most), most)


def moved(opening: float, wanted: float) -> float:
    """Return how far a pump's discharge valve is open one row later: it opens and closes with the pump."""
    return opening + min(max(wanted - opening, -OPENING_PER_ROW), OPENING_PER_ROW)
