"""Whether the false-alarm budget is kept on real series: promised against realised, suite by suite.

    OMP_NUM_THREADS=1 python -m benchmarks.budget_kept [--sabotage halve-threshold]

One setting for all: the detector that ships, a budget of one false alarm in 500 rows, so that a suite can show whether
it is kept. An alarm counts where it begins on a row without a label; the 100 rows after a labelled row, as long as the
slowest average of the scores remembers, count for nothing: no alarm of theirs, nor their time.

The bar is on the alarms of the alarm stage (three odd rows raise one, ten calm ones end it): they are what a person
sees. Beside them: runs of rows above the threshold, and the naive threshold, counted both ways: the quantile of the
scores of the training rows. While an alarm stands none can begin, so one that stands for ever keeps any budget; that is
why the share of quiet rows with a standing alarm is told too, and the ratio over the other rows (*free*).
"""

import argparse
import sys
from typing import Any, NamedTuple

import numpy as np
from benchmarks.labelled_data import all_series, learn
from benchmarks.quiet_time import begun_in, is_kept, quiet_rows, run_starts, staged
from benchmarks.results import write
from numpy.typing import NDArray

from iot_edge_anomaly.benchmark.alarm_metrics import budget_threshold
from iot_edge_anomaly.benchmark.suites import Series, load
from iot_edge_anomaly.views.budget import ENOUGH
from iot_edge_anomaly.views.poisson import poisson_interval

ROWS_A_FALSE_ALARM = 500
GRACE_ROWS = 100
SUITES = ("asd", "jumpstarter_d2", "msl", "skab", "smd")
"""The bar is on these."""

RATIO = (0.5, 2.0)
LEAST_SUITES = 4
LEAST_SHARE = 0.8
LEAST_EXPECTED_A_SUITE = 16
WAYS = ("alarms", "runs", "naive_alarms", "naive_runs")
"""How alarms are counted: as the alarm stage raises them, as runs of rows; of our threshold, of the naive one."""

TITLES = dict(zip(WAYS, ("alarms", "runs of rows", "naive: alarms", "naive: runs"), strict=True))
SABOTAGE = {"halve-threshold": 2.0}
"""What the scores of ours are multiplied by."""


class Judged(NamedTuple):
    """One series: how many false alarms its quiet rows promise, and how many came, by way of counting."""

    suite: str
    series: str
    quiet_rows: int
    expected: float
    counts: dict[str, int]
    standing_rows: int
    """Quiet rows during which an alarm stands: none can begin in them."""


def judge(series: Series, factor: float = 1.0) -> Judged:
    """Learn from the training rows, and count the false alarms of the rest."""
    split = load(series)
    detector = learn(split, ROWS_A_FALSE_ALARM)
    _, learned = detector.score(detector.start(), split.train)
    _, scores = detector.score(detector.start(), split.test)
    naive = budget_threshold(learned.score, ROWS_A_FALSE_ALARM, 1.0) or 1.0
    quiet = quiet_rows(split.labels, GRACE_ROWS)
    ours, theirs = scores.score * factor, scores.score / naive
    counts = dict(zip(WAYS, (*counted(ours, quiet), *counted(theirs, quiet)), strict=True))
    standing = int(staged(ours, 1.0).stands[quiet].sum())
    return Judged(
        series.suite, series.name, int(quiet.sum()), float(quiet.sum()) / ROWS_A_FALSE_ALARM, counts, standing
    )


def counted(score: NDArray[np.float64], quiet: NDArray[np.bool_]) -> tuple[int, int]:
    """Return how many alarms, and how many runs of alarm rows, begin on quiet rows. A row is taken for a second."""
    return begun_in(staged(score, 1.0).starts, quiet), begun_in(run_starts(score > 1.0), quiet)


def suite_figures(judged: list[Judged]) -> dict[str, dict[str, Any]]:
    """Return for each suite what was expected and realised, pooled over its series, by way of counting."""
    found: dict[str, dict[str, Any]] = {}
    for suite in sorted({one.suite for one in judged}):
        own = [one for one in judged if one.suite == suite]
        quiet, expected = sum(one.quiet_rows for one in own), sum(one.expected for one in own)
        standing = sum(one.standing_rows for one in own)
        counts = {way: sum(one.counts[way] for one in own) for way in WAYS}
        found[suite] = {
            "series": len(own),
            "quiet_rows": quiet,
            "expected": round(expected, 1),
            "counts": counts,
            "ratio": {way: round(count / expected, 3) for way, count in counts.items()},
            "ratio_interval_95": {
                way: [round(limit / expected, 2) for limit in poisson_interval(count)] for way, count in counts.items()
            },
            "standing_share": round(standing / quiet, 4),
            "ratio_while_none_stands": round(counts["alarms"] * ROWS_A_FALSE_ALARM / max(quiet - standing, 1), 3),
            "kept": {way: kept(own, way) for way in WAYS},
        }
    return found


def kept(judged: list[Judged], way: str) -> dict[str, Any]:
    """Return of how many series the count does not speak against the budget, of how many that can tell."""
    told = [is_kept(one.counts[way], one.expected) for one in judged]
    series, good = sum(one is not None for one in told), sum(one is True for one in told)
    return {"series": series, "kept": good, "not_yet_verifiable": len(told) - series}


def complaints(suites: dict[str, dict[str, Any]], share: dict[str, Any]) -> list[str]:
    """Return in plain words what misses a bar."""
    low, high = RATIO
    said = [f"{suite}: there are no series of it" for suite in SUITES if suite not in suites]
    there = {suite: suites[suite] for suite in SUITES if suite in suites}
    for suite, one in there.items():
        if one["expected"] < LEAST_EXPECTED_A_SUITE:
            said.append(f"{suite}: {one['expected']:g} false alarms expected, {LEAST_EXPECTED_A_SUITE} are the least")
    off = {suite: one["ratio"]["alarms"] for suite, one in there.items() if not low <= one["ratio"]["alarms"] <= high}
    if len(there) - len(off) < LEAST_SUITES:
        listed = ", ".join(f"{suite} {ratio:g}" for suite, ratio in off.items())
        said.append(f"realised is not within {low:g} to {high:g} times promised on {LEAST_SUITES} suites: {listed}")
    if share["kept"] < LEAST_SHARE * share["series"] or not share["series"]:
        said.append(f"the budget is kept by {share['kept']} of {share['series']} series; {LEAST_SHARE:.0%} are the bar")
    return said


def table(suites: dict[str, dict[str, Any]]) -> str:
    """Return the figures of the suites as lines of text; those that the bar is on come first."""
    ways = "".join(f"{title:>22}" for title in TITLES.values())
    lines = [f"{'suite':16}{'expected':>9}  {ways}  standing   free  kept by"]
    ordered = sorted(suites, key=lambda name: (name not in SUITES, name))
    return "\n".join(lines + [_line(suite, suites[suite]) for suite in ordered])


def _line(suite: str, one: dict[str, Any]) -> str:
    cells = "".join(f"{one['counts'][way]:>13} x {one['ratio'][way]:<6.2f}" for way in WAYS)
    held = one["kept"]["alarms"]
    more = f", {held['not_yet_verifiable']} not yet verifiable" if held["not_yet_verifiable"] else ""
    note = "" if suite in SUITES else "  (beside the bar)"
    share = f"{one['standing_share']:>10.1%}{one['ratio_while_none_stands']:>7.2f}"
    return f"{suite:16}{one['expected']:>9.1f}  {cells}{share}  {held['kept']} of {held['series']}{more}{note}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sabotage", choices=SABOTAGE)
    sabotage = parser.parse_args().sabotage
    judged = [judge(series, SABOTAGE.get(sabotage, 1.0)) for series in all_series()]
    for one in judged:
        mark = {None: "not yet verifiable", True: "kept", False: "not kept"}
        verdict = mark[is_kept(one.counts["alarms"], one.expected)]
        print(f"{one.suite}/{one.series}: {one.expected:.1f} expected, {one.counts}, {verdict}")
    suites = suite_figures(judged)
    share = {way: kept([one for one in judged if one.suite in SUITES], way) for way in WAYS}
    said = complaints(suites, share["alarms"])
    print(table(suites), f"kept by series of the five suites: {share}", *said, sep="\n")
    if sabotage is None:
        write("budget_kept", figures(judged, suites, share, said))
    return 1 if said else 0


def figures(
    judged: list[Judged], suites: dict[str, dict[str, Any]], share: dict[str, Any], said: list[str]
) -> dict[str, object]:
    """Return what is written down."""
    return {
        "rows_a_false_alarm": ROWS_A_FALSE_ALARM,
        "grace_rows": GRACE_ROWS,
        "enough": ENOUGH,
        "bars": {"suites": SUITES, "ratio": RATIO, "least_suites": LEAST_SUITES, "least_share_kept": LEAST_SHARE},
        "suites": suites,
        "kept": share,
        "series": [one._asdict() for one in judged],
        "complaints": said,
        "met": not said,
    }


if __name__ == "__main__":
    sys.exit(main())
