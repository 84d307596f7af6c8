"""One alarm: why, what happened, what else belongs to it, and what was like it before."""

from iot_edge_anomaly.console.alarms.acts import AlarmActs
from iot_edge_anomaly.console.alarms.detail import AlarmDetail, asset_then
from iot_edge_anomaly.console.alarms.listing import AlarmList
from iot_edge_anomaly.console.alarms.merge import newer, open_alarms, readable
from iot_edge_anomaly.console.alarms.words import lasted, plain_name
from iot_edge_anomaly.console.elements import box, link, set_classes, show, text
from iot_edge_anomaly.console.shell import PageSpec, Visit
from iot_edge_anomaly.console.when import full_moment
from iot_edge_anomaly.console.words import STATE_WORDS, sentence
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError
from iot_edge_anomaly.views.records import AlarmRecord

LIVE_SECONDS = 1.0
MOST_SIMILAR = 8


def build(visit: Visit) -> None:
    """Show the alarm that the address names."""
    link("‹ All alarms", "/alarms", "back-to")
    shown = _Shown(visit, visit.request.path_params["alarm_id"])
    visit.every(LIVE_SECONDS, shown.update)


class _Shown:
    def __init__(self, visit: Visit, alarm_id: str) -> None:
        self._visit = visit
        self._id = alarm_id
        self._acts = AlarmActs(visit)
        self._detail: AlarmDetail | None = None
        self._title = text("h1", f"Alarm {alarm_id}")
        self._problem = text("p", "", "problem").props("role=status")
        self._box = box("card one-alarm", "section")
        show(self._box, False)
        self._others = _Others("Of the same incident", visit, self._acts)
        self._similar = _Others("Similar alarms of this asset before", visit, self._acts)

    async def update(self) -> None:
        """Show the alarm as it is now."""
        problem = ""
        record: AlarmRecord | None = None
        records, recall = self._visit.console.records, self._visit.console.recall
        if records is not None:
            try:
                record = await recall.ask(records.alarm, self._id)
                if record is not None and self._may_see(record):
                    await self._relate(record)
            except IotEdgeAnomalyError as error:
                problem = str(error)
        live = self._visit.console.board.shared(self._visit.who, open_alarms).get(self._id)
        if live is not None:
            record = newer(record or AlarmRecord(live), live)
        if record is None or not self._may_see(record):
            problem = problem or f"There is no alarm {self._id}, or it is so old that it was forgotten."
        else:
            self._show(record)
        show(self._problem, bool(problem))
        self._problem.text = problem

    def _may_see(self, record: AlarmRecord) -> bool:
        tenants = readable(self._visit.who)
        return tenants == "*" or record.alarm.key.tenant in tenants

    async def _relate(self, record: AlarmRecord) -> None:
        records, recall = self._visit.console.records, self._visit.console.recall
        assert records is not None
        others = await recall.ask(records.incident, record.alarm.latest.incident_id)
        self._others.update([one for one in reversed(others) if self._is_another(one)])
        similar = await recall.ask(records.similar, self._id, MOST_SIMILAR)
        self._similar.update([one for one in similar if self._is_another(one)])

    def _is_another(self, record: AlarmRecord) -> bool:
        return record.alarm.raised.alarm_id != self._id and self._may_see(record)

    def _show(self, record: AlarmRecord) -> None:
        alarm = record.alarm
        if self._detail is None:
            self._title.text = sentence(alarm.raised.reason)
            show(self._box, True)
            with self._box:
                with box("line"):
                    link(plain_name(record), asset_then(alarm.key, alarm.raised.time_ns), "name")
                    text("span", str(alarm.key), "place")
                    text("span", alarm.raised.priority, f"priority {alarm.raised.priority}")
                    self._state = text("span", "", "state")
                    text("span", full_moment(alarm.raised.time_ns), "when")
                    self._lasted = text("span", "", "lasted")
                settings = self._visit.console.view.settings(alarm.key)
                self._detail = AlarmDetail(record, settings, self._acts, is_alone=True)
        set_classes(self._box, f"card one-alarm {alarm.latest.after} {alarm.latest.priority}")
        self._state.text = STATE_WORDS[alarm.latest.after]
        self._lasted.text = lasted(alarm)
        self._detail.update(record)


class _Others:
    """Other alarms below a heading; nothing while there are none."""

    def __init__(self, title: str, visit: Visit, acts: AlarmActs) -> None:
        with box("others", "section") as self._box:
            text("h2", title)
            self._alarms = AlarmList(visit, acts)
        show(self._box, False)

    def update(self, records: list[AlarmRecord]) -> None:
        """Show these."""
        show(self._box, bool(records))
        self._alarms.update(records)


SPEC = PageSpec("/alarm/{alarm_id:path}", "Alarm", "", build)
