"""Capsules: an alarm is worked out again for as long as its capsule is kept; what was changed never passes for it."""

import os
from collections.abc import Mapping

import msgspec
import pytest
from books import capsule_of
from hypothesis import example, given, settings
from hypothesis import strategies as st
from partition_runs import ACTIVATED, KEY, MODEL, with_alarms

from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.capsule import (
    FORMAT,
    WHOLE,
    Capsule,
    Match,
    Record,
    Removed,
    Sealed,
    capsule_records,
    inputs_of,
    open_capsule,
    replay,
    seal,
    unpack_capsule,
)
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.models import models_in
from iot_edge_anomaly.bus.retention import DAY_NS, MOST_MARKERS, Retention, old_markers, prune_capsules, too_many
from iot_edge_anomaly.bus.streams import CAPSULES
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Envelope
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, Contributor, Origin, Priority
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.registry.artefact import unpack

MODELS = models_in({ACTIVATED.digest: MODEL}, unpack)


def sealed_alarms() -> dict[str, Capsule]:
    """The alarms of a small run by condition, sealed with the state in its middle."""
    envelopes = [Envelope((item,), number + 1) for number, item in enumerate(with_alarms())]
    pipeline = AnomalyPipeline()
    state, _ = pipeline.step(pipeline.new_state(), envelopes[:15], MODELS)
    dump = pipeline.dump(state)
    _, outcomes = pipeline.step(state, envelopes[15:], MODELS)
    inputs = inputs_of(KEY, envelopes[15:], envelopes[-1].seq)
    models = {ACTIVATED.digest: MODEL}
    return {
        alarm.condition: Capsule(WHOLE, 0, KEY.tenant, KEY.asset, dump.shared, dump.assets[KEY], inputs, models, alarm)
        for outcome in outcomes
        for alarm in outcome.alarms
        if alarm.event == "raise"
    }


SEALED = sealed_alarms()
CONDITIONS = sorted(SEALED)
GOOD = SEALED["score"]


def again(capsule: Capsule) -> Match:
    """What `replay-alarm` does with a whole capsule; damage that is found on opening counts as `damaged`."""
    try:
        opened = unpack_capsule(msgspec.msgpack.encode(capsule))
        return replay(opened, AnomalyPipeline(), models_in(opened.models, unpack)).match
    except RejectedError:
        return Match.DAMAGED


def test_there_are_alarms_with_and_without_a_model() -> None:
    assert CONDITIONS == ["limit:flow:H", "score"]
    assert SEALED["score"].alarm.model
    assert SEALED["score"].alarm.contributors
    assert not SEALED["limit:flow:H"].alarm.model


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_capsule_replays_to_the_bit(condition: str) -> None:
    assert again(SEALED[condition]) is Match.EXACT


def test_a_capsule_with_more_rows_than_a_step_may_hold_replays_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iot_edge_anomaly.pipeline.step.MOST_ROW_BYTES", 100)
    assert again(GOOD) is Match.EXACT


# --- tampering

ALARM: Mapping[str, object] = {
    "alarm_id": "Aother",
    "incident_id": "Iother",
    "condition": "stuck:flow",
    "event": "clear",
    "before": AlarmState.SHELVED,
    "after": AlarmState.NORMAL,
    "time_ns": GOOD.alarm.time_ns + 1,
    "priority": Priority.LOW,
    "reason": GOOD.alarm.reason.replace("flow", "flux"),
    "score": GOOD.alarm.score * 1.01,
    "threshold": 2.0,
    "contributors": GOOD.alarm.contributors[:1],
    "model": "sha256:other",
    "configuration": "v2",
    "by": "somebody",
    "note": "all is well",
    "origin": next(origin for origin in Origin if origin is not GOOD.alarm.origin),
}


def test_every_field_of_an_alarm_is_tampered_with() -> None:
    assert ALARM.keys() == set(AlarmEvent.__struct_fields__)
    assert all(getattr(GOOD.alarm, name) != value for name, value in ALARM.items())


@pytest.mark.parametrize("name", ALARM)
def test_an_alarm_that_was_changed_is_not_worked_out_again(name: str) -> None:
    alarm = msgspec.structs.replace(GOOD.alarm, **{name: ALARM[name]})
    assert again(msgspec.structs.replace(GOOD, alarm=alarm)) in (Match.DIFFERENT, Match.MISSING)


CAPSULE: Mapping[str, tuple[object, set[Match]]] = {
    "format": (WHOLE + 1, {Match.DAMAGED}),
    "tenant": ("other", {Match.MISSING}),
    "asset": ("site/other", {Match.MISSING}),
    "shared": (None, {Match.MISSING, Match.DIFFERENT}),
    "state": (None, {Match.MISSING, Match.DIFFERENT}),
    "inputs": (GOOD.inputs[:3], {Match.MISSING}),
    "models": ({ACTIVATED.digest: MODEL[:-1]}, {Match.DAMAGED}),
    "alarm": (SEALED["limit:flow:H"].alarm, {Match.EXACT}),
}


@pytest.mark.parametrize("name", CAPSULE)
def test_a_part_that_was_changed_is_noticed(name: str) -> None:
    value, expected = CAPSULE[name]
    assert again(msgspec.structs.replace(GOOD, **{name: value})) in expected


def test_a_capsule_without_its_model_is_not_exact() -> None:
    assert again(msgspec.structs.replace(GOOD, models={})) is not Match.EXACT


@pytest.mark.parametrize(("factor", "match"), [(1 + 1e-9, Match.CLOSE), (1 + 1e-5, Match.DIFFERENT)])
def test_numbers_of_another_processor_may_differ_a_little_words_may_not(factor: float, match: Match) -> None:
    alarm = msgspec.structs.replace(GOOD.alarm, score=GOOD.alarm.score * factor)
    assert again(msgspec.structs.replace(GOOD, alarm=alarm)) is match
    alarm = msgspec.structs.replace(alarm, by="somebody")
    assert again(msgspec.structs.replace(GOOD, alarm=alarm)) is Match.DIFFERENT
    first, *rest = GOOD.alarm.contributors
    changed = Contributor(first.sensor, first.share, first.actual * factor, first.expected, first.unit)
    alarm = msgspec.structs.replace(GOOD.alarm, contributors=(changed, *rest))
    assert again(msgspec.structs.replace(GOOD, alarm=alarm)) is match


def flipped(data: bytes, place: int, bit: int) -> bytes:
    place %= len(data)
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


@settings(max_examples=300, deadline=None)
@example("state", 524_287, 6)
@given(st.sampled_from(["shared", "state", "inputs", "models"]), st.integers(0, 1 << 20), st.integers(0, 7))
def test_bytes_that_were_changed_give_an_answer_and_never_a_crash(part: str, place: int, bit: int) -> None:
    if part == "inputs":
        number = place % len(GOOD.inputs)
        seq, data = GOOD.inputs[number]
        changed: object = (*GOOD.inputs[:number], (seq, flipped(data, place, bit)), *GOOD.inputs[number + 1 :])
    elif part == "models":
        changed = {ACTIVATED.digest: flipped(MODEL, place, bit)}
    else:
        changed = flipped(getattr(GOOD, part), place, bit)
    match = again(msgspec.structs.replace(GOOD, **{part: changed}))
    assert match in Match
    assert part != "models" or match is Match.DAMAGED


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 20), st.integers(0, 7))
def test_a_capsule_of_which_any_byte_was_changed_gives_an_answer(place: int, bit: int) -> None:
    try:
        opened = unpack_capsule(flipped(msgspec.msgpack.encode(GOOD), place, bit))
        assert replay(opened, AnomalyPipeline(), models_in(opened.models, unpack)).match in Match
    except RejectedError:
        return


def test_a_capsule_of_another_format_is_refused_with_what_to_do() -> None:
    other = msgspec.msgpack.encode({"format": 0, "everything": "was different"})
    with pytest.raises(RejectedError, match=r"format 0, this program reads 1 and 2: use the version that sealed it"):
        unpack_capsule(other)


# --- in the store


@pytest.mark.anyio
@pytest.mark.server
async def test_a_capsule_whose_bytes_were_changed_in_the_store_is_damaged(nats_bus: Bus) -> None:
    blobs = Blobs(nats_bus)
    await seal(nats_bus, blobs, GOOD)
    record, _ = (await capsule_records(nats_bus))[GOOD.alarm.alarm_id]
    assert isinstance(record, Sealed)
    subject = f"blobs.{record.digest.removeprefix('sha256:')}.0.1"
    note = msgspec.structs.replace(GOOD.alarm, note="x")
    for name, value in {"partition": 1, "tenant": "t", "state": None, "alarm": note}.items():
        changed = msgspec.structs.replace(GOOD, **{name: value})
        await nats_bus.publish(subject, msgspec.msgpack.encode(changed))
        with pytest.raises(RejectedError, match=f"capsule of alarm {GOOD.alarm.alarm_id} is damaged"):
            await open_capsule(nats_bus, blobs, GOOD.alarm.alarm_id)
    await blobs.delete(record.digest)
    with pytest.raises(RejectedError, match=r"is damaged: there is no blob"):
        await open_capsule(nats_bus, blobs, GOOD.alarm.alarm_id)


@pytest.mark.anyio
@pytest.mark.server
@pytest.mark.parametrize("name", ["Anone", "", "*", ">", "a.b", "A 1"])
async def test_an_alarm_without_a_capsule_is_said_to_have_none(nats_bus: Bus, name: str) -> None:
    await seal(nats_bus, Blobs(nats_bus), GOOD)
    with pytest.raises(RejectedError, match="there is no capsule"):
        await open_capsule(nats_bus, Blobs(nats_bus), name)


@pytest.mark.anyio
@pytest.mark.server
async def test_sealing_again_changes_nothing(nats_bus: Bus) -> None:
    blobs = Blobs(nats_bus)
    await seal(nats_bus, blobs, GOOD)
    before = await capsule_records(nats_bus)
    await seal(nats_bus, blobs, msgspec.structs.replace(GOOD, partition=1))
    assert await capsule_records(nats_bus) == before
    assert await open_capsule(nats_bus, blobs, GOOD.alarm.alarm_id) == msgspec.structs.replace(GOOD, format=FORMAT)


@pytest.mark.anyio
@pytest.mark.server
@pytest.mark.parametrize("condition", CONDITIONS)
async def test_a_capsule_that_was_stored_replays_to_the_bit_in_parts_and_whole(nats_bus: Bus, condition: str) -> None:
    blobs, capsule = Blobs(nats_bus), SEALED[condition]
    await seal(nats_bus, blobs, capsule)
    whole = await blobs.put(msgspec.msgpack.encode(capsule))
    await nats_bus.put_key(CAPSULES, "Aearlier", b'{"type":"sealed","digest":"%s","size":9,"at_ns":1}' % whole.encode())
    for name, stored_as in ((capsule.alarm.alarm_id, FORMAT), ("Aearlier", WHOLE)):
        opened = await open_capsule(nats_bus, blobs, name)
        assert opened.format == stored_as
        assert replay(opened, AnomalyPipeline(), models_in(opened.models, unpack)).match is Match.EXACT


@pytest.mark.anyio
@pytest.mark.server
async def test_a_capsule_in_the_store_of_a_format_that_is_not_known_is_not_said_to_be_damaged(nats_bus: Bus) -> None:
    later = await Blobs(nats_bus).put(msgspec.msgpack.encode({"format": FORMAT + 1}))
    await nats_bus.put_key(CAPSULES, "Alater", msgspec.json.encode(Sealed(later, 9, 1)))
    with pytest.raises(RejectedError, match=r"^the capsule has format 3, this program reads 1 and 2"):
        await open_capsule(nats_bus, Blobs(nats_bus), "Alater")


@pytest.mark.anyio
@pytest.mark.server
async def test_a_capsule_that_lost_any_of_its_parts_is_damaged(nats_bus: Bus) -> None:
    blobs = Blobs(nats_bus)
    await seal(nats_bus, blobs, GOOD)
    record, _ = (await capsule_records(nats_bus))[GOOD.alarm.alarm_id]
    assert isinstance(record, Sealed)
    assert set(await blobs.list()) == {record.digest, *record.parts}
    assert len(record.parts) == 4
    for digest in record.parts:
        part = await blobs.get(digest)
        await blobs.delete(digest)
        with pytest.raises(RejectedError, match=f"is damaged: there is no blob {digest}"):
            await open_capsule(nats_bus, blobs, GOOD.alarm.alarm_id)
        await blobs.put(part)


# --- retention

NOW = 1000 * DAY_NS


def sealed(days_ago: float, size: int = 1) -> Sealed:
    return Sealed("sha256:x", size, NOW - int(days_ago * DAY_NS))


def test_capsules_go_when_they_are_too_old() -> None:
    records: dict[str, Record] = {"A1": sealed(91), "A2": sealed(90), "A3": sealed(0)}
    assert too_many(records, Retention(90, 100), NOW) == {"A1": "it was older than 90 days"}


def test_the_oldest_go_when_all_together_are_too_large() -> None:
    records: dict[str, Record] = {f"A{number}": sealed(0, 2 << 20) for number in range(5)}
    gone = too_many(records, Retention(90, 6 << 20), NOW)
    assert gone == dict.fromkeys(["A1", "A0"], "newer ones fill the 6 MB that are kept")
    assert too_many(records, Retention(90, 10 << 20), NOW) == {}


def test_a_part_that_several_capsules_name_counts_once() -> None:
    state = {"sha256:state": 2 << 20}
    records: dict[str, Record] = {f"A{number}": Sealed("sha256:x", 1 << 20, NOW, state) for number in range(5)}
    assert too_many(records, Retention(90, 7 << 20), NOW) == {}
    assert too_many(records, Retention(90, 6 << 20), NOW).keys() == {"A0"}


def test_markers_go_when_they_are_old_or_too_many() -> None:
    old, new = Removed(NOW - 91 * DAY_NS, ""), Removed(NOW, "")
    assert list(old_markers({"A1": old, "A2": new, "A3": sealed(999)}, Retention(90, 1), NOW)) == ["A1"]
    many: dict[str, Record] = {f"A{number}": new for number in range(MOST_MARKERS + 2)}
    assert list(old_markers(many, Retention(90, 1), NOW)) == ["A0", "A1"]


@given(st.lists(st.tuples(st.floats(0, 200), st.integers(0, 50)), max_size=30), st.floats(1, 100), st.integers(1, 500))
def test_what_is_kept_is_young_and_small_enough_and_newer_than_what_goes(
    capsules: list[tuple[float, int]], days: float, most: int
) -> None:
    capsules.sort(key=lambda pair: -pair[0])
    records: dict[str, Record] = {f"A{number}": sealed(*capsule) for number, capsule in enumerate(capsules)}
    gone = too_many(records, Retention(days, most), NOW)
    kept = [record for name, record in records.items() if name not in gone]
    assert sum(record.size for record in kept if isinstance(record, Sealed)) <= most
    assert all(record.at_ns >= NOW - (days + 1e-6) * DAY_NS for record in kept)
    assert list(records)[len(gone) :] == [name for name in records if name not in gone]


@pytest.mark.anyio
@pytest.mark.server
async def test_a_removed_capsule_is_answered_with_when_and_why_and_stays_removed(nats_bus: Bus) -> None:
    blobs = Blobs(nats_bus)
    for number in range(3):
        await seal(nats_bus, blobs, capsule_of(f"A{number}", 1 << 20))
    now_ns = max(record.at_ns for record, _ in (await capsule_records(nats_bus)).values())
    await prune_capsules(nats_bus, Retention(1, 5 << 19), now_ns)
    with pytest.raises(RejectedError, match=r"A0 can be listed but not replayed: .*removed on 20\d\d.*newer ones fill"):
        await open_capsule(nats_bus, blobs, "A0")
    for kept in ("A1", "A2"):
        assert (await open_capsule(nats_bus, blobs, kept)).alarm.alarm_id == kept
    await seal(nats_bus, blobs, capsule_of("A0", 1 << 20))
    with pytest.raises(RejectedError, match="can be listed but not replayed"):
        await open_capsule(nats_bus, blobs, "A0")
    await prune_capsules(nats_bus, Retention(1, 5 << 19), now_ns + DAY_NS + 1)
    with pytest.raises(RejectedError, match="older than 1 days"):
        await open_capsule(nats_bus, blobs, "A2")
    await prune_capsules(nats_bus, Retention(1, 5 << 19), now_ns + 3 * DAY_NS)
    assert await nats_bus.keys(CAPSULES) == []


@pytest.mark.anyio
@pytest.mark.server
async def test_many_capsules_are_listed_in_the_order_they_were_sealed(nats_bus: Bus) -> None:
    names = [f"A{os.urandom(4).hex()}" for _ in range(600)]
    for name in names:
        await seal(nats_bus, Blobs(nats_bus), capsule_of(name))
    assert list(await capsule_records(nats_bus)) == names
