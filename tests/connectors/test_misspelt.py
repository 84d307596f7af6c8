"""Keys that are nearly ours: told, never guessed, never taken for a sensor; keys that are not: as good as ever."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.connectors.misspelt import TIMES, meant, time_meant
from iot_edge_anomaly.connectors.payload import decode_http, decode_message, is_one_value
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Batch
from iot_edge_anomaly.core.names import AssetKey

KEY = AssetKey("acme", "site/pump")
NOW = 1_795_500_000 * 10**9
WHEN = 1_795_400_000
PAYLOAD = ("asset", "source", "epoch", "sequence", "rows")


def message(document: Any, sensor: str | None = None) -> Batch:
    return decode_message(msgspec.json.encode(document), KEY, sensor, "mqtt", received_ns=NOW)


def http(document: Any, pack: bool = False) -> Batch:
    encoded = msgspec.msgpack.encode(document) if pack else msgspec.json.encode(document)
    (batch,) = decode_http(encoded, "application/msgpack" if pack else "application/json", received_ns=NOW)
    return batch


@pytest.mark.parametrize(
    ("name", "known", "right"),
    [
        ("vaule", ("value",), "value"),
        ("valeu", ("value",), "value"),
        ("Value", ("value",), "value"),
        ("vale", ("value",), "value"),
        ("values", ("value",), "value"),
        ("valve", ("value",), None),
        ("volume", ("value",), None),
        ("timestmap", TIMES, "timestamp"),
        ("time_stamp", TIMES, "timestamp"),
        ("TimeStamp", TIMES, "timestamp"),
        ("tiem", TIMES, "time"),
        ("tide", TIMES, None),
        ("temp", TIMES, None),
        ("sequnce", PAYLOAD, "sequence"),
        ("soruce", PAYLOAD, "source"),
        ("epohc", PAYLOAD, "epoch"),
        ("unit", PAYLOAD, None),
        ("v" * 10_000, PAYLOAD, None),
        ("", PAYLOAD, None),
    ],
)
def test_what_a_key_was_meant_to_be(name: str, known: tuple[str, ...], right: str | None) -> None:
    assert meant(name, known) == right


@pytest.mark.parametrize("name", ["timestmap", "time_stamp", "Timestamp", "TIME", "ts", "tiem", "datetime", "t"])
@pytest.mark.parametrize("when", [WHEN, WHEN * 1000, float(WHEN), "2026-11-24T06:00:00Z"])
def test_a_row_whose_time_has_a_wrong_name_is_set_aside_whole(name: str, when: object) -> None:
    rows = [{name: when, "flow": 1.5}, {"flow": 2.5}]
    for batch in (
        message(rows),
        http({"asset": str(KEY), "rows": rows}),
        http({"asset": str(KEY), "rows": rows}, True),
    ):
        (record,) = batch.set_aside
        assert (record.row, record.count) == (0, 2)
        assert record.reason == f"{name!r} looks like a time: call it 'time' or 'timestamp'"
        assert b"1.5" in record.raw
        assert batch.values().tolist() == [2.5]


@pytest.mark.parametrize("row", [{"timer": 12.5}, {"ts": 3}, {"t": 21.5}, {"tide": 1.9}, {"counter": WHEN}])
def test_a_sensor_of_such_a_name_that_reads_no_time_is_a_sensor(row: dict[str, float]) -> None:
    assert time_meant(dict(row)) is None
    assert message(row).sensors == tuple(row)
    assert message({"time": WHEN, "ts": WHEN, "flow": 1}).sensors == ("ts", "flow")


@pytest.mark.parametrize(
    ("document", "wrong", "right"),
    [
        ({"vaule": 3.2}, "vaule", "value"),
        ({"Value": 3.2, "timestamp": WHEN}, "Value", "value"),
        ({"value": 3.2, "timestmap": WHEN}, "timestmap", "timestamp"),
        ({"value": 3.2, "qualtiy": "bad"}, "qualtiy", "quality"),
        ({"rows": [{"flow": 1}], "sequnce": 4}, "sequnce", "sequence"),
        ({"rows": [{"flow": 1}], "soruce": "plc"}, "soruce", "source"),
    ],
)
@pytest.mark.parametrize("sensor", [None, "flow"])
def test_a_message_with_a_misspelt_key_is_set_aside_and_says_what_was_meant(
    document: dict[str, object], wrong: str, right: str, sensor: str | None
) -> None:
    batch = message(document, sensor)
    (record,) = batch.set_aside
    assert record.reason == f"{wrong!r} is no key of a payload; did you mean {right!r}?"
    assert len(batch.values()) == 0


def test_a_misspelt_single_value_is_told_at_the_asset_it_is_of() -> None:
    assert is_one_value(b'{"vaule": 3.2}')
    assert is_one_value(b'{"Value": 3.2, "timestmap": 1}')
    assert not is_one_value(b'{"valve": 3.2}')
    assert not is_one_value(b'{"value": 3.2, "values": 4}')
    assert not is_one_value(b'{"timestamp": 3}')


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize(("wrong", "right"), [("sequnce", "sequence"), ("Source", "source"), ("epcoh", "epoch")])
def test_a_misspelt_number_over_http_is_refused_rather_than_ignored(wrong: str, right: str, pack: bool) -> None:
    with pytest.raises(RejectedError, match=f"'{wrong}' is no key of a payload; did you mean '{right}'"):
        http({"asset": str(KEY), "rows": [{"flow": 1}], wrong: 4}, pack)


@pytest.mark.parametrize("pack", [False, True])
def test_further_keys_of_a_payload_are_none_of_our_business(pack: bool) -> None:
    more = {"schema": 3, "unit": "bar", "sources": ["a"], "source": "plc", "sequence": 4}
    batch = http({"asset": str(KEY), "rows": [{"flow": 1}], **more}, pack)
    assert (batch.source, batch.sequence, batch.values().tolist()) == ("plc", 4, [1.0])
    assert message({"rows": [{"flow": 1}], "schema": 3, "sequence": 4}).sequence == 4


def test_what_is_wrong_besides_a_strange_key_is_said() -> None:
    with pytest.raises(RejectedError, match="Expected `array`"):
        http({"asset": str(KEY), "rows": 3, "schema": 1})
    with pytest.raises(RejectedError, match="missing required field `rows`"):
        http({"asset": str(KEY), "schema": 1})


@given(st.text(max_size=40))
def test_any_name_is_answered(name: str) -> None:
    assert meant(name, PAYLOAD) in (None, *PAYLOAD)
    assert time_meant({name: WHEN}) in (None, name)
