"""What a request names becomes rows, and rows become a model: the pure part of the trainer."""

import numpy as np
from trainer_plant import KEY, NS, SENSORS, T0, readings  # type: ignore[import-not-found]

from iot_edge_anomaly.core.messages import Batch, Envelope
from iot_edge_anomaly.core.outcomes import FitRequest
from iot_edge_anomaly.training.gather import fit, gather


def test_gathered_rows_are_those_of_the_spans_and_know_where_a_gap_is() -> None:
    stored = [Envelope((item,), number + 1) for number, item in enumerate(readings(range(60)))]
    spans = ((T0 + 10 * NS, T0 + 19 * NS), (T0 + 22 * NS, T0 + 39 * NS))
    lesson = gather(stored, KEY, (), FitRequest(1, 60, spans, 1.0, "linear", ""))
    assert ((lesson.time_ns - T0) // NS).tolist() == [*range(10, 20), *range(22, 40)]
    assert np.flatnonzero(lesson.starts).tolist() == [0, 10]
    assert lesson.rows_per_week == 7 * 86_400
    assert lesson.sensors == SENSORS
    batch = stored[10].items[0]
    assert isinstance(batch, Batch)
    assert lesson.rows[0].tolist() == batch.values().tolist()


def test_the_same_rows_give_the_same_model_however_they_were_stored() -> None:
    items = readings(range(120))
    request = FitRequest(1, 120, ((T0, T0 + 99 * NS),), 1.0, "linear", "")
    one_by_one = fit([Envelope((item,), number + 1) for number, item in enumerate(items)], KEY, (), request)
    at_once = fit([Envelope((*items, *items[:50]), 1)], KEY, (), request)
    assert one_by_one == at_once
