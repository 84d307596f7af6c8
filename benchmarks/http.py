"""Durable ingest and predictions over HTTP, the load generator on the same processors.

`python -m benchmarks.http [--seconds 10] [--connections 64] [--rows 1]`. Ingest: every request is one asset, 10
sensors, authenticated, numbered; answered 202 once the stream has synced it. Predictions: windows of 10 rows by 5.
"""

import argparse
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.broker_and_gateway import Target, broker_and_gateway
from benchmarks.load_http import RequestOf, drive, post

from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.settings import BusSettings
from iot_edge_anomaly.detection import linear
from iot_edge_anomaly.registry.artefact import TrainingFacts, pack

try:
    from uvloop import run
except ImportError:
    from asyncio import run

SENSORS = 10
ASSETS = 200
BUDGETS = {"ingest": (10_000, 50.0), "predict": (5_000, 50.0), "predict_cold": (5_000, 50.0)}
"""Requests a second, at least; 95 % answered within so many ms."""


def readings(token: str, rows: int) -> RequestOf:
    """Return numbered requests of one asset each."""
    values = ",".join(f'"sensor-{number}":{20 + number}.25' for number in range(SENSORS))

    def request(number: int) -> bytes:
        asset, sequence = number % ASSETS, number // ASSETS
        second, micro = divmod(number, 1_000_000)
        time = f"2026-11-24T06:{second // 60:02}:{second % 60:02}.{micro:06}Z"
        row = f'{{"time":"{time}",{values}}}'
        head = f'"asset":"acme/site/line/pump-{asset}","source":"load","epoch":1,"sequence":{sequence}'
        body = f'{{{head},"rows":[{",".join([row] * rows)}]}}'
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


async def measure(target: Target, request_of: RequestOf, options: argparse.Namespace) -> dict[str, Any]:
    """Warm up, then measure; with the processor time that each part took for one request."""
    await drive("127.0.0.1", target.port, request_of, connections=options.connections, seconds=1)
    before = target.cpu_seconds()
    load = await drive("127.0.0.1", target.port, request_of, connections=options.connections, seconds=options.seconds)
    after = target.cpu_seconds()
    figures = load.figures()
    figures["cpu_us_a_request"] = {
        part: round((after[part] - before[part]) / figures["requests"] * 1e6, 1) for part in after
    }
    return figures


async def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure both on a fresh system."""
    with tempfile.TemporaryDirectory() as folder:
        async with broker_and_gateway(Path(folder), BusSettings()) as target:
            token, model = target.token, await fitted_model(target, options.seed)
            found = {
                "ingest": await measure(target, readings(token, options.rows), options),
                "predict": await measure(target, windows(token, options.seed, model), options),
                "predict_cold": await measure(target, windows(token, options.seed, ""), options),
            }
    for name, (rate, p95_ms) in BUDGETS.items():
        found[name]["budget"] = {"rate": rate, "p95_ms": p95_ms}
        found[name]["met"] = found[name]["rate"] >= rate and found[name]["p95_ms"] < p95_ms
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    print(json.dumps(run(main(parser.parse_args())), indent=2))
