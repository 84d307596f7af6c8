"""How far the view database has come, for `status`."""

import asyncio
from typing import TYPE_CHECKING

import msgspec

from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import OUTCOMES, outcomes_subject
from iot_edge_anomaly.core.errors import UnavailableError

if TYPE_CHECKING:
    from iot_edge_anomaly.views.records_store import Records


class ViewStatus(msgspec.Struct, frozen=True):
    """Sequences in OUTCOMES: of the last commit of a partition, and of the last one in the view database.

    `missing_up_to`: commits up to that one were purged before they were written there; 0: none were.
    """

    partition: int
    last: int
    written: int
    missing_up_to: int


async def views_of(bus: Bus, records: "Records", partitions: int) -> tuple[ViewStatus, ...]:
    """Return how far the view database has come; empty while it cannot be read."""
    try:
        written = await asyncio.to_thread(records.positions)
        missing = await asyncio.to_thread(records.missing)
    except UnavailableError:
        return ()
    newest = [await bus.last(OUTCOMES, outcomes_subject(number)) for number in range(partitions)]
    return tuple(
        ViewStatus(number, 0 if last is None else last.seq, written.get(number, 0), missing.get(number, 0))
        for number, last in enumerate(newest)
    )
