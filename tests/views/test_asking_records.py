"""Ask the view database: what is found is what a plain reading of the filter says, whatever is asked."""

import string
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from commits import NS, a_history, commit, outcome  # type: ignore[import-not-found]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kept import messages, records, written  # type: ignore[import-not-found]

from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, Commit, Contributor, Notice, Priority
from iot_edge_anomaly.views.records import AlarmFilter, AlarmRecord, Verdict
from iot_edge_anomaly.views.records_store import Records

ASSETS = tuple(
    AssetKey(*name.split("/", 1))
    for name in ("acme/site/pump-1", "acme/site/pump-10", "acme/site", "acme/sïte/PUMP_1", "rival/site/pump-1", "ac/me")
)
REASONS = ("flow 100% high", "Fluß_a is low", "back\\slash", "DRUCK steigt")
STATES = (AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED, AlarmState.RETURNED, AlarmState.NORMAL)
VERDICTS = (None, "right", "wrong")
COUNT = 120


def alarm(number: int) -> AlarmEvent:
    state, priority = STATES[number % 4], list(Priority)[number % 3]
    reason = f"{REASONS[number % len(REASONS)]} no. {number}"
    return AlarmEvent(
        f"A{number:03}",
        f"I{number // 4}",
        "score",
        "raise",
        AlarmState.NORMAL,
        state,
        number // 2 * NS,
        priority,
        reason,
    )


def a_plant() -> list[Commit]:
    history = []
    for number in range(COUNT):
        verdict = VERDICTS[number % 5 % 3]
        said = (Notice(f"feedback-{verdict}", f"A{number:03}", "", 5, "ada", "so"),) if verdict else ()
        history.append(commit(0, number + 1, outcome(ASSETS[number % 6], alarms=(alarm(number),), notices=said)))
    return history


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Records:
    path = tmp_path_factory.mktemp("asked") / "views.db"
    written(path, messages(a_plant()))
    return records(path)


def matches(number: int, wanted: AlarmFilter) -> bool:
    """The filter, read plainly."""
    key, event, verdict = ASSETS[number % 6], alarm(number), VERDICTS[number % 5 % 3]
    text = f"{key} {event.reason} {event.alarm_id}".casefold()
    prefix = wanted.prefix.strip("/")
    age = (event.time_ns, event.alarm_id)
    return (
        (wanted.tenants == "*" or key.tenant in wanted.tenants)
        and all(word in text for word in wanted.words.casefold().split())
        and (not prefix or f"{key}/".startswith(f"{prefix}/"))
        and (not wanted.states or event.after in wanted.states)
        and (not wanted.priorities or event.priority in wanted.priorities)
        and (not wanted.verdict or (verdict or "none") == wanted.verdict)
        and wanted.since_ns <= event.time_ns < wanted.until_ns
        and (wanted.before is None or age < wanted.before)
    )


def expected(wanted: AlarmFilter) -> list[str]:
    found = [number for number in range(COUNT) if matches(number, wanted)]
    newest = sorted(found, key=lambda number: (alarm(number).time_ns, alarm(number).alarm_id), reverse=True)
    return [alarm(number).alarm_id for number in newest[: wanted.limit]]


def ids(found: Sequence[AlarmRecord]) -> list[str]:
    return [one.alarm.raised.alarm_id for one in found]


words = st.sampled_from(
    ["", "100%", "%", "_", "\\", "FLUSS", "fluß_A", "druck STEIGT", "pump-1", "PUMP_1", "a00", "no. 7"]
)
filters = st.builds(
    AlarmFilter,
    st.one_of(st.just("*"), st.frozensets(st.sampled_from(["acme", "rival", "ac", "nobody"]))),
    st.one_of(words, st.text(string.printable, max_size=4)),
    st.sampled_from(
        ["", "acme", "acme/", "acme/site", "acme/site/pump-1", "acme/s", "ACME", "acme/s_te", "rival/site", "/"]
    ),
    st.frozensets(st.sampled_from(AlarmState), max_size=2),
    st.frozensets(st.sampled_from(Priority), max_size=2),
    st.sampled_from(["", "none", "right", "wrong"]),
    st.integers(0, 70).map(lambda second: second * NS),
    st.integers(0, 70).map(lambda second: second * NS),
    st.integers(0, 200),
    st.one_of(st.none(), st.tuples(st.integers(0, 60).map(lambda second: second * NS), st.sampled_from(["A050", "A"]))),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=filters)
def test_what_is_found_is_what_the_filter_says(kept: Records, wanted: AlarmFilter) -> None:
    assert ids(kept.alarms(wanted)) == expected(wanted)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wanted=st.builds(
        AlarmFilter,
        st.one_of(st.just("*"), st.frozensets(st.text())),
        st.text(),
        st.text(),
        verdict=st.just(""),
        since_ns=st.integers(),
        until_ns=st.integers(),
        limit=st.integers(),
        before=st.one_of(st.none(), st.tuples(st.integers(), st.text())),
    ),
    name=st.text(),
    number=st.integers(),
)
def test_nonsense_finds_nothing_or_is_refused_and_breaks_nothing(
    kept: Records, wanted: AlarmFilter, name: str, number: int
) -> None:
    try:
        found = kept.alarms(wanted)
    except RejectedError:
        found = []
    assert set(ids(found)) <= set(expected(AlarmFilter("*", limit=COUNT)))
    assert kept.alarm(name) is None
    assert kept.incident(name) == kept.similar(name, number) == kept.verdicts(name) == []
    kept.days(wanted.tenants, number, name)
    kept.learned(wanted.tenants, number, number + 1)
    kept.judged(wanted.tenants, number, number + 1, name)
    kept.notices(wanted.tenants, number, name, number)
    assert kept.after(1, number, number, 10) == []


@pytest.mark.parametrize("text", ["\ud800", "a\0b"])
def test_what_no_database_can_hold_is_not_found(kept: Records, text: str) -> None:
    assert kept.alarms(AlarmFilter("*", words=text)) == []


@pytest.mark.parametrize("text", ["x" * 1_001, " ".join("abcdefghijklmnopqrstuvw")])
def test_what_nobody_means_is_not_looked_for(kept: Records, text: str) -> None:
    with pytest.raises(RejectedError, match="20 words"):
        kept.alarms(AlarmFilter("*", words=text))


def test_pages_follow_each_other_without_a_hole(kept: Records) -> None:
    def pages() -> Iterator[list[AlarmRecord]]:
        before = None
        while page := kept.alarms(AlarmFilter("*", limit=7, before=before)):
            yield page
            before = (page[-1].alarm.raised.time_ns, page[-1].alarm.raised.alarm_id)

    assert [name for page in pages() for name in ids(page)] == expected(AlarmFilter("*", limit=COUNT))


def test_a_record_has_its_verdict_and_its_incident(kept: Records) -> None:
    found = kept.alarm("A002")
    assert found is not None
    assert found.verdict == Verdict(False, "ada", "so", 5)
    assert ids(kept.incident("I0")) == ["A000", "A001", "A002", "A003"]


def test_like_alarms_of_the_past_come_first_and_those_of_others_never(tmp_path: Path) -> None:
    def raised(number: int, key: AssetKey, condition: str, **shares: float) -> Commit:
        parts = tuple(Contributor(sensor, share, 1.0, 2.0) for sensor, share in shares.items())
        event = msgspec.structs.replace(alarm(number), condition=condition, contributors=parts, time_ns=number * NS)
        return commit(0, number + 1, outcome(key, alarms=(event,)))

    pump, tank = ASSETS[0], ASSETS[1]
    history = [
        raised(1, pump, "score", flow=0.9, power=0.1),
        raised(2, pump, "score", level=1.0),
        raised(3, tank, "score", flow=0.9, power=0.1),
        raised(4, pump, "stuck:flow"),
        raised(5, pump, "score", flow=0.1, power=0.9),
        raised(6, pump, "score"),
        raised(7, pump, "score", flow=0.8, power=0.2),
        raised(8, pump, "score", flow=0.8, power=0.2),
        raised(9, pump, "stuck:flow"),
    ]
    written(tmp_path / "views.db", messages(history))
    kept = records(tmp_path / "views.db")
    assert ids(kept.similar("A007", 10)) == ["A001", "A005", "A006", "A002"], "of those as like the newest comes first"
    assert ids(kept.similar("A007", 1)) == ["A001"]
    assert ids(kept.similar("A009", 10)) == ["A004"]


def test_before_there_is_a_database_that_is_said_and_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="cannot be used now"):
        records(tmp_path / "views.db").alarms(AlarmFilter("*"))
    assert list(tmp_path.iterdir()) == []


def test_notices_tell_who_did_what(tmp_path: Path) -> None:
    told = Notice("maintenance", "", "in maintenance, says ada: new seal", 99, "ada", "new seal")
    flutter = Notice("sensor-vanished", "flow", "flow has no reading any more", 5)
    written(
        tmp_path / "views.db", messages([*a_history(4), commit(0, 50, outcome(ASSETS[0], notices=(flutter, told)))])
    )
    (found,) = records(tmp_path / "views.db").notices(frozenset({"acme"}), 0, "acme/site/pump-1")
    assert (found.key, found.kind, found.by, found.note, found.at_ns) == (
        ASSETS[0],
        "maintenance",
        "ada",
        "new seal",
        50 * NS,
    )
