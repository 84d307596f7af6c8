"""What `up` tells: every event that an alarm can have, once, and nothing that happened before."""

import msgspec
import pytest

from iot_edge_anomaly.alarms.transitions import TRANSITIONS, Event
from iot_edge_anomaly.cli.narrate import MOST_LINES, WORDS, Story, line, progress
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, AssetOutcome, Commit, Phase, Priority

PUMP = AssetKey("acme", "hall/pump-1")
NS = 1_000_000_000
TABLE = [(before, event, after) for before, row in TRANSITIONS.items() for event, after in row.items()]
RAISED = AlarmEvent(
    "A1",
    "I1",
    "limit:flow:H",
    "raise",
    AlarmState.NORMAL,
    AlarmState.UNACKNOWLEDGED,
    5 * NS,
    Priority.HIGH,
    "flow 9 m³/h above its high limit of 7 m³/h",
)


def commit(last_seq: int, *events: AlarmEvent, phase: Phase = Phase.CALIBRATED, asset: AssetKey = PUMP) -> Commit:
    outcome = AssetOutcome(asset.tenant, asset.asset, phase, 0.5, alarms=events)
    return Commit(0, last_seq, last_seq, 0, (outcome,))


def test_there_is_a_word_for_every_event() -> None:
    assert set(WORDS) == set(Event)


@pytest.mark.parametrize(("before", "event", "after"), TABLE)
def test_every_transition_there_is_is_told(before: AlarmState, event: Event, after: AlarmState) -> None:
    story = Story({})
    happened = msgspec.structs.replace(RAISED, event=event.value, before=before, after=after)
    story.apply(commit(1, happened))
    (told,) = story.news()
    assert WORDS[event] in told
    assert "acme/hall/pump-1  limit:flow:H  A1" in told
    assert (RAISED.reason in told) == (event in (Event.RAISE, Event.RE_RAISE, Event.RELEASE_ACTIVE))
    assert ("not acknowledged" in told) == (event is Event.RETURN and after is AlarmState.RETURNED)


def test_all_that_happened_between_two_looks_is_told_in_order_and_once() -> None:
    story = Story({})
    happened = [msgspec.structs.replace(RAISED, event=event) for event in ("raise", "return", "re-raise", "return")]
    story.apply(commit(1, *happened[:3]))
    story.apply(commit(2, *happened[3:]))
    story.apply(commit(2, *happened[3:]))
    assert [told.split()[1] for told in story.news()] == ["ALARM", "over", "AGAIN", "over"]
    assert story.news() == []


def test_what_was_known_at_the_start_is_not_told_again() -> None:
    story = Story({0: 7})
    for seq in (6, 7, 8):
        story.apply(commit(seq, msgspec.structs.replace(RAISED, alarm_id=f"A{seq}")))
    (told,) = story.news()
    assert "A8" in told


def test_who_did_it_and_why_is_told() -> None:
    shelved = msgspec.structs.replace(RAISED, event="shelve", by="anna", note="known, part ordered")
    assert line(PUMP, shelved).endswith("A1  by anna: known, part ordered")


def test_of_a_flood_the_number_is_told() -> None:
    story = Story({})
    story.apply(commit(1, *[msgspec.structs.replace(RAISED, alarm_id=f"A{n}") for n in range(500)]))
    told = story.news()
    assert len(told) == MOST_LINES + 1
    assert f"{500 - MOST_LINES} more" in told[-1]


def test_progress_is_that_of_what_still_learns() -> None:
    story = Story({})
    assert progress(story) == ""
    story.apply(commit(1, phase=Phase.LEARNING))
    assert progress(story) == "learning   pump-1 50%"
    for number in range(8):
        story.apply(commit(2 + number, phase=Phase.LEARNING, asset=AssetKey("acme", f"p{number}")))
    assert progress(story).endswith(", ...")
