"""The demo plant under the detector that ships: hours of the plant for each false alarm, and how soon each fault shows.

    OMP_NUM_THREADS=1 python -m benchmarks.demo_plant [--hours 20]
    OMP_NUM_THREADS=1 python -m benchmarks.demo_plant --sabotage unseen-starts      # must fail
    OMP_NUM_THREADS=1 python -m benchmarks.demo_plant --declare-states

Learned and judged as the demo does: the first rows, the demo's budget, the delays of the alarm stage. Fails where a
pump that starts and stops, 20 times at least, is an alarm, and where a fault is missed. The sabotage learns from rows
of running pumps only: what it never saw a pump do, it takes for a fault. Unless it is told: with `--declare-states`
pumps say whether they run, and are judged while they do and have settled, whatever was learned from.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from benchmarks.results import write
from numpy.typing import NDArray

from iot_edge_anomaly.alarms.book import AlarmBook
from iot_edge_anomaly.alarms.rows import ScoredRows, on_rows
from iot_edge_anomaly.alarms.settings import AlarmSettings, SensorTexts
from iot_edge_anomaly.component.detector import Matrix, Scores
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent
from iot_edge_anomaly.demo.faults import FIRST_FAULT_ROW, PAUSE_ROWS, ROWS_PER_ROUND, TIMETABLE, Fault, fault_at
from iot_edge_anomaly.demo.plant import PlantState, read
from iot_edge_anomaly.demo.sensors import PUMPS, SENSORS
from iot_edge_anomaly.demo.settings import FASTER_THAN_LIFE, LINE, SECONDS_PER_ROW, TENANT, demo_rules
from iot_edge_anomaly.demo.station import SECONDS_PER_ROW as PLANT_SECONDS_PER_ROW
from iot_edge_anomaly.detection import by_state, linear
from iot_edge_anomaly.pipeline.judging import shown_to, states_in
from iot_edge_anomaly.pipeline.operating import Operating, StateRule
from iot_edge_anomaly.pipeline.settings import AssetSettings, settings_for
from iot_edge_anomaly.training.gather import told_by

SEEDS = (7, 1, 2, 3, 4, 5)
HOURS = 20
LEAST_STARTS = 20
RUNNING = 0.3
"""A pump runs that takes so much of the most power it ever takes."""

STATE = "running"
STATES = StateRule(STATE, (1.0,), round(60 / FASTER_THAN_LIFE * 1e9))
"""A pump that runs, and has done so for a minute of the plant."""

ROWS_PER_HOUR = round(3600 / PLANT_SECONDS_PER_ROW)
ROW_NS = round(SECONDS_PER_ROW * 1e9)
ROWS_WITH_FAULTS = FIRST_FAULT_ROW + ROWS_PER_ROUND


def never(_row: int) -> Fault | None:
    """Tell of no fault, whatever the row."""
    return None


class How(NamedTuple):
    """What is learned from, and what is told of the pumps."""

    unseen_starts: bool = False
    declares_states: bool = False


def rows_of(asset: str, seed: int, rows: int, timetable: Callable[[int], Fault | None]) -> Matrix:
    return told_rows_of(asset, seed, rows, timetable)[:, : len(SENSORS[asset])]


def told_rows_of(asset: str, seed: int, rows: int, timetable: Callable[[int], Fault | None]) -> Matrix:
    """Return rows of all sensors of an asset and, of a pump, whether it runs."""
    state, values = PlantState(), []
    for _ in range(rows):
        state, reading = read(state, asset, seed, timetable)
        runs = [float(state.station.pumps[PUMPS.index(asset)].duty.is_on)] if asset in PUMPS else []
        values.append([*reading.values.values(), *runs])
    return np.array(values)


def starts(asset: str, rows: Matrix) -> int:
    """Return how often a pump starts in rows; a tank never does."""
    return int(np.count_nonzero(np.diff(_runs(asset, rows).astype(int)) > 0)) if asset in PUMPS else 0


def _runs(asset: str, rows: Matrix) -> NDArray[np.bool_]:
    power = rows[:, [sensor.name for sensor in SENSORS[asset]].index("power")]
    return np.asarray(power > RUNNING * power.max(), np.bool_)


def learned_rows(asset: str) -> int:
    """Return how many rows the demo learns from."""
    return settings_for(AssetKey(TENANT, str(LINE / asset)), demo_rules()).learn_rows or 0


def alarms(asset: str, rows: Matrix, how: How = How()) -> list[AlarmEvent]:  # noqa: B008 - frozen
    """Return the score alarms that are raised after learning."""
    names = tuple(sensor.name for sensor in SENSORS[asset])
    key = AssetKey(TENANT, str(LINE / asset))
    settings: AssetSettings = settings_for(key, demo_rules())
    learned = learned_rows(asset)
    values, scores = rows[:, : len(names)], scored(asset, rows, learned, settings.false_alarms_per_week or 0.0, how)
    later = slice(learned, None)
    judged = ScoredRows(
        names, np.arange(len(rows))[later] * ROW_NS, values[later], scores.score[later],
        scores.expected[later, : len(names)], scores.contribution[later, : len(names)], values[later], None, True, "",
    )  # fmt: skip
    texts = {name: SensorTexts(name, "") for name in names}
    stage = AlarmSettings(settings.on_delay_rows or 1, settings.off_delay_rows or 1, (), {}, texts, "")
    return [event for event in on_rows(AlarmBook(), key, judged, stage) if event.event in ("raise", "re-raise")]


def scored(asset: str, rows: Matrix, learned: int, budget: float, how: How) -> Scores:
    """Learn from the first rows, and score all."""
    names = tuple(sensor.name for sensor in SENSORS[asset])
    per_week = {"rows_per_week": 7 * 86_400 / SECONDS_PER_ROW, "false_alarms_per_week": budget}
    is_seen = np.ones(learned, bool)
    if how.unseen_starts and asset in PUMPS:
        is_seen = _runs(asset, rows[:learned])
    if not how.declares_states or asset not in PUMPS:
        values = rows[:, : len(names)]
        plain = linear.fit(values[:learned][is_seen], names, **per_week)
        return plain.score(plain.start(), values)[1]
    names = (*names, STATE)
    times_ns = np.arange(len(rows)) * ROW_NS
    _, seen = states_in(Operating(), STATES, names, times_ns, rows)
    is_seen &= seen.is_judged[:learned]
    starts = np.diff(np.flatnonzero(is_seen), prepend=-1) > 1
    detector = by_state.fit(rows[:learned][is_seen], names, **per_week, starts=starts, states=told_by(STATES))
    return detector.score(detector.start(), shown_to(detector, STATES, names, rows, seen))[1]


def faults_found(asset: str, seed: int, how: How) -> dict[str, dict[str, object]]:
    """Return for each fault of an asset after how many seconds of the clock it was told of, and at which sensor."""
    raised = alarms(asset, told_rows_of(asset, seed, ROWS_WITH_FAULTS, fault_at), how)
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
    parser.add_argument("--sabotage", choices=("unseen-starts",))
    parser.add_argument("--declare-states", action="store_true")
    options = parser.parse_args()
    how = How(options.sabotage is not None, options.declare_states)
    figures = measure(options.hours, how)
    for name, figure in figures.items():
        print(name, figure)
    if how == How():
        write("demo_plant", figures, seed=SEEDS[0])
    return 1 if figures["complaints"] else 0


def measure(hours: int, how: How) -> dict[str, object]:
    """Return false alarms, starts of pumps and faults found over so many hours of the plant and all seeds."""
    false, started = {}, {}
    for asset in SENSORS:
        runs = [told_rows_of(asset, seed, hours * ROWS_PER_HOUR, never) for seed in SEEDS]
        false[asset] = [len(alarms(asset, rows, how)) for rows in runs]
        if asset in PUMPS:
            started[asset] = [starts(asset, rows[learned_rows(asset) :]) for rows in runs]
    faults = {str(seed): {name: f for a in SENSORS for name, f in faults_found(a, seed, how).items()} for seed in SEEDS}
    count, total = sum(map(sum, false.values())), hours * len(SEEDS) * len(SENSORS)
    return {
        "clock_faster_than_life": FASTER_THAN_LIFE,
        "plant_hours_without_a_fault": total,
        "false_alarms": false,
        "starts": started,
        "plant_hours_per_false_alarm": total / count if count else f"more than {total}",
        "faults": faults,
        "complaints": [*_complaints(false, started), *_missed(faults)],
    }


def _complaints(false: dict[str, list[int]], started: dict[str, list[int]]) -> Iterator[str]:
    for asset, counts in false.items():
        if any(counts):
            yield f"{asset}: {sum(counts)} alarms without a fault"
    for asset, counts in started.items():
        if min(counts) < LEAST_STARTS:
            yield f"{asset}: only {min(counts)} starts in a run, {LEAST_STARTS} are the bar"


def _missed(faults: dict[str, dict[str, dict[str, object]]]) -> Iterator[str]:
    for seed, found in faults.items():
        yield from (f"seed {seed}: {name} was missed" for name, one in found.items() if one["seconds"] is None)


if __name__ == "__main__":
    sys.exit(main())
