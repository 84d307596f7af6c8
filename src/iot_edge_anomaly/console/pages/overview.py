"""Are we fine? One sentence, and on one sheet what it rests on."""

from iot_edge_anomaly.console.alarms.merge import open_alarms, readable
from iot_edge_anomaly.console.budget.rows import FLEET_WORDS
from iot_edge_anomaly.console.budget.span import WEEKS, read_budget, read_promises, span_of
from iot_edge_anomaly.console.elements import box, link, set_classes, show, text
from iot_edge_anomaly.console.overview.availability import Availability
from iot_edge_anomaly.console.overview.broken import BrokenPromises
from iot_edge_anomaly.console.overview.cards import DataQuality, Days, States, Urgent
from iot_edge_anomaly.console.overview.day_figures import read_days
from iot_edge_anomaly.console.overview.fleet_words import NEEDY, by_condition, details, verdict
from iot_edge_anomaly.console.shell import BEAT_SECONDS, PageSpec, Visit
from iot_edge_anomaly.console.when import DAY_NS, NS, full_moment
from iot_edge_anomaly.console.words import Condition, sentence
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError, UnavailableError
from iot_edge_anomaly.pipeline.settings import promised_per_week
from iot_edge_anomaly.views.budget import BudgetLine

RECORDS_SECONDS = 3.0
MINUTE_NS = 60 * NS
NO_RECORDS = "The record of past days is not here yet. It appears by itself."
DEMO = "iot-edge-anomaly up --demo"


def build(visit: Visit) -> None:
    """Show the whole plant on one sheet."""
    with box("line overview-title"):
        text("h1", "Overview")
        at = text("span", "", "hint at")
    _FirstStart(visit)
    sheet = _Sheet(visit)
    visit.every(BEAT_SECONDS, sheet.update)
    visit.every(RECORDS_SECONDS, sheet.update_records)

    def tell_time() -> None:
        at.text = full_moment(visit.now_ns() // MINUTE_NS * MINUTE_NS)[:-3]

    visit.every(RECORDS_SECONDS, tell_time)


class _FirstStart:
    """What is shown while nothing has come in yet."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        with box("card first-start", "section") as self._box:
            text("h2", "Nothing has sent anything yet")
            text("p", "Connect a source of readings: the guide shows the first messages as they come in.")
            link("Connect a source", "/connect", "go")
            with box("", "p"):
                text("span", "To look around first, stop this and start the demo plant: ")
                text("code", DEMO)
        show(self._box, False)
        visit.every(BEAT_SECONDS, self._update)

    def _update(self) -> None:
        console = self._visit.console
        show(self._box, not console.trouble() and not console.board.lines(self._visit.who))


class _Sheet:
    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        with box("sheet") as self._box:
            with box("card are-we-fine", "section") as self._answer:
                box("mark").props("aria-hidden=true")
                with box("about"):
                    self._verdict = text("h2", "").props("aria-live=polite")
                    self._details = text("p", "", "hint")
            self._problem = text("p", "", "problem").props("role=status")
            self._states = States()
            self._urgent = Urgent()
            self._days = Days()
            self._quality = DataQuality()
            self._availability = Availability()
            with box("card fleet-budget", "section"):
                text("h2", "False-alarm budget")
                self._budget = text("p", "–")
                self._broken = BrokenPromises()
                link("Promised and realised, asset by asset", "/budget", "more")
        show(self._box, False)
        show(self._problem, False)

    def update(self) -> None:
        """Show what is known this moment."""
        board, who = self._visit.console.board, self._visit.who
        show(self._box, bool(board.lines(who)))
        counts = board.shared(who, by_condition)
        self._verdict.text = verdict(counts)
        self._details.text = details(counts)
        needy = any(counts[condition] for condition in NEEDY)
        set_classes(self._answer, f"card are-we-fine {_face(counts[Condition.ALARM] > 0, needy)}")
        self._states.update(counts)
        self._urgent.update([*board.shared(who, open_alarms).values()], self._visit.now_ns())
        self._availability.update_assets(counts)

    async def update_records(self) -> None:
        """Show what is known of past days."""
        problem = ""
        try:
            await self._read_records()
        except UnavailableError as error:
            problem = f"{NO_RECORDS} ({error})"
        except IotEdgeAnomalyError as error:
            problem = sentence(str(error))
        show(self._problem, bool(problem))
        self._problem.text = problem

    async def _read_records(self) -> None:
        console, who = self._visit.console, self._visit.who
        if console.backstage is not None:
            running = await console.recall.ask(console.backstage.processes)
            self._availability.update_processes([process.info for process in running])
        if console.records is None:
            raise UnavailableError("no database is kept here")
        tenants, now_ns = readable(who), self._visit.now_ns()
        figures = await console.recall.ask(read_days, console.records, tenants, now_ns // MINUTE_NS)
        self._days.update(figures, self._budget_a_day())
        self._quality.update(figures)
        self._availability.update_days(figures)
        about = (console.records, console.view.settings, tenants)
        found = await console.recall.ask(read_budget, *about, *span_of(WEEKS[0], now_ns))
        self._budget.text = _budget_line(found.budget.fleet)
        self._broken.update(await console.recall.ask(read_promises, *about, now_ns // DAY_NS, ""))

    def _budget_a_day(self) -> float:
        """Return how many false alarms a day are promised at most, all assets together."""
        lines = self._visit.console.board.lines(self._visit.who)
        return sum(promised_per_week(line.settings) for line in lines) / 7


def _face(is_alarm: bool, is_needy: bool) -> str:
    return "alarm" if is_alarm else "needy" if is_needy else "fine"


def _budget_line(fleet: BudgetLine) -> str:
    """Say in one line how the promise was kept over the last weeks."""
    if not fleet.watched_seconds:
        return "Nothing was watched by a calibrated model yet."
    return f"{FLEET_WORDS[fleet.state]}: {fleet.words.partition(': ')[2]} (last {WEEKS[0]} weeks)."


SPEC = PageSpec("/", "Overview", "dashboard", build)
