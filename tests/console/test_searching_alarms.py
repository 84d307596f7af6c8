"""Addresses of lists of alarms, and how what is open now is laid over what is kept."""

from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seeded_plant import PUMP_1, TANK  # type: ignore[import-not-found]
from seeded_records import learned_alarm, over, then  # type: ignore[import-not-found]

from iot_edge_anomaly.console.alarms.merge import by_incident, matches, merged
from iot_edge_anomaly.console.alarms.search import (
    PRIORITY_TITLES,
    SPAN_TITLES,
    STATE_TITLES,
    VERDICT_TITLES,
    AlarmSearch,
    address_of,
    filter_of,
    search_of,
)
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, Priority
from iot_edge_anomaly.views.plant import AlarmView
from iot_edge_anomaly.views.records import AlarmFilter, AlarmRecord, Verdict

NS = 1_000_000_000
DEMO = frozenset({"demo"})
words = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30).map(str.strip)
days = st.sampled_from(["", "2026-11-24", "1999-01-01"])


@given(
    st.builds(
        AlarmSearch,
        words=words,
        prefix=words,
        state=st.sampled_from(list(STATE_TITLES)),
        priority=st.sampled_from(list(PRIORITY_TITLES)),
        verdict=st.sampled_from(list(VERDICT_TITLES)),
        span=st.sampled_from(list(SPAN_TITLES)),
        since=days,
        until=days,
        before=words,
    )
)
def test_an_address_brings_back_what_was_searched(search: AlarmSearch) -> None:
    query = dict(parse_qsl(urlsplit(address_of(search)).query))
    assert search_of(query) == search


@given(st.dictionaries(st.sampled_from(AlarmSearch._fields), st.text(max_size=300)))
def test_any_address_is_a_search(query: dict[str, str]) -> None:
    wanted = filter_of(search_of(query), "*", 1_800_000_000 * NS, 40)
    assert wanted.since_ns >= 0
    assert len(wanted.words) <= 200


def test_those_who_look_alike_within_a_minute_ask_alike() -> None:
    minute = 60 * NS
    search = AlarmSearch(span="7d")
    first, second, later = (
        filter_of(search, DEMO, 1_000_000 * minute + after, 40) for after in (0, minute - 1, minute)
    )
    assert first == second != later


def record(*events: AlarmEvent, key: object = TANK, verdict: Verdict | None = None) -> AlarmRecord:
    return AlarmRecord(AlarmView(key, events[0], events[-1], events), verdict)  # type: ignore[arg-type]


OLD, NEW = learned_alarm("T1", 100 * NS), learned_alarm("T2", 200 * NS, Priority.HIGH)


def test_an_alarm_is_shown_as_it_is_now_and_one_that_is_not_kept_yet_before_it() -> None:
    seen = then(OLD, "acknowledge", AlarmState.ACKNOWLEDGED, 5)
    live = {"T1": record(OLD, seen).alarm, "T2": record(NEW).alarm}
    shown = merged([record(OLD)], live, AlarmFilter(DEMO))
    assert [(one.alarm.raised.alarm_id, one.alarm.latest.after) for one in shown] == [
        ("T2", AlarmState.UNACKNOWLEDGED),
        ("T1", AlarmState.ACKNOWLEDGED),
    ]


def test_what_is_over_in_the_records_is_not_opened_again_by_an_older_memory() -> None:
    shown = merged([record(*over(OLD))], {"T1": record(OLD).alarm}, AlarmFilter(DEMO))
    assert shown[0].alarm.latest.after is AlarmState.NORMAL


def test_what_does_not_fit_any_more_is_left_out_at_once() -> None:
    seen = then(OLD, "acknowledge", AlarmState.ACKNOWLEDGED, 5)
    wanted = AlarmFilter(DEMO, states=frozenset({AlarmState.UNACKNOWLEDGED}))
    assert merged([record(OLD)], {"T1": record(OLD, seen).alarm}, wanted) == []


@pytest.mark.parametrize(
    "wanted", [AlarmFilter(DEMO, before=(150 * NS, "T9")), AlarmFilter(DEMO, verdict="none"), AlarmFilter(DEMO)]
)
def test_only_the_newest_page_without_verdicts_takes_from_memory(wanted: AlarmFilter) -> None:
    live = {"T2": record(NEW).alarm}
    expected = ["T2"] if wanted == AlarmFilter(DEMO) else []
    assert [one.alarm.raised.alarm_id for one in merged([], live, wanted)] == expected


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (AlarmFilter(DEMO), True),
        (AlarmFilter(frozenset({"rival"})), False),
        (AlarmFilter("*", words="TANK vibration"), True),
        (AlarmFilter("*", words="tank pressure"), False),
        (AlarmFilter("*", prefix="demo/station-1"), True),
        (AlarmFilter("*", prefix="demo/station"), False),
        (AlarmFilter("*", priorities=frozenset({Priority.LOW})), False),
        (AlarmFilter("*", since_ns=101 * NS), False),
        (AlarmFilter("*", until_ns=100 * NS), False),
        (AlarmFilter("*", verdict="wrong"), True),
        (AlarmFilter("*", verdict="none"), False),
    ],
)
def test_memory_is_searched_like_the_records(wanted: AlarmFilter, found: bool) -> None:
    judged = record(OLD, verdict=Verdict(False, "ben", "", 0))
    assert matches(judged, wanted) is found


def test_alarms_of_one_incident_stand_together_where_the_newest_is() -> None:
    same = msgspec.structs.replace(learned_alarm("T3", 50 * NS), incident_id=OLD.incident_id)
    other = record(learned_alarm("T9", 150 * NS), key=PUMP_1)
    incidents = by_incident([record(NEW), other, record(OLD), record(same)])
    assert [len(one.records) for one in incidents] == [1, 1, 2]


def test_memory_that_holds_but_the_newest_transitions_goes_on_where_the_records_end() -> None:
    seen, gone = then(OLD, "acknowledge", AlarmState.ACKNOWLEDGED, 5), then(OLD, "return", AlarmState.NORMAL, 9)
    kept, live = record(OLD, seen), AlarmView(TANK, OLD, gone, (seen, gone))
    (shown,) = merged([kept], {"T1": live}, AlarmFilter(DEMO))
    assert shown.alarm.transitions == (OLD, seen, gone)


def test_memory_that_is_far_ahead_of_the_records_is_shown_alone() -> None:
    seen, gone = then(OLD, "acknowledge", AlarmState.ACKNOWLEDGED, 5), then(OLD, "return", AlarmState.NORMAL, 9)
    live = AlarmView(TANK, OLD, gone, (seen, gone))
    (shown,) = merged([record(OLD)], {"T1": live}, AlarmFilter(DEMO))
    assert shown.alarm.transitions == (seen, gone)
