"""Write docs/benchmarks.md from docs/results/*.json: every figure of the page stands in one of them.

python -m benchmarks.page            # write the page
python -m benchmarks.page --check    # fail where the page is not what the figures say
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import page_detection, page_drift, page_events, page_faces, page_promises
from benchmarks.results import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
Results = dict[str, Any]

HEAD = """# Measured

Written by `python -m benchmarks.page` from the JSON files in [results](results/), each of which one command wrote, with
commit, machine, versions and seed. Change nothing here by hand.
"""


def speed(results: Results) -> str:
    """Return the bars in one table: met or not."""
    rows = [row for table in (_pipeline, _http, _latency, _edge, _first_alarm, _tutorial) for row in table(results)]
    lines = [
        f"| {what} | {bar} | {measured} | {'' if met is None else 'yes' if met else '**no**'} |"
        for what, bar, measured, met in rows
    ]
    head = "| what | bar | measured | met |\n|---|---|---|---|"
    return "## Speed and size, against the bars\n\n" + "\n".join([head, *lines])


Row = tuple[str, str, str, bool | None]


def _pipeline(results: Results) -> list[Row]:
    found = results["pipeline"]["figures"]
    many, bar = found["values_per_second_10_rows_a_message"], found["bar_values_per_second"]
    one = found["values_per_second_1_row_a_message"]
    return [
        ("pipeline, 10 sensors x 10 rows a message, one core", f"{bar:,} values/s", f"{many:,} values/s", many >= bar),
        ("the same at 1 row a message", "shown beside", f"{one:,} values/s", None),
    ]


def _http(results: Results) -> list[Row]:
    titles = {
        "ingest": "durable (power-safe) authenticated ingest over HTTP, one asset x 10 sensors a request",
        "predict": "predictions over HTTP, 10 x 5 window, fitted model",
        "predict_cold": "the same without a model",
    }
    rows: list[Row] = []
    for name, title in titles.items():
        found = results["http"]["figures"][name]
        bar = f"{found['bar']['rate']:,} req/s, p95 < {found['bar']['p95_ms']:g} ms"
        shown = "; ".join(
            f"{run['rate']:,} req/s, p95 {run['p95_ms']:.0f} ms ({run['connections']} connections)"
            for run in found["runs"]
        )
        rows.append((title, bar, shown, found["met"]))
    return rows


def _latency(results: Results) -> list[Row]:
    figures = results["latency"]["figures"]
    rows: list[Row] = []
    for name, run in figures["loads"].items():
        spread = run["acknowledged_to_seen"]
        what = f"durable reading to committed alarm, {name.replace('_', ' ')}: {run['values_per_second']:,} values/s"
        shown = f"p50 {spread['p50']:.0f}, p95 {spread['p95']:.0f}, p99 {spread['p99']:.0f} ms"
        rows.append((what, f"p99 < {figures['bar_p99_ms']:g} ms", shown, spread["p99"] < figures["bar_p99_ms"]))
    return rows


def _edge(results: Results) -> list[Row]:
    figures, rows = results["edge"]["figures"], []
    bars = figures["bars"]
    for mode, run in figures["a_message_a"].items():
        what = (
            f"edge: agent and broker, {run['sensors']} sensors at 1 Hz for {run['minutes']:g} min, a message a {mode}"
        )
        memory, share = run["pss_mb_together"], run["core_share_together"]
        rows.append((f"{what}: PSS", f"< {bars['pss_mb']:g} MB", f"{memory:.0f} MB", memory < bars["pss_mb"]))
        met = share < bars["core_share"] if mode == "device" else None
        bar = f"< {bars['core_share']:.0%} of a core" if mode == "device" else "shown beside"
        rows.append((f"{what}: processor", bar, f"{share:.1%} of a core", met))
    return rows


def _first_alarm(results: Results) -> list[Row]:
    figures = results["first_alarm"]["figures"]
    bar, seconds = figures["bar_seconds"], figures["seconds"]
    return [
        ("first explained alarm after `make run`, packages cached", f"< {bar} s", f"{seconds:.0f} s", seconds < bar)
    ]


def _tutorial(results: Results) -> list[Row]:
    figures = results["tutorial"]["figures"]
    bar, seconds = figures["bar_seconds"], figures["seconds"]
    install = figures["seconds_by_section"]["Get it"]
    what = "every command of the tutorial, from a fresh clone to the end; a reader adds reading and typing"
    return [(what, f"< {bar} s", f"{seconds:.0f} s, {install:.0f} of them to clone and install", seconds < bar)]


def where_time_goes(results: Results) -> str:
    """Return the prose below the table."""
    http, latency, edge = (results[name]["figures"] for name in ("http", "latency", "edge"))
    ingest = http["ingest"]["runs"][-1]
    spent = ingest["cpu_us_a_request"]
    parts = [
        "**Where the time goes.** In the pipeline: "
        + ", ".join(results["pipeline"]["figures"]["where_time_goes_own_time"][:4])
        + ".",
        f"A durable request costs {spent['gateway']:.0f} µs of processor time in the gateway, {spent['broker']:.0f} in "
        f"the broker and {spent['generator']:.0f} in the load generator, which runs on the same "
        f"{results['http']['machine']['cores']} cores ({ingest['generator_share_of_cpu']:.0%} of what is used).",
    ]
    for name, run in latency["loads"].items():
        cut = {part: spread["p99"] for part, spread in run["parts"].items()}
        total, late = run["alarms"], run["over_the_bar"]
        of_checkpoints = run["over_the_bar_while_a_checkpoint_was_written"]
        parts.append(
            f"Alarms at {name.replace('_', ' ')}, p99 of the parts: from sending to acknowledgement "
            f"{cut['sent_to_acknowledged']:.0f} ms, on to the commit {cut['acknowledged_to_committed']:.0f} ms, on to "
            f"the follower {cut['committed_to_seen']:.0f} ms; {late} of {total} alarms came later than the bar, "
            f"{of_checkpoints} of those while a checkpoint was written."
        )
    one = edge["a_message_a"]["device"]
    parts.append(
        f"Edge: {one['pss_mb']['edge']:.0f} MB are the agent's and {one['pss_mb']['broker']:.0f} the broker's "
        f"(RSS together: {one['rss_mb_together']:.0f}); a sensor has {one['state_bytes_a_sensor']} bytes of "
        "checkpointed state. One trainer, model and pipeline for all assets live in the agent."
    )
    return "\n\n".join(parts)


def conservation(results: Results) -> str:
    """Return what the kill storm showed."""
    found = results["kill_storm"]["figures"]
    kills = ", ".join(f"{count} of the {victim}" for victim, count in found["kills"].items())
    told, kept = found["readings_acknowledged"], found["used"] + found["held_for_open_cells"]
    storm = f"""`{results["kill_storm"]["command"]}`: {sum(found["kills"].values())} SIGKILLs ({kills}) while
MQTT and HTTP senders write numbered batches, every tenth twice, some out of order. Taken in
{found["readings_taken_in"]:,} values, {found["duplicates_found"]:,} repeats found; of {told:,} acknowledged values
{kept:,} are used or wait for their grid cell: **{abs(told - kept):,} lost or doubled**."""
    return f"""## Nothing lost, nothing doubled

{storm} Scores and alarms equal an
undisturbed run's to the bit. `--sabotage drop-one|double-one|skip-fence|lose-tail` makes it fail, each in its own way;
the tests run a short storm and all four. Senders pause after each eighth of the run until what was acknowledged is
worked in: so disorder caused by a kill stays within the lateness, as the comparison needs."""


KINDS = {
    "white": "white noise, 5 sensors",
    "autoregressive": "AR(1) .9, 5 sensors",
    "one_sensor": "AR(1) .7, 1 sensor",
    "heavy_tailed": "Student's t(4), 5 sensors",
    "machine": "12 sensors, 3 slow causes",
    "bursts": "noise that waxes and wanes, 5 sensors",
}
"""The series of `false_alarms`, and how the page calls them."""


def false_alarms(results: Results) -> str:
    """Return how well a budget is kept."""
    found = results["false_alarms"]["figures"]
    lengths = list(next(iter(found["realised"].values())))
    rows = "\n".join(
        f"| {KINDS[kind]} | " + " | ".join(_realised(by_length[length]) for length in lengths) + " |"
        for kind, by_length in found["realised"].items()
    )
    worst = max(by_length[lengths[0]]["worst_model_a_week"] for by_length in found["realised"].values())
    return f"""## False alarms, promised and realised

`{results["false_alarms"]["command"]}`: synthetic series in which nothing is ever wrong,
{found["rows_per_week"]:,} rows a week, {found["models"]} models of each kind, each judged over
{found["weeks_judged_per_model"]} weeks that it never saw.
Promised: {found["promised_a_week"]:g} alarms a week. Realised, mean over models with 95 % confidence, by rows learned:

| series | {" | ".join(f"{int(length):,}" for length in lengths)} |
|---{"|---" * len(lengths)}|
{rows}

The threshold is a prediction limit: the budget is kept on the mean over all lessons of that length, not by each of
them. Of {lengths[0]} rows that happened to be calm, single models raised up to {worst:g} a week. What a short lesson
costs is sensitivity: its threshold lies higher."""


def _realised(run: dict[str, Any]) -> str:
    low, high = run["confidence_95"]
    return f"{run['mean_a_week']:.2g} ({low:.2g}-{high:.2g})"


def demo_plant(results: Results) -> str:
    """Return what the detector sees of the demo's faults, and what it does not raise without one."""
    found = results["demo_plant"]["figures"]
    alarms = sum(sum(seeds) for seeds in found["false_alarms"].values())
    lines = ["| fault | seconds of the clock until the alarm | sensors named |", "|---|---|---|"]
    for fault in next(iter(found["faults"].values())):
        met = [by_fault[fault] for by_fault in found["faults"].values()]
        seconds = [one["seconds"] for one in met if one["seconds"] is not None]
        sensors = sorted({one["sensor"].replace("_", " ") for one in met if one["sensor"]})
        lines.append(f"| {fault} | {min(seconds):g}-{max(seconds):g} | {', '.join(sensors)} |")
    return (
        f"`{results['demo_plant']['command']}`: the demo's pumping station, {len(found['faults'])} seeds. "
        f"{found['plant_hours_without_a_fault']:g} hours of the plant without a fault: {alarms or 'no'} alarms, though "
        f"each pump starts {min(map(min, found['starts'].values()))} times or more in each run. With faults:\n\n"
        + "\n".join(lines)
    )


SECTIONS: tuple[tuple[tuple[str, ...], Callable[[Results], str]], ...] = (
    (("pipeline", "http", "latency", "edge", "first_alarm", "tutorial"), speed),
    (("pipeline", "http", "latency", "edge"), where_time_goes),
    (("kill_storm",), conservation),
    (("detection",), page_detection.detection),
    (("events",), page_events.events),
    (("false_alarms",), false_alarms),
    (("demo_plant",), demo_plant),
    (("budget_kept",), page_promises.budget_kept),
    (("root_causes",), page_promises.root_causes),
    (("dirty_lessons",), page_promises.dirty_lessons),
    (("detector_speed",), page_promises.detector_speed),
    (("drift",), page_drift.drift),
)
NOT_YET: tuple[tuple[str, Callable[[Results], str]], ...] = (
    ("fault_origin", page_promises.fault_origin),
    ("seasons", page_promises.seasons),
    ("fusion", page_promises.fusion),
    ("fuzz_decoders", page_promises.fuzz_decoders),
    ("viewers", page_faces.viewers),
    ("kill_faces", page_faces.kill_faces),
    ("history", page_faces.history),
)
"""Sections that are left out while there are no figures of theirs."""


def provenance(results: Results) -> str:
    """Return from which commit and machine each file is."""
    lines = ["## Where each figure comes from", "", "| file | commit | cores, memory | load when it ended | seed |"]
    lines.append("|---|---|---|---|---|")
    for name, found in sorted(results.items()):
        machine = found["machine"]
        changed = " and changes" if found.get("uncommitted_changes") else ""
        memory = f", {machine['memory_gib']} GiB" if "memory_gib" in machine else ""
        lines.append(
            f"| [{name}.json](results/{name}.json) | `{found['commit'][:9]}`{changed} | {machine['cores']}{memory} | "
            f"{machine.get('load_average', '')} | {'' if found['seed'] is None else found['seed']} |"
        )
    return "\n".join(lines)


def page(folder: Path) -> str:
    """Return the page. Raises KeyError where a file that a section needs is missing."""
    results = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    needed = {name for names, _ in SECTIONS for name in names}
    if missing := sorted(needed - results.keys()):
        raise KeyError(f"no figures of {', '.join(missing)} in {folder}: run python -m benchmarks.NAME")
    sections = [write(results) for _, write in SECTIONS]
    sections += [write(results) for name, write in NOT_YET if name in results]
    return "\n\n".join([HEAD.rstrip(), *sections, provenance(results)]) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    text = page(ROOT / "docs" / "results")
    if options.check:
        is_current = PAGE.read_text() == text
        print(
            "the page is current" if is_current else "the page is not what the figures say: python -m benchmarks.page"
        )
        return 0 if is_current else 1
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
