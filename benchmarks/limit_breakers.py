"""Batches of ordered readings for `latency`, of which some have one row beyond a limit."""

import time

import numpy as np

from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.intake import GroupCommit
from iot_edge_anomaly.core.messages import Batch, ModelActivated
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.detection.catalog import detector_spec
from iot_edge_anomaly.registry.artefact import TrainingFacts, pack

NS = 1_000_000_000
ROWS = 10
SENSORS = tuple(f"sensor-{number}" for number in range(10))
LIMIT = 1_000.0
TENANT = "bench"


class Batches:
    """Makes batches, one asset after the other; the rows of an asset follow each other a second of event time apart."""

    def __init__(self, assets: int, seed: int) -> None:
        self._keys = [AssetKey(TENANT, f"site/line/asset-{number}") for number in range(assets)]
        self._rows = _values(4_096 + ROWS, seed)
        self._columns = np.tile(np.arange(len(SENSORS)), ROWS).astype("<i8").tobytes()
        self._start_ns = time.time_ns() // NS * NS
        self._made = 0

    def next(self, *, breaks_limit: bool) -> tuple[Batch, int]:
        """Return the next batch and the time of its last row but one, which is beyond the limit if so wished."""
        sequence, asset = divmod(self._made, len(self._keys))
        self._made += 1
        key, first = self._keys[asset], sequence * ROWS
        values = self._rows[first % 4_096 :][:ROWS].copy()
        if breaks_limit:
            values[-2, 0] = LIMIT + 1 + asset
        times = self._start_ns + np.arange(first, first + ROWS) * NS
        batch = Batch(
            key.tenant, key.asset, "plc", 1, sequence, time.time_ns(), SENSORS,
            np.repeat(times, len(SENSORS)).astype("<i8").tobytes(), self._columns, values.astype("<f8").tobytes(),
        )  # fmt: skip
        return batch, int(times[-2])

    def settings(self) -> str:
        """Return the configuration file: one limit, no lateness, production's own defaults for the rest."""
        return f"""
[console]
enabled = false
[[asset]]
match = "{TENANT}/*"
lateness_seconds = 0
off_delay_rows = 1
silence_seconds = 0
[asset.sensors.{SENSORS[0]}]
high_limit = {LIMIT}
"""

    async def activate_models(self, bus: Bus, intake: GroupCommit) -> None:
        """Give every asset a fitted model, as it has in daily work."""
        detector = detector_spec("linear").fit(
            self._rows[:1_000], SENSORS, rows_per_week=604_800.0, false_alarms_per_week=1.0
        )
        digest = await Blobs(bus).put(pack(detector, TrainingFacts(1_000, 1.0, 1.0)))
        await intake.accept([ModelActivated(key.tenant, key.asset, digest, 1) for key in self._keys])


def _values(rows: int, seed: int) -> np.ndarray:
    swing = np.sin(np.arange(rows) / 9)[:, None] * np.linspace(0.5, 2, len(SENSORS))
    return swing + np.random.default_rng(seed).normal(size=(rows, len(SENSORS))) * 0.1
