"""Drift as the pipeline tells it: in words, once, of rows that count, whatever the cuts, the storage, the model."""

import doctest
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plant_runs import CONFIGURED, KEY, MODELS, NS, SENSORS, T0, Run, batch, configured, plant

from iot_edge_anomaly.core.messages import Item, Maintenance, ModelActivated, NewNormal
from iot_edge_anomaly.core.outcomes import Notice
from iot_edge_anomaly.detection.catalog import detector_spec
from iot_edge_anomaly.detection.usual import learn
from iot_edge_anomaly.detection.watched import WatchedDetector
from iot_edge_anomaly.pipeline import drifting
from iot_edge_anomaly.pipeline.state import dump_asset, load_asset
from iot_edge_anomaly.training.held_out import held_out_errors

LEARNED = 1_000
SHIFTED = 300
LEVEL = plant(LEARNED + 1_500, seed=8)
CALM = LEVEL[LEARNED:]


def model(columns: Sequence[int] = (0, 1, 2)) -> WatchedDetector:
    rows, names = LEVEL[:LEARNED, list(columns)], tuple(SENSORS[column] for column in columns)
    fit = detector_spec("linear").fit
    starts = np.arange(LEARNED) == 0
    errors = held_out_errors(fit, rows, names, 604_800, starts)
    detector = fit(rows, names, rows_per_week=604_800, false_alarms_per_week=1.0, starts=starts)
    return WatchedDetector(detector, learn(rows, errors))


WATCHED = {"sha256:watched": model(), "sha256:watched-part": model((1, 0))}


@pytest.fixture(autouse=True)
def _models(monkeypatch: pytest.MonkeyPatch) -> None:
    for digest, detector in WATCHED.items():
        monkeypatch.setitem(MODELS, digest, detector)


def activated(digest: str = "sha256:watched", row: int = 0) -> Item:
    return ModelActivated("acme", "site/pump-1", digest, T0 + row * NS)


def rows_of(values: np.ndarray, first: int = 0) -> list[Item]:
    return [batch(first + row, line) for row, line in enumerate(values.tolist())]


def shifted(by: float = 3.0, sensor: int = 0, until: int | None = None) -> np.ndarray:
    values = CALM.copy()
    values[SHIFTED:until, sensor] += by
    return values


def drifts(run: Run) -> list[Notice]:
    notices = [notice for outcome in run.outcomes for notice in outcome.notices]
    return [notice for notice in notices if notice.kind.startswith("drift")]


def test_the_calm_plant_says_nothing() -> None:
    assert drifts(Run([CONFIGURED, activated(), *rows_of(CALM)])) == []


def test_a_level_that_moved_is_told_in_the_unit_of_the_sensor_and_is_over_when_it_is_back() -> None:
    begins, over = drifts(Run([CONFIGURED, activated(), *rows_of(shifted(until=600))]))
    assert (begins.kind, begins.sensor, begins.note) == ("drift", "flow", "data")
    assert begins.text.startswith("flow runs at 1")
    assert "m³/h on average; it was learned between 9." in begins.text
    assert begins.text.rpartition("; for ")[2].endswith((" s", " min"))
    assert SHIFTED < (begins.time_ns - T0) // NS < SHIFTED + 1_000
    assert (over.kind, over.sensor, over.note) == ("drift-over", "", "data")
    assert over.time_ns > T0 + 600 * NS


def test_a_model_that_errs_more_below_the_alarm_is_a_drift_of_score() -> None:
    values = CALM.copy()
    noise = np.random.default_rng(3).normal(size=len(values))
    values[SHIFTED:, 1] += 0.12 * noise[SHIFTED:]
    run = Run([CONFIGURED, activated(), *rows_of(values)])
    (drift, *_) = [notice for notice in drifts(run) if notice.note == "score"]
    assert drift.sensor == "pressure"
    assert "times the usual from what the model expects" in drift.text


def test_rows_in_maintenance_do_not_count() -> None:
    work = Maintenance("acme", "site/pump-1", T0 + 10_000 * NS, T0 + SHIFTED * NS, "ada")
    calm, odd = rows_of(shifted()[:SHIFTED]), rows_of(shifted()[SHIFTED:], SHIFTED)
    assert drifts(Run([CONFIGURED, activated(), *calm, work, *odd])) == []


def test_rows_while_it_is_learned_anew_do_not_count() -> None:
    anew = NewNormal("acme", "site/pump-1", T0, "ada")
    assert drifts(Run([CONFIGURED, activated(), anew, *rows_of(shifted())])) == []


@pytest.mark.parametrize("digest", ["sha256:m", "sha256:watched-part"])
def test_another_model_ends_a_drift_and_begins_anew(digest: str) -> None:
    values = rows_of(shifted())
    run = Run([CONFIGURED, activated(), *values[:1_200], activated(digest, 1_200), *values[1_200:1_210]])
    begins, *_, over = drifts(run)
    assert (begins.kind, over.kind) == ("drift", "drift-over")
    assert "another model" in over.text
    asset = run.state.assets[KEY]
    assert (asset.drift is None) == (digest == "sha256:m")


def test_a_model_of_other_columns_is_watched_too() -> None:
    begins, *_ = drifts(Run([CONFIGURED, activated("sha256:watched-part"), *rows_of(shifted(sensor=1))]))
    assert begins.sensor == "pressure"
    assert drifts(Run([CONFIGURED, activated("sha256:watched-part"), *rows_of(shifted(40.0, sensor=2))])) == []


def test_a_model_of_before_says_nothing() -> None:
    assert drifts(Run([CONFIGURED, activated("sha256:m"), *rows_of(shifted())])) == []


def a_long_run() -> list[Item]:
    """A drift that comes and goes, a sensor that comes, one that vanishes, maintenance, another model."""
    values, items = shifted(until=600), [configured(hold_seconds=1.0), activated()]
    for row, line in enumerate(values.tolist()):
        away = 480 < row < 560
        extra = row > 1_000
        sensors = SENSORS[1:] if away else (*SENSORS, "vibration") if extra else SENSORS
        items.append(batch(row, line[1:] if away else [*line, 0.3] if extra else line, sensors=sensors))
        if row == 200:
            items.append(Maintenance("acme", "site/pump-1", T0 + 250 * NS, T0 + row * NS, "ada"))
        if row == 250:
            items.append(Maintenance("acme", "site/pump-1", T0 + row * NS, T0 + row * NS, "ada"))
        if row == 1_300:
            items.append(activated("sha256:watched-part", row))
    return items


LONG = a_long_run()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, len(LONG)), max_size=40), st.booleans())
def test_a_long_run_cut_anywhere_tells_the_same(cuts: list[int], reload: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for digest, detector in WATCHED.items():
            patch.setitem(MODELS, digest, detector)  # type: ignore[arg-type]
        whole = Run(LONG).concluded()
        assert Run(LONG, cuts, reload=reload).concluded() == whole
    kinds = [notice.kind for notice in whole[KEY]["notices"]]  # type: ignore[attr-defined]
    assert {"drift", "drift-over", "sensor-vanished", "sensor-returned"} <= set(kinds)


def test_a_long_run_row_by_row_tells_the_same() -> None:
    assert Run(LONG, range(len(LONG))).concluded() == Run(LONG).concluded()


def test_states_of_before_are_read() -> None:
    run = Run([CONFIGURED, activated(), *rows_of(CALM[:200])])
    asset = run.state.assets[KEY]
    stored = dump_asset(asset)
    older = msgspec.msgpack.encode(msgspec.msgpack.decode(stored)[:11])
    read = load_asset(KEY, older, asset.profile)
    assert read.stored_drift == b""
    assert load_asset(KEY, stored, asset.profile).stored_drift == asset.drift.to_bytes()  # type: ignore[union-attr]
    before, after = msgspec.msgpack.decode(stored)[:11], msgspec.msgpack.decode(stored)[12:]
    newer = msgspec.msgpack.encode([*before, b"drf9 of tomorrow", *after])
    assert dump_asset(load_asset(KEY, newer, asset.profile)) == newer


def test_the_examples_hold() -> None:
    assert doctest.testmod(drifting).failed == 0
