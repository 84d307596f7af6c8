"""Whether an alarm names the right sensors: of labelled events, and of faults put into known sensors.

    OMP_NUM_THREADS=1 python -m benchmarks.root_causes [--sabotage shuffle]

Contributions of the detector that ships, with its default budget, summed over all rows of the event or fault, in alarm
or not; a right sensor must be among the first three. Events: those of smd and asd that name a third of the channels at
most. Faults: one sensor of quiet rows, in units of its own training deviation: a spike of 8 in one row; for 60 rows a
drift to 4, readings stuck, swapped with another sensor's, noise of 2, a gain of 3. A fault must move the readings of
its sensor by one deviation (root mean square), else another place is drawn. Of swapped sensors either is right.
"""

import argparse
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks import injected, root_cause_events
from benchmarks.injected import Case
from benchmarks.injections import DRIFT_DEVIATIONS, FAULTS, GAIN, LEAST_MOVED, NOISE_DEVIATIONS, SPIKE_DEVIATIONS
from benchmarks.naming import FIRST
from benchmarks.results import write
from benchmarks.root_cause_events import Named

from iot_edge_anomaly.component.detector import Matrix

SEED = 31
A_GROUP = 60
"""Faults of each kind put into each suite, and into each asset of the plant."""

EVENTS_SHARE = 0.7
TIMES_CHANCE = 2.0
FAULTS_SHARE = 0.9
PLACES = {"suites": "quiet stretches of the suites", "plant": "the demo's pumps"}


def shuffle() -> Callable[[Matrix], Matrix]:
    """Return what gives each sensor the contributions of another, drawn anew each time."""
    random = np.random.default_rng(SEED)
    return lambda parts: parts[:, random.permutation(parts.shape[1])]


SABOTAGE = {"shuffle": shuffle}


def event_figures(events: list[Named]) -> dict[str, Any]:
    """Return how many events are named, by whom, and how many chance would name."""
    count = len(events)
    return {
        "events": count,
        "named": sum(one.by_contributions for one in events),
        "share": _share([one.by_contributions for one in events]),
        "zscore_share": _share([one.by_zscores for one in events]),
        "chance": round(sum(one.chance for one in events) / count, 3) if count else None,
        "with_an_alarm": sum(one.has_alarm for one in events),
        "share_with_an_alarm": _share([one.by_contributions for one in events if one.has_alarm]),
    }


def fault_figures(cases: list[Case]) -> dict[str, Any]:
    """Return how many faults are named: of all, of those with an alarm row, of those without; and by chance."""
    return {
        "faults": len(cases),
        "share": _share([case.is_named for case in cases]),
        "zscore_share": _share([case.by_zscores for case in cases]),
        "chance": round(sum(case.chance for case in cases) / len(cases), 3) if cases else None,
        "with_an_alarm": sum(case.has_alarm for case in cases),
        "share_with_an_alarm": _share([case.is_named for case in cases if case.has_alarm]),
        "share_without": _share([case.is_named for case in cases if not case.has_alarm]),
    }


def _share(found: list[bool]) -> float | None:
    return round(sum(found) / len(found), 3) if found else None


def place_figures(cases: list[Case]) -> dict[str, Any]:
    """Return the figures of all faults of a place, by kind, and by suite or asset."""
    groups = sorted({case.group for case in cases})
    return {
        "all": fault_figures(cases),
        "kinds": {kind: fault_figures([case for case in cases if case.kind == kind]) for kind in FAULTS},
        "groups": {group: fault_figures([case for case in cases if case.group == group]) for group in groups},
    }


def complaints(events: dict[str, Any], faults: dict[str, dict[str, Any]]) -> list[str]:
    """Return in plain words what misses a bar."""
    if not events["events"]:
        return ["there is no event that names its channels"]
    said, share = [], events["share"]
    if share < EVENTS_SHARE:
        said.append(f"events: a right channel is named in {share:.0%}; {EVENTS_SHARE:.0%} are the bar")
    if share < TIMES_CHANCE * events["chance"]:
        said.append(
            f"events: {share:.0%} named is not {TIMES_CHANCE:g} times what chance names, {events['chance']:.0%}"
        )
    if share <= events["zscore_share"]:
        said.append(f"events: {share:.0%} named is not more than z-scores name, {events['zscore_share']:.0%}")
    for place, found in faults.items():
        if found["all"]["share"] < FAULTS_SHARE:
            said.append(
                f"faults in {PLACES[place]}: the right sensor is named in {found['all']['share']:.0%}; "
                f"{FAULTS_SHARE:.0%} are the bar"
            )
    return said


def tables(events: list[Named], by_suite: dict[str, Any], faults: dict[str, dict[str, Any]]) -> str:
    """Return the figures as lines of text."""
    lines = ["event                         right  chance  ours  z-score  alarm  first three"]
    for one in events:
        name = f"{one.suite}/{one.series} {one.rows}"
        words = ("yes" if held else "no" for held in (one.by_contributions, one.by_zscores, one.has_alarm))
        ours, plain, alarm = words
        right = f"{one.right}/{one.channels}"
        lines.append(f"{name:30}{right:>5}{one.chance:>8.2f}{ours:>6}{plain:>9}{alarm:>7}  {one.first}")
    lines += [f"events of {suite}: {found}" for suite, found in by_suite.items()]
    for place, found in faults.items():
        lines.append(f"\n{PLACES[place]:32}faults   named z-score  chance  with alarm: named   without: named")
        rows = {"all": found["all"], **found["kinds"], **found["groups"]}
        for name, one in rows.items():
            shares = "".join(_percent(one[share]) for share in ("share", "zscore_share", "chance"))
            lines.append(
                f"{name:32}{one['faults']:>6}{shares}{one['with_an_alarm']:>13}"
                f"{_percent(one['share_with_an_alarm'])}{one['faults'] - one['with_an_alarm']:>11}"
                f"{_percent(one['share_without'])}"
            )
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    return f"{'-':>8}" if share is None else f"{share:>8.1%}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sabotage", choices=SABOTAGE)
    sabotage = parser.parse_args().sabotage
    change: Callable[[Matrix], Matrix] = SABOTAGE[sabotage]() if sabotage else np.asarray
    events = root_cause_events.judge_all(change)
    grounds = [*injected.of_suites(), *injected.of_plant()]
    cases = injected.judge_all(grounds, A_GROUP, SEED, change)
    by_suite = {
        suite: event_figures([one for one in events if one.suite == suite]) for suite in root_cause_events.SUITES
    }
    by_suite["all"] = event_figures(events)
    faults = {place: place_figures([case for case in cases if case.place == place]) for place in PLACES}
    said = complaints(by_suite["all"], faults)
    print(tables(events, by_suite, faults), *said, sep="\n")
    if sabotage is None:
        write("root_causes", figures(events, by_suite, faults, said), SEED)
    return 1 if said else 0


def figures(
    events: list[Named], by_suite: dict[str, Any], faults: dict[str, dict[str, Any]], said: list[str]
) -> dict[str, object]:
    """Return what is written down."""
    return {
        "first": FIRST,
        "bars": {"events_share": EVENTS_SHARE, "times_chance": TIMES_CHANCE, "faults_share": FAULTS_SHARE},
        "sizes": {
            "spike": SPIKE_DEVIATIONS,
            "drift": DRIFT_DEVIATIONS,
            "noise": NOISE_DEVIATIONS,
            "gain": GAIN,
            "least_moved": LEAST_MOVED,
            "rows": injected.FAULT_ROWS,
        },
        "events": by_suite,
        "faults": faults,
        "each_event": [one._asdict() for one in events],
        "complaints": said,
        "met": not said,
    }


if __name__ == "__main__":
    sys.exit(main())
