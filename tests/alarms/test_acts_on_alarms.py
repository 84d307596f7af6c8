"""What the clock and people do to an alarm book."""

from alarm_rows import KEY, NS, SETTINGS, after, rows_of, told  # type: ignore[import-not-found]

from iot_edge_anomaly.alarms import acts
from iot_edge_anomaly.alarms.book import AlarmBook
from iot_edge_anomaly.alarms.rows import on_rows
from iot_edge_anomaly.core.messages import Acknowledge, Maintenance, NewNormal, Shelve
from iot_edge_anomaly.core.outcomes import AlarmState

HIGH = "limit:bearing_temperature:H"


def tick(book: AlarmBook, second: int, flow: int = 0, temperature: int = 0) -> list[tuple[int, str, str]]:
    """Let it be so late, the sensors heard last at these seconds; checks that `needs_tick` knows what a tick does."""
    heard = {"flow": flow * NS, "bearing_temperature": temperature * NS}
    needed = acts.needs_tick(book, second * NS, heard, SETTINGS)
    before = repr(book)
    events = acts.on_tick(book, KEY, second * NS, heard, SETTINGS)
    assert needed or (not events and repr(book) == before)
    return told(events)


def shelve(book: AlarmBook, condition: str, second: int, until: int) -> list[tuple[int, str, str]]:
    control = Shelve(KEY.tenant, KEY.asset, condition, until * NS, second * NS, "ada", "known")
    return told(acts.shelve(book, control, SETTINGS))


def maintain(book: AlarmBook, second: int, until: int) -> list[tuple[int, str, str]]:
    return told(acts.maintenance(book, Maintenance(KEY.tenant, KEY.asset, until * NS, second * NS, "ada"), SETTINGS))


def acknowledge(book: AlarmBook, alarm_id: str = "") -> list[tuple[int, str, str]]:
    return told(
        acts.acknowledge(book, Acknowledge(KEY.tenant, KEY.asset, alarm_id, 9 * NS, "ada", "on my way"), SETTINGS)
    )


def test_a_sensor_that_falls_silent_alone_is_its_own_alarm() -> None:
    book = AlarmBook()
    assert tick(book, 60) == []
    assert tick(book, 61, temperature=60) == [(61, "raise", "silence:flow")]
    assert book.alarms["silence:flow"].reason == "no reading from flow for 61 s"
    assert tick(book, 62, temperature=62) == []
    assert tick(book, 63, flow=63, temperature=63) == [(63, "return", "silence:flow")]
    assert book.allows_learning()


def test_an_asset_that_falls_silent_as_a_whole_is_one_alarm() -> None:
    book = AlarmBook()
    assert tick(book, 61) == [(61, "raise", "silence:*")]
    assert tick(book, 200) == []
    assert tick(book, 201, flow=201) == [(201, "return", "silence:*"), (201, "raise", "silence:bearing_temperature")]


def test_silence_of_one_sensor_becomes_that_of_all() -> None:
    book = AlarmBook()
    tick(book, 61, temperature=60)
    assert tick(book, 121, temperature=60) == [(121, "return", "silence:flow"), (121, "raise", "silence:*")]
    assert len({alarm.incident_id for alarm in book.alarms.values()}) == 1


def test_a_time_in_which_nobody_listened_is_no_silence() -> None:
    book = AlarmBook()
    heard = {"flow": 10 * NS, "bearing_temperature": 100 * NS}
    assert acts.listened(book, heard, 50 * NS) == {"flow": 50 * NS, "bearing_temperature": 100 * NS}
    assert tick(book, 61, temperature=60) == [(61, "raise", "silence:flow")]
    assert acts.listened(book, heard, 5_000 * NS) == {"flow": 10 * NS, "bearing_temperature": 5_000 * NS}


def test_the_silence_of_a_whole_asset_goes_on_while_nobody_listens() -> None:
    book = AlarmBook()
    assert tick(book, 61) == [(61, "raise", "silence:*")]
    heard = {"flow": 0, "bearing_temperature": 0}
    assert acts.listened(book, heard, 5_000 * NS) == heard


def test_silence_is_not_watched_where_it_is_switched_off() -> None:
    book = AlarmBook()
    assert acts.on_tick(book, KEY, 10**18, {"unknown": 0}, SETTINGS) == []


def test_acknowledging_needs_a_name_or_means_all() -> None:
    book = AlarmBook()
    on_rows(book, KEY, rows_of(score=[2.0] * 2, temperature=[90.0] * 2), SETTINGS)
    assert acknowledge(book, "A0") == []
    assert acknowledge(book, book.alarms["score"].alarm_id) == [(9, "acknowledge", "score")]
    assert acknowledge(book) == [(9, "acknowledge", HIGH)]
    assert acknowledge(book) == []
    assert [event for _, event, _ in after(book, rows_of(start=2, temperature=[60.0] * 3))] == ["return", "return"]
    assert book.alarms == {}


def test_an_acknowledgement_says_who_and_why() -> None:
    book = AlarmBook()
    on_rows(book, KEY, rows_of(temperature=[90.0]), SETTINGS)
    (event,) = acts.acknowledge(book, Acknowledge(KEY.tenant, KEY.asset, "", 9 * NS, "ada", "on my way"), SETTINGS)
    assert (event.by, event.note, event.after) == ("ada", "on my way", AlarmState.ACKNOWLEDGED)


def test_a_shelved_alarm_that_holds_on_comes_back_unacknowledged() -> None:
    book = AlarmBook()
    after(book, rows_of(temperature=[90.0]))
    name = book.alarms[HIGH].alarm_id
    assert shelve(book, HIGH, 1, until=100) == [(1, "shelve", HIGH)]
    assert after(book, rows_of(start=2, temperature=[90.0] * 5)) == []
    assert tick(book, 99, 99, 99) == []
    assert tick(book, 100, 100, 100) == [(100, "release-active", HIGH)]
    assert (book.alarms[HIGH].state, book.alarms[HIGH].alarm_id) == (AlarmState.UNACKNOWLEDGED, name)


def test_a_shelved_alarm_that_is_over_comes_back_normal() -> None:
    book = AlarmBook()
    after(book, rows_of(temperature=[90.0]))
    shelve(book, HIGH, 1, until=100)
    assert after(book, rows_of(start=2, temperature=[60.0] * 5)) == []
    assert tick(book, 100, 100, 100) == [(100, "release-normal", HIGH)]
    assert book.alarms == {}


def test_what_begins_while_shelved_is_raised_when_the_shelving_ends() -> None:
    book = AlarmBook()
    assert shelve(book, HIGH, 0, until=100) == [(0, "shelve", HIGH)]
    assert after(book, rows_of(start=2, temperature=[90.0] * 5)) == []
    assert not book.allows_learning()
    assert tick(book, 100, 100, 100) == [(100, "release-normal", HIGH)]
    assert after(book, rows_of(start=101, temperature=[90.0])) == [(101, "raise", HIGH)]


def test_shelving_can_be_made_longer_and_ended_by_hand() -> None:
    book = AlarmBook()
    shelve(book, HIGH, 0, until=100)
    assert shelve(book, HIGH, 50, until=200) == [(50, "shelve", HIGH)]
    assert tick(book, 100, 100, 100) == []
    assert shelve(book, HIGH, 150, until=150) == [(150, "release-normal", HIGH)]
    assert shelve(book, HIGH, 151, until=0) == []
    assert tick(book, 200, 200, 200) == []
    assert book.alarms == {}


def test_maintenance_hides_what_stands_raises_nothing_and_ends_by_itself() -> None:
    book = AlarmBook()
    after(book, rows_of(temperature=[90.0]))
    assert maintain(book, 1, until=100) == [(1, "remove-from-service", HIGH)]
    assert not book.allows_learning()
    assert after(book, rows_of(start=2, score=[9.0] * 9, flow=[0.0] * 9, temperature=[99.0] * 9, stuck=[9.0] * 9)) == []
    assert tick(book, 99) == []
    assert tick(book, 100, 100, 100) == [(100, "release-active", HIGH)]
    events = after(book, rows_of(start=101, temperature=[99.0], flow=[0.0]))
    assert (101, "raise", "limit:flow:L") in events


def test_maintenance_can_be_ended_by_hand() -> None:
    book = AlarmBook()
    after(book, rows_of(temperature=[90.0]))
    maintain(book, 1, until=100)
    after(book, rows_of(start=2, temperature=[60.0] * 3))
    assert maintain(book, 10, until=0) == [(10, "release-normal", HIGH)]
    assert book.allows_learning()


def test_shelving_that_ends_during_maintenance_stays_out_of_sight() -> None:
    book = AlarmBook()
    after(book, rows_of(temperature=[90.0]))
    shelve(book, HIGH, 1, until=50)
    assert maintain(book, 2, until=100) == []
    assert tick(book, 50, 50, 50) == [(50, "remove-from-service", HIGH)]
    assert tick(book, 100, 100, 100) == [(100, "release-active", HIGH)]


def test_shelving_outlasts_maintenance() -> None:
    book = AlarmBook()
    after(book, rows_of(temperature=[90.0]))
    shelve(book, HIGH, 1, until=200)
    maintain(book, 2, until=100)
    assert tick(book, 100, 100, 100) == []
    assert tick(book, 200, 200, 200) == [(200, "release-active", HIGH)]


def test_nothing_is_learned_while_score_or_limit_alarms_hold_seen_or_not() -> None:
    book = AlarmBook()
    assert book.allows_learning()
    after(book, rows_of(score=[2.0] * 2))
    assert not book.allows_learning()
    acknowledge(book)
    assert not book.allows_learning()
    shelve(book, "score", 9, until=99)
    assert not book.allows_learning()
    after(book, rows_of(start=10, score=[0.0] * 3))
    assert book.allows_learning()


def test_the_new_normal_lays_the_learned_alarm_to_rest_but_no_limit() -> None:
    book = AlarmBook()
    after(book, rows_of(score=[2.0] * 2, temperature=[90.0] * 2))
    events = acts.new_normal(book, NewNormal(KEY.tenant, KEY.asset, 2 * NS, "ada"), SETTINGS)
    assert told(events) == [(2, "return", "score"), (2, "acknowledge", "score")]
    assert list(book.alarms) == [HIGH]
    assert acts.new_normal(AlarmBook(), NewNormal(KEY.tenant, KEY.asset, 2 * NS, "ada"), SETTINGS) == []
