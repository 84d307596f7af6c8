"""Centrifugal pumps in parallel between a supply main and an elevated tank: heads in m of water, flows in m³/h.

Pump curve and affinity laws as in Gülich, *Centrifugal Pumps* (3rd ed., ch. 3-4): H = n² H₀ - a Q² at speed n.
"""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

SHUT_OFF_HEAD = 62.0
CURVE = 0.00132
BEST_FLOW = 115.0
BEST_EFFICIENCY = 0.78
VALVE_LOSS = 0.0003
MAIN_LOSS = 0.0005
SUPPLY_LOSS = 0.00005
BAR_PER_METRE = 0.0980665
KILOWATT_PER_HEAD_FLOW = 0.0027241
"""Hydraulic power of 1 m³/h lifted by 1 m."""

SHUT = 0.01
"""A valve that is open no further lets nothing through."""

MOST_FLOW = 600.0
HALVINGS = 42


class Drive(NamedTuple):
    """What works on one pump: speed (1: rated), valve opening (0 to 1), flow lost through a leak behind it."""

    speed: float
    opening: float
    leak: float = 0.0


class Flows(NamedTuple):
    """What flows: into the main from each pump (behind its leak), and the heads at both ends of the pumps."""

    delivered: tuple[float, ...]
    suction_head: float
    main_head: float

    @property
    def total(self) -> float:
        """Everything that reaches the tank."""
        return sum(self.delivered)


def solve(drives: Sequence[Drive], supply_head: float, static_head: float) -> Flows:
    """Return the flows at which pumps, valves and mains balance; check valves let nothing flow back."""
    low, high = 0.0, MOST_FLOW
    for _ in range(HALVINGS):
        total = 0.5 * (low + high)
        suction, main = supply_head - SUPPLY_LOSS * total**2, static_head + MAIN_LOSS * total**2
        if sum(_delivered(drive, suction, main) for drive in drives) > total:
            low = total
        else:
            high = total
    return Flows(tuple(_delivered(drive, suction, main) for drive in drives), suction, main)


def _delivered(drive: Drive, suction: float, main: float) -> float:
    """Solve n² H₀ + suction - a (Q + leak)² = main + valve loss · Q² for Q, not below 0."""
    if drive.opening <= SHUT:
        return 0.0
    lift = drive.speed**2 * SHUT_OFF_HEAD + suction - main
    square, linear = CURVE + VALVE_LOSS / drive.opening**2, CURVE * drive.leak
    rest = CURVE * drive.leak**2 - lift
    return 0.0 if rest >= 0 else (sqrt(linear**2 - square * rest) - linear) / square


def outlet_head(drive: Drive, flow: float, suction: float) -> float:
    """Return the head right behind a pump that passes `flow`."""
    return max(suction + drive.speed**2 * SHUT_OFF_HEAD - CURVE * flow**2, 0.0)


def shaft_power(speed: float, flow: float, efficiency_lost: float = 0.0) -> float:
    """Return the power that the motor takes, kW: hydraulic power by efficiency, and friction growing with speed."""
    if speed <= 0.0:
        return 0.0
    head = max(speed**2 * SHUT_OFF_HEAD - CURVE * flow**2, 0.0)
    return KILOWATT_PER_HEAD_FLOW * flow * head / efficiency(speed, flow, efficiency_lost) + 1.6 * speed**3


def efficiency(speed: float, flow: float, lost: float = 0.0) -> float:
    """Return the pump's efficiency: a parabola around its best flow, which moves with speed."""
    off_best = flow / (BEST_FLOW * speed) - 1.0
    return max(BEST_EFFICIENCY * (1.0 - 0.55 * off_best**2) - lost, 0.25)


def cavitation(flow: float, suction_head: float) -> float:
    """Return how hard a pump cavitates, 0 to 1: suction head available against suction head required."""
    margin = suction_head + 10.1 - 0.24 - (2.0 + 4.0 * (flow / BEST_FLOW) ** 2)
    return min(max(1.0 - margin / 3.0, 0.0), 1.0)
