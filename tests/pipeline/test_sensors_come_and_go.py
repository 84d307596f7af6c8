"""Sensors that come, go and change their names: announced, left out of the score, learned by a trainer."""

from collections.abc import Sequence

import numpy as np
from plant_runs import KEY, NS, SETTINGS, T0, batch, configured, plant

from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.core.messages import Envelope, Item, ModelActivated
from iot_edge_anomaly.core.outcomes import AssetOutcome, FitRequest, Phase
from iot_edge_anomaly.detection.linear import fit
from iot_edge_anomaly.pipeline.settings import AssetRule
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.training.gather import gather

RULES = (AssetRule("acme/*", SETTINGS),)
VALUES = plant(900, seed=5)
OLD, NEW = ("flow", "pressure", "power"), ("flow", "pressure", "power kW")


class Plant:
    """One asset from its first reading on; a request for a model is answered as the trainer answers it."""

    def __init__(self) -> None:
        self._pipeline, self._models = AnomalyPipeline(), dict[str, Detector]()
        self._state = self._pipeline.new_state()
        self._envelopes: list[Envelope] = []
        self._second = 0
        self.outcomes: list[AssetOutcome] = []
        self._take(configured())

    def run(self, seconds: int, sensors: Sequence[str], shift: float = 0.0) -> None:
        for _ in range(seconds):
            values = VALUES[self._second, : len(sensors)] + np.array([shift, *[0.0] * (len(sensors) - 1)])
            self._take(batch(self._second, values, sensors=sensors))
            self._second += 1

    def _take(self, item: Item) -> None:
        self._envelopes.append(Envelope((item,), len(self._envelopes) + 1))
        self._state, said = self._pipeline.step(self._state, self._envelopes[-1:], self._models)
        self.outcomes += said
        for outcome in said:
            if outcome.fit_request is not None:
                self._answer(outcome.fit_request)

    def _answer(self, request: FitRequest) -> None:
        stored = self._envelopes[request.first_seq - 1 : request.last_seq]
        lesson = gather(stored, KEY, RULES, request)
        digest = f"sha256:{len(self._models)}"
        self._models[digest] = fit(
            lesson.rows, lesson.sensors, rows_per_week=lesson.rows_per_week, false_alarms_per_week=1.0,
            starts=lesson.starts,
        )  # fmt: skip
        self._take(ModelActivated(KEY.tenant, KEY.asset, digest, T0 + self._second * NS, by="trainer"))

    @property
    def notices(self) -> list[tuple[str, str]]:
        return [
            (notice.kind, notice.sensor)
            for outcome in self.outcomes
            for notice in outcome.notices
            if notice.kind.startswith("sensor-")
        ]

    @property
    def models(self) -> dict[str, tuple[str, ...]]:
        return {digest: model.sensors for digest, model in self._models.items()}

    def share(self, sensor: str, first: int, end: int) -> float:
        """The most that a sensor contributed to a score between two seconds."""
        return max(float(line[sensor]) for line in self._lines("contributions", first, end) if sensor in line)

    def is_expected(self, sensor: str, first: int, end: int) -> bool:
        found = [line[sensor] for line in self._lines("expectations", first, end) if sensor in line]
        return bool(np.isfinite(found).all())

    def _lines(self, column: str, first: int, end: int) -> list[dict[str, float]]:
        return [
            dict(zip(outcome.rows.sensors, line.tolist(), strict=True))
            for outcome in self.outcomes
            if outcome.rows is not None
            for time_ns, line in zip(outcome.rows.times().tolist(), getattr(outcome.rows, column)(), strict=True)
            if first <= (time_ns - T0) // NS < end
        ]

    @property
    def score_alarms(self) -> int:
        return sum(alarm.condition == "score" for outcome in self.outcomes for alarm in outcome.alarms)


def test_a_sensor_under_another_name_is_announced_left_out_and_learned() -> None:
    plant_run = Plant()
    plant_run.run(100, OLD)
    assert plant_run.models == {"sha256:0": OLD}
    plant_run.run(200, NEW)
    assert plant_run.notices == [("sensor-added", "power kW"), ("sensor-vanished", "power")]
    assert set(plant_run.models["sha256:1"]) >= set(NEW)
    assert plant_run.share("power kW", 100, 150) == 0.0
    assert not plant_run.is_expected("power kW", 100, 150)
    assert plant_run.is_expected("power kW", 200, 290)
    assert plant_run.share("power kW", 200, 290) > 0.0
    assert plant_run.share("power", 290, 297) < 1e-3
    assert plant_run.score_alarms == 0
    assert plant_run.outcomes[-1].phase is Phase.CALIBRATED


def test_without_one_sensor_the_others_are_still_watched() -> None:
    plant_run = Plant()
    plant_run.run(100, OLD)
    plant_run.run(60, OLD[:2])
    assert plant_run.score_alarms == 0
    assert ("sensor-vanished", "power") in plant_run.notices
    plant_run.run(40, OLD[:2], shift=3.0)
    assert plant_run.score_alarms > 0
    raised = next(a for o in plant_run.outcomes for a in o.alarms if a.condition == "score")
    assert raised.contributors[0].sensor in OLD[:2]
    assert sum(contributor.share for contributor in raised.contributors if contributor.sensor == "power") < 0.1


def test_a_sensor_that_comes_back_has_its_voice_again_and_nothing_is_learned_anew() -> None:
    plant_run = Plant()
    plant_run.run(100, OLD)
    plant_run.run(60, OLD[:2])
    plant_run.run(60, OLD)
    assert plant_run.notices == [("sensor-vanished", "power"), ("sensor-returned", "power")]
    assert len(plant_run.models) == 1
    assert plant_run.is_expected("power", 180, 215)
    assert plant_run.share("power", 180, 215) > 0.0
