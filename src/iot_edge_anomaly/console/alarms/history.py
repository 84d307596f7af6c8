"""The latest alarms of one asset, newest first; each leads to itself and to its time on the chart."""

from collections.abc import Sequence

from iot_edge_anomaly.console.alarms.search import alarm_address
from iot_edge_anomaly.console.alarms.words import lasted, verdict_title
from iot_edge_anomaly.console.assets.looked import PAST, Looked, looked_address
from iot_edge_anomaly.console.elements import box, link, show, text
from iot_edge_anomaly.console.when import full_moment, moment
from iot_edge_anomaly.console.words import STATE_WORDS, sentence
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.views.records import AlarmRecord


class AlarmHistory:
    """A table that is written anew when it changed, which is seldom."""

    def __init__(self, key: AssetKey) -> None:
        self._written: list[tuple[str, ...]] | None = None
        with box("card history", "section").props('aria-label="Alarms so far"'):
            with box("line"):
                text("h3", "Alarms so far")
                link("All of them", f"/alarms?prefix={key}", "hint")
            self._problem = text("p", "", "hint").props("role=status")
            self._nothing = text("p", "None yet.", "hint")
            with box("", "table"):
                self._body = box("", "tbody")

    def update(self, records: Sequence[AlarmRecord], problem: str, now_ns: int) -> None:
        """Show these alarms."""
        show(self._problem, bool(problem))
        self._problem.text = problem
        lines = [_line(record, now_ns) for record in records]
        if lines == self._written:
            return
        self._written = lines
        show(self._nothing, not lines)
        self._body.clear()
        with self._body:
            for started, then, reason, alarm, state, verdict, took in lines:
                with box("", "tr"):
                    with box("number when", "td"):
                        link(started, then).props["title"] = "The asset at that time"
                    with box("reason", "td"):
                        link(reason, alarm)
                    text("td", state, "state")
                    text("td", verdict, "judged")
                    text("td", took, "number")


class AlarmsThen:
    """What was wrong at the time that is looked at."""

    def __init__(self) -> None:
        self._written: list[str] | None = None
        self._box = box("then", "section").props('aria-label="Alarms at that time"')
        show(self._box, False)

    def update(self, records: Sequence[AlarmRecord]) -> None:
        """Show these alarms."""
        ids = [f"{record.alarm.raised.alarm_id} {record.verdict}" for record in records]
        show(self._box, bool(ids))
        if ids == self._written:
            return
        self._written = ids
        self._box.clear()
        with self._box:
            for record in records:
                raised = record.alarm.raised
                with box("line"):
                    text("span", raised.priority, f"priority {raised.priority}")
                    link(sentence(raised.reason), alarm_address(raised.alarm_id))
                    said = (full_moment(raised.time_ns), lasted(record.alarm), verdict_title(record.verdict))
                    text("span", ", ".join(part for part in said if part), "hint")


def _line(record: AlarmRecord, now_ns: int) -> tuple[str, ...]:
    alarm = record.alarm
    return (
        moment(alarm.raised.time_ns, now_ns),
        looked_address(alarm.key, Looked(PAST, alarm.raised.time_ns)),
        sentence(alarm.raised.reason),
        alarm_address(alarm.raised.alarm_id),
        STATE_WORDS[alarm.latest.after],
        verdict_title(record.verdict),
        lasted(alarm).removeprefix("lasted "),
    )
