"""What the page of figures says of the console under viewers, of killed faces, and of history."""

from typing import Any

Results = dict[str, Any]
ROLES = ("console", "worker", "gateway", "broker")

TRIED = """\
What was tried on the median alarm: more memory for the broker (its garbage collection took 39 % of a core: +65 % became
+11 %), letting the console give way, in share and in turns (+5.9 % and +8.4 %), and charts whose points nobody watches
one by one (half of what the console did: +3.7 %). A bare loop of 0.3 of a core moves the median by 0 to 5 %. On the
console's memory, which grew by 10.5 %: letting go of old answers, and collecting garbage every ten seconds, changed
nothing. Having the allocator inside `deltalake` give pages back made it 7.5 %; lists that tell eight transitions of an
alarm instead of fifty, and no heap left behind by each thread (`MALLOC_ARENA_MAX`), 3.1 %. That run kept large blocks
out of the heaps, too (`MALLOC_MMAP_THRESHOLD_`), and alarms came later than the bar: without that they came 3.8 % later
(95 %: -0.3 to 7.3) in four minutes on the same day, so it was taken out again."""


def viewers(results: Results) -> str:
    """Return what viewers see and what they cost, against the bars."""
    found = results["viewers"]["figures"]
    bars, memory = found["bars"], found["console_pss_mb"]
    sessions, tabs = (found["pages"][kind]["all"] for kind in ("sessions", "tabs"))
    moved, shares = found["alarm_median_moved"], found["core_share"]
    low, high = moved["interval_95"]
    before, after = (found["alarm_ms"][when]["p50"] for when in ("without", "with_viewers"))
    failed = sessions["failed"] + tabs["failed"]
    p95, growth, ingest = sessions["p95_seconds"], memory["growth_share"], found["ingest_moved"]
    rows = [
        (
            "a page of a session, p95",
            f"< {bars['page_p95_seconds']:g} s",
            f"{p95:.2f} s (p50 "
            f"{sessions['p50_seconds']:.2f}, p99 {sessions['p99_seconds']:.2f}; {sessions['shown']:,} pages)",
            p95 < bars["page_p95_seconds"],
        ),
        (
            "a page of a tab, p95",
            "shown beside",
            f"{tabs['p95_seconds']:.2f} s (p50 {tabs['p50_seconds']:.2f}; {tabs['shown']:,} pages)",
            None,
        ),
        ("pages that never showed", "0", str(failed), not failed),
        (
            "memory of the console, growth over the last three quarters",
            f"< {bars['growth_share']:.0%}",
            f"{growth:+.1%} of {memory['mean']:.0f} MB",
            growth <= bars["growth_share"],
        ),
        (
            "median alarm, moved by viewers",
            f"< {bars['moved_share']:.0%}",
            f"{moved['share']:+.1%} ({low:+.1%} to {high:+.1%}): {before:.0f} to {after:.0f} ms",
            moved["share"] <= bars["moved_share"],
        ),
        (
            "values taken in, moved by viewers",
            f"> -{bars['moved_share']:.0%}",
            f"{ingest:+.1%} of {found['values_per_second']['without']:,.0f} a second",
            ingest >= -bars["moved_share"],
        ),
    ]
    kinds = found["viewers"]
    spent = ", ".join(f"{name} {shares['without'][name]:.0%} to {shares['with_viewers'][name]:.0%}" for name in ROLES)
    return f"""## The console, looked at

`{results["viewers"]["command"]}`: {found["assets"]} assets, {found["minutes_with_viewers"]:g} minutes with viewers:
{kinds["sessions"]} sessions that speak to the console as its pages do, without a browser, and {kinds["tabs"]} tabs of a
real one. (Twenty tabs on the cores on which the system runs were tried: they measured the browser, not the console.)

{_table(rows)}

Of one core, without viewers and with them: {spent}. The sessions themselves took
{shares["with_viewers"]["sessions"]:.0%}; the browser took {shares["with_viewers"]["tabs"]:.0%}, of what nobody else
wanted. Everything on the machine together: {shares["without"]["machine"]:.0%} and
{shares["with_viewers"]["machine"]:.0%}, of {results["viewers"]["machine"]["cores"]} cores.

{TRIED}"""


def kill_faces(results: Results) -> str:
    """Return what killing the faces showed."""
    found = results["kill_faces"]["figures"]
    kills = ", ".join(f"{count} of {victim}" for victim, count in found["kills"].items())
    told = ", ".join(f"{target} {count:,}" for target, count in found["told"].items())
    repeats = ", ".join(f"{target} {count:,}" for target, count in found["repeats"].items())
    wrong = "; ".join(found["complaints"])
    end = f"**Not met: {wrong}.**" if wrong else "**Nobody can tell.**"
    return f"""## Faces killed

`{results["kill_faces"]["command"]}`: {sum(found["kills"].values())} SIGKILLs ({kills}) while
{found["values_sent"]:,} values came in, alarms were raised, and people acted {sum(found["acts"].values())} times. The
alarms, {found["alarms"]:,} of them, made {found["transitions"]:,} transitions; told were {told}, of which are repeats
under the same id: {repeats}. View database and tables of history are held against those built from the streams from
scratch, and the console has to show the {found["open_at_the_end"]} alarms that are open. {end}"""


def history(results: Results) -> str:
    """Return whether history stays quick, and what it costs."""
    found = results["history"]["figures"]
    flushes, plant, points = found["flushes"], found["plant"], found["points"]
    growth, most = flushes["growth_of_cpu_ms"], flushes["most_growth"]
    asked = flushes["asked_at"]
    first, last = (next(iter(asked)), [*asked][-1])
    rows = [
        (
            f"the same question of 90 minutes after {int(last):,} flushes, against {int(first):,}",
            f"<= {most:g} times",
            f"{growth['trend']:g} times ({asked[first]['trend']['ms']:g} to {asked[last]['trend']['ms']:g} ms)",
            growth["trend"] <= most,
        ),
        (
            "first and last time of an asset, the same",
            f"<= {most:g} times",
            f"{growth['span']:g} times",
            growth["span"] <= most,
        ),
        (
            f"{plant['assets']} assets with {plant['sensors_an_asset']} sensors at 1 Hz: processor",
            f"< {plant['bar_core_share']:.0%} of a core",
            f"{plant['core_share']:.1%} of a core",
            plant["core_share"] < plant["bar_core_share"],
        ),
        (
            "disk",
            "shown beside",
            f"{plant['bytes_a_reading']:g} bytes a reading, {plant['bytes_a_scored_row']:g} a scored row",
            None,
        ),
        (
            f"a chart of {points['rows']:,} rows of {points['sensors']} sensors",
            f"< {points['bar_seconds']:g} s",
            f"{points['median_seconds']:g} s (first {points['first_seconds']:g})",
            points["met"],
        ),
    ]
    return f"## History\n\n`{results['history']['command']}`\n\n{_table(rows)}"


def _table(rows: list[tuple[str, str, str, bool | None]]) -> str:
    lines = [
        f"| {what} | {bar} | {measured} | {'' if met is None else 'yes' if met else '**no**'} |"
        for what, bar, measured, met in rows
    ]
    return "\n".join(["| what | bar | measured | met |", "|---|---|---|---|", *lines])
