"""The alarms of one asset: those kept for months, with those in memory as they are now."""

from iot_edge_anomaly.console.alarms.merge import newer, place
from iot_edge_anomaly.console.shell import Visit
from iot_edge_anomaly.console.trend.chart import Area
from iot_edge_anomaly.console.when import DAY_NS, NS
from iot_edge_anomaly.console.words import STATE_WORDS
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.views.records import AlarmFilter, AlarmRecord

LATEST, MOST_AREAS = 15, 200
LONGEST_NS = 7 * DAY_NS
"""An alarm that began so long before a time may still be shown in it."""

MINUTE_NS = 60 * NS
NO_END_NS = 1 << 62


class AssetAlarms:
    """Reads both; `problem` says why what is kept cannot be read."""

    def __init__(self, visit: Visit, key: AssetKey) -> None:
        self._visit, self._key = visit, key
        self.problem = ""

    async def latest(self) -> list[AlarmRecord]:
        """Return the newest alarms, the newest first."""
        wanted = AlarmFilter(frozenset({self._key.tenant}), prefix=str(self._key), limit=LATEST)
        return (await self._merged(wanted))[:LATEST]

    async def areas(self, since_ns: int, until_ns: int) -> tuple[Area, ...]:
        """Return the times within a time in which alarms were open."""
        wanted = AlarmFilter(
            frozenset({self._key.tenant}),
            prefix=str(self._key),
            since_ns=max((since_ns - LONGEST_NS) // MINUTE_NS * MINUTE_NS, 0),
            until_ns=(until_ns // MINUTE_NS + 1) * MINUTE_NS,
            limit=MOST_AREAS,
        )
        areas = [_area(record, since_ns) for record in await self._merged(wanted)]
        return tuple(area for area in areas if area.since_ns < area.until_ns)

    async def at(self, time_ns: int) -> list[AlarmRecord]:
        """Return the alarms that were open at a time."""
        wanted = AlarmFilter(
            frozenset({self._key.tenant}),
            prefix=str(self._key),
            since_ns=max(time_ns - LONGEST_NS, 0),
            until_ns=time_ns + 1,
            limit=MOST_AREAS,
        )
        found = await self._merged(wanted)
        return [one for one in found if one.alarm.raised.time_ns <= time_ns and _end_ns(one, time_ns) >= time_ns]

    async def _merged(self, wanted: AlarmFilter) -> list[AlarmRecord]:
        console = self._visit.console
        kept: list[AlarmRecord] = []
        if console.records is not None:
            try:
                kept = await console.recall.ask(console.records.alarms, wanted)
                self.problem = ""
            except UnavailableError as error:
                self.problem = f"Older alarms cannot be read just now: {error}"
        live = {alarm.raised.alarm_id: alarm for alarm in console.view.recent_alarms(self._key)}
        found = [newer(one, live.pop(one.alarm.raised.alarm_id, None)) for one in kept if one.alarm.key == self._key]
        return sorted([*found, *map(AlarmRecord, live.values())], key=place, reverse=True)


def _area(record: AlarmRecord, since_ns: int) -> Area:
    raised, state = record.alarm.raised, STATE_WORDS[record.alarm.latest.after]
    return Area(max(raised.time_ns, since_ns), _end_ns(record, NO_END_NS), state, raised.priority)


def _end_ns(record: AlarmRecord, until_ns: int) -> int:
    return until_ns if record.alarm.is_open else record.alarm.latest.time_ns
