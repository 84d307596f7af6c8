"""Rows of the budget page: promised against realised as a bar and in words; who said what."""

from nicegui import ui

from iot_edge_anomaly.console.alarms.search import AlarmSearch, address_of, alarm_address
from iot_edge_anomaly.console.assets.listing import asset_address
from iot_edge_anomaly.console.budget.span import bar_of, rate
from iot_edge_anomaly.console.budget.words import is_broken, level_words, promise_words
from iot_edge_anomaly.console.elements import box, link, set_classes, set_prop, show, text
from iot_edge_anomaly.console.when import full_moment
from iot_edge_anomaly.console.words import sentence
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmLevel
from iot_edge_anomaly.views.budget import BudgetLine, BudgetState
from iot_edge_anomaly.views.promise import Promise
from iot_edge_anomaly.views.records import JudgedAlarm

FLEET_WORDS = {
    BudgetState.WITHIN: "The fleet is within its budget",
    BudgetState.OVER: "The fleet is over its budget",
    BudgetState.TOO_EARLY: "It is too early to say for the fleet",
}
LEGEND = "Dashed: what was promised. Stroke: judged wrong. Bar: where the true rate lies, 95 % sure."
_CLASSES = {BudgetState.WITHIN: "within", BudgetState.OVER: "over", BudgetState.TOO_EARLY: "too-early"}


class Fleet:
    """All assets together, in large letters."""

    def __init__(self) -> None:
        with box("card fleet", "section").props('aria-label="All assets together"') as self._box:
            with box("line"):
                self._state = text("h2", "")
                self._rates = text("p", "", "rates")
            self._bar = _Bar()
            self._words = text("p", "", "hint")
            text("p", LEGEND, "hint")
            with box("line links"):
                self._judge = link("Judge what nobody judged", address_of(AlarmSearch(verdict="none")))
                self._wrong = link("See the false alarms", address_of(AlarmSearch(verdict="wrong")))
        show(self._box, False)

    def update(self, line: BudgetLine, weeks: int) -> None:
        """Show the figures."""
        show(self._box, True)
        set_classes(self._box, f"card fleet {_CLASSES[line.state]}")
        self._state.text = FLEET_WORDS[line.state] if line.watched_seconds else "Nothing was watched yet"
        self._rates.text = _rates(line, " a week and asset")
        self._words.text = sentence(f"{line.words}. Counted over the last {weeks} weeks.")
        self._bar.update(line)
        show(self._judge, line.unjudged > 0)
        show(self._wrong, line.wrong > 0)


class BudgetRow:
    """One asset."""

    def __init__(self, key: AssetKey) -> None:
        place, _, name = str(key).rpartition("/")
        with box("budget-row", "li") as self.root:
            with box("who"):
                link(name, asset_address(key), "name")
                text("div", place, "place")
            with box("figures"):
                with box("line"):
                    self._state = text("span", "", "badge")
                    self._rates = text("span", "", "rates")
                self._bar = _Bar()
                self._words = text("p", "", "hint")
                self._promise = text("p", "", "promised")
                self._level = text("p", "", "hint level")
            self._open = link("", address_of(AlarmSearch(prefix=str(key), verdict="none")), "to-judge")

    def update(self, line: BudgetLine, promise: Promise | None, level: AlarmLevel | None) -> None:
        """Show the figures."""
        set_classes(self.root, f"budget-row {_CLASSES[line.state]}")
        if promise is not None:
            set_classes(self._promise, "promised broken" if is_broken(promise) else "promised hint")
            self._promise.text = sentence(promise_words(promise))
        self._level.text = sentence(level_words(level))
        show(self._promise, promise is not None)
        show(self._level, level is not None)
        self._state.text = line.state
        self._rates.text = _rates(line, " a week")
        counted = line.words.partition(": ")[2]
        self._words.text = sentence(f"{counted}; {line.right} right")
        self._bar.update(line)
        show(self._open, line.unjudged > 0)
        self._open.text = f"Judge {line.unjudged}"


class VerdictRow:
    """What somebody said of an alarm."""

    def __init__(self, judged: JudgedAlarm) -> None:
        verdict = judged.verdict
        with box("said-row", "li") as self.root:
            text("span", "right" if verdict.was_right else "false alarm", "badge")
            link(str(judged.key), alarm_address(judged.alarm_id), "name")
            text("span", f"raised {full_moment(judged.raised_ns)}", "hint")
            who = f"{verdict.by or 'somebody'}, {full_moment(verdict.at_ns)}"
            text("span", f"{who}: {verdict.note}" if verdict.note else who, "hint")


class _Bar:
    """The interval of the realised rate, and a line where the promise is. Said in words beside it."""

    def __init__(self) -> None:
        with box("bullet").props("aria-hidden=true") as self._box:
            self._range = box("range")
            self._point = box("point")
            self._promise = box("promise")

    def update(self, line: BudgetLine) -> None:
        found = bar_of(line)
        show(self._box, found is not None)
        if found is not None:
            _style(self._range, f"left: {found.low:.1f}%; width: {max(found.high - found.low, 0.5):.1f}%")
            _style(self._point, f"left: {found.realised:.1f}%")
            _style(self._promise, f"left: {found.promised:.1f}%")


def _style(element: ui.element, style: str) -> None:
    set_prop(element, "style", style)


def _rates(line: BudgetLine, unit: str) -> str:
    promised = f"at most {rate(line.promised_per_week)}{unit} promised"
    if line.wrong_per_week is None or line.interval is None:
        return promised
    between = f"{rate(line.interval.low)} to {rate(line.interval.high)}"
    return f"{rate(line.wrong_per_week)} realised (95 %: {between}), {promised}"
