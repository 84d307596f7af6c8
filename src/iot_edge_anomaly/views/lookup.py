"""Where an alarm is known: the newest in memory, those of months in the view database."""

import asyncio
from typing import Protocol

from iot_edge_anomaly.views.plant import AlarmView, Plant
from iot_edge_anomaly.views.records import AlarmRecord


class AlarmLookup(Protocol):
    """Knows the alarms of months; called in a thread. Raises UnavailableError."""

    def alarm(self, alarm_id: str) -> AlarmRecord | None:
        """Return one alarm."""
        ...


async def known_alarm(plant: Plant, records: AlarmLookup | None, alarm_id: str) -> AlarmView | None:
    """Return an alarm, however old; None: there is none. Raises UnavailableError where only the database would know."""
    found = plant.alarm(alarm_id)
    if found is None and records is not None:
        record = await asyncio.to_thread(records.alarm, alarm_id)
        found = record.alarm if record else None
    return found
