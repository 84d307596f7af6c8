"""How much of the time there was something to see: assets that deliver, time watched, processes that run."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from iot_edge_anomaly.console.elements import box, show, text
from iot_edge_anomaly.console.overview.cards import percent
from iot_edge_anomaly.console.overview.day_figures import DayFigures
from iot_edge_anomaly.console.overview.fleet_words import assets
from iot_edge_anomaly.console.words import Condition
from iot_edge_anomaly.resilience.supervise import ProcessInfo

WATCHED_HINT = "Share of time that calibrated models scored. An asset counts from its second day (UTC) on."


class Availability:
    """Three lines, each with what can be said of it."""

    def __init__(self) -> None:
        with box("card availability", "section"):
            text("h2", "Availability")
            with box("", "table"), box("", "tbody"):
                self._deliver = self._row("Deliver data now")
                self._today = self._row("Time watched today")
                self._week = self._row("Time watched in 7 days")
                self._processes = self._row("Processes that run")
            show(self._processes.row, False)
            text("p", WATCHED_HINT, "hint")

    def _row(self, title: str) -> "_Line":
        with box("", "tr") as row:
            text("th", title).props("scope=row")
            return _Line(row, text("td", "–", "number"))

    def update_assets(self, counts: Counter[Condition]) -> None:
        """Show how many assets send something at present."""
        silent = counts[Condition.SILENT]
        self._deliver.say(f"{counts.total() - silent} of {assets(counts.total())}")

    def update_days(self, figures: DayFigures) -> None:
        """Show the time watched."""
        for line, share in ((self._today, figures.watched_today), (self._week, figures.watched_week)):
            line.say("–" if share is None else percent(share))

    def update_processes(self, processes: Sequence[ProcessInfo]) -> None:
        """Show what the supervisor's table says; nothing where there is none."""
        show(self._processes.row, bool(processes))
        self._processes.say(running_words(processes))


class _Line(NamedTuple):
    row: ui.element
    figure: TextElement

    def say(self, words: str) -> None:
        self.figure.text = words


def running_words(processes: Sequence[ProcessInfo]) -> str:
    """Say how many of the processes run, and how often one had to be started again."""
    running = sum(process.pid is not None for process in processes)
    restarts = sum(process.restarts for process in processes)
    again = f", {restarts} restart{'' if restarts == 1 else 's'}" if restarts else ""
    return f"{running} of {len(processes)}{again}"
