"""The whole table, walked: every state with every event."""

import pytest

from iot_edge_anomaly.alarms.transitions import MEANINGS, TRANSITIONS, Event, next_state
from iot_edge_anomaly.core.outcomes import AlarmState

EXPECTED = """
                     normal          unacknowledged  acknowledged    returned        shelved         suppressed      out-of-service
raise                unacknowledged  .               .               .               .               .               .
re-raise             .               .               .               unacknowledged  .               .               .
return               .               returned        normal          .               .               .               .
acknowledge          .               acknowledged    .               normal          .               .               .
supersede            .               .               .               normal          .               .               .
shelve               shelved         shelved         shelved         shelved         shelved         shelved         .
suppress             .               suppressed      suppressed      .               .               .               .
remove-from-service  .               out-of-service  out-of-service  out-of-service  out-of-service  out-of-service  .
release-active       .               .               .               .               unacknowledged  unacknowledged  unacknowledged
release-normal       .               .               .               .               normal          normal          normal
"""  # noqa: E501 - a table


def test_the_table_is_this_one_and_no_other() -> None:
    header, *lines = EXPECTED.strip("\n").splitlines()
    states = [AlarmState(name) for name in header.split()]
    assert states == list(AlarmState)
    assert [line.split()[0] for line in lines] == [event.value for event in Event]
    for line in lines:
        name, *cells = line.split()
        for state, cell in zip(states, cells, strict=True):
            expected = None if cell == "." else AlarmState(cell)
            assert next_state(state, Event(name)) is expected, (state, name)


def test_every_state_is_in_the_table_and_every_event_means_something() -> None:
    assert set(TRANSITIONS) == set(AlarmState)
    assert set(MEANINGS) == set(Event) == {event for row in TRANSITIONS.values() for event in row}


def reachable(start: AlarmState) -> set[AlarmState]:
    found, edge = {start}, [start]
    while edge:
        for state in TRANSITIONS[edge.pop()].values():
            if state not in found:
                found.add(state)
                edge.append(state)
    return found


@pytest.mark.parametrize("state", AlarmState)
def test_every_state_leads_to_every_other(state: AlarmState) -> None:
    assert reachable(state) == set(AlarmState)


def test_a_person_or_the_process_must_act_before_an_alarm_is_over() -> None:
    to_normal = {
        (state, event) for state, row in TRANSITIONS.items() for event in row if row[event] is AlarmState.NORMAL
    }
    assert (AlarmState.UNACKNOWLEDGED, Event.RETURN) not in to_normal
    assert (AlarmState.UNACKNOWLEDGED, Event.ACKNOWLEDGE) not in to_normal
