"""The life of an alarm as a table: state and event give the next state.

After the alarm state model of ISA-18.2-2016 (IEC 62682:2022), in own words: an alarm that came must be acknowledged by
a person, an alarm that went unseen waits for that too, and three ways lead out of sight: shelved by a person for a
time, suppressed by design, out of service while somebody works on the asset.

Whether the condition holds is known apart from the state: so leaving shelf, suppression or maintenance leads to
unacknowledged if it does and to normal if it does not.
"""

from collections.abc import Mapping
from enum import StrEnum

from iot_edge_anomaly.core.outcomes import AlarmState as State


class Event(StrEnum):
    """What can happen to an alarm."""

    RAISE = "raise"
    RE_RAISE = "re-raise"
    RETURN = "return"
    ACKNOWLEDGE = "acknowledge"
    SUPERSEDE = "supersede"
    SHELVE = "shelve"
    SUPPRESS = "suppress"
    REMOVE = "remove-from-service"
    RELEASE_ACTIVE = "release-active"
    RELEASE_NORMAL = "release-normal"


MEANINGS: Mapping[Event, str] = {
    Event.RAISE: "the condition begins to hold",
    Event.RE_RAISE: "the condition of an alarm that nobody acknowledged holds again, less than a minute later",
    Event.RETURN: "the condition holds no longer",
    Event.ACKNOWLEDGE: "a person has seen it",
    Event.SUPERSEDE: "a new alarm of the same condition takes the place of one that nobody acknowledged",
    Event.SHELVE: "a person puts it out of sight for a time",
    Event.SUPPRESS: "a graver alarm says the same: the high limit while the high-high limit is passed",
    Event.REMOVE: "maintenance of the asset begins",
    Event.RELEASE_ACTIVE: "it comes back into sight and the condition holds",
    Event.RELEASE_NORMAL: "it comes back into sight and the condition does not hold",
}

_LEAVING_SIGHT: Mapping[Event, State] = {Event.SHELVE: State.SHELVED, Event.REMOVE: State.OUT_OF_SERVICE}
_BACK_IN_SIGHT: Mapping[Event, State] = {
    Event.RELEASE_ACTIVE: State.UNACKNOWLEDGED,
    Event.RELEASE_NORMAL: State.NORMAL,
}

TRANSITIONS: Mapping[State, Mapping[Event, State]] = {
    State.NORMAL: {Event.RAISE: State.UNACKNOWLEDGED, Event.SHELVE: State.SHELVED},
    State.UNACKNOWLEDGED: {
        Event.ACKNOWLEDGE: State.ACKNOWLEDGED,
        Event.RETURN: State.RETURNED,
        Event.SUPPRESS: State.SUPPRESSED,
        **_LEAVING_SIGHT,
    },
    State.ACKNOWLEDGED: {Event.RETURN: State.NORMAL, Event.SUPPRESS: State.SUPPRESSED, **_LEAVING_SIGHT},
    State.RETURNED: {
        Event.ACKNOWLEDGE: State.NORMAL,
        Event.RE_RAISE: State.UNACKNOWLEDGED,
        Event.SUPERSEDE: State.NORMAL,
        **_LEAVING_SIGHT,
    },
    State.SHELVED: {**_LEAVING_SIGHT, **_BACK_IN_SIGHT},
    State.SUPPRESSED: {**_LEAVING_SIGHT, **_BACK_IN_SIGHT},
    State.OUT_OF_SERVICE: _BACK_IN_SIGHT,
}
"""What is not listed does not apply in that state and changes nothing."""


def next_state(state: State, event: Event) -> State | None:
    """Return the state that the event leads to; None where it does not apply."""
    return TRANSITIONS[state].get(event)
