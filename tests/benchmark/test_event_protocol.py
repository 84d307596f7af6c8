"""Judging alarms by events: by hand, against the definition written row by row, and by chance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_edge_anomaly.benchmark.event_protocol import (
    EventRule,
    RowCounts,
    best_cut,
    count_rows,
    delay_rows,
    found_by_chance,
    joined,
    judge_events,
    onsets,
    placed_at_random,
    pooled,
    share_found,
)
from iot_edge_anomaly.benchmark.metrics import labelled_stretches

RULE = EventRule(soon_rows=4, soon_share=0.5, held_share=0.5)
FLAGS = st.lists(st.booleans(), min_size=1, max_size=60)


def flags(text: str) -> np.ndarray:
    return np.array([letter == "x" for letter in text])


def plain_delay(alarms: list[bool], begin: int, end: int) -> int | None:
    """The definition, row by row."""
    length = end + 1 - begin
    for row in range(begin + 1, end + 1):
        begins = alarms[row] and not alarms[row - 1]
        is_soon = row - begin <= RULE.soon_rows and row - begin <= RULE.soon_share * length
        rest = alarms[row : end + 1]
        if begins and is_soon and sum(rest) >= RULE.held_share * len(rest):
            return row - begin
    return None


@pytest.mark.parametrize(
    ("labels", "alarms", "delay"),
    [
        ("..xxxxxxxx..", "...xxxxxxx..", 1),
        ("..xxxxxxxx..", "..xxxxxxxx..", None),  # on the first row already: it may have known of something else
        ("..xxxxxxxx..", ".xxxxxxxxxxx", None),  # began on a normal row
        ("..xxxxxxxx..", "......xxxx..", 4),
        ("..xxxxxxxx..", ".......xxx..", None),  # too late
        ("..xxxxxxxx..", "...x.x.x.x..", 1),  # 4 of the 7 rows that remain
        ("..xxxxxxxx..", "...xx.......", None),  # gave up
        ("..xxxxxxxx..", ".xx.xxxxxx..", 2),  # the false one ended, and a new one began
        ("xxxxxxxxxx..", "............", None),
        ("xx..", ".x..", 1),
        ("x...", "x...", None),
    ],
)
def test_an_event_by_hand(labels: str, alarms: str, delay: int | None) -> None:
    assert judge_events(flags(labels), flags(alarms), RULE).delays_rows == (delay,)


def test_the_shorter_of_time_and_share_is_the_limit() -> None:
    late = flags("....xxxxxxxx")
    assert delay_rows(late, 0, 11, EventRule(4, 0.5, 0.5)) == 4
    assert delay_rows(late, 0, 11, EventRule(3, 0.5, 0.5)) is None
    assert delay_rows(late, 0, 11, EventRule(100, 0.25, 0.5)) is None


@settings(max_examples=100, deadline=None)
@given(data=st.data(), labels=FLAGS)
def test_events_are_judged_as_the_definition_says(data: st.DataObject, labels: list[bool]) -> None:
    alarms = data.draw(st.lists(st.booleans(), min_size=len(labels), max_size=len(labels)))
    found = judge_events(np.array(labels), np.array(alarms), RULE)
    stretches = labelled_stretches(np.array(labels))
    assert found.delays_rows == tuple(plain_delay(alarms, begin, end) for begin, end in stretches)
    begun = [row for row, on in enumerate(alarms) if on and not (row and alarms[row - 1])]
    assert onsets(np.array(alarms)).tolist() == begun
    assert found.false_onsets == sum(not labels[row] for row in begun)
    assert found.normal_rows == labels.count(False)


def test_rows_between_two_phases_of_an_event_are_neither_normal_nor_an_end() -> None:
    labels, alarms = flags("..xxxx..xxxx...xx"), flags("...xxxx.xxxxx...x")
    assert judge_events(labels, alarms, RULE._replace(same_event_rows=2)) == ((1, 1), 0, 5)
    assert judge_events(labels, alarms, RULE).delays_rows == (1, None, 1)
    assert joined(labels, 3).tolist() == flags("..xxxxxxxxxxxxxxx").tolist()


def test_a_false_alarm_counts_once_where_it_begins() -> None:
    assert judge_events(flags("....xx...."), flags("xx.xxxxx.x"), RULE)[1:] == (3, 8)
    assert judge_events(flags("...."), flags("...."), RULE) == ((), 0, 4)


def test_the_share_found_is_of_all_events() -> None:
    one = judge_events(flags(".xxxx..xxxx"), flags("..xxx......"), RULE)
    two = judge_events(flags("..........."), flags("..........."), RULE)
    assert share_found([one, two]) == 0.5
    assert share_found([two]) == 0.0


@settings(max_examples=100, deadline=None)
@given(data=st.data(), labels=FLAGS)
def test_rows_are_counted(data: st.DataObject, labels: list[bool]) -> None:
    alarms = data.draw(st.lists(st.booleans(), min_size=len(labels), max_size=len(labels)))
    pairs = list(zip(labels, alarms, strict=True))
    counts = count_rows(np.array(labels), np.array(alarms))
    assert counts == tuple(pairs.count(kind) for kind in ((True, True), (False, True), (True, False), (False, False)))
    assert sum(counts) == len(labels)
    assert all(0.0 <= rate <= 1.0 for rate in (counts.f1, counts.false_alarm_rate, counts.missed_alarm_rate))


def test_rates_are_of_all_rows_together() -> None:
    counts = pooled([RowCounts(3, 1, 0, 6), RowCounts(0, 0, 1, 3)])
    assert counts == (3, 1, 1, 9)
    assert (counts.f1, counts.false_alarm_rate, counts.missed_alarm_rate) == (0.75, 0.1, 0.25)
    assert RowCounts(0, 0, 0, 0).f1 == 0.0


@settings(max_examples=100, deadline=None)
@given(data=st.data(), labels=FLAGS, limit=st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_no_cut_is_better_than_the_oracle_s(data: st.DataObject, labels: list[bool], limit: float) -> None:
    scores = st.lists(st.integers(0, 6), min_size=len(labels), max_size=len(labels))
    label, score = np.array(labels), np.array(data.draw(scores), np.float64)
    cut, counts = best_cut(label, score, limit)
    assert counts == count_rows(label, score > cut)
    tried = [count_rows(label, score > one) for one in (*np.unique(score), -1.0)]
    assert counts.f1 == pytest.approx(max(one.f1 for one in tried if one.false_alarm_rate <= limit))


@settings(max_examples=100, deadline=None)
@given(alarms=FLAGS, seed=st.integers(0, 1_000))
def test_alarms_at_random_are_as_many_and_as_long(alarms: list[bool], seed: int) -> None:
    placed = placed_at_random(np.array(alarms), np.random.default_rng(seed))
    assert len(placed) == len(alarms)
    lengths = [sorted(end - begin for begin, end in labelled_stretches(one)) for one in (np.array(alarms), placed)]
    assert lengths[0] == lengths[1]


def test_every_place_is_as_likely() -> None:
    random = np.random.default_rng(4)
    on = np.mean([placed_at_random(flags("xx.x......"), random) for _ in range(4_000)], axis=0)
    assert on.sum() == pytest.approx(3.0)
    assert on[[0, -1]] == pytest.approx(on[[-1, 0]], abs=0.03)
    begins = [int(onsets(placed_at_random(flags("x....."), random))[0]) for _ in range(6_000)]
    assert np.bincount(begins, minlength=6) / 6_000 == pytest.approx(1 / 6, abs=0.03)


def test_chance_finds_little_and_is_the_same_again() -> None:
    labels = [flags("." * 100 + "x" * 40), flags("." * 300)]
    alarms = [flags("." * 102 + "x" * 38), flags("." * 300)]
    shares = found_by_chance(labels, alarms, EventRule(10, 0.25, 0.5), repeats=400, seed=3)
    assert judge_events(labels[0], alarms[0], EventRule(10, 0.25, 0.5)).delays_rows == (2,)
    assert 0.0 < shares.mean() < 0.06  # it may begin on 10 of 403 rows
    assert np.array_equal(shares, found_by_chance(labels, alarms, EventRule(10, 0.25, 0.5), repeats=400, seed=3))


def test_what_stands_at_the_start_of_a_series_finds_nothing() -> None:
    always = [flags("x" * 50), flags("x" * 50)]
    assert not found_by_chance(always, always, RULE, repeats=5, seed=1).any()
