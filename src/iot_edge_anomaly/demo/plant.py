"""The whole plant, row by row: station, faults, sensors. Seeded: the same seed and state always give the same row."""

from collections.abc import Callable

import msgspec
import numpy as np

from iot_edge_anomaly.demo.faults import Fault, FaultKind, fault_at
from iot_edge_anomaly.demo.operation import orders
from iot_edge_anomaly.demo.sensors import PUMPS, SENSORS, truth
from iot_edge_anomaly.demo.station import WHOLE, Damage, Station, advance

SEED = 7
LEAK = 10.0
"""Flow coefficient of a leak, m³/h at 1 m of head to the root: at 38 m some 60 m³/h."""


class PlantState(msgspec.Struct, frozen=True):
    """Everything that the next row depends on. `row` is the next one; `stuck_at` what a stuck sensor shows."""

    row: int = 0
    station: Station = Station()
    stuck_at: float | None = None


class Reading(msgspec.Struct, frozen=True):
    """One row of one asset, and the fault that was there, wherever it was."""

    values: dict[str, float]
    fault: Fault | None


def read(
    state: PlantState, asset: str, seed: int = SEED, timetable: Callable[[int], Fault | None] = fault_at
) -> tuple[PlantState, Reading]:
    """Let the plant go on by one row and read the sensors of one asset."""
    now, fault = orders(state.row, seed), timetable(state.row)
    station = advance(state.station, now, _damages(fault))
    sensors = SENSORS[asset]
    noise = np.random.default_rng((seed, list(SENSORS).index(asset), state.row)).standard_normal(len(sensors))
    values = {
        sensor.name: round(true + sensor.noise * error, 5)
        for sensor, true, error in zip(sensors, truth(asset, station, now), noise.tolist(), strict=True)
    }
    stuck_at = _spoil(values, fault, asset, state.stuck_at)
    return PlantState(state.row + 1, station, stuck_at), Reading(values, fault)


def _damages(fault: Fault | None) -> tuple[Damage, Damage]:
    if fault is None or fault.sensor is not None:
        return WHOLE, WHOLE
    leaks = fault.kind is FaultKind.LEAK
    damage = Damage(leak=LEAK * fault.severity) if leaks else Damage(wear=fault.severity)
    return (damage, WHOLE) if fault.asset == PUMPS[0] else (WHOLE, damage)


def _spoil(values: dict[str, float], fault: Fault | None, asset: str, stuck_at: float | None) -> float | None:
    """Falsify what a faulty sensor of this asset reads; return what it is stuck at, if it is."""
    if fault is None or fault.asset != asset or fault.sensor is None:
        return None
    if fault.kind is FaultKind.DRIFT:
        drift = next(sensor.drift for sensor in SENSORS[asset] if sensor.name == fault.sensor)
        values[fault.sensor] += drift * fault.severity
        return None
    values[fault.sensor] = values[fault.sensor] if stuck_at is None else stuck_at
    return values[fault.sensor]
