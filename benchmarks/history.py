"""Does history stay quick to read, what does it cost of a core and of the disk, how soon is a million rows a chart?

    OMP_NUM_THREADS=1 python -m benchmarks.history [--flushes 10000] [--sabotage no-compaction] [--only flushes]

Three parts, all on real tables in a temporary folder:
- flushes: one minute of a small plant a flush, as many as ten thousand; at some counts the same questions are asked:
  the last 90 minutes of one asset, and its first and last time. A week of flushes takes minutes here, so what upkeep
  does once an hour it does every few seconds. The answers must not take longer and longer; with
  `--sabotage no-compaction` they do, and the run fails.
- plant: an hour of 500 assets with 10 sensors at 1 Hz, written a minute a flush: processor time and bytes.
- points: a million rows of one asset among twenty, opened as a chart of 2,000 points. Bar: one second.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.results import ROOT, write
from deltalake import DeltaTable

from iot_edge_anomaly.bus.answers import Message
from iot_edge_anomaly.bus.codec import encode_commit, encode_items
from iot_edge_anomaly.bus.streams import OUTCOMES, READINGS
from iot_edge_anomaly.core.messages import Batch
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AssetOutcome, Commit, Phase, Rows
from iot_edge_anomaly.historian.gathered import Gathered
from iot_edge_anomaly.historian.history import History
from iot_edge_anomaly.historian.schema import READINGS as READINGS_TABLE
from iot_edge_anomaly.historian.schema import SCHEMAS, SCORES
from iot_edge_anomaly.historian.store import Store
from iot_edge_anomaly.historian.upkeep import Upkeep, files

NS = 1_000_000_000
MINUTE_NS = 60 * NS
MINUTES_A_DAY = 1440
DAY_NS = MINUTES_A_DAY * MINUTE_NS
CREATED = {READINGS: "benchmark", OUTCOMES: "benchmark"}
ASKED_AT = (100, 1_000, 5_000, 10_000)
ASKED_MINUTES = 90
REPEATS = 15
FLAT = 3.0
"""An answer may take so many times what it took at the first count that filled the question."""

BAR_POINTS_SECONDS = 1.0
BAR_CORE_SHARE = 0.05


def key_of(number: int) -> AssetKey:
    return AssetKey("acme", f"site-1/area-{number % 3}/line-{number % 7}/pump-{number:03d}")


class Plant:
    """Assets whose sensors tell a value a second; what a minute of them is as messages of the streams."""

    def __init__(self, assets: int, sensors: int, seed: int) -> None:
        self.assets = assets
        self.sensors = tuple(f"sensor-{number}" for number in range(sensors))
        self._rng = np.random.default_rng(seed)
        self._level = self._rng.normal(50, 10, (assets, sensors))

    def commit(self, start_ns: int, number: int, seconds: int = 60) -> bytes:
        """Return the commit of some seconds."""
        times = start_ns + np.arange(seconds) * NS
        values = self._values(seconds)
        outcomes = tuple(self._outcome(asset, times, values[asset]) for asset in range(self.assets))
        return encode_commit(Commit(0, number, number, start_ns, outcomes))

    def messages(self, start_ns: int, number: int, seconds_a_batch: int, seconds: int = 60) -> list[bytes]:
        """Return what the sources send in some seconds, a batch every few seconds and asset."""
        values, width, count = self._values(seconds), len(self.sensors), seconds_a_batch
        index = np.tile(np.arange(width), count).astype("<i8").tobytes()
        batches = []
        for first in range(0, seconds, count):
            times = np.repeat(start_ns + np.arange(first, first + count) * NS, width)
            for asset in range(self.assets):
                key, block = key_of(asset), values[asset, first : first + count]
                received_ns = int(times[-1]) + 40_000_000 + asset
                batches.append(
                    Batch(
                        key.tenant, key.asset, "plc", 1, number * seconds + first, received_ns, self.sensors,
                        times.astype("<i8").tobytes(), index, block.astype("<f8").tobytes(),
                    )
                )  # fmt: skip
        return [encode_items(batches[at : at + 500]) for at in range(0, len(batches), 500)]

    def _values(self, seconds: int) -> np.ndarray:
        noise = self._rng.normal(0, 0.5, (self.assets, seconds, len(self.sensors)))
        return np.round(self._level[:, None, :] + noise.cumsum(1) / 8, 3)

    def _outcome(self, asset: int, times: np.ndarray, values: np.ndarray) -> AssetOutcome:
        part = np.abs(self._rng.normal(0, 0.02, values.shape)).astype("<f4")
        rows = Rows(
            self.sensors, times.astype("<i8").tobytes(), values.astype("<f8").tobytes(),
            part.sum(1).astype("<f8").tobytes(), bytes(len(times)), (values + part).astype("<f4").tobytes(),
            part.tobytes(), Phase.CALIBRATED, "sha256:" + "a" * 64, NS,
        )  # fmt: skip
        return AssetOutcome(key_of(asset).tenant, key_of(asset).asset, Phase.CALIBRATED, 1.0, rows=rows)


class Writer:
    """A store that is fed minute by minute; it counts the processor time of the historian's own work."""

    def __init__(self, folder: Path, upkeep: Upkeep) -> None:
        self.folder = folder
        self.store = Store(folder, dict.fromkeys(SCHEMAS, upkeep), CREATED, 1)
        self.cpu_seconds = 0.0
        self._seq = 0

    def flush(self, batches: list[bytes], commit: bytes) -> None:
        began = time.process_time()
        gathered = Gathered(self.store.written())
        for stream, data in [*((READINGS, data) for data in batches), (OUTCOMES, commit)]:
            self._seq += 1
            gathered.add(stream, 0, Message(self._seq, "", data))
        self.store.write(gathered)
        self.cpu_seconds += time.process_time() - began

    def bytes_of(self, table: str) -> int:
        return sum(file.size for file in files(self.store.delta(table)))


def flushes(folder: Path, count: int, *, compacts: bool, asked_at: Sequence[int] = ASKED_AT) -> dict[str, Any]:
    """Return what the same question takes after so many flushes."""
    short = timedelta(seconds=3)
    upkeep = Upkeep(
        timedelta(30), quiet=short, clean_every=short, keep_removed_seconds=short.seconds, compacts=compacts
    )
    writer, plant, asked = Writer(folder, upkeep), Plant(5, 3, 1), {}
    start_ns = (time.time_ns() // DAY_NS - count // MINUTES_A_DAY) * DAY_NS  # whole days, whenever it is run
    began = time.monotonic()
    for number in range(1, count + 1):
        at_ns = start_ns + number * MINUTE_NS
        writer.flush(plant.messages(at_ns, number, 60), plant.commit(at_ns, number))
        if number in asked_at or number == count:
            asked[str(number)] = _asked(folder, start_ns + (number + 1) * MINUTE_NS)
            print(number, asked[str(number)], f"{time.monotonic() - began:.0f} s", flush=True)
    first, *_, last = asked.values()
    growth = {name: round(last[name]["cpu_ms"] / first[name]["cpu_ms"], 2) for name in ("trend", "span")}
    return {
        "flushes": count,
        "minutes_it_took": round((time.monotonic() - began) / 60, 1),
        "asked_at": asked,
        "growth_of_cpu_ms": growth,
        "most_growth": FLAT,
        "is_flat": all(times <= FLAT for times in growth.values()),
    }


def _asked(folder: Path, until_ns: int) -> dict[str, Any]:
    history = History(folder)
    since_ns = until_ns - ASKED_MINUTES * MINUTE_NS

    def ask() -> None:
        stretch = history.trend(key_of(2), since_ns, until_ns, 2_000)
        assert stretch is not None
        assert len(stretch.times) > 100

    log = folder / SCORES / "_delta_log"
    return {
        "trend": _spent(ask),
        "span": _spent(lambda: history.span(key_of(2))),
        "log_entries": len(list(log.iterdir())),
        "files": len(DeltaTable(folder / SCORES).file_uris()),
    }


def _spent(ask: Callable[[], object]) -> dict[str, float]:
    """Return the median time a question takes, and the processor time: what others do on the machine adds little."""
    times, worked = [], []
    for _ in range(REPEATS):
        began, began_work = time.perf_counter(), time.process_time()
        ask()
        times.append(time.perf_counter() - began)
        worked.append(time.process_time() - began_work)
    return {"ms": round(statistics.median(times) * 1000, 1), "cpu_ms": round(statistics.median(worked) * 1000, 1)}


def plant(folder: Path, assets: int = 500, sensors: int = 10, minutes: int = 60) -> dict[str, Any]:
    """Return what an hour of a large plant costs."""
    writer, made = Writer(folder, Upkeep(timedelta(30), most_files=minutes)), Plant(assets, sensors, 2)
    start_ns = time.time_ns() // DAY_NS * DAY_NS
    for number in range(minutes):
        at_ns = start_ns + number * MINUTE_NS
        writer.flush(made.messages(at_ns, number, 1), made.commit(at_ns, number))
    readings, rows = assets * sensors * 60 * minutes, assets * 60 * minutes
    share = writer.cpu_seconds / (60 * minutes)
    print(f"plant: {share:.2%} of a core", flush=True)
    return {
        "assets": assets,
        "sensors_an_asset": sensors,
        "minutes": minutes,
        "readings": readings,
        "processor_seconds": round(writer.cpu_seconds, 1),
        "core_share": round(share, 4),
        "bar_core_share": BAR_CORE_SHARE,
        "compacted": all(file.is_sorted for file in files(writer.store.delta(READINGS_TABLE))),
        "bytes_a_reading": round(writer.bytes_of(READINGS_TABLE) / readings, 2),
        "bytes_a_scored_row": round(writer.bytes_of(SCORES) / rows, 1),
    }


def points(folder: Path, assets: int = 10, sensors: int = 5, days: int = 12) -> dict[str, Any]:
    """Return how long a chart of a million rows takes to open."""
    writer, made = Writer(folder, Upkeep(timedelta(365), compacts=False)), Plant(assets, sensors, 3)
    start_ns = (time.time_ns() // (86_400 * NS) - days) * 86_400 * NS
    for number in range(days * 24):
        writer.flush([], made.commit(start_ns + number * 3600 * NS, number, seconds=3600))
    writer.store.compact_all()
    history, key = History(folder), key_of(1)
    span = history.span(key)
    assert span is not None
    seconds = [seconds for _ in range(5) for seconds in _opened(history, key, *span)]
    print(f"points: {seconds}", flush=True)
    return {
        "rows": days * 86_400,
        "sensors": sensors,
        "assets_in_the_table": assets,
        "days": days,
        "first_seconds": round(seconds[0], 3),
        "median_seconds": round(statistics.median(seconds), 3),
        "bar_seconds": BAR_POINTS_SECONDS,
        "met": statistics.median(seconds) < BAR_POINTS_SECONDS,
    }


def _opened(history: History, key: AssetKey, first_ns: int, last_ns: int) -> Iterator[float]:
    began = time.perf_counter()
    stretch = history.trend(key, first_ns, last_ns + 1, 2_000)
    yield time.perf_counter() - began
    assert stretch is not None
    assert 1_000 < len(stretch.times) <= 2_000


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flushes", type=int, default=ASKED_AT[-1])
    parser.add_argument("--sabotage", choices=["no-compaction"])
    parser.add_argument("--only", choices=["flushes", "plant", "points"])
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "results")
    options = parser.parse_args(arguments)
    figures: dict[str, dict[str, Any]] = {}
    parts: dict[str, Callable[[Path], dict[str, Any]]] = {
        "flushes": lambda folder: flushes(folder, options.flushes, compacts=options.sabotage is None),
        "plant": plant,
        "points": points,
    }
    for name, part in parts.items():
        if options.only in (None, name):
            with tempfile.TemporaryDirectory(prefix="history-") as folder:
                figures[name] = part(Path(folder))
    met = [figures[part][bar] for part, bar in (("flushes", "is_flat"), ("points", "met")) if part in figures]
    if options.only is None and options.sabotage is None:
        print(write("history", figures, seed=1, folder=options.results))
    if not all(met):
        print("history does not stay as quick as it should", file=sys.stderr)
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
