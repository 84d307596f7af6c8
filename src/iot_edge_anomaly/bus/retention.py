"""How long capsules are kept: until they are too old, or together too large; the oldest go first.

An alarm outlives its capsule. A marker takes the capsule's place, so that asking for it is answered with when and why;
where the store is full and takes no marker, the capsule goes without.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import structlog

from iot_edge_anomaly.bus.capsule import Record, Removed, Sealed, capsule_records, mark_removed
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import CAPSULES
from iot_edge_anomaly.core.errors import UnavailableError

log = structlog.get_logger(__name__)

DAY_NS = 86_400 * 1_000_000_000
MOST_MARKERS = 10_000


class Retention(NamedTuple):
    """What is kept of capsules at most; a marker is kept for as long again."""

    days: float
    max_bytes: int


def too_many(records: Mapping[str, Record], retention: Retention, now_ns: int) -> dict[str, str]:
    """Return which capsules must go, and why; `records` by alarm, in the order they were sealed.

    A part that several name counts once, with the newest.
    """
    oldest_ns = now_ns - int(retention.days * DAY_NS)
    gone: dict[str, str] = {}
    size, parts = 0, set[str]()
    for alarm_id, record in reversed(list(records.items())):
        if isinstance(record, Sealed):
            size += record.size + sum(record.parts[digest] for digest in record.parts.keys() - parts)
            parts |= record.parts.keys()
            if record.at_ns < oldest_ns:
                gone[alarm_id] = f"it was older than {retention.days:g} days"
            elif size > retention.max_bytes:
                gone[alarm_id] = f"newer ones fill the {retention.max_bytes >> 20} MB that are kept"
    return gone


def old_markers(records: Mapping[str, Record], retention: Retention, now_ns: int) -> Iterator[str]:
    """Return the markers that have been there for long, and those that are too many."""
    oldest_ns = now_ns - int(retention.days * DAY_NS)
    markers = [(alarm_id, record.at_ns) for alarm_id, record in records.items() if isinstance(record, Removed)]
    for number, (alarm_id, at_ns) in enumerate(markers):
        if at_ns < oldest_ns or number < len(markers) - MOST_MARKERS:
            yield alarm_id


async def prune_capsules(bus: Bus, retention: Retention, now_ns: int) -> None:
    """Put markers in the place of capsules that must go; their blobs are swept away once nothing names them."""
    records = await capsule_records(bus)
    gone = too_many({alarm_id: record for alarm_id, (record, _) in records.items()}, retention, now_ns)
    for alarm_id, why in gone.items():
        await _remove(bus, alarm_id, Removed(now_ns, why), records[alarm_id][1])
    if gone:
        log.info("capsules removed", count=len(gone), at=datetime.fromtimestamp(now_ns / 1e9, UTC).isoformat())
    for alarm_id in old_markers({name: record for name, (record, _) in records.items()}, retention, now_ns):
        await bus.delete_key(CAPSULES, alarm_id)


async def _remove(bus: Bus, alarm_id: str, marker: Removed, revision: int) -> None:
    """Put a marker in the place of a capsule; a store that is full has no room for it, but must lose the capsule."""
    try:
        await mark_removed(bus, alarm_id, marker, revision)
    except UnavailableError:
        await bus.delete_key(CAPSULES, alarm_id)
