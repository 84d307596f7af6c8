"""Commits of a plant of two assets, and what a view shows of them in a form that can be compared."""

from collections.abc import Sequence

import numpy as np

from iot_edge_anomaly.core.messages import SetAside
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import (
    AlarmEvent,
    AlarmState,
    AssetOutcome,
    Commit,
    Notice,
    Phase,
    Priority,
    Rows,
    SourceCount,
)
from iot_edge_anomaly.views.plant import Plant

NS = 1_000_000_000
PUMP, TANK = AssetKey("acme", "site/pump"), AssetKey("acme", "site/tank")
NORMAL, UNSEEN, SEEN, RETURNED = (
    AlarmState.NORMAL,
    AlarmState.UNACKNOWLEDGED,
    AlarmState.ACKNOWLEDGED,
    AlarmState.RETURNED,
)


def rows(values: Sequence[Sequence[float]], first: int = 0, sensors: tuple[str, ...] = ("flow", "level")) -> Rows:
    value = np.array(values, "<f8")
    score = np.abs(value[:, 0]) / 10
    return Rows(
        sensors,
        (np.arange(len(value)) * NS + first * NS).astype("<i8").tobytes(),
        value.tobytes(),
        score.astype("<f8").tobytes(),
        bytes(len(value)),
        (value - 1).astype("<f4").tobytes(),
        np.repeat(score[:, None] / len(sensors), len(sensors), 1).astype("<f4").tobytes(),
        Phase.CALIBRATED,
        "sha256:m",
    )


def event(name: str, before: AlarmState, after: AlarmState, second: int, incident: str = "I1") -> AlarmEvent:
    what = {UNSEEN: "raise", SEEN: "acknowledge", RETURNED: "return", NORMAL: "return"}[after]
    what = "re-raise" if before is RETURNED and after is UNSEEN else what
    return AlarmEvent(
        name, incident, "score", what, before, after, second * NS, Priority.HIGH, f"reason of {name} at {second}"
    )


def commit(partition: int, seq: int, *outcomes: AssetOutcome) -> Commit:
    return Commit(partition, seq, seq, seq * NS, outcomes)


def outcome(key: AssetKey, **what: object) -> AssetOutcome:
    return AssetOutcome(key.tenant, key.asset, Phase.CALIBRATED, 1.0, **what)  # type: ignore[arg-type]


def a_history(length: int = 40) -> list[Commit]:
    """A run of both assets, in two partitions: rows, alarms, notices, records set aside."""
    history = []
    for seq in range(1, length + 1):
        key, partition = ((PUMP, 0), (TANK, 1))[seq % 2]
        name = f"A{seq // 4}"
        stages = (
            {0: (NORMAL, UNSEEN), 2: (UNSEEN, SEEN)} if key == PUMP else {1: (NORMAL, UNSEEN), 3: (UNSEEN, RETURNED)}
        )
        alarms = (event(f"{name}-{key.asset}", *stages[seq % 4], seq, f"I{seq // 8}"),) if seq % 4 in stages else ()
        history.append(
            commit(
                partition,
                seq,
                outcome(
                    key,
                    counts=(SourceCount("plc", 4, 3, 0, 0, 1, 0),),
                    rows=rows([[seq, 1.0], [seq + 0.5, 2.0]], first=2 * seq),
                    alarms=alarms,
                    notices=(Notice("maintenance", "", "says ada", seq * NS),) if seq % 10 == 0 else (),
                    set_aside=(("plc", SetAside(0, "flow", f"reason {seq % 3}", b"x")),),
                ),
            )
        )
    return history


def shown(plant: Plant) -> dict[str, object]:
    """All that a view shows; what several partitions tell side by side in an order of its own."""
    trends = {}
    for asset in plant.assets():
        trend = plant.trend(asset.key)
        assert trend is not None
        trends[asset.key] = (
            trend.sensors,
            *(column.tobytes() for column in trend[1:] if isinstance(column, np.ndarray)),
        )
    return {
        "assets": list(plant.assets()),
        "alarms": list(plant.alarms(10_000)),
        "trends": trends,
        "counts": {asset.key: list(plant.counts(asset.key)) for asset in plant.assets()},
        "notices": sorted(plant.notices, key=lambda pair: (pair[0], pair[1].time_ns)),
        "set aside": sorted(plant.set_aside, key=lambda line: (line[0], line[2].reason)),
        "reasons": plant.set_aside_by_reason,
        "positions": plant.positions,
    }


def plant_of(history: Sequence[Commit]) -> Plant:
    plant = Plant()
    for one in history:
        plant.apply(one)
    return plant
