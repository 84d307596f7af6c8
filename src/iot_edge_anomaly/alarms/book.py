"""The alarms of one asset: what is remembered of them, and how they come, go and are told of.

Pure: the book that is handed in is changed, what happened is returned.
"""

import hashlib

import msgspec

from iot_edge_anomaly.alarms.feedback import Verdicts
from iot_edge_anomaly.alarms.settings import AlarmSettings
from iot_edge_anomaly.alarms.transitions import Event, next_state
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, Contributor, Origin, Priority

CHATTER_NS = 60 * 1_000_000_000
"""What comes again this soon is the same trouble: for ISA-18.2 an alarm chatters that comes three times a minute."""

_GRAVE = ("score", "limit:")
"""What tells of the machine and not of its sensors."""


class Alarm(msgspec.Struct, array_like=True):
    """One condition of one asset. `run` counts rows towards being raised (inactive) or returned (active).

    `alarm_id` is empty in the state normal; `incident_id` until it was raised. `until_ns`: end of shelving. `since_ns`:
    when it left the state normal.
    """

    condition: str
    state: AlarmState = AlarmState.NORMAL
    is_active: bool = False
    run: int = 0
    alarm_id: str = ""
    incident_id: str = ""
    until_ns: int = 0
    priority: Priority = Priority.MEDIUM
    reason: str = ""
    returned_ns: int = 0
    since_ns: int = 0

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to remember."""
        return self.state is AlarmState.NORMAL and not self.is_active and self.run == 0


class AlarmBook(msgspec.Struct, array_like=True):
    """All that the alarm stage remembers of an asset: what is not settled, the incident that came last, verdicts."""

    alarms: dict[str, Alarm] = {}
    raised: int = 0
    maintenance_until_ns: int = 0
    incident_id: str = ""
    calm_ns: int = 0
    verdicts: Verdicts = Verdicts()

    def alarm(self, condition: str) -> Alarm:
        """Return the alarm of a condition, normal if there was none."""
        if condition not in self.alarms:
            self.alarms[condition] = Alarm(condition)
        return self.alarms[condition]

    def forget_settled(self) -> None:
        """Drop what there is nothing to remember of, so that a book is as small as its troubles; sort the rest.

        Sorted, because which condition was looked at first depends on how rows were cut into calls.
        """
        self.alarms = {name: alarm for name, alarm in sorted(self.alarms.items()) if not alarm.is_settled}

    @property
    def is_in_maintenance(self) -> bool:
        """Whether the asset is being worked on."""
        return self.maintenance_until_ns > 0

    def allows_learning(self, ignored: str = "") -> bool:
        """Tell whether what is seen now may be taken for normal: score and limits are quiet, nobody works on the asset.

        `ignored`: a condition that does not count.
        """
        return not self.is_in_maintenance and not any(
            alarm.is_active and alarm.condition.startswith(_GRAVE) and alarm.condition != ignored
            for alarm in self.alarms.values()
        )

    def open_alarms(self) -> list[Alarm]:
        """Return what is not normal."""
        return [alarm for alarm in self.alarms.values() if alarm.state is not AlarmState.NORMAL]


class Finding(msgspec.Struct, frozen=True):
    """Why a condition is raised: the text and the figures of an `AlarmEvent`."""

    reason: str
    priority: Priority
    score: float = 0.0
    threshold: float = 1.0
    contributors: tuple[Contributor, ...] = ()
    model: str = ""
    origin: Origin = Origin.UNTOLD


def raise_alarm(
    book: AlarmBook, key: AssetKey, condition: str, time_ns: int, finding: Finding, settings: AlarmSettings
) -> list[AlarmEvent]:
    """Note that a condition begins to hold. During maintenance nothing is raised."""
    alarm = book.alarm(condition)
    alarm.run = 0
    if alarm.state is AlarmState.NORMAL and book.is_in_maintenance:
        return []
    alarm.is_active, alarm.priority, alarm.reason = True, finding.priority, finding.reason
    events: list[AlarmEvent] = []
    if alarm.state is AlarmState.RETURNED:
        if time_ns - alarm.returned_ns <= CHATTER_NS:
            return apply(alarm, Event.RE_RAISE, time_ns, settings, finding=finding)
        events += apply(alarm, Event.SUPERSEDE, time_ns, settings)
    if alarm.state is AlarmState.NORMAL:
        identify(book, key, alarm, time_ns)
        book.incident_id = alarm.incident_id = _incident(book, alarm, time_ns)
        events += apply(alarm, Event.RAISE, time_ns, settings, finding=finding)
    return events


def return_alarm(book: AlarmBook, condition: str, time_ns: int, settings: AlarmSettings) -> list[AlarmEvent]:
    """Note that a condition holds no longer."""
    alarm = book.alarm(condition)
    alarm.is_active, alarm.run, alarm.returned_ns = False, 0, time_ns
    book.calm_ns = time_ns
    return apply(alarm, Event.RETURN, time_ns, settings)


def release_alarm(
    alarm: Alarm, time_ns: int, settings: AlarmSettings, by: str = "", note: str = ""
) -> list[AlarmEvent]:
    """Bring an alarm back into sight.

    One that began to hold out of sight goes to normal first: it is raised anew, with its reason, while it holds on.
    """
    if alarm.is_active and alarm.incident_id:
        return apply(alarm, Event.RELEASE_ACTIVE, time_ns, settings, by, note)
    alarm.is_active, alarm.run = False, 0
    return apply(alarm, Event.RELEASE_NORMAL, time_ns, settings, by, note)


def apply(
    alarm: Alarm,
    event: Event,
    time_ns: int,
    settings: AlarmSettings,
    by: str = "",
    note: str = "",
    finding: Finding | None = None,
) -> list[AlarmEvent]:
    """Let an event happen to an alarm; nothing where it does not apply."""
    after = next_state(alarm.state, event)
    if after is None:
        return []
    found = finding or Finding(alarm.reason, alarm.priority)
    said = AlarmEvent(
        alarm.alarm_id,
        alarm.incident_id,
        alarm.condition,
        event.value,
        alarm.state,
        after,
        time_ns,
        found.priority,
        found.reason,
        found.score,
        found.threshold,
        found.contributors,
        found.model,
        settings.configuration,
        by,
        note,
        found.origin,
    )
    alarm.state = after
    if after is not AlarmState.SHELVED:
        alarm.until_ns = 0
    if after is AlarmState.NORMAL:
        alarm.alarm_id = alarm.incident_id = ""
        alarm.returned_ns = 0
    return [said]


def identify(book: AlarmBook, key: AssetKey, alarm: Alarm, time_ns: int) -> None:
    """Name an alarm that leaves the state normal; the same history gives the same name."""
    book.raised += 1
    alarm.since_ns = time_ns
    text = f"{key.tenant}\0{key.asset}\0{alarm.condition}\0{time_ns}\0{book.raised}"
    alarm.alarm_id = f"A{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}"


def standing(book: AlarmBook, configuration: str) -> list[AlarmEvent]:
    """Tell of the open alarms to one who was not there: what each was raised for, and its state now."""
    return [
        AlarmEvent(
            alarm.alarm_id,
            alarm.incident_id,
            alarm.condition,
            Event.RAISE.value,
            AlarmState.NORMAL,
            alarm.state,
            alarm.since_ns,
            alarm.priority,
            alarm.reason,
            configuration=configuration,
        )
        for alarm in book.open_alarms()
    ]


def _incident(book: AlarmBook, alarm: Alarm, time_ns: int) -> str:
    """Return the incident that is under way or was until a moment ago, else a new one named after its first alarm."""
    under_way = any(other.is_active and other.incident_id for other in book.alarms.values() if other is not alarm)
    if book.incident_id and (under_way or abs(time_ns - book.calm_ns) <= CHATTER_NS):
        return book.incident_id
    return f"I{alarm.alarm_id[1:]}"
