"""Bring alarms over a stretch of commits that is gone: how each stood before, and which stand behind it. Pure."""

from collections.abc import Iterator, Mapping

import msgspec

from iot_edge_anomaly.alarms.transitions import Event
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, AssetOutcome, Commit, Phase

NOTE = "what happened meanwhile was purged before it was written here"

_LEADS_TO = {
    AlarmState.NORMAL: Event.RETURN,
    AlarmState.UNACKNOWLEDGED: Event.RE_RAISE,
    AlarmState.ACKNOWLEDGED: Event.ACKNOWLEDGE,
    AlarmState.RETURNED: Event.RETURN,
    AlarmState.SHELVED: Event.SHELVE,
    AlarmState.SUPPRESSED: Event.SUPPRESS,
    AlarmState.OUT_OF_SERVICE: Event.REMOVE,
}

Latest = tuple[AssetKey, AlarmEvent]
"""Whose alarm it is, and its latest transition that is known."""


def bridge(before: Mapping[str, Latest], standing: Commit) -> Commit:
    """Return what must have happened between the open alarms before and those that stand, by name of alarm.

    One that stands and was not known is told as it stands; one that stands no more has ended.
    """
    outcomes: list[AssetOutcome] = []
    stands: set[str] = set()
    for outcome in standing.assets:
        stands |= {event.alarm_id for event in outcome.alarms}
        alarms = tuple(_changes(before, outcome))
        outcomes += [msgspec.structs.replace(outcome, alarms=alarms)] if alarms else []
    for name, (key, latest) in sorted(before.items()):
        if name not in stands:
            ended = _told(latest, AlarmState.NORMAL)
            outcomes.append(AssetOutcome(key.tenant, key.asset, Phase.LEARNING, 0.0, alarms=(ended,)))
    return msgspec.structs.replace(standing, assets=tuple(outcomes))


def _changes(before: Mapping[str, Latest], outcome: AssetOutcome) -> Iterator[AlarmEvent]:
    for event in outcome.alarms:
        known = before.get(event.alarm_id)
        if known is None:
            yield event
        elif known[1].after is not event.after:
            yield _told(known[1], event.after)


def _told(latest: AlarmEvent, after: AlarmState) -> AlarmEvent:
    event = _LEADS_TO[after].value
    return msgspec.structs.replace(latest, event=event, before=latest.after, after=after, by="", note=NOTE)
