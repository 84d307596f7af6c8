"""The page of a benchmark: its tables, and scores over signals of the best and the worst series of each suite.

One HTML file that loads nothing: style and drawings (SVG) stand in it.
"""

from collections.abc import Iterator, Sequence
from html import escape

from iot_edge_anomaly.benchmark.line_plot import score_panel, sensor_panel
from iot_edge_anomaly.benchmark.run import Benchmark, Report
from iot_edge_anomaly.benchmark.sketch import Sketch

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #8a929c; --paper: #fff; --event: #f7c9c4; --alarm: #b3261e;
  --line0: #1f6feb; --line1: #1a7f37; --line2: #9a6700; --score: #444c56; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --faint: #7d8590; --paper: #14171b; --event: #5c2b29;
  --alarm: #ff8a80; --line0: #6cb6ff; --line1: #6bc46d; --line2: #daaa3f; --score: #b9c1ca; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .15rem .7rem; text-align: right; border-bottom: 1px solid var(--faint); }
th:first-child, td:first-child { text-align: left; }
svg { width: 100%; height: auto; display: block; margin: .3rem 0; }
svg text { font: 11px system-ui, sans-serif; fill: var(--ink); }
svg text.faint { fill: var(--faint); }
figure { margin: 1.2rem 0 2rem; }
p.note { color: var(--faint); }
"""

LEGEND = (
    "Shaded: labelled events. Sensors: the three that stray furthest in these rows, in deviations of the training "
    "rows; a column of pixels shows lowest and highest. Dashed: the alarm threshold; in red: alarm rows."
)


def benchmark_page(benchmark: Benchmark, tables: Sequence[Sequence[Sequence[str]]]) -> str:
    """Return the page as HTML."""
    report = benchmark.report
    skipped = "".join(f"<li>{escape(name)} did not run: {escape(why)}</li>" for name, why in report.skipped.items())
    parts = [
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Detection benchmark</title>"
        f"<meta name='viewport' content='width=device-width'><style>{STYLE}</style></head><body>",
        "<h1>Detection benchmark</h1>",
        f"<p>Budget of false alarms: {report.false_alarms_per_week:g} a week. Intervals: 95 % of resamples of the "
        f"series within their suites. Best peer: {escape(report.best_peer or 'none ran')}. "
        "False alarms are episodes that begin on a row without a label, summed over all series (count in brackets); an "
        "event is found by an alarm raised on a labelled row; delay: median over events found. Nothing is "
        "point-adjusted.</p>",
        *(_table(table) for table in tables),
        f"<ul>{skipped}</ul>" if skipped else "",
        f"<h2>Score over signal</h2><p class='note'>{LEGEND}</p>",
        *_figures(benchmark),
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def chosen_series(report: Report, suite: str, method: str) -> list[tuple[str, str, float]]:
    """Return (best or worst, series, VUS-PR) of a method in a suite; one line where it has one series only."""
    found = sorted(
        (run.vus_pr, run.series)
        for run in report.runs
        if run.suite == suite and run.method == method and run.vus_pr is not None
    )
    if len(found) < 2:
        return [("only series", series, figure) for figure, series in found]
    return [("best", found[-1][1], found[-1][0]), ("worst", found[0][1], found[0][0])]


def _figures(benchmark: Benchmark) -> Iterator[str]:
    report = benchmark.report
    first = next(iter(report.methods))
    shown = tuple(dict.fromkeys((first, report.best_peer or first)))
    sketches = {(one.suite, one.series): one for one in benchmark.sketches}
    for suite in report.suite_means:
        yield f"<h3>{escape(suite)}</h3>"
        for word, series, figure in chosen_series(report, suite, first):
            yield _figure(sketches[suite, series], shown, f"{word} of {first}: {series}, VUS-PR {figure:.3f}")


def _figure(one: Sketch, methods: Sequence[str], caption: str) -> str:
    panels = [sensor_panel(one), *(score_panel(one, method) for method in methods)]
    return f"<figure><figcaption>{escape(caption)}</figcaption>{''.join(panels)}</figure>"


def _table(table: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table[0])
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in table[1:])
    return f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"
