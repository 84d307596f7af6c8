"""What a person does about alarms: acknowledge, shelve, judge; one alarm or many."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

from nicegui import ui

from iot_edge_anomaly.console.elements import box, choice, do, do_all, field, on_submit, open_dialog, text
from iot_edge_anomaly.console.shell import Visit
from iot_edge_anomaly.console.words import sentence
from iot_edge_anomaly.security.principal import Permission
from iot_edge_anomaly.views.plant import AlarmView

SHELVED_FOR: Mapping[str, tuple[str, timedelta]] = {
    "30m": ("30 minutes", timedelta(minutes=30)),
    "1h": ("1 hour", timedelta(hours=1)),
    "4h": ("4 hours", timedelta(hours=4)),
    "8h": ("8 hours, a shift", timedelta(hours=8)),
    "1d": ("1 day", timedelta(days=1)),
    "7d": ("1 week", timedelta(weeks=1)),
}


class AlarmActs:
    """Acts in the name of who looks. Holds the dialog that asks why and for how long an alarm is shelved."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._shelving: AlarmView | None = None
        with box("asking", "dialog") as self._dialog, box("", "form") as form:
            self._title = text("h2", "Shelve")
            self._dialog.props["aria-labelledby"] = self._title.html_id
            self._about = text("p", "", "hint")
            field("Why", "reason").props.update({"required": True, "maxlength": 1000, "autofocus": True})
            choice("For", "span", {key: title for key, (title, _) in SHELVED_FOR.items()}, "1h")
            with box("buttons"):
                text("button", "Shelve", "primary").props("type=submit")
                cancel = text("button", "Cancel").props("type=button")
                cancel.on("click", js_handler="e => e.target.closest('dialog').close()")
        on_submit(form, self._shelve)

    def may_act(self, alarm: AlarmView) -> bool:
        """Tell whether who looks may do anything about this alarm."""
        return self._visit.who.may(Permission.OPERATE, alarm.key.tenant)

    async def acknowledge(self, alarms: Sequence[AlarmView]) -> None:
        """Say that these were seen."""
        operations, who = self._visit.console.operations, self._visit.who
        await do_all([operations.acknowledge(who, one.key, one.raised.alarm_id) for one in alarms], "Acknowledged")

    async def judge(self, alarms: Sequence[AlarmView], was_right: bool, note: str = "") -> None:
        """Say that these were right, or false alarms."""
        operations, who = self._visit.console.operations, self._visit.who
        acts = [operations.feedback(who, one.key, one.raised.alarm_id, was_right, note.strip()) for one in alarms]
        await do_all(acts, "Noted: a right alarm" if was_right else "Noted: a false alarm")

    def ask_shelve(self, alarm: AlarmView) -> None:
        """Ask why and until when, then put the condition of an alarm out of sight."""
        self._shelving = alarm
        self._about.text = f"{alarm.key}: {sentence(alarm.raised.reason)}. Out of sight until the time is over."
        open_dialog(self._dialog)

    async def unshelve(self, alarm: AlarmView) -> None:
        """Bring the condition of an alarm back into sight."""
        act = self._visit.console.operations.shelve(
            self._visit.who, alarm.key, alarm.latest.condition, timedelta(), "brought back"
        )
        await do(act, "Brought back")

    async def _shelve(self, said: Mapping[str, str]) -> None:
        alarm = self._shelving
        title, span = SHELVED_FOR.get(str(said.get("span")), SHELVED_FOR["1h"])
        if alarm is not None:
            reason = str(said.get("reason", "")).strip()
            operations = self._visit.console.operations
            await do(
                operations.shelve(self._visit.who, alarm.key, alarm.latest.condition, span, reason),
                f"Shelved for {title}",
            )


def note_field() -> ui.element:
    """Add a field for a few words that go with a verdict."""
    return field("Note", "note", classes="note").props("maxlength=1000")


def verdict_button(label: str, note: ui.element, act: Callable[[str], Awaitable[None]], hint: str) -> ui.element:
    """Add a button that hands on what stands in a note field."""
    made = text("button", label, "small").props("type=button")
    made.props["title"] = hint
    return made.on(
        "click",
        lambda event: act(str(event.args or "")),
        js_handler=f"() => emit(document.getElementById('{note.html_id}').value)",
    )
