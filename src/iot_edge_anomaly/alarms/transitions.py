"""The life of an alarm as a table: state and event give the next state (ISA-18.2 / IEC 62682, alarm state model).

Whether the condition holds is known apart from the state: so leaving shelf, suppression or maintenance leads to
unacknowledged if it does and to normal if it does not.
"""

from collections.abc import Mapping
from enum import StrEnum

from iot_edge_anomaly.core.outcomes import AlarmState as State


class Event(StrEnum):
    """What can happen to an alarm."""

    RAISE = "raise"
    RETURN = "return"
    ACKNOWLEDGE = "acknowledge"
    SHELVE = "shelve"
    SUPPRESS = "suppress"
    REMOVE = "remove-from-service"
    RELEASE_ACTIVE = "release-active"
    RELEASE_NORMAL = "release-normal"


_LEAVING_SIGHT: Mapping[Event, State] = {
    Event.SHELVE: State.SHELVED,
    Event.SUPPRESS: State.SUPPRESSED,
    Event.REMOVE: State.OUT_OF_SERVICE,
}
_OUT_OF_SIGHT: Mapping[Event, State] = {
    Event.RELEASE_ACTIVE: State.UNACKNOWLEDGED,
    Event.RELEASE_NORMAL: State.NORMAL,
    Event.REMOVE: State.OUT_OF_SERVICE,
}

TRANSITIONS: Mapping[State, Mapping[Event, State]] = {
    State.NORMAL: {Event.RAISE: State.UNACKNOWLEDGED, **_LEAVING_SIGHT},
    State.UNACKNOWLEDGED: {
        Event.ACKNOWLEDGE: State.ACKNOWLEDGED,
        Event.RETURN: State.RETURNED,
        **_LEAVING_SIGHT,
    },
    State.ACKNOWLEDGED: {Event.RETURN: State.NORMAL, **_LEAVING_SIGHT},
    State.RETURNED: {Event.ACKNOWLEDGE: State.NORMAL, Event.RAISE: State.UNACKNOWLEDGED, **_LEAVING_SIGHT},
    State.SHELVED: _OUT_OF_SIGHT,
    State.SUPPRESSED: _OUT_OF_SIGHT,
    State.OUT_OF_SERVICE: {
        Event.RELEASE_ACTIVE: State.UNACKNOWLEDGED,
        Event.RELEASE_NORMAL: State.NORMAL,
    },
}
"""What is not listed does not apply in that state and changes nothing."""


def next_state(state: State, event: Event) -> State | None:
    """Return the state that the event leads to; None where it does not apply."""
    return TRANSITIONS[state].get(event)
