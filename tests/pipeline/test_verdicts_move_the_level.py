"""A score alarm that a person called wrong does not come again; what is well above it does; and all of it replays."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plant_runs import CONFIGURED, KEY, MODELS, NS, T0, Run, batch, plant  # type: ignore[import-not-found]

from iot_edge_anomaly.alarms.feedback import HIGHEST, JUST_ABOVE, MOST_AT_ONCE, Verdicts
from iot_edge_anomaly.bus.capsule import WHOLE, Capsule, Match, inputs_of, replay
from iot_edge_anomaly.core.messages import Acknowledge, Envelope, Feedback, Item, ModelActivated, NewNormal, Tick
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmLevel, Notice
from iot_edge_anomaly.pipeline.profile import profile_of
from iot_edge_anomaly.pipeline.state import dump_asset, load_asset
from iot_edge_anomaly.pipeline.step import AnomalyPipeline

QUIET = plant(400, seed=5)
CALM, ODD = 30, 5
SMALL, GRAVE = 0.36, 2.0
"""How far the pressure is off: an alarm just above the threshold, and a fault that nobody may miss."""


class Story:
    """Rounds of quiet rows that end in a few odd ones, and what people say between them."""

    def __init__(self) -> None:
        self.items: list[Item] = [CONFIGURED]
        self._row = 0
        self._quiet(CALM)
        self.say(ModelActivated(KEY.tenant, KEY.asset, "sha256:m", self.now_ns))

    @property
    def now_ns(self) -> int:
        return T0 + self._row * NS

    def round(self, off: float) -> AlarmEvent | None:
        """Let the same rows pass again with so much on the pressure; return the score alarm that it raised."""
        known = {event.alarm_id for event in self.raised()}
        self._quiet(CALM)
        self._read(QUIET[CALM : CALM + ODD] + np.array([0.0, off, 0.0]))
        self._quiet(4 * CALM)
        self.say(Acknowledge(KEY.tenant, KEY.asset, "", self.now_ns, "ada"))
        return next((event for event in self.raised() if event.alarm_id not in known), None)

    def judge(self, alarm: AlarmEvent, *, was_right: bool) -> None:
        self.say(Feedback(KEY.tenant, KEY.asset, alarm.alarm_id, was_right, self.now_ns, "ada", "a test"))

    def say(self, control: Item) -> None:
        self.items.append(control)

    def raised(self) -> list[AlarmEvent]:
        said = (event for outcome in Run(self.items).outcomes for event in outcome.alarms)
        return [event for event in said if event.event == "raise" and event.condition == "score"]

    def level(self) -> float:
        return Run(self.items).state.assets[KEY].book.verdicts.level

    def told(self) -> list[Notice]:
        said = (notice for outcome in Run(self.items).outcomes for notice in outcome.notices)
        return [notice for notice in said if notice.kind == "alarm-level"]

    def _quiet(self, rows: int) -> None:
        self._read(QUIET[:rows])

    def _read(self, values: Sequence[Sequence[float]] | np.ndarray) -> None:
        for line in values:
            self.items.append(batch(self._row, line))
            self._row += 1


def wrong_once() -> tuple[Story, AlarmEvent]:
    story = Story()
    first = story.round(SMALL)
    assert first is not None
    story.judge(first, was_right=False)
    return story, first


def highest(story: Story, alarm: AlarmEvent) -> float:
    """Return how high the score went since an alarm was raised."""
    rows = [outcome.rows for outcome in Run(story.items).outcomes if outcome.rows is not None]
    times, scores = (np.concatenate([getattr(block, name)() for block in rows]) for name in ("times", "scores"))
    return float(scores[times >= alarm.time_ns].max())


def test_what_was_called_wrong_does_not_come_again_at_that_height_and_a_fault_does() -> None:
    story, first = wrong_once()
    assert 1.0 < first.score < highest(story, first) < story.level() < MOST_AT_ONCE
    assert first.threshold == 1.0
    assert story.level() == pytest.approx(highest(story, first) * JUST_ABOVE)
    assert story.round(SMALL) is None
    fault = story.round(GRAVE)
    assert fault is not None
    assert fault.score > HIGHEST
    assert fault.threshold == story.level()


def test_without_a_verdict_it_comes_again() -> None:
    story = Story()
    assert story.round(SMALL) is not None
    assert story.round(SMALL) is not None


def test_a_fault_is_told_although_every_alarm_was_called_wrong() -> None:
    story = Story()
    for _ in range(6):
        fault = story.round(GRAVE)
        assert fault is not None
        story.judge(fault, was_right=False)
    assert story.level() == HIGHEST
    assert story.round(GRAVE) is not None


def test_it_is_told_in_words_and_with_every_outcome() -> None:
    story, first = wrong_once()
    (notice,) = story.told()
    text = f"the score now has to pass {story.level():.2f}: alarm {first.alarm_id} was called wrong by ada"
    assert notice == Notice("alarm-level", first.alarm_id, text, story.now_ns, "ada", "a test")
    story.round(SMALL)
    outcomes = Run(story.items, [20]).outcomes
    assert outcomes[0].alarm_level is None
    assert outcomes[-1].alarm_level == AlarmLevel(story.level(), 1)


def test_a_verdict_that_is_taken_back_takes_the_level_back() -> None:
    story, first = wrong_once()
    story.judge(first, was_right=True)
    assert story.level() == 1.0
    assert story.told()[-1].text.startswith("the score now has to pass 1.00: ")
    assert story.round(SMALL) is not None


def test_right_brings_the_level_halfway_back() -> None:
    story, _ = wrong_once()
    before = story.level()
    fault = story.round(GRAVE)
    assert fault is not None
    story.judge(fault, was_right=True)
    assert story.level() == pytest.approx(before**0.5)
    assert Run(story.items).outcomes[-1].alarm_level == AlarmLevel(story.level(), 2)


@pytest.mark.parametrize(
    ("control", "why"),
    [
        (NewNormal(KEY.tenant, KEY.asset, T0, "ben"), "this is the new normal, says ben"),
        (ModelActivated(KEY.tenant, KEY.asset, "sha256:part", T0), "a model that was calibrated anew is in use"),
    ],
)
def test_what_is_learned_anew_begins_at_one(control: Item, why: str) -> None:
    story, first = wrong_once()
    story.say(control)
    assert Run(story.items).state.assets[KEY].book.verdicts == Verdicts()
    assert [notice.text for notice in story.told()][1:] == [f"the score now has to pass 1.00: {why}"]
    assert Run(story.items).outcomes[-1].alarm_level is None
    story.judge(first, was_right=False)  # said of the model before
    assert len(story.told()) == 2


def test_the_model_in_use_and_a_failed_one_leave_the_level() -> None:
    story, _ = wrong_once()
    before = story.level()
    story.say(ModelActivated(KEY.tenant, KEY.asset, "sha256:m", T0))
    story.say(ModelActivated(KEY.tenant, KEY.asset, "sha256:gone", T0))
    assert story.level() == before


def a_long_story() -> Story:
    story, first = wrong_once()
    story.round(SMALL)
    for was_right in (False, True):
        fault = story.round(GRAVE)
        assert fault is not None
        story.judge(fault, was_right=was_right)
    story.say(Tick(story.now_ns))
    story.judge(first, was_right=True)
    story.round(SMALL)
    story.round(1.5)
    return story


STORY = a_long_story()
CONCLUDED = Run(STORY.items).concluded()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, len(STORY.items)), max_size=30), st.booleans())
def test_no_cut_and_no_restart_changes_anything(cuts: list[int], reload: bool) -> None:
    assert Run(STORY.items, cuts, reload=reload).concluded() == CONCLUDED


def test_an_alarm_at_a_raised_level_replays_to_the_bit() -> None:
    envelopes = [Envelope((item,), number + 1) for number, item in enumerate(STORY.items)]
    middle = next(number for number, item in enumerate(STORY.items) if isinstance(item, Feedback)) + 10
    pipeline = AnomalyPipeline()
    state, _ = pipeline.step(pipeline.new_state(), envelopes[:middle], MODELS)
    dump = pipeline.dump(state)
    _, outcomes = pipeline.step(state, envelopes[middle:], MODELS)
    inputs = inputs_of(KEY, envelopes[middle:], envelopes[-1].seq)
    alarms = [event for outcome in outcomes for event in outcome.alarms if event.event == "raise"]
    assert len({event.threshold for event in alarms}) >= 2
    assert all(event.threshold > 1.0 for event in alarms)
    for alarm in alarms:
        capsule = Capsule(WHOLE, 0, KEY.tenant, KEY.asset, dump.shared, dump.assets[KEY], inputs, {}, alarm)
        assert replay(capsule, AnomalyPipeline(), MODELS).match is Match.EXACT


def test_a_state_that_was_stored_before_there_was_a_level_is_read() -> None:
    run = Run(STORY.items)
    asset = run.state.assets[KEY]
    record = msgspec.msgpack.decode(dump_asset(asset))
    book = next(part for part in record if isinstance(part, list) and part and isinstance(part[0], dict))
    assert len(book) == 6
    del book[5]
    profile = profile_of(KEY, run.state.rules, run.state.version)
    read = load_asset(KEY, msgspec.msgpack.encode(record), profile)
    assert read.book == msgspec.structs.replace(asset.book, verdicts=Verdicts())
