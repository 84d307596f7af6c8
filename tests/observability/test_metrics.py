import math
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families

from iot_edge_anomaly.observability.metrics import REGISTRY, STALE_SECONDS, render, write_snapshot


def registry_with(count: float) -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("iea_readings", "readings", ["connector"], registry=registry).labels("mqtt").inc(count)
    return registry


def samples(text: bytes) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(text.decode())
    return {(s.name, s.labels["role"]): s.value for family in families for s in family.samples}


def test_metrics_of_all_roles_stand_in_one_page_told_apart_by_role(tmp_path: Path) -> None:
    write_snapshot("worker", tmp_path, registry_with(3))
    write_snapshot("edge", tmp_path, registry_with(4))
    page = render("gateway", tmp_path, registry_with(5))
    assert page.count(b"# TYPE iea_readings_total counter") == 1
    found = samples(page)
    assert [found["iea_readings_total", role] for role in ("worker", "edge", "gateway")] == [3, 4, 5]


def test_a_restarted_role_replaces_its_snapshot(tmp_path: Path) -> None:
    write_snapshot("worker", tmp_path, registry_with(3))
    write_snapshot("worker", tmp_path, registry_with(1))
    assert samples(render("gateway", tmp_path, CollectorRegistry()))["iea_readings_total", "worker"] == 1


def test_what_is_stale_or_damaged_is_left_out(tmp_path: Path) -> None:
    write_snapshot("worker", tmp_path, registry_with(3))
    path = tmp_path / "worker.json"
    snapshot = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode({**snapshot, "at": snapshot["at"] - STALE_SECONDS}))
    (tmp_path / "edge.json").write_bytes(b"{")
    assert {role for _, role in samples(render("gateway", tmp_path, registry_with(5)))} == {"gateway"}


def test_infinite_values_and_buckets_survive(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    Gauge("iea_lag", "lag", registry=registry).set(math.inf)
    Histogram("iea_seconds", "seconds", registry=registry, buckets=[1]).observe(0.5)
    write_snapshot("worker", tmp_path, registry)
    page = render("gateway", tmp_path, CollectorRegistry())
    assert samples(page)["iea_lag", "worker"] == math.inf
    assert b'le="+Inf"' in page


def test_the_process_itself_is_measured(tmp_path: Path) -> None:
    assert samples(render("gateway", tmp_path, REGISTRY))["process_resident_memory_bytes", "gateway"] > 0
