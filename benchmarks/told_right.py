"""Whether a target was told of all that happened: each transition at least once, under its id, in order."""

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.alarm_targets import Notified

from iot_edge_anomaly.component.sink import Posting
from iot_edge_anomaly.core.outcomes import AlarmState


def as_told(posting: Posting) -> Notified:
    """Return what a target must hear of a transition."""
    event = posting.event
    return Notified(posting.id, event.alarm_id, str(posting.key), event.condition, event.event, event.after)


def misheard(target: str, heard: Sequence[Notified], alarms: Sequence[Posting]) -> list[str]:
    """Return what is wrong with what a target heard; repeats are none of it."""
    wanted = {posting.id: as_told(posting) for posting in alarms}
    first = {said.id: said for said in reversed(heard)}
    missing, unknown = wanted.keys() - first.keys(), first.keys() - wanted.keys()
    otherwise = [said for said in heard if said.id in wanted and said != wanted[said.id]]
    wrong = [f"{len(missing)} of {len(wanted)} transitions were never told, {min(missing)} first"] if missing else []
    wrong += [f"{len(unknown)} were told that never happened, {min(unknown)} first"] if unknown else []
    wrong += [f"{len(otherwise)} were told otherwise than they happened: {otherwise[0]}"] if otherwise else []
    told, happened = _by_alarm(dict.fromkeys(said.id for said in heard), first), _by_alarm(wanted, wanted)
    mixed = [alarm for alarm, ids in told.items() if ids != [one for one in happened.get(alarm, []) if one in first]]
    wrong += [f"{len(mixed)} alarms were told out of order, {mixed[0]} first"] if mixed else []
    return [f"{target}: {what}" for what in wrong]


def wrong_topics(topics: Iterable[Notified], alarms: Sequence[Posting]) -> list[str]:
    """Return which retained topics do not hold the last transition of their asset and condition."""
    last = {(said.asset, said.condition): said for said in map(as_told, alarms)}
    held = {(said.asset, said.condition): said for said in topics}
    wrong = [key for key in last.keys() | held.keys() if last.get(key) != held.get(key)]
    return [f"mqtt: {len(wrong)} of {len(last)} retained topics are wrong: {wrong[0]}"] if wrong else []


def open_alarms(alarms: Sequence[Posting]) -> dict[str, Posting]:
    """Return the alarms that are open at the end, each by the transition that raised it."""
    raised: dict[str, Posting] = {}
    latest: dict[str, Posting] = {}
    for posting in alarms:
        raised.setdefault(posting.event.alarm_id, posting)
        latest[posting.event.alarm_id] = posting
    return {name: raised[name] for name, last in latest.items() if last.event.after is not AlarmState.NORMAL}


def _by_alarm(ids: Iterable[str], said: Mapping[str, Notified]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in ids:
        found.setdefault(said[one].alarm, []).append(one)
    return found
