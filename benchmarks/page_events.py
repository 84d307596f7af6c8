"""What the page of figures says of events: SKAB and 3W by their protocols, against the bars."""

from typing import Any

Results = dict[str, Any]


def events(results: Results) -> str:
    """Return the bars, the curves over budgets, and what the figures are worth."""
    found = results["events"]["figures"]
    skab, wells = found["skab"], found["three_w"]
    return "\n\n".join(
        [
            "## Events, by the protocols of two suites",
            f"`{results['events']['command']}`: the default detector, one setting, one budget a protocol, declared "
            f"before anything was measured: on SKAB one false alarm in {_time(skab['budget_seconds'])} (an experiment "
            f"lasts twenty minutes), on 3W one in {_time(wells['budget_seconds'])} (half of what its bar allows). "
            "[How it is judged](detection-benchmark.md#events).",
            _bars(skab, wells),
            _curves(skab, wells),
            _worth(skab, wells),
        ]
    )


def _bars(skab: Results, wells: Results) -> str:
    rows_bar, event_bar, by_chance = skab["bars"], wells["bars"], wells["control"]["found_mean"]
    far, f1, hours = skab["false_alarm_rate"], skab["f1"], event_bar["normal_hours_an_onset"]
    wanted, chance = event_bar["found"], event_bar["found_by_chance"]
    false = f"{wells['false_onsets']} in {wells['normal_hours']:.0f} h"
    found = f"{wells['found']} of {wells['events']}"
    is_quiet = wells["false_onsets"] * hours <= wells["normal_hours"]
    rows = [
        (f"SKAB valve1, {skab['files']} files: F1 of rows", f"> {rows_bar['f1']:g}", f"{f1:.3f}", f1 > rows_bar["f1"]),
        (
            "normal rows in alarm",
            _below(rows_bar["false_alarm_rate"]),
            f"{far:.1%}",
            far < rows_bar["false_alarm_rate"],
        ),
        (f"3W, {wells['series']} series: events found", f"≥ {wanted:.0%}", found, wells["found_share"] >= wanted),
        ("alarms that began on a normal row", f"≤ 1 in {hours:g} h", false, is_quiet),
        ("found by the same alarms at random", _below(chance), f"{by_chance:.1%}", by_chance < chance),
    ]
    lines = [f"| {what} | {bar} | {shown} | {'yes' if met else '**no**'} |" for what, bar, shown, met in rows]
    return "\n".join(["| what | bar | measured | met |", "|---|---|---|---|", *lines])


def _curves(skab: Results, wells: Results) -> str:
    lines = [
        "| one false alarm in | SKAB: F1 | normal rows in alarm | 3W: found | false alarms | bare scores: found | "
        "false alarms |",
        "|---|---|---|---|---|---|---|",
    ]
    for rows, one in zip(skab["curve"], wells["curve"], strict=True):
        bare = one["score_above_1"]
        lines.append(
            f"| {_time(rows['budget_seconds'])} | {rows['f1']:.3f} | {rows['false_alarm_rate']:.1%} | {one['found']} | "
            f"{one['false_onsets']} | {bare['found']} | {bare['false_onsets']} |"
        )
    return "\n".join(lines)


def _worth(skab: Results, wells: Results) -> str:
    best, within, control = skab["oracle"]["best_f1"], skab["oracle"]["best_f1_within_bar"], wells["control"]
    delay = wells["median_delay_seconds"]
    soon = "" if delay is None else f"Median delay of the events found: {_time(delay)}. "
    return (
        f"{soon}What labels would choose, which is no result but a ceiling: on SKAB an F1 of {best['f1']:.3f} (normal "
        f"rows in alarm: {best['false_alarm_rate']:.1%}), within the bar {within['f1']:.3f}; on 3W "
        f"{wells['oracle']['found']} events with {wells['oracle']['false_onsets']} false alarms. The control places "
        f"the same runs of alarm rows {control['repeats']} times over all wells end to end; placed at random within "
        f"each series, of which many are almost all event, they find {control['found_mean_within_series']:.0%}. "
        "`--sabotage random|shifted` fails both protocols."
    )


def _below(share: float) -> str:
    return f"< {share:.0%}"


def _time(seconds: float) -> str:
    for unit, size in (("week", 604_800), ("day", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            count = seconds / size
            plural = "s" if unit in ("week", "day") and count != 1 else ""
            return f"{count:g} {unit}{plural}"
    return f"{seconds:,g} s"
