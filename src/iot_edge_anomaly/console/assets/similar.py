"""Earlier alarms of an asset that rested on the same sensors, and what people said of them."""

from collections.abc import Sequence

from iot_edge_anomaly.console.alarms.search import alarm_address
from iot_edge_anomaly.console.alarms.words import lasted, verdict_title
from iot_edge_anomaly.console.elements import box, link, show, text
from iot_edge_anomaly.console.shell import Visit
from iot_edge_anomaly.console.when import full_moment
from iot_edge_anomaly.console.words import sentence
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.views.plant import AlarmView
from iot_edge_anomaly.views.records import AlarmRecord

MOST = 5


class SimilarAlarms:
    """A list that is read once, when `read` is first called."""

    def __init__(self, visit: Visit, alarm: AlarmView) -> None:
        self._visit, self._alarm = visit, alarm
        self._is_read = False
        with box("similar", "section").props('aria-label="Similar before"') as self._box:
            self._title = text("h4", "")
            self._list = box("", "ul")
        show(self._box, False)

    async def read(self) -> None:
        """Show what is kept; nothing where there is none."""
        console = self._visit.console
        if self._is_read or console.records is None:
            return
        self._is_read = True
        try:
            found = await console.recall.ask(console.records.similar, self._alarm.raised.alarm_id, MOST)
        except UnavailableError:
            self._is_read = False
            return
        self._show([one for one in found if one.alarm.key == self._alarm.key])

    def _show(self, records: Sequence[AlarmRecord]) -> None:
        show(self._box, bool(records))
        self._title.text = f"Similar before{_judged(records)}"
        with self._list:
            for record in records:
                alarm = record.alarm
                with box("", "li"):
                    link(sentence(alarm.raised.reason), alarm_address(alarm.raised.alarm_id))
                    said = (full_moment(alarm.raised.time_ns), lasted(alarm), verdict_title(record.verdict))
                    text("span", ", ".join(part for part in said if part), "hint")


def _judged(records: Sequence[AlarmRecord]) -> str:
    """Say how those were judged that were judged at all."""
    verdicts = [record.verdict.was_right for record in records if record.verdict is not None]
    return f": {sum(verdicts)} of {len(verdicts)} that were judged were right" if verdicts else ""
