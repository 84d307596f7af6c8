"""A model file may say what is usual in what it was learned from; one that does not is read as ever."""

import numpy as np
import pytest
from test_artefact import FACTS, ROWS, SENSORS, changed, manifest_with, packed  # type: ignore[import-not-found]

from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.detection.catalog import DETECTORS
from iot_edge_anomaly.detection.usual import Usual, learn
from iot_edge_anomaly.detection.watched import WatchedDetector
from iot_edge_anomaly.registry.artefact import digest, pack, read_manifest, unpack


def watched(name: str = "linear") -> WatchedDetector:
    detector = DETECTORS[name].fit(ROWS, SENSORS, rows_per_week=1e5, false_alarms_per_week=1.0)
    random = np.random.default_rng(1)
    return WatchedDetector(detector, learn(random.normal(size=(900, 3)), np.abs(random.normal(size=(900, 3)))))


@pytest.mark.parametrize("name", DETECTORS)
def test_what_is_usual_goes_along_whatever_the_method(name: str) -> None:
    model = watched(name)
    artefact = pack(model, FACTS)
    assert pack(watched(name), FACTS) == artefact
    back = unpack(artefact)
    assert isinstance(back, WatchedDetector)
    assert pack(back, FACTS) == artefact
    assert all(np.array_equal(one, other) for one, other in zip(back.usual, model.usual, strict=True))
    assert (back.name, back.sensors) == (name, SENSORS)
    for one, other in zip(back.score(back.start(), ROWS)[1], model.detector.score(model.start(), ROWS)[1], strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_file_of_before_is_read_and_not_watched() -> None:
    assert not isinstance(unpack(packed()), WatchedDetector)


def test_a_file_grows_by_less_than_a_hundred_bytes_a_sensor() -> None:
    names = tuple(f"s{number}" for number in range(200))
    rows = np.random.default_rng(2).normal(size=(400, 200))
    detector = DETECTORS["coldstart"].fit(rows, names, rows_per_week=1e5, false_alarms_per_week=1.0)
    plain = pack(detector, FACTS)
    assert len(pack(WatchedDetector(detector, learn(rows, rows)), FACTS)) - len(plain) < 100 * 200 + 2_000


@pytest.mark.parametrize("part", Usual._fields)
def test_broken_parts_are_refused(part: str) -> None:
    artefact = pack(watched(), FACTS)
    name = f"usual_{part}"
    other = read_manifest(artefact).arrays
    without = {key: value for key, value in other.items() if key != name}
    with pytest.raises(RejectedError, match="usual"):
        unpack(changed(manifest_with(artefact, arrays=without), **{f"{name}__npy": None}))
    with pytest.raises(RejectedError):
        unpack(changed(manifest_with(artefact, arrays=other | {name: digest(b"x")}), **{f"{name}__npy": b"x"}))
