"""What the page of figures says of two promises: the false-alarm budget on real series, and the sensors named."""

from typing import Any

Results = dict[str, Any]

KINDS = ("spike", "drift", "stuck", "swap", "noise", "gain")
PLACES = {"suites": "quiet stretches of the suites", "plant": "the demo's pumps"}


def budget_kept(results: Results) -> str:
    """Return promised against realised false alarms by suite, and whether the bars are met."""
    found = results["budget_kept"]["figures"]
    bars, low_high = found["bars"], "{:g} to {:g}".format(*found["bars"]["ratio"])
    share, naive = found["kept"]["alarms"], found["kept"]["naive_alarms"]
    ordered = sorted(found["suites"], key=lambda name: (name not in bars["suites"], name))
    rows = [_budget_row(suite, found["suites"][suite], suite in bars["suites"]) for suite in ordered]
    columns = ("suite (series)", "promised", "realised", "ratio (95 %)", "standing", "free", "runs", "naive")
    head = f"| {' | '.join(columns)} | series that keep it |"
    return "\n\n".join(
        [
            "## The budget on real series",
            f"`{results['budget_kept']['command']}`: one false alarm promised in {found['rows_a_false_alarm']} rows, "
            "one setting for all. Counted are alarms of the alarm stage that begin on rows without a label; the "
            f"{found['grace_rows']} rows after a labelled one count for nothing. *Standing*: share of these rows with "
            "a standing alarm, during which none can begin; *free*: the ratio over the other rows. *Runs*: of rows "
            "above the threshold. *Naive*: alarms at the quantile of the scores of the training rows. A series of "
            f"which fewer than {found['enough']:g} are promised cannot tell whether its budget is kept.",
            "\n".join([head, "|---" * 9 + "|", *rows]),
            f"Bars: {low_high} times promised on {bars['least_suites']} of the first {len(bars['suites'])} suites, and "
            f"the budget within the Poisson interval of {bars['least_share_kept']:.0%} of their series that can tell: "
            f"{share['kept']} of {share['series']} (naive threshold: {naive['kept']}). {_met(found)}",
        ]
    )


def _budget_row(suite: str, one: Results, has_bar: bool) -> str:
    held, counts = one["kept"]["alarms"], one["counts"]
    low, high = one["ratio_interval_95"]["alarms"]
    silent = f"; {held['not_yet_verifiable']} not yet verifiable" if held["not_yet_verifiable"] else ""
    return (
        f"| {suite} ({one['series']}){'' if has_bar else ', beside the bar'} | {one['expected']:.0f} | "
        f"{counts['alarms']} | {one['ratio']['alarms']:.2f} ({low:.2f}-{high:.2f}) | {one['standing_share']:.1%} | "
        f"{one['ratio_while_none_stands']:.2f} | {counts['runs']} | {counts['naive_alarms']} | "
        f"{held['kept']} of {held['series']}{silent} |"
    )


def root_causes(results: Results) -> str:
    """Return how often a right sensor is among the first three, of events and of faults put in."""
    found = results["root_causes"]["figures"]
    events, bars, sizes = found["events"]["all"], found["bars"], found["sizes"]
    plants = [place for place in PLACES if place in found["faults"]]
    lines = [f"| fault | {' | '.join(PLACES[place] for place in plants)} |", "|---" * (len(plants) + 1) + "|"]
    for kind in KINDS:
        cells = (_named(found["faults"][place]["kinds"][kind]) for place in plants)
        lines += [f"| {kind} | {' | '.join(cells)} |"]
    total = " | ".join(f"**{_named(found['faults'][place]['all'])}**" for place in plants)
    return "\n\n".join(
        [
            "## The sensors named",
            f"`{results['root_causes']['command']}`: whether a right sensor is among the first {found['first']} "
            "contributions, summed over all rows of the event or fault. "
            f"{events['events']} labelled events of {_suites(found)} that name a third of the channels at most: "
            f"**{events['share']:.0%}**, z-scores {events['zscore_share']:.0%}, chance {events['chance']:.0%}; of the "
            f"{events['with_an_alarm']} with an alarm row {_percent(events['share_with_an_alarm'])}. Bars: "
            f"{bars['events_share']:.0%}, {bars['times_chance']:g} times chance, more than z-scores.",
            f"Faults put into one sensor, in its own training deviations: a spike of {sizes['spike']:g}; for "
            f"{sizes['rows']} rows a drift to {sizes['drift']:g}, readings stuck or swapped with another's, noise "
            f"of {sizes['noise']:g}, a gain of {sizes['gain']:g}; each moves its sensor by {sizes['least_moved']:g} at "
            "least (root mean square). Named:",
            "\n".join([*lines, f"| **all** | {total} |"]),
            f"Bar: {bars['faults_share']:.0%} in each place. {_met(found)}",
        ]
    )


def _suites(found: Results) -> str:
    return " and ".join(f"{name} ({one['events']})" for name, one in found["events"].items() if name != "all")


def _named(one: Results) -> str:
    return (
        f"{_percent(one['share'])} of {one['faults']} (z-scores {_percent(one['zscore_share'])}, chance "
        f"{_percent(one['chance'])}; {_percent(one['share_with_an_alarm'])} of {one['with_an_alarm']} with an alarm)"
    )


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{share:.0%}"


def _met(found: Results) -> str:
    return "Met." if found["met"] else f"**Not met: {'; '.join(found['complaints'])}.**"


def fault_origin(results: Results) -> str:
    """Return how often alarms tell rightly whether a sensor or the machine is at fault."""
    found = results["fault_origin"]["figures"]
    lines = ["| | alarms | told sensor | told machine | untold | right of what is told |", "|---|---|---|---|---|---|"]
    parts = [(what, truth) for what in ("all", "held_back") for truth in ("sensor", "machine")]
    lines += [_told(f"{what.replace('_', ' ')}, {truth} at fault", found[what][truth]) for what, truth in parts]
    lines += [_told(name, one) for name, one in found["each"].items()]
    bars = found["bars"]
    return "\n\n".join(
        [
            "## Sensor or machine",
            f"`{results['fault_origin']['command']}`: what the first alarm of each fault tells of its origin. Sensors "
            "at fault: faults put into one sensor, and the demo's. Machines at fault: the demo's leak and bearing "
            "wear, and labelled events. Held back: what the limits of the rule were not chosen on; what kind of rule "
            "it is was found with all events in view.",
            "\n".join(lines),
            f"Right of what is told, the mean of both truths: **{_percent(found['all']['right'])}**, held back "
            f"{_percent(found['held_back']['right'])}; dealt out anew, the control, "
            f"{_percent(found['control']['right'])}. Bars: {bars['right']:.0%} right, all and held back; "
            f"{bars['claimed']:.0%} of the alarms of each truth told. {_met(found)}",
        ]
    )


def _told(name: str, one: Results) -> str:
    counts = f"{one['alarms']} | {one['told_sensor']} | {one['told_machine']} | {one['untold']}"
    return f"| {name} | {counts} | {_percent(one['right'])} |"


def seasons(results: Results) -> str:
    """Return what knowing the clock is worth to a machine that follows it."""
    found = results["seasons"]["figures"]
    own, without = found["by the clock"], found["without"]
    lines = ["| found | by the clock | without |", "|---|---|---|"]
    lines += [f"| {kind} | {_percent(own[kind])} | {_percent(without[kind])} |" for kind in own if " " in kind]
    rates, weeks = (f"{one['false_alarms_per_week']:.2f}" for one in (own, without)), found["healthy_weeks"]
    return (
        f"## Seasons\n\n`{results['seasons']['command']}`: {found['plants']} plants that are busy by day, quiet "
        "at night and on Sundays; four weeks are learned. In the evening the load does not fall, in the morning it "
        "does not rise, a Sunday is like a Monday; and a sensor is off:\n\n"
        + "\n".join([*lines, f"| **false alarms a week**, {weeks} healthy weeks | {' | '.join(rates)} |"])
        + f"\n\nPromised: {found['budget_per_week']:g} a week at most. {_met(found)}"
    )


def fusion(results: Results) -> str:
    """Return how far fused sensors are off the truth, while one of three is wrong and while none is."""
    found = results["fusion"]["figures"]
    names = list(found["errors"]["none"])
    lines = [f"| one of three | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    lines += [
        f"| {fault} | {' | '.join(f'{own[name]:.3f}' for name in names)} |" for fault, own in found["errors"].items()
    ]
    return (
        f"## Several sensors of one quantity\n\n`{results['fusion']['command']}`: three thermometers for two hours, "
        f"{found['runs']} times, one of them wrong for forty minutes; tolerance {found['tolerance']:g} degree. Error "
        "against the truth, root mean square, degrees; the best sensor is known afterwards only:\n\n"
        + "\n".join(lines)
        + f"\n\nBar: the median, which is the default, under the best sensor. {_met(found)}"
    )


def fuzz_decoders(results: Results) -> str:
    """Return what fuzzing the decoders found."""
    found = results["fuzz_decoders"]["figures"]
    lines = ["| decoder | inputs | coverage | peak memory |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {one['inputs']:,} | {one['coverage']:,} | {one['peak_mb']} MB |"
        for name, one in found["decoders"].items()
    ]
    wrong = "; ".join(found["complaints"])
    return (
        f"## Decoders fuzzed\n\n`{results['fuzz_decoders']['command']}`: each decoder of what comes from outside, "
        f"{found['minutes_each']:g} minutes under a coverage-guided fuzzer, two at a time. A crash is whatever its "
        "connector does not handle, a hang more than two seconds for one input:\n\n"
        + "\n".join(lines)
        + f"\n\n{f'**Found: {wrong}.**' if wrong else 'No crash, no hang.'}"
    )


def dirty_lessons(results: Results) -> str:
    """Return what faults in the training rows cost."""
    found = results["dirty_lessons"]["figures"]
    lines = ["| suite | clean lesson | dirty lesson |", "|---|---|---|"]
    lines += [
        f"| {suite} | {one['clean']:.3f} | {one['dirty']:.3f} |" for suite, one in sorted(found["suites"].items())
    ]
    lines.append(f"| **mean of suites** | **{found['clean']:.3f}** | **{found['dirty']:.3f}** |")
    return (
        f"## Dirty lessons\n\n`{results['dirty_lessons']['command']}`: {found['share']:.0%} of the training rows are "
        "faults of all kinds, each in one sensor. VUS-PR:\n\n" + "\n".join(lines) + f"\n\nBar: moved by less than "
        f"{found['bar']:.0%}; moved by {found['moved']:+.1%}. {'Met.' if found['met'] else '**Not met.**'}"
    )


def detector_speed(results: Results) -> str:
    """Return how fast the detector is alone."""
    found = results["detector_speed"]["figures"]
    bars, trees = found["bars"], found["trees"]
    lines = [
        "| sensors | values a second, batches of 64 rows | a single row, p99 | fit of 4,500 rows |",
        "|---|---|---|---|",
    ]
    for sensors, one in found["plants"].items():
        row = f"{one['values_per_second']:,} | {one['row_p99_ms']:.2f} ms | {one['fit_seconds']:.2f} s"
        lines.append(f"| {sensors} | {row} |")
    beside = (
        f"On asd {trees['times']:g} times the rows a second of River's half-space trees; {bars['times_the_trees']:g} "
        "are the bar."
        if "times" in trees
        else f"Beside River's half-space trees: not measured, {trees['not_measured']}."
    )
    said = " ".join(f"**Not met: {complaint}.**" for complaint in found["complaints"]) or "All bars are met."
    return (
        f"## The detector alone\n\n`{results['detector_speed']['command']}`: scored and explained, on one core. Bars: "
        f"{bars['values_per_second']:,.0f} values a second and {bars['row_p99_ms']:g} ms a row at 50 sensors.\n\n"
        + "\n".join(lines)
        + f"\n\n{beside} {said}"
    )
