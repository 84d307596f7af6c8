"""What comes out depends on the messages and on nothing else: not on how they were cut into steps, nor on storage."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plant_runs import CONFIGURED, KEY, NS, SENSORS, T0, Run, batch, configured, plant

from iot_edge_anomaly.core.messages import (
    Acknowledge,
    Batch,
    FitFailed,
    Item,
    Maintenance,
    ModelActivated,
    NewNormal,
    PlantConfigured,
    Shelve,
    SourceIdle,
    Tick,
)
from iot_edge_anomaly.core.names import AssetKey

KEYS = (KEY, AssetKey("acme", "site/pump 2"))
VALUES = plant(400, seed=3)
NAMES = (*SENSORS, "vibration", "temperature")

row = st.tuples(
    st.just("row"),
    st.integers(0, 1),  # asset
    st.sampled_from(["plc", "plc", "gateway", "gateway without numbers"]),
    st.sampled_from([0, 0, 0, 0, -1, -2, -5, 0.4]),  # how much it is behind
    st.sampled_from([3, 3, 3, 3, 1, 2, 4, 5]),  # how many of the sensors
    st.sampled_from(["fine", "fine", "fine", "fine", "odd", "high", "nan", "inf", "bad", "same"]),
)
control = st.tuples(
    st.sampled_from(
        [
            "tick",
            "long tick",
            "again",
            "idle",
            "maintenance",
            "shelve",
            "acknowledge",
            "model",
            "part model",
            "failed",
            "new normal",
            "grid",
            "stuck",
            "epoch",
        ]
    ),
    st.integers(0, 1),
)
stretches = st.lists(st.one_of(row, row, row, control), min_size=1, max_size=12)
runs = st.lists(st.tuples(stretches, st.integers(1, 6)), min_size=1, max_size=8)


class Script:
    """Turns what Hypothesis made up into messages, as time goes on."""

    def __init__(self) -> None:
        self.items: list[Item] = [configured(learn_rows=12)]
        self.now = 0
        self.clock = 0
        self.epoch = 0
        self.numbers: dict[tuple[int, str], int] = {}

    def play(self, run: Sequence[tuple[Sequence[tuple[Any, ...]], int]]) -> list[Item]:
        for stretch, times in run:
            for _ in range(times):
                for what, *how in stretch:
                    if what == "row":
                        self._row(*how)
                    else:
                        self._control(what, how[0])
        return self.items

    def _row(self, asset: int, source: str, behind: float, count: int, kind: str) -> None:
        self.now += 1
        values = np.concatenate((VALUES[self.now % len(VALUES)], [0.3, 40.0]))[:count].copy()
        if kind == "odd":
            values[1:] += 3.0
        elif kind == "same":
            values[:] = 7.0
        elif kind in ("high", "nan", "inf"):
            values[0] = {"high": 20.0, "nan": np.nan, "inf": np.inf}[kind]
        quality = [0, *[64] * (count - 1)] if kind == "bad" else None
        number = self.numbers.get((asset, source), 0)
        self.numbers[asset, source] = number + 1 + (self.now % 11 == 0)
        self.items.append(
            batch(
                max(self.now + behind, 0),
                values,
                sequence=-1 if "without" in source else number,
                sensors=NAMES[:count],
                key=KEYS[asset],
                source=source,
                epoch=self.epoch,
                quality=quality,
            )
        )

    def _control(self, what: str, asset: int) -> None:
        self.clock = max(self.clock, self.now)
        at_ns, tenant, name = T0 + self.clock * NS, KEYS[asset].tenant, KEYS[asset].asset
        batches = [item for item in self.items if isinstance(item, Batch)]
        if what == "long tick":
            self.clock += 30
        elif what == "epoch":
            self.epoch += 1
        elif what == "again":
            self.items += batches[-4:-1]
        else:
            self.items.append(
                {
                    "tick": Tick(at_ns),
                    "idle": SourceIdle(tenant, name, "plc", at_ns),
                    "maintenance": Maintenance(tenant, name, at_ns + 5 * NS, at_ns, "ada"),
                    "shelve": Shelve(tenant, name, "limit:flow:H", at_ns + 5 * NS, at_ns, "ada"),
                    "acknowledge": Acknowledge(tenant, name, "", at_ns, "ada"),
                    "model": ModelActivated(tenant, name, "sha256:m", at_ns),
                    "part model": ModelActivated(tenant, name, "sha256:part", at_ns),
                    "failed": FitFailed(tenant, name, "too few", at_ns),
                    "new normal": NewNormal(tenant, name, at_ns, "ada"),
                    "grid": configured("v2", learn_rows=12, grid_seconds=2.0),
                    "stuck": configured("v3", learn_rows=12, stuck_seconds=3.0),
                }[what]
            )
        if what == "long tick":
            self.items.append(Tick(T0 + self.clock * NS))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(runs, st.lists(st.integers(1, 500), max_size=30), st.booleans())
def test_any_run_cut_anywhere_concludes_the_same(run: Any, cuts: list[int], reload: bool) -> None:
    items = Script().play(run)
    whole = Run(items)
    assert Run(items, cuts, reload=reload).concluded() == whole.concluded()
    assert Run(items, range(len(items)), reload=not reload).concluded() == whole.concluded()
    for count in whole.counts().values():
        assert count.accepted == count.used + count.duplicate + count.late + count.set_aside + count.held
        assert count.held >= 0
        assert count.gaps >= 0
    for outcome in whole.outcomes:
        if outcome.rows is not None:
            times, scores = outcome.rows.times(), outcome.rows.scores()
            assert (np.diff(times) > 0).all()
            assert np.isfinite(scores).all()
            assert np.allclose(outcome.rows.contributions().sum(axis=1), scores, rtol=1e-5, atol=1e-6)


def a_day(rows: int = 120) -> list[Item]:
    """A run with all that matters: a model, a fault, a limit, a repeat, disorder, a new sensor, ticks, maintenance."""
    values = plant(rows, seed=1)
    values[60:80, 1] += 1.5
    values[90:95, 0] = 15.0
    items: list[Item] = [CONFIGURED]
    for row in range(rows):
        extra = row > 100
        sensors = (*SENSORS, "vibration") if extra else SENSORS
        items.append(batch(row, [*values[row], 0.3] if extra else values[row], sensors=sensors))
        if row % 7 == 3:
            items.append(items[-1])
        if row % 10 == 5:
            items[-1], items[-2] = items[-2], items[-1]
        if row % 5 == 0:
            items.append(Tick(T0 + row * NS))
        if row == 20:
            items.append(ModelActivated("acme", "site/pump-1", "sha256:m", T0 + row * NS))
        if row == 85:
            items.append(Maintenance("acme", "site/pump-1", T0 + 88 * NS, T0 + row * NS, "ada"))
    items += [SourceIdle("acme", "site/pump-1", "plc", T0 + rows * NS), Tick(T0 + (rows + 60) * NS)]
    return items


DAY = Run(a_day())
CONCLUDED = DAY.concluded()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 180), max_size=40), st.booleans())
def test_a_whole_day_does_not_depend_on_the_cut(cuts: list[int], reload: bool) -> None:
    assert Run(a_day(), cuts, reload=reload).concluded() == CONCLUDED


def test_the_day_shows_what_it_should() -> None:
    raised = {alarm.condition: alarm for o in DAY.outcomes for alarm in o.alarms if alarm.event == "raise"}
    assert set(raised) == {"score", "limit:flow:H", "silence:*"}
    assert raised["score"].contributors[0].sensor == "pressure"
    assert "pressure" in raised["score"].reason
    assert "above" in raised["score"].reason
    assert raised["limit:flow:H"].reason == "flow 15 m³/h above its high limit of 14 m³/h"
    assert raised["silence:*"].reason.startswith("no reading from any sensor")
    (count,) = DAY.counts().values()
    assert (count.duplicate > 0, count.late, count.set_aside, count.held, count.gaps) == (True, 0, 0, 0, 0)


def test_many_assets_do_not_see_each_other() -> None:
    day = a_day(60)
    alone = Run(day).concluded()[KEY]
    mixed: list[Item] = []
    for item in day:
        mixed.append(item)
        if isinstance(item, Batch):
            mixed.append(Batch(*[{"asset": "site/other"}.get(n, getattr(item, n)) for n in item.__struct_fields__]))
    assert Run(mixed).concluded()[KEY] | {"state": b"", "asked": []} == alone | {"state": b"", "asked": []}
    assert not any(isinstance(item, PlantConfigured) for item in mixed[1:])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(runs, st.integers(1, 60), st.lists(st.integers(1, 500), max_size=4))
def test_rows_may_be_worked_out_in_portions_of_any_size(run: Any, most_cells: int, cuts: list[int]) -> None:
    items = Script().play(run)
    whole = Run(items, cuts).concluded()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("iot_edge_anomaly.pipeline.closing.MOST_CELLS", most_cells)
        assert Run(items, cuts).concluded() == whole


@pytest.mark.parametrize("most_cells", [1, 7, 100])
def test_a_whole_day_does_not_depend_on_the_portions(monkeypatch: pytest.MonkeyPatch, most_cells: int) -> None:
    monkeypatch.setattr("iot_edge_anomaly.pipeline.closing.MOST_CELLS", most_cells)
    assert Run(a_day()).concluded() == CONCLUDED
