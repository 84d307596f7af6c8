"""Metrics of this process, and how `/metrics` shows those of all roles of a machine.

Every role writes a snapshot of its registry to `<data>/run/metrics/<role>.json` every few seconds; the gateway reads
them when it is asked. Files and not the bus: metrics matter most while the bus is down. A snapshot older than
`STALE_SECONDS` is left out, so a role that is gone vanishes, as Prometheus expects of a target.
"""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import anyio
import msgspec
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

EVERY_SECONDS = 5.0
STALE_SECONDS = 30.0
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

REGISTRY = CollectorRegistry()
"""The metrics of this process: what signals count, and what the process itself uses."""

ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)


class _Sample(msgspec.Struct, frozen=True, array_like=True):
    name: str
    labels: dict[str, str]
    value: float | str


class _Family(msgspec.Struct, frozen=True, array_like=True):
    name: str
    kind: str
    text: str
    samples: tuple[_Sample, ...]


class _Snapshot(msgspec.Struct, frozen=True):
    role: str
    at: float
    families: tuple[_Family, ...]


def metrics_folder(data_dir: Path) -> Path:
    """Return where the roles of a data folder leave their snapshots."""
    return data_dir / "run" / "metrics"


def write_snapshot(role: str, folder: Path, registry: CollectorRegistry = REGISTRY) -> None:
    """Leave the present values for the gateway to show."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{role}.draft"
    draft.write_bytes(msgspec.json.encode(_snapshot(role, registry)))
    draft.replace(folder / f"{role}.json")


async def keep_snapshot(role: str, folder: Path) -> None:
    """Write a snapshot every few seconds until cancelled. Run it in the task group of a role.

    A full disk costs the snapshot, not the role.
    """
    while True:
        with suppress(OSError):
            write_snapshot(role, folder)
        await anyio.sleep(EVERY_SECONDS)


def render(role: str, folder: Path, registry: CollectorRegistry = REGISTRY) -> bytes:
    """Return the metrics of this process and of the other roles as Prometheus text, each with its `role`."""
    others = [snapshot for snapshot in _fresh(folder) if snapshot.role != role]
    merged = CollectorRegistry()
    merged.register(_Merged([_snapshot(role, registry), *others]))
    return generate_latest(merged)


class _Merged(Collector):
    def __init__(self, snapshots: Sequence[_Snapshot]) -> None:
        self._snapshots = snapshots

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for snapshot in self._snapshots:
            for family in snapshot.families:
                metric = families.setdefault(family.name, Metric(family.name, family.text, family.kind))
                for sample in family.samples:
                    metric.add_sample(sample.name, {**sample.labels, "role": snapshot.role}, float(sample.value))
        return families.values()


def _snapshot(role: str, registry: CollectorRegistry) -> _Snapshot:
    return _Snapshot(role, time.time(), tuple(map(_family, registry.collect())))


def _family(metric: Metric) -> _Family:
    samples = tuple(_Sample(sample.name, dict(sample.labels), _plain(sample.value)) for sample in metric.samples)
    return _Family(metric.name, metric.type, metric.documentation, samples)


def _plain(value: float) -> float | str:
    """Write what JSON has no number for as text."""
    return value if math.isfinite(value) else str(value)


def _fresh(folder: Path) -> Iterator[_Snapshot]:
    for path in sorted(folder.glob("*.json")):
        try:
            snapshot = msgspec.json.decode(path.read_bytes(), type=_Snapshot)
        except (OSError, msgspec.MsgspecError):
            continue  # gone, or of another version: the next one replaces it
        if time.time() - snapshot.at < STALE_SECONDS:
            yield snapshot
