"""A button that works an alarm out again from what was sealed of it, and says how that compares."""

from collections.abc import Mapping

from iot_edge_anomaly.bus.capsule import Match
from iot_edge_anomaly.console.elements import box, button, set_prop, text
from iot_edge_anomaly.console.shell import Visit
from iot_edge_anomaly.console.words import sentence
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError
from iot_edge_anomaly.views.plant import AlarmView

MATCH_WORDS: Mapping[Match, str] = {
    Match.EXACT: "Worked out again from its sealed input and model: exact, bit for bit.",
    Match.CLOSE: "Worked out again: within 1e-6, as on another kind of processor.",
    Match.DIFFERENT: "Worked out again, it comes out differently: its input or model is not what it was.",
    Match.MISSING: "Worked out again, there is no such alarm: its input or model is not what it was.",
    Match.DAMAGED: "It cannot be worked out again: what was sealed does not fit together",
}
WORKING = "Working it out…"


class ReplayButton:
    """Nothing where no alarms can be replayed."""

    def __init__(self, visit: Visit, alarm: AlarmView) -> None:
        self._visit, self._alarm = visit, alarm
        self._is_working = False
        if visit.console.replays is None:
            return
        with box("replaying"):
            hint = "From the input, the model and the configuration as they were"
            self._button = button("Work it out again", self._on_replay, "small", hint)
            self._said = text("span", "", "hint").props("role=status")

    async def _on_replay(self) -> None:
        if self._is_working:
            return
        self._is_working = True
        set_prop(self._button, "aria-disabled", "true")
        self._said.text = WORKING
        self._said.text = await self._replay()
        set_prop(self._button, "aria-disabled", "false")
        self._is_working = False

    async def _replay(self) -> str:
        replays = self._visit.console.replays
        assert replays is not None
        try:
            found = await replays.replay(self._visit.who, self._alarm.key, self._alarm.raised.alarm_id)
        except IotEdgeAnomalyError as error:
            return sentence(str(error))
        return f"{MATCH_WORDS[found.match]}{f': {found.why}' if found.why else ''}"
