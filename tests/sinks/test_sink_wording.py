"""What sinks say: JSON whose fields stay, and words that cannot smuggle anything in."""

import json
import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from postings import posting  # type: ignore[import-not-found]

from iot_edge_anomaly.alarms.transitions import Event
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmState, Contributor, Priority
from iot_edge_anomaly.sinks.wording import MOST_TITLE, VERSION, WORDS, AlarmMessage, as_json, message, text, title

GOLDEN = Path(__file__).parent / "golden"


def test_the_json_of_this_version_is_what_it_was() -> None:
    stands = (GOLDEN / f"alarm-message-{VERSION}.json").read_text(encoding="utf-8")
    said = json.dumps(json.loads(as_json(posting(17, 2, by="anna", note="seen"))), indent=2) + "\n"
    assert said == stands, "a receiver relies on these fields: a change of them needs another version and file"


def test_every_golden_file_is_one_json_object_of_its_version() -> None:
    for path in GOLDEN.glob("alarm-message-*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["version"] == int(path.stem.rpartition("-")[2])


def test_what_is_no_number_is_null() -> None:
    odd = posting(1, score=math.inf, contributors=(Contributor("flow", math.nan, math.nan, math.nan),))
    said = json.loads(as_json(odd))
    assert said["score"] is None
    assert said["contributors"][0] == {"sensor": "flow", "share": None, "actual": None, "expected": None, "unit": ""}


@pytest.mark.parametrize(
    ("after", "active"),
    [(state, state in (AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED)) for state in AlarmState],
)
def test_an_alarm_is_active_while_its_condition_holds_in_sight(after: AlarmState, active: bool) -> None:
    assert message(posting(1, after=after)).active is active


def test_every_event_has_its_words() -> None:
    assert set(WORDS) == set(Event)
    titles = {title(posting(1, event=event)) for event in Event}
    assert len(titles) == len(Event)


def test_the_text_says_what_why_and_which_sensors() -> None:
    said = text(posting(3, by="anna", note="pump was throttled"))
    for part in ("acme/site-1/hall 2/pump-7", "flow 0.8 l/s below what speed predicts", "high", "2026-01-01T00:00:03"):
        assert part in said
    assert "flow: 70%, reads 3.1 l/s, expected 3.9" in said
    assert "speed: 30%, reads 1480 1/min\n" in said
    assert "anna: pump was throttled" in said


def test_a_trial_says_that_nothing_is_wrong() -> None:
    trial = posting(0, 5)
    assert title(trial).startswith("TEST, no alarm")
    assert "Nothing is wrong" in text(trial)
    assert json.loads(as_json(trial))["test"] is True


NASTY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)


@given(NASTY, NASTY, st.sampled_from(Event), st.sampled_from(Priority))
def test_a_title_is_one_bounded_line_whatever_the_names_are(
    asset: str, reason: str, event: Event, priority: Priority
) -> None:
    said = title(posting(1, key=AssetKey("acme", asset), reason=reason, event=event.value, priority=priority))
    assert said.isprintable()
    assert said.splitlines() == [said]
    assert len(said) <= MOST_TITLE


@given(NASTY, NASTY, NASTY)
def test_the_json_is_one_line_and_comes_back_equal(asset: str, reason: str, note: str) -> None:
    nasty = posting(1, key=AssetKey("acme", asset), reason=reason, note=note, by="x")
    line = as_json(nasty)
    assert b"\n" not in line
    assert msgspec.json.decode(line, type=AlarmMessage) == message(nasty)
