"""Verdicts move the level that the score has to pass: by a table, in bounds, never so far that a fault is missed."""

import msgspec
import numpy as np
import pytest
from alarm_rows import KEY, NS, SETTINGS, after, cut, rows_of  # type: ignore[import-not-found]
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.alarms import acts
from iot_edge_anomaly.alarms.book import AlarmBook
from iot_edge_anomaly.alarms.feedback import (
    HIGHEST,
    JUST_ABOVE,
    MOST_AT_ONCE,
    REMEMBERED,
    Verdicts,
    moved,
    with_alarm,
    with_height,
    with_verdict,
)
from iot_edge_anomaly.alarms.rows import on_rows
from iot_edge_anomaly.core.messages import Acknowledge, Feedback, Shelve
from iot_edge_anomaly.core.outcomes import AlarmEvent

levels = st.floats(1.0, HIGHEST)
heights = st.one_of(st.floats(1.0, 4.0), st.floats(1.0, 1e300), st.just(float("inf")))
alarms = st.integers(0, REMEMBERED + 8)
raises = st.tuples(st.just("raise"), heights)
climbs = st.tuples(st.just("climb"), heights)
deeds = st.lists(st.one_of(raises, climbs, st.tuples(st.booleans(), alarms)), max_size=120)


@pytest.mark.parametrize(
    ("level", "height", "was_right", "then"),
    [
        (1.0, 1.1, False, 1.122),  # just above it
        (1.0, 1.25, False, 1.25),  # as far as one verdict goes
        (1.0, 40.0, False, 1.25),
        (1.2, 1.3, False, 1.326),
        (1.5, 1.3, False, 1.5),  # an alarm of before: so high a score is none by now
        (2.5, 40.0, False, 3.0),
        (3.0, 40.0, False, 3.0),
        (1.0, 1.1, True, 1.0),
        (1.44, 1.1, True, 1.2),
        (1.44, 40.0, True, 1.2),
        (2.25, 2.3, True, 1.5),
        (1.02, 1.1, True, 1.0),  # near enough
    ],
)
def test_what_a_verdict_does(level: float, height: float, was_right: bool, then: float) -> None:
    assert moved(level, height, was_right=was_right) == pytest.approx(then, abs=1e-12)


@given(level=levels, height=heights)
def test_one_verdict_goes_no_further_than_said_and_never_the_other_way(level: float, height: float) -> None:
    higher, lower = moved(level, height, was_right=False), moved(level, height, was_right=True)
    assert level <= higher <= min(level * MOST_AT_ONCE, HIGHEST)
    assert 1.0 <= lower <= level
    assert higher >= min(height * JUST_ABOVE, level * MOST_AT_ONCE, HIGHEST)


@given(level=levels, other=levels, height=heights, more=st.floats(1.0, 10.0), was_right=st.booleans())
def test_a_higher_alarm_and_a_higher_level_never_lead_lower(
    level: float, other: float, height: float, more: float, was_right: bool
) -> None:
    low, high = sorted((level, other))
    assert moved(low, height, was_right=was_right) <= moved(high, height, was_right=was_right)
    assert moved(level, height, was_right=was_right) <= moved(level, height * more, was_right=was_right)


@given(deeds)
def test_whatever_happens_the_level_keeps_its_bounds_and_the_memory_too(done: list[tuple[object, float]]) -> None:
    verdicts, raised = Verdicts(), 0
    for what, how in done:
        before = verdicts
        if what == "raise":
            verdicts, raised = with_alarm(before, f"A{raised}", how), raised + 1
            assert (verdicts.level, verdicts.given) == (before.level, before.given)
        elif what == "climb":
            verdicts = with_height(before, f"A{raised - 1}", how)
            assert (verdicts.level, verdicts.given) == (before.level, before.given)
        else:
            verdicts = with_verdict(before, f"A{how}", was_right=bool(what))
            assert verdicts.level <= before.level if what else verdicts.level >= before.level
        assert 1.0 <= verdicts.level <= HIGHEST
        assert len(verdicts.alarms) <= REMEMBERED
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(verdicts), type=Verdicts) == verdicts
        assert (verdicts.level == 1.0) or verdicts.given > 0


@given(st.lists(st.tuples(heights, st.booleans()), min_size=1, max_size=20), st.data())
def test_a_changed_verdict_counts_as_if_it_had_been_given_at_first(
    said: list[tuple[float, bool]], data: st.DataObject
) -> None:
    changed = data.draw(st.integers(0, len(said) - 1))
    at_first = Verdicts()
    for number, (height, was_right) in enumerate(said):
        at_first = with_alarm(at_first, f"A{number}", height)
        at_first = with_verdict(at_first, f"A{number}", was_right=was_right is not (number == changed))
    later = with_verdict(at_first, f"A{changed}", was_right=said[changed][1])
    there_and_back = with_verdict(later, f"A{changed}", was_right=not said[changed][1])
    assert there_and_back == at_first
    wanted = Verdicts()
    for number, (height, was_right) in enumerate(said):
        wanted = with_verdict(with_alarm(wanted, f"A{number}", height), f"A{number}", was_right=was_right)
    assert later == wanted


def test_the_same_verdict_twice_is_one() -> None:
    once = with_verdict(with_alarm(Verdicts(), "A1", 5.0), "A1", was_right=False)
    assert with_verdict(once, "A1", was_right=False) == once
    assert (once.level, once.given) == (1.25, 1)


def test_what_nobody_remembers_moves_nothing() -> None:
    verdicts = with_verdict(with_alarm(Verdicts(), "A1", 5.0), "A1", was_right=False)
    assert with_verdict(verdicts, "A2", was_right=False) == verdicts
    for number in range(REMEMBERED):
        verdicts = with_alarm(verdicts, f"B{number}", 5.0)
    assert (verdicts.level, verdicts.given, verdicts.forgotten) == (1.25, 1, 1)
    assert with_verdict(verdicts, "A1", was_right=True) == verdicts
    assert with_verdict(verdicts, "B0", was_right=False).level == pytest.approx(1.25**2)


def call(book: AlarmBook, event: AlarmEvent, was_right: bool, second: int = 99) -> list[AlarmEvent]:
    return acts.judge(book, Feedback(KEY.tenant, KEY.asset, event.alarm_id, was_right, second * NS, "ada"), SETTINGS)


def raised_at(book: AlarmBook, height: float, start: int = 0) -> AlarmEvent:
    """Let a score alarm come, be seen and go."""
    raised, _ = on_rows(book, KEY, rows_of(start=start, score=[height] * 2 + [0.1] * 3), SETTINGS)
    acts.acknowledge(book, Acknowledge(KEY.tenant, KEY.asset, "", (start + 5) * NS, "ada"), SETTINGS)
    return raised


def test_what_was_called_wrong_does_not_come_again_but_what_is_well_above_does() -> None:
    book = AlarmBook()
    first = raised_at(book, 1.2)
    assert (first.score, first.threshold) == (1.2, 1.0)
    assert call(book, first, was_right=False) == []
    assert after(book, rows_of(start=100, score=[1.2] * 9)) == []
    (again,) = on_rows(book, KEY, rows_of(start=200, score=[1.5] * 2), SETTINGS)
    assert (again.event, again.score) == ("raise", 1.5)
    assert again.threshold == pytest.approx(1.2 * JUST_ABOVE)


def test_an_alarm_that_stands_is_over_with_the_word_that_it_was_wrong() -> None:
    book = AlarmBook()
    (raised,) = on_rows(book, KEY, rows_of(score=[1.2] * 4), SETTINGS)
    assert not book.allows_learning()
    (said,) = call(book, raised, was_right=False, second=5)
    assert (said.event, said.alarm_id, said.time_ns) == ("return", raised.alarm_id, 5 * NS)
    assert book.allows_learning()
    assert after(book, rows_of(start=5, score=[1.2] * 9)) == []
    assert after(book, rows_of(start=14, score=[1.3] * 2)) == [(15, "re-raise", "score")]


@pytest.mark.parametrize(("height", "was_right"), [(1.2, True), (1.3, False)])
def test_an_alarm_stands_that_was_right_or_so_high_that_one_verdict_does_not_reach_it(
    height: float, was_right: bool
) -> None:
    book = AlarmBook()
    (raised,) = on_rows(book, KEY, rows_of(score=[height] * 4), SETTINGS)
    assert call(book, raised, was_right=was_right) == []
    assert book.alarms["score"].is_active


def test_what_is_out_of_sight_is_over_without_a_word() -> None:
    book = AlarmBook()
    (raised,) = on_rows(book, KEY, rows_of(score=[1.2] * 2), SETTINGS)
    acts.shelve(book, Shelve(KEY.tenant, KEY.asset, "score", 900 * NS, 3 * NS, "ada", "noise"), SETTINGS)
    assert call(book, raised, was_right=False) == []
    assert not book.alarms["score"].is_active


def test_what_counts_is_how_high_it_went_up_to_the_verdict() -> None:
    book = AlarmBook()
    raised, *_ = on_rows(book, KEY, rows_of(score=[1.05, 1.1, 1.15, 1.19, 1.12]), SETTINGS)
    assert raised.score == 1.1
    call(book, raised, was_right=False)
    assert book.verdicts.level == pytest.approx(1.19 * JUST_ABOVE)
    assert after(book, rows_of(start=5, score=[1.8] * 3)) == [(6, "re-raise", "score")]
    call(book, raised, was_right=True)
    call(book, raised, was_right=False)
    assert book.verdicts.level == pytest.approx(1.19 * JUST_ABOVE)


def test_out_of_sight_it_counts_too_and_while_nobody_judges_the_score_it_does_not() -> None:
    book = AlarmBook()
    (raised,) = on_rows(book, KEY, rows_of(score=[1.1] * 2), SETTINGS)
    on_rows(book, KEY, rows_of(start=2, score=[1.9], judge_score=False), SETTINGS)
    assert [alarm.height for alarm in book.verdicts.alarms] == [1.1]
    acts.shelve(book, Shelve(KEY.tenant, KEY.asset, "score", 900 * NS, 3 * NS, "ada", "noise"), SETTINGS)
    on_rows(book, KEY, rows_of(start=4, score=[1.2]), SETTINGS)
    assert [(alarm.alarm_id, alarm.height) for alarm in book.verdicts.alarms] == [(raised.alarm_id, 1.2)]


def test_an_alarm_is_over_a_tenth_below_its_level() -> None:
    book = AlarmBook()
    call(book, raised_at(book, 2.0), was_right=False)
    on_rows(book, KEY, rows_of(start=100, score=[1.4] * 2), SETTINGS)
    assert after(book, rows_of(start=102, score=[1.126] * 5)) == []
    assert after(book, rows_of(start=107, score=[1.124] * 3)) == [(109, "return", "score")]


def test_a_grave_fault_is_told_however_many_alarms_were_called_wrong() -> None:
    book = AlarmBook()
    for number in range(20):
        call(book, raised_at(book, 1000.0, start=100 * number), was_right=False)
    assert book.verdicts.level == HIGHEST
    assert after(book, rows_of(start=9_000, score=[HIGHEST + 0.01] * 2)) == [(9_001, "raise", "score")]


def test_a_verdict_on_a_limit_moves_nothing() -> None:
    book = AlarmBook()
    (high,) = on_rows(book, KEY, rows_of(temperature=[90.0]), SETTINGS)
    assert call(book, high, was_right=False) == []
    assert book.verdicts == Verdicts()
    assert after(book, rows_of(start=100, flow=[4.0])) == [(100, "raise", "limit:flow:L")]


def test_the_level_begins_again_at_one() -> None:
    book = AlarmBook()
    first = raised_at(book, 1.2)
    assert not acts.begin_level_anew(book)
    call(book, first, was_right=False)  # said of the model before
    assert book.verdicts == Verdicts()
    call(book, raised_at(book, 1.2, start=100), was_right=False)
    assert acts.begin_level_anew(book)
    assert book.verdicts == Verdicts()


def test_a_book_of_before_begins_at_one() -> None:
    book = AlarmBook()
    on_rows(book, KEY, rows_of(score=[1.2] * 2), SETTINGS)
    before = msgspec.msgpack.encode(msgspec.msgpack.decode(msgspec.msgpack.encode(book))[:5])
    read = msgspec.msgpack.decode(before, type=AlarmBook)
    assert read.verdicts == Verdicts()
    assert read.alarms == book.alarms


@given(
    scores=st.lists(st.sampled_from([0.1, 1.05, 1.2, 1.3, 2.0, 3.5]), min_size=1, max_size=30),
    wrong=st.lists(st.floats(1.0, 4.0), max_size=4),
    edge=st.integers(0, 30),
)
def test_no_cut_changes_what_a_raised_level_lets_through(scores: list[float], wrong: list[float], edge: int) -> None:
    whole, parts = AlarmBook(), AlarmBook()
    for number, height in enumerate(wrong):
        for book in (whole, parts):
            book.verdicts = with_verdict(with_alarm(book.verdicts, f"W{number}", height), f"W{number}", was_right=False)
    rows = rows_of(score=scores)
    said = [*on_rows(parts, KEY, cut(rows, 0, edge), SETTINGS)]
    parts = msgspec.msgpack.decode(msgspec.msgpack.encode(parts), type=AlarmBook)
    said += on_rows(parts, KEY, cut(rows, edge, len(scores)), SETTINGS)
    assert said == on_rows(whole, KEY, rows, SETTINGS)
    assert parts == whole
    level = whole.verdicts.level
    assert all(event.score > level and event.threshold == level for event in said if event.event == "raise")
    assert any(event.event == "raise" for event in said) or not np.any(_in_a_row(np.array(scores) > level, 2))


def _in_a_row(holds: np.ndarray, count: int) -> np.ndarray:
    return np.convolve(holds, np.ones(count), "valid") == count if len(holds) >= count else np.zeros(1, bool)
