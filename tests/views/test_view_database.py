"""What the view database holds: what the plant in memory holds, however commits are cut, repeated, interrupted."""

import multiprocessing
import os
import signal
from itertools import count
from pathlib import Path

import msgspec
import pytest
from commits import (  # type: ignore[import-not-found]
    NORMAL,
    NS,
    PUMP,
    RETURNED,
    SEEN,
    TANK,
    UNSEEN,
    a_history,
    commit,
    event,
    outcome,
    plant_of,
)
from commits import rows as scored
from hypothesis import given, settings
from hypothesis import strategies as st
from kept import messages, records, rows, written  # type: ignore[import-not-found]
from sqlalchemy import Engine
from sqlalchemy import event as event_api

from iot_edge_anomaly.bus.answers import Message
from iot_edge_anomaly.core.outcomes import Commit, Notice, Phase, SourceCount
from iot_edge_anomaly.views.gap import NOTE
from iot_edge_anomaly.views.records import DAY_NS, AlarmFilter, AssetDay, LearnedAlarms, Verdict

ALL = AlarmFilter("*")


def test_it_holds_the_alarms_that_memory_holds(tmp_path: Path) -> None:
    history = a_history(60)
    written(tmp_path / "views.db", messages(history))
    kept = [record.alarm for record in records(tmp_path / "views.db").alarms(ALL)]
    expected = plant_of(history).alarms(1_000)
    assert len(kept) == 31
    assert kept == list(expected)


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(0, 60), max_size=8), again=st.integers(0, 60))
def test_cuts_and_repeats_change_nothing(tmp_path_factory: pytest.TempPathFactory, cuts: list[int], again: int) -> None:
    folder = tmp_path_factory.mktemp("cuts")
    stored = messages(a_history(60))
    written(folder / "whole.db", stored)
    written(folder / "cut.db", stored, cuts)
    written(folder / "cut.db", stored[again:], cuts)
    assert rows(folder / "cut.db") == rows(folder / "whole.db")


def test_what_cannot_be_read_is_skipped_and_passed(tmp_path: Path) -> None:
    stored = messages(a_history(10))
    stored[4] = Message(stored[4].seq, stored[4].subject, b"\x01garbage")
    written(tmp_path / "views.db", stored)
    assert records(tmp_path / "views.db").positions() == {0: 10, 1: 9}
    stored[8] = Message(stored[8].seq, stored[8].subject, b"")
    written(tmp_path / "other.db", stored)
    assert records(tmp_path / "other.db").positions() == {0: 10, 1: 9}, "a position is that of the last message"


def judged(second: int, name: str, kind: str, by: str, note: str) -> Commit:
    return commit(0, second, outcome(PUMP, notices=(Notice(f"feedback-{kind}", name, "", second * NS, by, note),)))


def test_the_latest_verdict_counts_and_all_are_kept(tmp_path: Path) -> None:
    raised = commit(0, 1, outcome(PUMP, alarms=(event("A1", NORMAL, UNSEEN, 1),)))
    history = [
        raised,
        judged(2, "A1", "wrong", "Dr. Ada", "the valve was open. On purpose"),
        judged(3, "A1", "right", "bob", ""),
        judged(4, "A-none", "wrong", "eve", ""),
        commit(0, 5, outcome(TANK, notices=(Notice("feedback-wrong", "A1", "", 5 * NS, "mallory"),))),
    ]
    written(tmp_path / "views.db", messages(history))
    kept = records(tmp_path / "views.db")
    found = kept.alarm("A1")
    assert found is not None
    assert found.verdict == Verdict(True, "bob", "", 3 * NS), "a verdict of another asset is none on this alarm"
    assert kept.verdicts("A1")[:2] == [
        Verdict(False, "Dr. Ada", "the valve was open. On purpose", 2 * NS),
        Verdict(True, "bob", "", 3 * NS),
    ]
    assert kept.alarm("A-none") is None


def test_days_sum_up_rows_values_and_alarms(tmp_path: Path) -> None:
    count = SourceCount("plc", 10, 6, 1, 1, 2, 0)
    first = outcome(
        PUMP, counts=(count, count), rows=scored([[1.0, 2.0]] * 3), alarms=(event("A1", NORMAL, UNSEEN, 1),)
    )
    later = outcome(PUMP, rows=scored([[1.0, 2.0]] * 4, first=2 * 86_400 - 1))
    written(tmp_path / "views.db", messages([commit(0, 1, first), commit(0, 2, later)]))
    kept = records(tmp_path / "views.db")
    assert kept.days("*", 0) == [
        AssetDay(PUMP, 0, (3, 0, 0, 0), 20, 12, 2, 2, 4, 1),
        AssetDay(PUMP, 1, (1, 0, 0, 0), 0, 0, 0, 0, 0, 0),
        AssetDay(PUMP, 2, (3, 0, 0, 0), 0, 0, 0, 0, 0, 0),
    ]
    assert kept.days("*", 2) == kept.days("*", 0)[2:]
    assert kept.days("*", 0, "acme/other") == []


def test_only_scored_rows_of_a_calibrated_model_are_watched_time(tmp_path: Path) -> None:
    ten = msgspec.structs.replace(scored([[1.0, 2.0]] * 10), grid_ns=5 * NS)
    rejected = msgspec.structs.replace(ten, quality=bytes([3] * 9 + [2]))
    learning = msgspec.structs.replace(ten, phase=Phase.PROVISIONAL)
    off = msgspec.structs.replace(ten, quality=bytes([4] * 10))
    history = [commit(0, n, outcome(PUMP, rows=each)) for n, each in enumerate((ten, rejected, learning, off), 1)]
    written(tmp_path / "views.db", messages(history))
    kept = records(tmp_path / "views.db")
    assert kept.learned("*", 0, DAY_NS) == [LearnedAlarms(PUMP, 0, 0, 0, 55.0)]
    assert [day.rows for day in kept.days("*", 0)] == [(30, 0, 1, 9)]


def test_learned_alarms_are_counted_by_verdict_and_no_others(tmp_path: Path) -> None:
    def raised(name: str, second: int, condition: str = "score") -> Commit:
        told = msgspec.structs.replace(event(name, NORMAL, UNSEEN, second), condition=condition)
        return commit(0, second, outcome(PUMP, alarms=(told,)))

    shelved = msgspec.structs.replace(event("A9", NORMAL, UNSEEN, 9), event="shelve")
    history = [
        *(raised(f"A{n}", n) for n in range(1, 6)),
        raised("A6", 6, "limit:flow:H"),
        raised("A7", 86_400 + 7),
        commit(0, 86_410, outcome(PUMP, alarms=(shelved,))),
        judged(86_411, "A1", "wrong", "ada", ""),
        judged(86_412, "A2", "right", "ada", ""),
        judged(86_413, "A3", "wrong", "ada", ""),
        judged(86_414, "A3", "right", "bob", "after all"),
    ]
    written(tmp_path / "views.db", messages(history))
    kept = records(tmp_path / "views.db")
    assert kept.learned("*", 0, DAY_NS) == [LearnedAlarms(PUMP, 2, 1, 2, 0.0)]
    assert kept.learned("*", 5, DAY_NS - 5) == kept.learned("*", 0, DAY_NS), "whole days"
    assert kept.learned("*", 0, 2 * DAY_NS) == [LearnedAlarms(PUMP, 2, 1, 3, 0.0)]
    assert [(one.alarm_id, one.verdict.by) for one in kept.judged("*", 0, DAY_NS)] == [
        ("A3", "bob"),
        ("A2", "ada"),
        ("A1", "ada"),
    ]


DAY = 86_400


def at(second: int, *alarms: object) -> Commit:
    counts = (SourceCount("s", 1, 1),)
    return Commit(0, second, second, second * NS, (outcome(PUMP, alarms=alarms, counts=counts),))


def raised_and_over(name: str, second: int) -> Commit:
    return at(second, event(name, NORMAL, UNSEEN, second), event(name, UNSEEN, NORMAL, second))


def test_old_days_and_alarms_go_and_open_ones_stay(tmp_path: Path) -> None:
    history = [
        at(10, event("A-over", NORMAL, UNSEEN, 10), event("A-open", NORMAL, UNSEEN, 10)),
        at(20, event("A-over", UNSEEN, SEEN, 20), event("A-over", SEEN, NORMAL, 20)),
        raised_and_over("A-late", DAY),
        at(41 * DAY),
        judged(41 * DAY + 5, "A-over", "wrong", "ada", ""),
    ]
    written(tmp_path / "whole.db", messages(history), keep_days=40)
    written(tmp_path / "cut.db", messages(history), cuts=range(1, 6), keep_days=40)
    kept = records(tmp_path / "whole.db")
    assert sorted(one.alarm.raised.alarm_id for one in kept.alarms(ALL)) == ["A-late", "A-open"]
    assert [one.day for one in kept.days("*", 0)] == [1, 41]
    assert rows(tmp_path / "whole.db") == rows(tmp_path / "cut.db")


def test_what_sinks_may_yet_have_to_hand_on_stays_for_30_days_whatever_the_settings_say(tmp_path: Path) -> None:
    history = [raised_and_over("A1", 10), raised_and_over("A2", DAY), at(30 * DAY)]
    written(tmp_path / "views.db", messages(history), keep_days=1)
    kept = records(tmp_path / "views.db")
    assert len(kept.after(0, 0, 0, 100)) == 4
    assert [one.day for one in kept.days("*", 0)] == [30], "the rest goes as the settings say"
    assert kept.missing() == {}
    history += [at(31 * DAY), at(31 * DAY + 1)]
    written(tmp_path / "views.db", messages(history), keep_days=1)
    assert [one.event.alarm_id for one in kept.after(0, 0, 0, 100)] == ["A2", "A2"]
    assert kept.missing() == {0: 1}, "up to the first commit something is lacking"


def test_up_to_where_transitions_were_pruned_is_known_wherever_it_was_cut(tmp_path: Path) -> None:
    history = [raised_and_over(f"A{day}", day * DAY + 5) for day in range(0, 80, 3)]
    written(tmp_path / "whole.db", messages(history), keep_days=1)
    written(tmp_path / "cut.db", messages(history), cuts=range(1, len(history)), keep_days=1)
    kept = records(tmp_path / "whole.db")
    first = kept.after(0, 0, 0, 1)[0].position
    assert kept.missing() == {0: first - 1}
    assert rows(tmp_path / "whole.db") == rows(tmp_path / "cut.db")


def test_of_an_alarm_that_flutters_the_newest_transitions_are_shown_and_the_rest_goes_in_time(tmp_path: Path) -> None:
    flutter = [at(n, event("A1", *((RETURNED, UNSEEN) if n % 2 else (UNSEEN, RETURNED)), n)) for n in range(2, 200)]
    history = [at(1, event("A1", NORMAL, UNSEEN, 1)), *flutter]
    written(tmp_path / "views.db", messages(history))
    kept = records(tmp_path / "views.db")
    found = kept.alarm("A1")
    assert found is not None
    assert [each.time_ns // NS for each in found.alarm.transitions] == list(range(150, 200))
    (listed,) = kept.alarms(AlarmFilter("*"))
    assert listed.alarm == plant_of(history).alarm("A1")
    assert listed.alarm.transitions == found.alarm.transitions[-8:]
    assert len(kept.after(0, 0, 0, 1_000)) == 199, "sinks are handed all of them"
    later = [*history, at(31 * 86_400, event("A2", NORMAL, UNSEEN, 31 * 86_400))]
    written(tmp_path / "views.db", messages(later))
    assert kept.alarm("A1") == found
    assert len(rows(tmp_path / "views.db")["transitions"]) == 1 + 50 + 1
    assert kept.missing() == {0: 149}, "of a sink that was away for so long it can be told that it missed some"


def test_postings_come_in_the_order_of_the_stream_and_none_twice(tmp_path: Path) -> None:
    two = (event("A1", NORMAL, UNSEEN, 1), event("A2", NORMAL, UNSEEN, 1))
    history = [
        commit(0, 1, outcome(PUMP, alarms=two)),
        commit(1, 2, outcome(TANK, alarms=(event("A3", NORMAL, SEEN, 2),))),
    ]
    history += [commit(0, 3, outcome(PUMP, alarms=(event("A1", UNSEEN, SEEN, 3),)))]
    written(tmp_path / "views.db", messages(history))
    kept = records(tmp_path / "views.db")
    place, seen = (0, -1), []
    while found := kept.after(0, *place, 1):
        (posting,) = found
        seen.append((posting.id, posting.event.alarm_id, posting.event.after))
        place = (posting.position, posting.number)
    assert seen == [("0-1-0-A1", "A1", UNSEEN), ("0-1-1-A2", "A2", UNSEEN), ("0-3-0-A1", "A1", SEEN)]
    assert [posting.key for posting in kept.after(1, 0, 0, 10)] == [TANK]


def write_and_die(path: Path, stored: list[Message], statement: int) -> None:
    """Write messages, and be killed when so many statements have been sent to the database."""
    sent = count(1)

    def die(*_: object) -> None:
        if next(sent) == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    event_api.listen(Engine, "before_cursor_execute", die)
    event_api.listen(Engine, "commit", die)
    written(path, stored)


def test_killed_before_any_statement_it_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    stored = messages([*a_history(12), judged(400_000, "A1-site/pump", "wrong", "ada", "")])
    written(tmp_path / "whole.db", stored)
    forked = multiprocessing.get_context("fork")
    for statement in count(1):
        path = tmp_path / f"killed-{statement}.db"
        child = forked.Process(target=write_and_die, args=(path, stored, statement))
        child.start()
        child.join()
        written(path, stored)
        assert rows(path) == rows(tmp_path / "whole.db"), f"killed before statement {statement}"
        if child.exitcode == 0:
            break
    assert statement > 30


def test_alarms_are_brought_over_what_was_purged(tmp_path: Path) -> None:
    """A1 ended meanwhile, A2 was acknowledged, A3 stands as it did, A4 is new; then the stream goes on."""
    raised = [event(f"A{n}", NORMAL, UNSEEN, n) for n in (1, 2, 3)]
    before = [commit(0, n, outcome(PUMP, alarms=(each,))) for n, each in enumerate(raised, 1)]
    writer = written(tmp_path / "views.db", messages(before))
    standing = [
        msgspec.structs.replace(event(name, NORMAL, after, 5), event="raise")
        for name, after in (("A2", SEEN), ("A3", UNSEEN), ("A4", UNSEEN))
    ]
    writer.skip(0, 20, commit(0, 0, outcome(PUMP, alarms=tuple(standing))))
    writer.apply(0, messages([commit(0, 30, outcome(PUMP, alarms=(event("A4", UNSEEN, SEEN, 30),)))], first=21))
    kept = records(tmp_path / "views.db")

    def told(name: str) -> list[tuple[str, str]]:
        found = kept.alarm(name)
        assert found is not None
        return [(each.event, each.note) for each in found.alarm.transitions]

    assert told("A1") == [("raise", ""), ("return", NOTE)]
    assert told("A2") == [("raise", ""), ("acknowledge", NOTE)]
    assert told("A3") == [("raise", "")]
    assert told("A4") == [("raise", ""), ("acknowledge", "")]
    assert [one.alarm.raised.alarm_id for one in kept.alarms(AlarmFilter("*", states=frozenset([NORMAL])))] == ["A1"]
    assert (kept.positions(), kept.missing()) == ({0: 21}, {0: 20})
