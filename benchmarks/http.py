"""Durable ingest and predictions over HTTP, the load generator on the same processors.

    python -m benchmarks.http [--seconds 15] [--connections 64 128 256]

Ingest: every request is one asset, 10 sensors, 1 row, authenticated, numbered; answered 202 once the stream has synced
it (power-safe). Predictions: windows of 10 rows by 5 sensors, scored by a fitted model; `predict_cold`: without one.
Each connection has one request under way at a time, as a device has. `cpu_us_a_request` says who works how long for a
request: the generator, not optimised away, shares the processors with gateway and broker. Fails where a bar is missed
at every number of connections, or where any answer is not the one that counts.
"""

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import uvloop
from benchmarks.broker_and_gateway import Target, broker_and_gateway
from benchmarks.load_http import RequestOf, drive, post
from benchmarks.results import write

from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.settings import BusSettings
from iot_edge_anomaly.detection import linear
from iot_edge_anomaly.observability.logging import configure_logging
from iot_edge_anomaly.registry.artefact import TrainingFacts, pack

SENSORS = 10
ASSETS = 200
WARM_UP_SECONDS = 2.0


class Budget(NamedTuple):
    """Requests a second, at least; 95 % answered within so many ms; each with this status."""

    rate: int
    p95_ms: float
    status: str

    def is_met(self, figures: dict[str, Any]) -> bool:
        only = list(figures["statuses"]) == [self.status] and not figures["broken_connections"]
        return bool(only and figures["rate"] >= self.rate and figures["p95_ms"] < self.p95_ms)


BUDGETS = {
    "ingest": Budget(10_000, 50.0, "202"),
    "predict": Budget(5_000, 50.0, "200"),
    "predict_cold": Budget(5_000, 50.0, "200"),
}


def readings(token: str) -> RequestOf:
    """Return numbered requests of one row of one asset each."""
    values = ",".join(f'"sensor-{number}":{20 + number}.25' for number in range(SENSORS))

    def request(number: int) -> bytes:
        asset, sequence = number % ASSETS, number // ASSETS
        second, micro = divmod(number, 1_000_000)
        time = f"2026-11-24T06:{second // 60:02}:{second % 60:02}.{micro:06}Z"
        row = f'{{"time":"{time}",{values}}}'
        head = f'"asset":"acme/site/line/pump-{asset}","source":"load","epoch":1,"sequence":{sequence}'
        body = f'{{{head},"rows":[{row}]}}'
        return post("/v1/readings", body.encode(), token)

    return request


def windows(token: str, seed: int, model: str) -> RequestOf:
    """Return windows to be scored; `model` "" asks for the cold start."""
    generator = random.Random(seed)

    def request() -> bytes:
        rows = [[generator.gauss(20, 1) for _ in range(5)] for _ in range(10)]
        return post("/v1/predict", json.dumps({"rows": rows, "model": model}).encode(), token)

    requests = [request() for _ in range(100)]
    return lambda number: requests[number % len(requests)]


async def fitted_model(target: Target, seed: int) -> str:
    """Store a model of five sensors and return its digest."""
    rows = np.random.default_rng(seed).normal(20, 1, size=(600, 5))
    detector = linear.fit(rows, tuple("abcde"), rows_per_week=604_800, false_alarms_per_week=1)
    async with connect(target.address) as bus:
        return await Blobs(bus).put(pack(detector, TrainingFacts(600, 1.0, 1.0)))


async def measure(target: Target, request_of: RequestOf, connections: int, seconds: float) -> dict[str, Any]:
    """Warm up, then measure; with the processor time that each part took for one request."""
    await drive("127.0.0.1", target.port, request_of, connections=connections, seconds=WARM_UP_SECONDS)
    before = target.cpu_seconds()
    load = await drive("127.0.0.1", target.port, request_of, connections=connections, seconds=seconds)
    after = target.cpu_seconds()
    figures = load.figures()
    used = {part: after[part] - before[part] for part in after}
    figures["cpu_us_a_request"] = {part: round(spent / figures["requests"] * 1e6, 1) for part, spent in used.items()}
    figures["generator_share_of_cpu"] = round(used["generator"] / sum(used.values()), 3)
    return {"connections": connections, **figures}


async def measure_all(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything on a fresh system."""
    with tempfile.TemporaryDirectory() as folder:
        async with broker_and_gateway(Path(folder), BusSettings()) as target:
            requests = {
                "ingest": readings(target.token),
                "predict": windows(target.token, options.seed, await fitted_model(target, options.seed)),
                "predict_cold": windows(target.token, options.seed, ""),
            }
            return {name: await _by_connections(target, name, requests[name], options) for name in BUDGETS}


async def _by_connections(
    target: Target, name: str, request_of: RequestOf, options: argparse.Namespace
) -> dict[str, Any]:
    budget = BUDGETS[name]
    runs = [await measure(target, request_of, number, options.seconds) for number in options.connections]
    return {"bar": budget._asdict(), "met": any(map(budget.is_met, runs)), "runs": runs}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--connections", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep-figures", choices=("yes", "no"), default="yes", help="write docs/results")
    options = parser.parse_args(arguments)
    configure_logging("http", "error")
    figures = uvloop.run(measure_all(options))
    met = all(figures[name]["met"] for name in BUDGETS)
    print(json.dumps(figures, indent=2))
    if options.keep_figures == "yes":
        write("http", figures, options.seed)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
