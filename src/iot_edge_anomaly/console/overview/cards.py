"""The cards of the overview."""

from collections import Counter
from collections.abc import Sequence

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from iot_edge_anomaly.console.alarms.listing import arrange
from iot_edge_anomaly.console.alarms.merge import most_urgent
from iot_edge_anomaly.console.alarms.search import alarm_address
from iot_edge_anomaly.console.elements import box, link, set_classes, set_prop, show, text
from iot_edge_anomaly.console.overview import day_chart
from iot_edge_anomaly.console.overview.day_figures import DayFigures, Quality
from iot_edge_anomaly.console.when import moment
from iot_edge_anomaly.console.words import CONDITION_WORDS, STATE_WORDS, Condition, sentence
from iot_edge_anomaly.views.plant import AlarmView

MOST_URGENT = 6
QUALITY_WORDS = ("Good", "Corrected", "With gaps", "Rejected")


class States:
    """Assets by state; each count leads to those assets."""

    def __init__(self) -> None:
        self._rows: dict[Condition, tuple[ui.element, TextElement]] = {}
        with box("card by-state", "section"):
            text("h2", "Assets")
            with box("state-rows", "ul"):
                for condition in Condition:
                    with box("", "li") as row, link("", f"/assets?state={condition}", f"state-row {condition}"):
                        box("mark").props("aria-hidden=true")
                        text("span", CONDITION_WORDS[condition], "what")
                        figure = text("span", "", "number")
                    self._rows[condition] = (row, figure)

    def update(self, counts: Counter[Condition]) -> None:
        """Show the counts; states that nothing is in are left out, but for normal."""
        for condition, (row, figure) in self._rows.items():
            show(row, counts[condition] > 0 or condition is Condition.NORMAL)
            figure.text = str(counts[condition])


class Urgent:
    """The open alarms that want to be looked at first."""

    def __init__(self) -> None:
        self._rows: dict[str, _Urgent] = {}
        with box("card urgent-alarms", "section"):
            text("h2", "Open alarms")
            self._nothing = text("p", "None.", "hint")
            self._list = box("urgent-rows", "ul")
            self._all = link("", "/alarms?state=open", "more")

    def update(self, alarms: Sequence[AlarmView], now_ns: int) -> None:
        """Show the first few of these."""
        shown = {alarm.raised.alarm_id: alarm for alarm in most_urgent(alarms)[:MOST_URGENT]}
        arrange(self._list, self._rows, [*shown], lambda name: _Urgent(shown[name]))
        for name, alarm in shown.items():
            self._rows[name].update(alarm, now_ns)
        show(self._nothing, not alarms)
        show(self._all, len(alarms) > len(shown))
        self._all.text = f"All {len(alarms)} open alarms"


class _Urgent:
    def __init__(self, alarm: AlarmView) -> None:
        with box("", "li") as self.root, link("", alarm_address(alarm.raised.alarm_id)) as self._link:
            box("mark").props("aria-hidden=true")
            with box("about"):
                text("span", sentence(alarm.raised.reason), "why")
                self._said = text("span", "", "hint")

    def update(self, alarm: AlarmView, now_ns: int) -> None:
        set_classes(self._link, f"urgent-row entry {alarm.latest.after} {alarm.latest.priority}")
        name, state = alarm.key.asset.rpartition("/")[2], STATE_WORDS[alarm.latest.after]
        since = moment(alarm.raised.time_ns, now_ns)
        self._said.text = f"{name}, {alarm.latest.priority} priority, {state}, since {since}"


class Days:
    """Alarms a day against the budget."""

    def __init__(self) -> None:
        self._drawn: tuple[DayFigures, float] | None = None
        with box("card days", "section"):
            text("h2", "Alarms a day (UTC)")
            self._box = box("day-chart").props("role=img")
            self._words = text("p", "", "hint")

    def update(self, figures: DayFigures, budget_a_day: float) -> None:
        """Draw the chart where something changed."""
        if self._drawn is not None and self._drawn == (figures, budget_a_day):
            return
        self._drawn = (figures, budget_a_day)
        said = day_chart.spoken(figures.raised, budget_a_day)
        self._words.text = said
        set_prop(self._box, "aria-label", said)
        self._box.clear()
        with self._box:
            ui.echart(day_chart.options(figures.first_day, figures.raised, budget_a_day)).classes("day-canvas")


class DataQuality:
    """What rows stood on, and what became of values, today and over the week."""

    def __init__(self) -> None:
        with box("card quality", "section"):
            text("h2", "Data quality")
            with box("", "table"):
                with box("", "thead"), box("", "tr"):
                    for title in ("", "Today", "7 days"):
                        text("th" if title else "td", title, "number").props("scope=col" if title else "")
                self._body = box("", "tbody")
            self._cells = [self._row(title) for title in (*(f"Rows: {word.lower()}" for word in QUALITY_WORDS),)]
            self._counts = [self._row(title) for title in ("Values late", "Values sent twice", "Values set aside")]

    def _row(self, title: str) -> tuple[TextElement, TextElement]:
        with self._body, box("", "tr"):
            text("th", title).props("scope=row")
            return text("td", "", "number"), text("td", "", "number")

    def update(self, figures: DayFigures) -> None:
        """Show the figures."""
        for column, quality in enumerate((figures.today, figures.week)):
            shares = quality.shares() or (None,) * len(QUALITY_WORDS)
            for cells, share in zip(self._cells, shares, strict=True):
                cells[column].text = "–" if share is None else percent(share)
            for cells, count in zip(self._counts, _counts(quality), strict=True):
                cells[column].text = f"{count:,}"


def _counts(quality: Quality) -> tuple[int, int, int]:
    return quality.late, quality.duplicate, quality.set_aside


def percent(share: float) -> str:
    """Write a share; one that is not quite all is not called all, and one that is not nothing is not called nothing.

    >>> percent(1.0), percent(0.99996), percent(0.0), percent(0.00004), percent(0.123)
    ('100 %', '99.9 %', '0 %', '0.1 %', '12.3 %')
    """
    if share in (0.0, 1.0):
        return f"{share:.0%}".replace("%", " %")
    return f"{min(max(share * 100, 0.1), 99.9):.1f} %"
