"""A plant that follows the clock: busy by day, quiet at night, quieter on Sundays. A row every ten minutes."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.core.messages import Batch, batch_of
from iot_edge_anomaly.pipeline.settings import AssetSettings
from state_pump import KEY, NS, LivePump  # type: ignore[import-not-found]

SENSORS = ("demand", "flow", "pressure")
STEP_NS = 600 * NS
DAY_ROWS = 144
MONDAY = 1_767_571_200 * NS
"""2026-01-05 00:00 UTC."""

PLAIN = AssetSettings(grid_seconds=600.0, learn_rows=100, lateness_seconds=0.0, silence_seconds=0.0, hold_seconds=0.0)


def times(days: float, first_day: float = 0.0) -> NDArray[np.int64]:
    """Return the times of the rows of so many days, from so many days after that Monday on."""
    return MONDAY + (np.arange(round(days * DAY_ROWS)) + round(first_day * DAY_ROWS)) * STEP_NS


def load(time_ns: NDArray[np.int64], *, sundays: bool = True) -> NDArray[np.float64]:
    """Return how busy the plant usually is (n,): about 0.3 at night, 1 by day, less on a Sunday."""
    hour = (time_ns - MONDAY) / NS / 3600.0 % 24.0
    busy = 0.3 + 0.7 / (1.0 + np.exp(-8.0 * np.cos(2.0 * np.pi * (hour - 13.0) / 24.0)))
    is_sunday = (time_ns - MONDAY) // (86_400 * NS) % 7 == 6
    return np.where(is_sunday & sundays, 0.5 * busy, busy)


def rows(time_ns: NDArray[np.int64], busy: NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    """Return healthy rows of a plant that is so busy, whatever the clock says."""
    random = np.random.default_rng((seed, int(time_ns[0] % 2**31)))
    wander = np.empty(len(busy))
    level = 0.0
    for row, step in enumerate(random.normal(size=len(busy)).tolist()):
        level = 0.9 * level + 0.01 * step
        wander[row] = level
    demand = busy + wander
    noise = random.normal(size=(3, len(busy)))
    flow = 100.0 * demand + 0.8 * noise[1]
    return np.stack((demand + 0.004 * noise[0], flow, 6.0 - 2.0 * demand**2 + 0.02 * noise[2]), axis=1)


def plant(days: float, first_day: float = 0.0, seed: int = 0, *, sundays: bool = True) -> NDArray[np.float64]:
    """Return healthy rows of so many days."""
    at = times(days, first_day)
    return rows(at, load(at, sundays=sundays), seed)


class LiveClockPlant(LivePump):  # type: ignore[misc]
    """The plant's readings through the pipeline, from that Monday on."""

    def __init__(self, settings: AssetSettings, **how: object) -> None:
        super().__init__(settings, **how)

    def _batch(self, line: list[float], more: Mapping[str, float] = {}) -> Batch:
        at_ns = MONDAY + self.sent * STEP_NS
        self.sent += 1
        named = {**dict(zip(SENSORS, line, strict=False)), **more}
        readings = [(at_ns, sensor, value) for sensor, value in named.items()]
        return batch_of(KEY, "plc", readings, received_ns=at_ns, epoch=0, sequence=self.sent)
