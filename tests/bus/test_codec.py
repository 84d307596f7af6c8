"""The wire form: stable from version to version, exact both ways, and closed to garbage."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from codec_samples import COMMIT, ENVELOPE, NOON, batches, column, commits, items
from hypothesis import example, given
from hypothesis import strategies as st

from iot_edge_anomaly.bus.codec import (
    VERSION,
    decode_commit,
    decode_envelope,
    encode_commit,
    encode_item,
    encode_items,
    join_items,
)
from iot_edge_anomaly.core.errors import FatalError, RejectedError
from iot_edge_anomaly.core.messages import Batch, Envelope, Item, Tick
from iot_edge_anomaly.core.outcomes import Commit

GOLDEN = Path(__file__).parent / "golden"
BATCH = next(item for item in ENVELOPE if isinstance(item, Batch))
ROWS = COMMIT.assets[0].rows
assert ROWS is not None


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_messages_of_every_version_are_read(version: int) -> None:
    envelope = (GOLDEN / f"envelope.v{version}.msgpack").read_bytes()
    commit = (GOLDEN / f"commit.v{version}.msgpack").read_bytes()
    assert decode_envelope(envelope, 9) == Envelope(ENVELOPE, 9)
    assert decode_commit(commit) == COMMIT


def test_messages_from_before_fields_were_added_are_read() -> None:
    """At first no row told its time, no notice its author, no new normal its reason; later no alarm its origin."""
    assert decode_envelope((GOLDEN / "envelope.v1.first.msgpack").read_bytes(), 9) == Envelope(ENVELOPE, 9)
    assert decode_commit((GOLDEN / "commit.v1.first.msgpack").read_bytes()) == COMMIT
    assert decode_commit((GOLDEN / "commit.v1.second.msgpack").read_bytes()) == COMMIT


def test_what_is_written_is_the_newest_version_to_the_byte() -> None:
    assert encode_items(ENVELOPE) == (GOLDEN / f"envelope.v{VERSION}.msgpack").read_bytes()
    assert encode_commit(COMMIT) == (GOLDEN / f"commit.v{VERSION}.msgpack").read_bytes()


def test_a_field_that_an_older_writer_did_not_know_has_its_default() -> None:
    assert decode_envelope(b"\x01" + msgspec.msgpack.encode([["tick", NOON]]), 1).items == (Tick(NOON),)


@given(items)
def test_items_come_back_as_they_were(sent: list[Item]) -> None:
    assert decode_envelope(encode_items(sent), 3) == Envelope(tuple(sent), 3)


@given(commits)
def test_commits_come_back_as_they_were(commit: Commit) -> None:
    assert decode_commit(encode_commit(commit)) == commit


@given(items)
def test_joining_items_gives_the_same_bytes_as_writing_them_together(sent: list[Item]) -> None:
    assert join_items([encode_item(item) for item in sent]) == encode_items(sent)


@pytest.mark.parametrize("count", [0, 15, 16, 65_535, 65_536])
def test_joining_gives_the_same_bytes_at_every_length_of_list(count: int) -> None:
    ticks = [Tick(number) for number in range(count)]
    assert join_items([encode_item(item) for item in ticks]) == encode_items(ticks)


@given(st.binary(max_size=200))
@example(b"")
@example(bytes([0]))
@example(bytes([VERSION, 0xDD, 0xFF, 0xFF, 0xFF, 0xFF]))
@example(bytes([VERSION]) + b"\x91" * 100_000)
def test_garbage_raises_our_errors_only(data: bytes) -> None:
    for decode in (decode_commit, lambda data: decode_envelope(data, 1)):
        with contextlib.suppress(RejectedError, FatalError):
            decode(data)


@given(st.sampled_from([encode_items(ENVELOPE), encode_commit(COMMIT)]), st.data())
def test_a_message_with_damaged_bytes_is_read_or_rejected(whole: bytes, data: st.DataObject) -> None:
    damaged = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=4)):
        damaged[place] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(0, len(whole)))])
    for decode in (_use_commit, _use_envelope):
        with contextlib.suppress(RejectedError, FatalError):
            decode(cut)


def _use_envelope(data: bytes) -> None:
    for item in decode_envelope(data, 1).items:
        if isinstance(item, Batch):
            readings = zip(item.times(), item.sensor_indices(), item.values(), item.qualities(), strict=True)
            assert all(item.sensors[index] is not None for _, index, _, _ in readings)


def _use_commit(data: bytes) -> None:
    for outcome in decode_commit(data).assets:
        if (rows := outcome.rows) is not None:
            columns = (rows.values(), rows.scores(), rows.expectations(), rows.contributions(), rows.qualities())
            assert {len(part) for part in columns} == {len(rows.times())}


@pytest.mark.parametrize("decode", [decode_commit, lambda data: decode_envelope(data, 1)])
def test_a_newer_version_asks_for_an_upgrade(decode: Callable[[bytes], object]) -> None:
    with pytest.raises(FatalError, match="upgrade"):
        decode(bytes([VERSION + 1]) + encode_items(ENVELOPE)[1:])


@pytest.mark.parametrize(
    "wrong",
    [
        {"value": b""},
        {"time_ns": BATCH.time_ns[:-8]},
        {"sensor": BATCH.sensor + bytes(8)},
        {"quality": BATCH.quality[:8]},
        {"time_ns": bytes(9), "sensor": bytes(9), "value": bytes(9), "quality": b""},
        {"sensor": column("<i8", 0, 1, 2)},
        {"sensor": column("<i8", 0, -1, 0)},
        {"sensors": ()},
    ],
)
def test_columns_of_a_batch_that_do_not_fit_are_rejected_with_the_asset(wrong: dict[str, object]) -> None:
    with pytest.raises(RejectedError, match="acme/site/Pumpe süd"):
        decode_envelope(encode_items([msgspec.structs.replace(BATCH, **wrong)]), 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_ns": column("<i8", NOON)},
        {"score": b""},
        {"value": ROWS.value[:-8]},
        {"expected": ROWS.expected[:-4]},
        {"contribution": ROWS.contribution + bytes(4)},
        {"quality": bytes([0])},
        {"quality": bytes([0, 250])},
        {"sensors": ("flow",)},
        {"sensors": (), "value": b"", "expected": b"", "contribution": b""},
    ],
)
def test_columns_of_rows_that_do_not_fit_are_rejected(wrong: dict[str, object]) -> None:
    assert ROWS is not None
    outcome = msgspec.structs.replace(COMMIT.assets[0], rows=msgspec.structs.replace(ROWS, **wrong))
    with pytest.raises(RejectedError):
        decode_commit(encode_commit(msgspec.structs.replace(COMMIT, assets=(outcome,))))


@given(batches())
def test_an_empty_quality_column_means_good(batch: Batch) -> None:
    found = decode_envelope(encode_items([msgspec.structs.replace(batch, quality=b"")]), 1).items[0]
    assert isinstance(found, Batch)
    assert found.qualities().tolist() == [192] * len(found.values())
