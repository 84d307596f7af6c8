"""A pump over weeks: flow swings by day, pressure and power follow it; a fault is put in where a test wants one."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.alarms.settings import AlarmSettings, Limit, SensorTexts
from iot_edge_anomaly.backtest.run import Past, Plan
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.training.csv_files import GAP_INTERVALS

NS = 1_000_000_000
STEP_NS = 600 * NS
DAY_ROWS = 144
BEGIN_NS = 1_767_571_200 * NS
"""2026-01-05, a Monday."""

KEY = AssetKey("acme", "site-1/pump-1")
SENSORS = ("flow", "pressure", "power")
TEXTS = {
    "flow": SensorTexts("flow", "m³/h"),
    "pressure": SensorTexts("outlet pressure", "bar"),
    "power": SensorTexts("power", "kW"),
}
SETTINGS = AlarmSettings(3, 10, (), {}, TEXTS, "v1")
LIMITED = AlarmSettings(3, 10, (Limit("pressure", "H", 4.6, 0.05), Limit("pressure", "HH", 5.0, 0.05)), {}, TEXTS, "v1")


def pump_rows(rows: int, seed: int = 0) -> NDArray[np.float64]:
    """Return flow, pressure and power of healthy rows."""
    random = np.random.default_rng(seed)
    flow = 100 + 10 * np.sin(2 * np.pi * np.arange(rows) / DAY_ROWS) + random.normal(size=rows)
    pressure = 4 + 0.02 * (flow - 100) + 0.02 * random.normal(size=rows)
    power = 15 + 0.1 * (flow - 100) + 0.1 * random.normal(size=rows)
    return np.stack([flow, pressure, power], axis=1)


def pump_times(rows: int) -> NDArray[np.int64]:
    """Return a time every ten minutes."""
    return BEGIN_NS + np.arange(rows) * STEP_NS


def pump_past(values: NDArray[np.float64], time_ns: NDArray[np.int64] | None = None) -> Past:
    """Return rows as those of a file."""
    times = pump_times(len(values)) if time_ns is None else time_ns
    return Past(KEY, SENSORS, times, values, np.ones(len(values), bool), GAP_INTERVALS)


def pump_plan(
    train_rows: int, settings: AlarmSettings = SETTINGS, per_week: float = 1.0, relearn_weeks: int = 0
) -> Plan:
    """Return a plan with the default method."""
    return Plan("linear", per_week, settings, train_rows, relearn_weeks * 7 * 86_400 * NS)


def with_fault(values: NDArray[np.float64], start: int, rows: int, by: float = 3.0) -> NDArray[np.float64]:
    """Let the power rise by so many kW for a while, and nothing else."""
    faulty = values.copy()
    faulty[start : start + rows, 2] += by
    return faulty


def write_pump(path: Path, values: NDArray[np.float64], time_ns: NDArray[np.int64] | None = None) -> Path:
    """Write rows as a person has them in a file; an empty cell is missing."""
    times = (pump_times(len(values)) if time_ns is None else time_ns) // NS
    lines = ["timestamp," + ",".join(SENSORS)]
    for at, row in zip(np.datetime_as_string(times.astype("datetime64[s]")), values.tolist(), strict=True):
        lines.append(f"{at}Z," + ",".join("" if np.isnan(cell) else repr(cell) for cell in row))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
