"""Eight days of history of two assets, in tables of the platform's own writer: two hours were odd, two tell nothing."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from seeded_plant import LEAKING, NS, PUMP_1, SENSORS, SWING, TANK, USUAL  # type: ignore[import-not-found]

from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import Phase, Rows
from iot_edge_anomaly.historian.arrow import arrow_table
from iot_edge_anomaly.historian.columns import scores_block
from iot_edge_anomaly.historian.schema import SCORES
from iot_edge_anomaly.historian.tables import TableWriter

HOUR_NS = 3600 * NS
DAYS, LAG_NS = 8, 300 * NS
ODD_HOURS, SILENT_HOURS = (50, 48), (30, 28)
"""So many hours ago."""

SHARE = np.array([0.5, 0.2, 0.02, 0.2, 0.05, 0.03])


def write_history(
    folder: Path, now_ns: int, step_ns: int = 30 * NS, days: int = DAYS, keys: Iterable[AssetKey] = (PUMP_1, TANK)
) -> None:
    """Write rows up to five minutes ago."""
    table, newest = TableWriter(folder, SCORES), now_ns - LAG_NS
    for day in range(days):
        since = newest - (days - day) * 24 * HOUR_NS
        times = np.arange(since, since + 24 * HOUR_NS, step_ns)
        rows = scored(times, (now_ns - times) / HOUR_NS, step_ns)
        table.append(arrow_table(SCORES, scores_block((key, rows) for key in keys)), {"seed": day})


def scored(times: "np.ndarray", hours_ago: "np.ndarray", step_ns: int) -> Rows:
    silent = (hours_ago <= SILENT_HOURS[0]) & (hours_ago >= SILENT_HOURS[1])
    times, hours_ago = times[~silent], hours_ago[~silent]
    odd = (hours_ago <= ODD_HOURS[0]) & (hours_ago >= ODD_HOURS[1])
    ticks = times / NS
    expected = USUAL + SWING * np.sin(ticks[:, None] / np.array([5_700, 8_100, 6_600, 5_700, 7_100, 19_000]))
    values = expected + SWING * 0.1 * np.sin(ticks[:, None] * 7.1) + odd[:, None] * LEAKING * USUAL
    score = 0.3 + 0.1 * np.sin(ticks / 900) + 1.3 * odd
    quality = np.where(np.arange(len(times)) % 500 == 7, 1, 0).astype("u1")
    return Rows(
        SENSORS,
        times.astype("<i8").tobytes(),
        values.astype("<f8").tobytes(),
        score.astype("<f8").tobytes(),
        quality.tobytes(),
        expected.astype("<f4").tobytes(),
        (score[:, None] * SHARE).astype("<f4").tobytes(),
        Phase.CALIBRATED,
        "sha256:m",
        step_ns,
    )
