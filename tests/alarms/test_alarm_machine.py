"""An alarm book under random treatment: what it tells obeys the table, and its promises hold at every moment."""

import msgspec
import numpy as np
from alarm_rows import KEY, NS, SETTINGS, rows_of  # type: ignore[import-not-found]
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from iot_edge_anomaly.alarms import acts
from iot_edge_anomaly.alarms.book import AlarmBook
from iot_edge_anomaly.alarms.feedback import HIGHEST
from iot_edge_anomaly.alarms.rows import on_rows
from iot_edge_anomaly.alarms.transitions import Event, next_state
from iot_edge_anomaly.core.messages import Acknowledge, Feedback, Maintenance, NewNormal, Shelve
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState

CONDITIONS = ["score", "limit:bearing_temperature:H", "limit:bearing_temperature:HH", "limit:flow:L", "silence:flow"]
SPANS = st.integers(0, 120)
GRAVE = ("score", "limit:")


class AlarmMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.book, self.twin = AlarmBook(), AlarmBook()
        self.now = 0
        self.heard = {"flow": 0, "bearing_temperature": 0}
        self.states: dict[str, AlarmState] = {}
        self.names: dict[str, str] = {}
        self.raised: set[str] = set()

    def check(self, events: list[AlarmEvent], again: list[AlarmEvent]) -> None:
        assert msgspec.msgpack.encode(events) == msgspec.msgpack.encode(again)
        for event in events:
            before = self.states.get(event.condition, AlarmState.NORMAL)
            assert event.before is before
            assert next_state(before, Event(event.event)) is event.after
            assert event.alarm_id
            if before is not AlarmState.NORMAL:
                assert event.alarm_id == self.names[event.condition]
            if event.event == Event.RAISE:
                assert event.alarm_id not in self.raised
                assert event.reason
                assert not self.book.is_in_maintenance
                self.raised.add(event.alarm_id)
            self.states[event.condition], self.names[event.condition] = event.after, event.alarm_id

    @rule(
        lines=st.lists(
            st.tuples(
                st.sampled_from([0.0, 1.5, 9.0]), st.sampled_from([10.0, 4.0, np.nan]), st.sampled_from([60.0, 90, 99])
            ),
            min_size=1,
            max_size=6,
        )
    )
    def rows(self, lines: list[tuple[float, float, float]]) -> None:
        score, flow, temperature = zip(*lines, strict=True)
        rows = rows_of(start=self.now, score=score, flow=flow, temperature=temperature)
        self.now += len(lines)
        self.heard = dict.fromkeys(self.heard, self.now * NS)
        self.check(on_rows(self.book, KEY, rows, SETTINGS), on_rows(self.twin, KEY, rows, SETTINGS))

    @rule(seconds=st.integers(1, 90), flow_is_heard=st.booleans())
    def tick(self, seconds: int, flow_is_heard: bool) -> None:
        self.now += seconds
        if flow_is_heard:
            self.heard["flow"] = self.now * NS
        now_ns = self.now * NS
        needed = acts.needs_tick(self.book, now_ns, self.heard, SETTINGS)
        before = msgspec.msgpack.encode(self.book)
        events = acts.on_tick(self.book, KEY, now_ns, self.heard, SETTINGS)
        if not needed:
            assert msgspec.msgpack.encode(self.book) == before
        self.check(events, acts.on_tick(self.twin, KEY, now_ns, self.heard, SETTINGS))
        assert not acts.needs_tick(self.book, now_ns, self.heard, SETTINGS)

    @rule(condition=st.sampled_from(["", *CONDITIONS]))
    def acknowledge(self, condition: str) -> None:
        control = Acknowledge(KEY.tenant, KEY.asset, self.names.get(condition, ""), self.now * NS, "ada")
        self.check(acts.acknowledge(self.book, control, SETTINGS), acts.acknowledge(self.twin, control, SETTINGS))

    @rule(condition=st.sampled_from(CONDITIONS), seconds=SPANS)
    def shelve(self, condition: str, seconds: int) -> None:
        control = Shelve(KEY.tenant, KEY.asset, condition, (self.now + seconds) * NS, self.now * NS, "ada")
        self.check(acts.shelve(self.book, control, SETTINGS), acts.shelve(self.twin, control, SETTINGS))

    @rule(condition=st.sampled_from(CONDITIONS), was_right=st.booleans())
    def judge(self, condition: str, was_right: bool) -> None:
        name = self.names.get(condition, "")
        control = Feedback(KEY.tenant, KEY.asset, name, was_right, self.now * NS, "ada")
        before = self.book.verdicts
        self.check(acts.judge(self.book, control, SETTINGS), acts.judge(self.twin, control, SETTINGS))
        assert condition == "score" or self.book.verdicts == before

    @rule(seconds=SPANS)
    def maintenance(self, seconds: int) -> None:
        control = Maintenance(KEY.tenant, KEY.asset, (self.now + seconds) * NS, self.now * NS, "ada")
        self.check(acts.maintenance(self.book, control, SETTINGS), acts.maintenance(self.twin, control, SETTINGS))

    @rule()
    def new_normal(self) -> None:
        control = NewNormal(KEY.tenant, KEY.asset, self.now * NS, "ada")
        self.check(acts.new_normal(self.book, control, SETTINGS), acts.new_normal(self.twin, control, SETTINGS))

    @rule()
    def store_and_read_back(self) -> None:
        self.twin = msgspec.msgpack.decode(msgspec.msgpack.encode(self.twin), type=AlarmBook)

    @invariant()
    def book_is_what_it_told(self) -> None:
        open_states = {alarm.condition: alarm.state for alarm in self.book.open_alarms()}
        assert open_states == {name: state for name, state in self.states.items() if state is not AlarmState.NORMAL}

    @invariant()
    def nothing_is_in_sight_during_maintenance(self) -> None:
        if self.book.is_in_maintenance:
            hidden = {AlarmState.OUT_OF_SERVICE, AlarmState.SHELVED}
            assert {alarm.state for alarm in self.book.open_alarms()} <= hidden

    @invariant()
    def only_what_is_shelved_ends_by_time(self) -> None:
        for alarm in self.book.alarms.values():
            assert (alarm.until_ns > 0) == (alarm.state is AlarmState.SHELVED)

    @invariant()
    def alarms_that_hold_together_share_an_incident(self) -> None:
        holding = [alarm for alarm in self.book.alarms.values() if alarm.is_active and alarm.incident_id]
        assert len({alarm.incident_id for alarm in holding}) <= 1

    @invariant()
    def learning_is_allowed_only_in_peace(self) -> None:
        grave = [alarm for alarm in self.book.alarms.values() if alarm.condition.startswith(GRAVE)]
        assert self.book.allows_learning() == (
            not self.book.is_in_maintenance and not any(alarm.is_active for alarm in grave)
        )

    @invariant()
    def the_level_keeps_its_bounds(self) -> None:
        assert 1.0 <= self.book.verdicts.level <= HIGHEST
        assert self.book.verdicts == self.twin.verdicts

    @invariant()
    def nothing_settled_is_remembered(self) -> None:
        assert not any(alarm.is_settled for alarm in self.book.alarms.values())


AlarmMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAlarmMachine = AlarmMachine.TestCase
