"""The demo plant under the detector that ships: hours of the plant for each false alarm, and how soon each fault shows.

    OMP_NUM_THREADS=1 python -m benchmarks.demo_plant [--hours 20]

Learned and judged as the demo does: the first rows, the demo's budget, the delays of the alarm stage.
"""

import argparse
import sys
from collections.abc import Callable

import numpy as np
from benchmarks.results import write

from iot_edge_anomaly.alarms.book import AlarmBook
from iot_edge_anomaly.alarms.rows import ScoredRows, on_rows
from iot_edge_anomaly.alarms.settings import AlarmSettings, SensorTexts
from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent
from iot_edge_anomaly.demo.faults import FIRST_FAULT_ROW, PAUSE_ROWS, ROWS_PER_ROUND, TIMETABLE, Fault, fault_at
from iot_edge_anomaly.demo.plant import PlantState, read
from iot_edge_anomaly.demo.sensors import SENSORS
from iot_edge_anomaly.demo.settings import FASTER_THAN_LIFE, LINE, SECONDS_PER_ROW, TENANT, demo_rules
from iot_edge_anomaly.demo.station import SECONDS_PER_ROW as PLANT_SECONDS_PER_ROW
from iot_edge_anomaly.detection.linear import fit
from iot_edge_anomaly.pipeline.settings import AssetSettings, settings_for

SEEDS = (7, 1, 2, 3, 4, 5)
HOURS = 20
ROWS_PER_HOUR = round(3600 / PLANT_SECONDS_PER_ROW)
ROW_NS = round(SECONDS_PER_ROW * 1e9)
ROWS_WITH_FAULTS = FIRST_FAULT_ROW + ROWS_PER_ROUND


def never(_row: int) -> Fault | None:
    """Tell of no fault, whatever the row."""
    return None


def rows_of(asset: str, seed: int, rows: int, timetable: Callable[[int], Fault | None]) -> Matrix:
    state, values = PlantState(), []
    for _ in range(rows):
        state, reading = read(state, asset, seed, timetable)
        values.append(list(reading.values.values()))
    return np.array(values)


def alarms(asset: str, rows: Matrix) -> list[AlarmEvent]:
    """Return the score alarms that are raised after learning."""
    names = tuple(sensor.name for sensor in SENSORS[asset])
    key = AssetKey(TENANT, str(LINE / asset))
    settings: AssetSettings = settings_for(key, demo_rules())
    learned, budget = settings.learn_rows or 0, settings.false_alarms_per_week or 0.0
    detector = fit(rows[:learned], names, rows_per_week=7 * 86_400 / SECONDS_PER_ROW, false_alarms_per_week=budget)
    _, scores = detector.score(detector.start(), rows)
    later = slice(learned, None)
    judged = ScoredRows(
        names, np.arange(len(rows))[later] * ROW_NS, rows[later], scores.score[later], scores.expected[later],
        scores.contribution[later], rows[later], None, True, "",
    )  # fmt: skip
    texts = {name: SensorTexts(name, "") for name in names}
    stage = AlarmSettings(settings.on_delay_rows or 1, settings.off_delay_rows or 1, (), {}, texts, "")
    return [event for event in on_rows(AlarmBook(), key, judged, stage) if event.event in ("raise", "re-raise")]


def faults_found(asset: str, seed: int) -> dict[str, dict[str, object]]:
    """Return for each fault of an asset after how many seconds of the clock it was told of, and at which sensor."""
    raised = alarms(asset, rows_of(asset, seed, ROWS_WITH_FAULTS, fault_at))
    found: dict[str, dict[str, object]] = {}
    begins = FIRST_FAULT_ROW
    for plan in TIMETABLE:
        ends = begins + plan.rows
        if plan.asset == asset:
            own = [alarm for alarm in raised if begins <= alarm.time_ns // ROW_NS < ends]
            found[str(plan.kind)] = {
                "seconds": round((own[0].time_ns // ROW_NS - begins) * SECONDS_PER_ROW, 2) if own else None,
                "sensor": own[0].contributors[0].sensor if own else None,
            }
        begins = ends + PAUSE_ROWS
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=int, default=HOURS)
    hours = parser.parse_args().hours
    false = {
        asset: [len(alarms(asset, rows_of(asset, seed, hours * ROWS_PER_HOUR, never))) for seed in SEEDS]
        for asset in SENSORS
    }
    count, total = sum(map(sum, false.values())), hours * len(SEEDS) * len(SENSORS)
    figures = {
        "clock_faster_than_life": FASTER_THAN_LIFE,
        "plant_hours_without_a_fault": total,
        "false_alarms": false,
        "plant_hours_per_false_alarm": total / count if count else f"more than {total}",
        "faults": {
            str(seed): {name: f for a in SENSORS for name, f in faults_found(a, seed).items()} for seed in SEEDS
        },
    }
    for name, figure in figures.items():
        print(name, figure)
    write("demo_plant", figures, seed=SEEDS[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
