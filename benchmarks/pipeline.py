"""How many values a second go through decode, clean, fuse, score, explain and encode on one core, and where time goes.

    OMP_NUM_THREADS=1 python -m benchmarks.pipeline

The bar: 100,000 values/s at 10 sensors and 10 rows a message. The figure at 1 row a message stands beside it. The
durable publish of the commit is measured by `benchmarks.http`; it is not part of this figure.
"""

import cProfile
import pstats
import sys
import time

import numpy as np
from benchmarks.results import write

from iot_edge_anomaly.bus.codec import decode_envelope, encode_commit, encode_items
from iot_edge_anomaly.core.messages import Batch, ModelActivated
from iot_edge_anomaly.core.outcomes import Commit
from iot_edge_anomaly.detection.catalog import detector_spec
from iot_edge_anomaly.pipeline.step import AnomalyPipeline

SENSORS = tuple(f"sensor-{number}" for number in range(10))
ASSETS = 8
MESSAGES_A_STEP = 64
SECONDS = 5.0
NS = 1_000_000_000
T0 = 1_767_225_600 * NS
BAR = 100_000


def values(rows: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    swing = np.sin(np.arange(rows) / 9)[:, None] * np.linspace(0.5, 2, len(SENSORS))
    return swing + rng.normal(size=(rows, len(SENSORS))) * 0.1


def messages(rows_per_message: int, count: int) -> list[bytes]:
    table = values(rows_per_message * count, 1)
    made = []
    for number in range(count * ASSETS):
        asset, first = number % ASSETS, number // ASSETS * rows_per_message
        times = T0 + np.repeat(np.arange(first, first + rows_per_message), len(SENSORS)) * NS
        sensor = np.tile(np.arange(len(SENSORS)), rows_per_message)
        block = table[first : first + rows_per_message]
        batch = Batch(
            "bench", f"asset-{asset}", "plc", 1, number // ASSETS, T0, SENSORS,
            times.astype("<i8").tobytes(), sensor.astype("<i8").tobytes(), block.astype("<f8").tobytes(),
        )  # fmt: skip
        made.append(encode_items((batch,)))
    return made


def rate(rows_per_message: int, seconds: float = SECONDS) -> float:
    """Return values a second."""
    model = detector_spec("linear").fit(values(600, 2), SENSORS, rows_per_week=604_800.0, false_alarms_per_week=1.0)
    pipeline, models = AnomalyPipeline(), {"sha256:m": model}
    state = pipeline.new_state()
    activated = encode_items([ModelActivated("bench", f"asset-{asset}", "sha256:m", T0) for asset in range(ASSETS)])
    state, _ = pipeline.step(state, [decode_envelope(activated, 1)], models)
    stored = messages(rows_per_message, max(6_000 // rows_per_message, 2_000))
    began, done, seq = time.perf_counter(), 0, 1
    for start in range(0, len(stored), MESSAGES_A_STEP):
        chunk = stored[start : start + MESSAGES_A_STEP]
        envelopes = [decode_envelope(data, seq + number) for number, data in enumerate(chunk)]
        seq += len(chunk)
        state, outcomes = pipeline.step(state, envelopes, models)
        encode_commit(Commit(0, envelopes[0].seq, envelopes[-1].seq, T0, outcomes))
        done += len(chunk) * rows_per_message * len(SENSORS)
        if time.perf_counter() - began > seconds:
            break
    return done / (time.perf_counter() - began)


def where_time_goes() -> list[str]:
    profile = cProfile.Profile()
    profile.runcall(rate, 10, 2.0)
    stats = pstats.Stats(profile)
    total = sum(entry[2] for entry in stats.stats.values())  # type: ignore[attr-defined]
    rows = sorted(stats.stats.items(), key=lambda item: -item[1][2])[:12]  # type: ignore[attr-defined]
    return [f"{100 * entry[2] / total:.0f} % {where[0].rpartition('/')[2]}:{where[2]}" for where, entry in rows]


def main() -> int:
    figures = {
        "values_per_second_10_rows_a_message": round(rate(10)),
        "values_per_second_1_row_a_message": round(rate(1)),
        "bar_values_per_second": BAR,
        "where_time_goes_own_time": where_time_goes(),
    }
    print(figures)
    write("pipeline", figures, seed=1)
    return 0 if figures["values_per_second_10_rows_a_message"] >= BAR else 1  # type: ignore[operator]


if __name__ == "__main__":
    sys.exit(main())
