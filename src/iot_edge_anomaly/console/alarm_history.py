"""The latest alarms of one asset, newest first."""

from collections.abc import Sequence

from iot_edge_anomaly.console.elements import box, show, text
from iot_edge_anomaly.console.words import NS, STATE_WORDS, clock_time, duration, sentence
from iot_edge_anomaly.views.plant import AlarmView

MOST = 12


class AlarmHistory:
    """A table that is written anew when it changed, which is seldom."""

    def __init__(self) -> None:
        self._written: list[tuple[str, str, str, str]] | None = None
        with box("card history", "section"):
            text("h3", "Alarms so far")
            self._nothing = text("p", "None yet.", "hint")
            with box("", "table"):
                self._body = box("", "tbody")

    def update(self, alarms: Sequence[AlarmView]) -> None:
        """Show these alarms."""
        lines = [_line(alarm) for alarm in alarms[:MOST]]
        if lines == self._written:
            return
        self._written = lines
        show(self._nothing, not lines)
        self._body.clear()
        with self._body:
            for started, reason, state, lasted in lines:
                with box("", "tr"):
                    text("td", started, "number when")
                    text("td", reason, "reason")
                    text("td", state, "state")
                    text("td", lasted, "number")


def _line(alarm: AlarmView) -> tuple[str, str, str, str]:
    lasted = "" if alarm.is_open else duration((alarm.latest.time_ns - alarm.raised.time_ns) / NS)
    return clock_time(alarm.raised.time_ns), sentence(alarm.raised.reason), STATE_WORDS[alarm.latest.after], lasted
