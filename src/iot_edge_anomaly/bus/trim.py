"""Make what one message led to small enough for the server. Counts always stay; what goes is named."""

from collections.abc import Callable

import msgspec

from iot_edge_anomaly.bus.codec import encode_commit
from iot_edge_anomaly.core.outcomes import AssetOutcome, Commit, Notice, Priority, rows_dropped


def trimmed(commit: Commit, most_bytes: int) -> bytes:
    """Write a commit in at most so many bytes: without rows, largest first; then without records set aside and notices;
    then with alarms that name no contributors; at the very last without alarms of low priority, medium, and high.

    Alarms that go stand in the state of their asset all the same, and their return will be told.
    """
    assets = list(commit.assets)
    excess = len(encode_commit(commit)) - most_bytes
    largest_first = sorted(range(len(assets)), key=lambda place: -_size(assets[place]))
    for leave_out in (_without_rows, _without_records, _without_contributors, *map(_without_alarms, Priority)):
        for place in largest_first:
            if excess > 0:
                smaller = leave_out(assets[place], commit.now_ns)
                excess -= _size(assets[place]) - _size(smaller)
                assets[place] = smaller
    return encode_commit(msgspec.structs.replace(commit, assets=tuple(assets)))


def _without_rows(outcome: AssetOutcome, now_ns: int) -> AssetOutcome:
    if outcome.rows is None:
        return outcome
    notice = rows_dropped(len(outcome.rows.quality), len(outcome.rows.sensors), now_ns)
    return msgspec.structs.replace(outcome, rows=None, notices=(*outcome.notices, notice))


def _without_records(outcome: AssetOutcome, now_ns: int) -> AssetOutcome:
    if not outcome.set_aside and not outcome.notices:
        return outcome
    text = f"{len(outcome.set_aside)} records set aside and {len(outcome.notices)} notices are too many to keep"
    notice = Notice("records-dropped", "", f"{text}; they are counted", now_ns)
    return msgspec.structs.replace(outcome, set_aside=(), notices=(notice,))


def _without_contributors(outcome: AssetOutcome, _now_ns: int) -> AssetOutcome:
    bare = tuple(msgspec.structs.replace(alarm, contributors=()) for alarm in outcome.alarms)
    return msgspec.structs.replace(outcome, alarms=bare)


def _without_alarms(priority: Priority) -> Callable[[AssetOutcome, int], AssetOutcome]:
    def leave_out(outcome: AssetOutcome, now_ns: int) -> AssetOutcome:
        kept = tuple(alarm for alarm in outcome.alarms if alarm.priority is not priority)
        gone = len(outcome.alarms) - len(kept)
        if not gone:
            return outcome
        text = f"{gone} alarm events of {priority} priority at once are too many to keep"
        notices = (*outcome.notices, Notice("alarms-dropped", "", text, now_ns))
        return msgspec.structs.replace(outcome, alarms=kept, notices=notices)

    return leave_out


def _size(outcome: AssetOutcome) -> int:
    return len(msgspec.msgpack.encode(outcome))
