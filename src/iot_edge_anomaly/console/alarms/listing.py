"""Alarms one below the other, by incident; each opens in place."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Protocol, TypeVar

from nicegui import ui

from iot_edge_anomaly.console.alarms.acts import AlarmActs
from iot_edge_anomaly.console.alarms.detail import AlarmDetail, asset_then
from iot_edge_anomaly.console.alarms.merge import Incident, by_incident
from iot_edge_anomaly.console.alarms.words import lasted, verdict_title
from iot_edge_anomaly.console.elements import box, button, link, set_classes, set_prop, show, text
from iot_edge_anomaly.console.shell import Visit
from iot_edge_anomaly.console.when import full_moment, moment
from iot_edge_anomaly.console.words import STATE_WORDS, sentence
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.views.plant import AlarmView
from iot_edge_anomaly.views.records import AlarmRecord


class Piece(Protocol):
    """Something on the page that has one element around it."""

    root: ui.element


Name = TypeVar("Name", bound=Hashable)
Shown = TypeVar("Shown", bound=Piece)


def arrange(
    container: ui.element, shown: dict[Name, Shown], wanted: Sequence[Name], make: Callable[[Name], Shown]
) -> None:
    """Let a container hold these pieces in this order: what is there already stays, with the focus and what is open."""
    for gone in shown.keys() - set(wanted):
        shown.pop(gone).root.delete()
    children = container.default_slot.children
    for index, name in enumerate(wanted):
        if name not in shown:
            with container:
                shown[name] = make(name)
        if children[index] is not shown[name].root:
            shown[name].root.move(target_index=index)


class AlarmList:
    """Shows records; knows which of them are chosen."""

    def __init__(self, visit: Visit, acts: AlarmActs, on_choose: Callable[[], None] | None = None) -> None:
        self._visit = visit
        self._acts = acts
        self._on_choose = on_choose
        self._incidents: dict[tuple[AssetKey, str], _Incident] = {}
        self._box = box("incidents", "ol").props('aria-label="Alarms"')

    def update(self, records: Sequence[AlarmRecord]) -> None:
        """Show these alarms, the newest incident first."""
        incidents = {(one.key, one.incident_id): one for one in by_incident(records)}
        arrange(self._box, self._incidents, [*incidents], lambda name: _Incident(incidents[name], self._entry))
        for name, incident in incidents.items():
            self._incidents[name].update(incident, self._visit.now_ns())

    def chosen(self) -> list[AlarmView]:
        """Return the alarms that are ticked."""
        return [entry.record.alarm for entry in self._entries() if entry.is_chosen]

    def choose(self, wanted: bool) -> None:
        """Tick all alarms shown, or none."""
        for entry in self._entries():
            entry.choose(wanted)

    def _entries(self) -> "Iterable[_Entry]":
        return (entry for incident in self._incidents.values() for entry in incident.entries.values())

    def _entry(self, record: AlarmRecord) -> "_Entry":
        return _Entry(record, self._visit, self._acts, self._on_choose)


class _Incident:
    def __init__(self, incident: Incident, make: "Callable[[AlarmRecord], _Entry]") -> None:
        self._make = make
        self.entries: dict[str, _Entry] = {}
        place, _, name = str(incident.key).rpartition("/")
        with box("incident", "li") as self.root:
            with box("of"):
                first = incident.records[-1].alarm.raised.time_ns
                link(name, asset_then(incident.key, first), "name")
                text("span", place, "place")
                self._count = text("span", "", "count-of hint")
            self._box = box("entries")

    def update(self, incident: Incident, now_ns: int) -> None:
        records = {record.alarm.raised.alarm_id: record for record in incident.records}
        arrange(self._box, self.entries, [*records], lambda name: self._make(records[name]))
        show(self._count, len(records) > 1)
        self._count.text = f"one incident, {len(records)} alarms"
        for name, record in records.items():
            self.entries[name].update(record, now_ns)


class _Entry:
    def __init__(
        self, record: AlarmRecord, visit: Visit, acts: AlarmActs, on_choose: Callable[[], None] | None
    ) -> None:
        self.record = record
        self.is_chosen = False
        self._visit = visit
        self._acts = acts
        self._on_choose = on_choose
        self._detail: AlarmDetail | None = None
        raised = record.alarm.raised
        reason = sentence(raised.reason)
        with box("", "article") as self.root:
            with box("summary-line"):
                if on_choose is not None and acts.may_act(record.alarm):
                    self._tick(reason)
                box("mark").props("aria-hidden=true")
                self._open = button(reason, self._on_open, "plain why")
                self._open.props["aria-expanded"] = "false"
                self._verdict = text("span", "", "badge verdict-badge")
            with box("about hint"):
                text("span", f"{raised.priority} priority", "how-urgent")
                self._state = text("span", "", "state")
                self._when = text("span", "", "when")
                self._when.props["title"] = full_moment(raised.time_ns)
            self._detail_box = box("unfolded")
            show(self._detail_box, False)

    def _tick(self, reason: str) -> None:
        self._ticked = box("choose", "input").props("type=checkbox")
        self._ticked.props["aria-label"] = f"Choose: {reason}"
        self._ticked.on(
            "change", lambda event: self._on_tick(bool(event.args)), js_handler="e => emit(e.target.checked)"
        )

    def choose(self, wanted: bool) -> None:
        if self._on_choose is not None and self._acts.may_act(self.record.alarm):
            self._ticked.props["checked"] = wanted
            self.is_chosen = wanted
            self._on_choose()

    def update(self, record: AlarmRecord, now_ns: int) -> None:
        self.record = record
        alarm = record.alarm
        set_classes(self.root, f"entry {alarm.latest.after} {alarm.latest.priority}")
        self._state.text = STATE_WORDS[alarm.latest.after]
        over = lasted(alarm)
        started = moment(alarm.raised.time_ns, now_ns)
        self._when.text = f"{started}, {over}" if over else f"since {started}"
        said = verdict_title(record.verdict)
        show(self._verdict, bool(said))
        self._verdict.text = said
        if self._detail is not None:
            self._detail.update(record)

    def _on_open(self) -> None:
        is_open = self._open.props["aria-expanded"] == "true"
        if self._detail is None:
            with self._detail_box:
                settings = self._visit.console.view.settings(self.record.alarm.key)
                self._detail = AlarmDetail(self.record, settings, self._acts, is_alone=False)
        show(self._detail_box, not is_open)
        set_prop(self._open, "aria-expanded", str(not is_open).lower())

    def _on_tick(self, is_chosen: bool) -> None:
        self._ticked.props["checked"] = is_chosen
        self.is_chosen = is_chosen
        if self._on_choose is not None:
            self._on_choose()
