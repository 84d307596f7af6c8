"""What the trainer adds to a model: what is usual in the lesson, and how far the method errs on rows it did not see."""

import numpy as np
from trainer_plant import KEY, NS, T0, readings  # type: ignore[import-not-found]

from iot_edge_anomaly.core.messages import Envelope
from iot_edge_anomaly.core.outcomes import FitRequest
from iot_edge_anomaly.detection.catalog import detector_spec
from iot_edge_anomaly.detection.usual import ERROR, LEVEL
from iot_edge_anomaly.detection.watched import WatchedDetector
from iot_edge_anomaly.registry.artefact import unpack
from iot_edge_anomaly.training import held_out
from iot_edge_anomaly.training.gather import fit
from iot_edge_anomaly.training.held_out import held_out_errors

FIT = detector_spec("linear").fit
NAMES = ("a", "b")


def test_a_trained_model_knows_what_is_usual() -> None:
    stored = [Envelope((item,), number + 1) for number, item in enumerate(readings(range(600)))]
    request = FitRequest(1, 600, ((T0, T0 + 599 * NS),), 1.0, "linear", "")
    model = unpack(fit(stored, KEY, (), request))
    assert isinstance(model, WatchedDetector)
    low, high, margin, mean = (part[LEVEL] for part in model.usual)
    assert (low <= mean).all()
    assert (mean <= high).all()
    assert low[0] > 9
    assert high[0] < 11
    assert np.isfinite(margin).all()
    assert (model.usual.mean[ERROR] > 0).all()


def test_errors_are_those_of_rows_that_were_not_learned_from() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(400, 2))
    rows[17, 0] = np.nan
    starts = np.arange(400) == 0
    errors = held_out_errors(FIT, rows, NAMES, 1e5, starts)
    assert errors.shape == rows.shape
    assert np.isnan(errors[17, 0])
    seen = FIT(rows[200:], NAMES, rows_per_week=1e5, false_alarms_per_week=1.0, starts=np.arange(200) == 0)
    _, scores = seen.score(seen.start(), rows[:200])
    np.testing.assert_array_equal(errors[:200], np.abs(rows[:200] - scores.expected))
    assert held_out_errors(FIT, rows, NAMES, 1e5, starts).tobytes() == errors.tobytes()


def test_where_half_is_too_few_or_nothing_is_predicted_there_are_no_errors() -> None:
    rows = np.random.default_rng(1).normal(size=(60, 2))
    assert np.isnan(held_out_errors(FIT, rows, NAMES, 1e5, np.arange(60) == 0)).all()
    one = held_out_errors(FIT, rows[:1], NAMES, 1e5, np.array([True]))
    assert one.shape == (1, 2)
    assert np.isnan(one).all()


def test_of_many_rows_the_newest_are_enough(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    rows = np.random.default_rng(2).normal(size=(500, 2))
    starts = np.arange(500) == 0
    monkeypatch.setattr(held_out, "MOST_ROWS", 200)
    assert held_out_errors(FIT, rows, NAMES, 1e5, starts).shape == (200, 2)
