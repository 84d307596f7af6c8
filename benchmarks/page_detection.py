"""What the page of figures says of detection: ranking by suite, how sure it is, and what the alarms are worth."""

from collections import Counter
from typing import Any

Results = dict[str, Any]

DEVELOPED_ON = ("asd", "jumpstarter_d2", "msl", "skab", "smd")
"""The suites by whose mean detectors were compared while they were made."""

TITLES = {
    "linear": "linear",
    "coldstart": "cold start",
    "averaged-autoregression": "averaged autoregression (yardstick)",
    "averaged-views": "averaged views (yardstick)",
    "moving-zscore": "moving z-score",
    "last-value": "last value",
    "pyod-iforest": "PyOD IForest",
    "pyod-pca": "PyOD PCA",
    "pyod-hbos": "PyOD HBOS",
    "pyod-copod": "PyOD COPOD",
    "river-hst": "River HalfSpaceTrees",
    "stumpy": "matrix profile",
}


def detection(results: Results) -> str:
    """Return the tables of suites and of methods."""
    found = results["detection"]
    overall = found["mean_of_suite_means"]
    titles = {name: TITLES.get(name, name) for name in (*TITLES, *overall) if name in overall}
    series = len({(run["suite"], run["series"]) for run in found["runs"]})
    worst = min(titles, key=lambda name: overall[name])
    behind = [s for s, means in sorted(found["suite_means"].items()) if means["linear"] < max(means.values())]
    parts = [
        "## Detection",
        f"`iot-edge-anomaly benchmark detection SUITE_DIR --out DIR`, {series} labelled series of "
        f"{len(found['suite_means'])} suites. Mean VUS-PR:",
        _by_suite(found, titles),
        f"The default detector is {_not_best(behind)}; the least of all on average is {titles[worst]}.",
    ]
    if "methods" in found:
        parts += [_standing(found, titles), _worth(found, titles)]
    return "\n\n".join(parts)


def _by_suite(found: Results, titles: dict[str, str]) -> str:
    """Return a table of methods by suites; the last columns are means of suites."""
    counted = Counter(run["suite"] for run in found["runs"] if run["method"] == "linear" and run["vus_pr"] is not None)
    suites = sorted(found["suite_means"])
    five = [suite for suite in DEVELOPED_ON if suite in suites]
    heads = [f"{suite} ({counted[suite]})" for suite in suites]
    lines = [f"| method | {' | '.join(heads)} | **mean of the {len(five)}** | **mean of all** |"]
    lines.append("|---" * (len(suites) + 3) + "|")
    for name, title in titles.items():
        values = [found["suite_means"][suite][name] for suite in suites]
        over_five = sum(found["suite_means"][suite][name] for suite in five) / max(len(five), 1)
        figures = " | ".join(f"{value:.3f}" for value in values)
        lines.append(f"| {title} | {figures} | **{over_five:.3f}** | **{found['mean_of_suite_means'][name]:.3f}** |")
    return "\n".join(
        [*lines, "", f"In brackets: series with a label in the scored part. The {len(five)}: {', '.join(five)}."]
    )


def _not_best(suites: list[str]) -> str:
    return f"not the best one on {', '.join(suites)}" if suites else "the best one on each"


def _standing(found: Results, titles: dict[str, str]) -> str:
    lines = [
        "| over all suites | VUS-PR (95 %) | ratio to the best peer (95 %) | lowest with one suite left out | AUC-PR | "
        "F1 |",
        "|---|---|---|---|---|---|",
    ]
    for name, title in titles.items():
        one = found["methods"][name]
        lowest = min(one["without"].items(), key=lambda item: item[1], default=("", one["all"]["vus_pr"]))
        lines.append(
            f"| {title} | {one['all']['vus_pr']:.3f} {_range(one['interval_95'])} | {_ratio(one)} | {lowest[1]:.3f} "
            f"({lowest[0]}) | {one['all']['auc_pr']:.3f} | {one['all']['f1']:.3f} |"
        )
    best = found["best_peer"]
    peer = f"; the best peer is {titles[best]}" if best else ""
    return "\n".join(lines) + f"\n\nIntervals: 2,000 resamples of the series within their suites{peer}."


def _worth(found: Results, titles: dict[str, str]) -> str:
    lines = [
        f"| alarms at a budget of {found['false_alarms_per_week']:g} false a week | false alarms a week (count) | "
        "events found | median delay, rows | microseconds a row | growth of memory |",
        "|---|---|---|---|---|---|",
    ]
    for name, title in titles.items():
        one = found["methods"][name]["all"]
        delay = "" if one["median_delay_rows"] is None else f"{one['median_delay_rows']:.0f}"
        growth = "" if one["growth_mb"] is None else f"{one['growth_mb']:.0f} MB"
        rate = "" if one["false_alarms_per_week"] is None else f"{one['false_alarms_per_week']:.1f} "
        lines.append(
            f"| {title} | {rate}({one['false_alarms']:,}) | {one['events_found']} of {one['events']} | {delay} | "
            f"{one['microseconds_a_row']:.1f} | {growth} |"
        )
    return "\n".join(lines)


def _ratio(one: Results) -> str:
    if one["ratio_to_best_peer"] is None:
        return ""
    return f"{one['ratio_to_best_peer']:.2f} {_range(one['ratio_interval_95'], 2)}"


def _range(interval: list[float], digits: int = 3) -> str:
    return f"({interval[0]:.{digits}f}-{interval[1]:.{digits}f})"
