"""The Modbus connector against a real server: what stands there comes in, at its pace, and what does not is told."""

import asyncio
import math
import struct
import time
from pathlib import Path

import pytest
import structlog
from intakes import RecordingIntake, in_background, until  # type: ignore[import-not-found]
from modbus_readings import (  # type: ignore[import-not-found]
    CLOCK,
    CODES,
    ORDERS,
    SAMPLES,
    connector,
    device,
    on_the_wire,
    point,
    read,
    rows,
    values,
    words,
)
from structlog.testing import capture_logs

from iot_edge_anomaly.connectors import modbus_poll
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.observability.metrics import REGISTRY
from modbus_servers import Content, Server, Speaker, frame, registers_for  # type: ignore[import-not-found]


@pytest.fixture(autouse=True)
def _logs() -> None:
    structlog.reset_defaults()


def counted(name: str) -> float:
    return REGISTRY.get_sample_value(f"iea_{name}_total") or 0.0


def test_every_type_in_every_order_comes_in(tmp_path: Path) -> None:
    content, points, wanted = b"", [], {}
    for read_as, value in SAMPLES.items():
        written = struct.pack(">" + {**CODES, "float64": "d"}[read_as], value)
        for order in ORDERS:
            sensor = f"{read_as} {order}"
            points.append(point(sensor, len(content) // 2, "holding", read_as, order=order))
            wanted[sensor] = value
            content += on_the_wire(written, order)
    with Server(tmp_path, {1: {"holding": {0: content}}}).start() as server:
        intake, _ = read(connector(server.port, device(*points)), rows(1))
    assert values(intake.batches[0]) == wanted


def test_the_four_kinds_and_bits_of_a_register(tmp_path: Path) -> None:
    held: Content = {
        "holding": {100: words(0x8001)},
        "input": {100: words(7)},
        "coil": {100: bytes([1, 0, 1])},
        "discrete": {100: bytes([0, 1, 1, 0, 0, 0, 0, 0, 1])},
    }
    points = [
        point("lowest", 100, read_as="bool"),
        point("second", 100, read_as="bool", bit=1),
        point("highest", 100, read_as="bool", bit=15),
        point("word", 100),
        point("input", 100, "input", scale=0.5, offset=1.0),
        *(point(f"coil {at}", at, "coil") for at in (100, 101, 102)),
        *(point(f"discrete {at}", at, "discrete") for at in (100, 101, 108)),
    ]
    with Server(tmp_path, {1: held}).start() as server:
        intake, _ = read(connector(server.port, device(*points)), rows(1))
    assert values(intake.batches[0]) == {
        "lowest": 1.0,
        "second": 0.0,
        "highest": 1.0,
        "word": 32769.0,
        "input": 4.5,
        "coil 100": 1.0,
        "coil 101": 0.0,
        "coil 102": 1.0,
        "discrete 100": 0.0,
        "discrete 101": 1.0,
        "discrete 108": 1.0,
    }


def test_a_round_is_one_row_numbered_and_timed_by_this_machine(tmp_path: Path) -> None:
    points = [point("a", 0), point("b", 500), point("c", 0, "input")]
    held: Content = {"holding": {0: words(1), 500: words(2)}, "input": {0: words(3)}}
    before = time.time_ns()
    with Server(tmp_path, {9: held}).start() as server:
        intake, _ = read(connector(server.port, device(*points, unit=9)), rows(3))
    times = [set(batch.times().tolist()) for batch in intake.batches]
    assert all(len(each) == 1 for each in times)
    assert before < min(times[0]) < min(times[1]) < min(times[2]) < time.time_ns()
    assert [batch.sequence for batch in intake.batches[:3]] == [0, 1, 2]
    (epoch,) = {batch.epoch for batch in intake.batches}
    assert before < epoch < min(times[0])
    assert {batch.source for batch in intake.batches} == {f"modbus/127.0.0.1:{server.port}/9"}
    assert {batch.quality for batch in intake.batches} == {b""}


def test_ten_thousand_points_of_several_units(tmp_path: Path) -> None:
    units = range(1, 6)
    held = {unit: {"holding": {0: words(*(unit * 10_000 + at for at in range(2000)))}} for unit in units}
    devices = [
        device(*(point(f"s{at}", at) for at in range(2000)), unit=unit, asset=f"acme/pump-{unit}", seconds=1.0)
        for unit in units
    ]
    with Server(tmp_path, held).start() as server:
        made = connector(server.port, *devices)
        intake, _ = read(
            made, lambda intake: {str(one.key) for one in intake.batches} >= {one.asset for one in devices}
        )
        asked = server.asked()
    for unit in units:
        first = next(batch for batch in intake.batches if str(batch.key) == f"acme/pump-{unit}")
        assert values(first) == {f"s{at}": unit * 10_000 + at for at in range(2000)}
    assert asked[1] % 16 == 0, "125 registers a request"


def test_two_paces_of_one_unit_are_one_source_with_one_count(tmp_path: Path) -> None:
    with Server(tmp_path, {1: {"holding": {0: words(1, 2)}}}).start() as server:
        fast, slow = device(point("fast", 0)), device(point("slow", 1), seconds=3600.0)
        intake, _ = read(connector(server.port, fast, slow), rows(4))
    assert [batch.sequence for batch in intake.batches[:4]] == [0, 1, 2, 3]
    assert sum("slow" in batch.sensors for batch in intake.batches) == 1
    assert len({batch.source for batch in intake.batches}) == 1


def test_a_gap_that_is_refused_is_no_longer_read_over(tmp_path: Path) -> None:
    held: Content = {"holding": {0: words(1, 2), 10: words(3)}}
    with Server(tmp_path, {1: held}).start() as server:
        made = connector(server.port, device(point("a", 0), point("b", 1), point("c", 10)))
        intake, lines = read(made, rows(3))
        asked = server.asked()[1]
    assert [values(batch) for batch in intake.batches[:3]] == [{"a": 1.0, "b": 2.0, "c": 3.0}] * 3
    assert not any(batch.set_aside for batch in intake.batches)
    assert asked - 2 * len(intake.batches) in (1, 2, 3), "refused once, then two requests a round"
    assert lines == []


def test_a_point_that_is_refused_is_told_and_set_aside_once_and_the_others_go_on(tmp_path: Path) -> None:
    with Server(tmp_path, {1: {"holding": {0: words(1, 2, 3)}}}).start() as server:
        made = connector(server.port, device(point("a", 0), point("b", 2), point("no", 3), point("none", 40_001)))
        intake, lines = read(made, rows(4))
    assert [values(batch) for batch in intake.batches[:4]] == [{"a": 1.0, "b": 3.0}] * 4
    first, *others = intake.batches
    assert {record.sensor: record.reason for record in first.set_aside} == {
        "no": "the device refuses holding 3: illegal data address (code 2)",
        "none": "the device refuses holding 40001: illegal data address (code 2); addresses count from 0: is 0 meant?",
    }
    assert not any(batch.set_aside for batch in others)
    (line,) = lines
    assert (line["log_level"], line["amount"], line["asset"], line["first"]) == ("warning", 2, "acme/pump", "no")


def test_what_was_refused_is_asked_for_again_and_told_when_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modbus_poll, "AGAIN_SECONDS", 0.1)
    refused = {"yet": True}

    def speak(number: int, unit: int, asked: bytes) -> bytes:
        refuse = refused["yet"] and asked[1:3] == b"\0\5"
        return frame(number, unit, b"\x83\x02" if refuse else registers_for(asked))

    async def scenario(port: int) -> RecordingIntake:
        intake = RecordingIntake()
        async with in_background(connector(port, device(point("a", 1), point("b", 5)), gap=0).run(intake, CLOCK)):
            await until(lambda: len(intake.batches) >= 10)
            assert {batch.sensors for batch in intake.batches} == {("a",)}
            refused["yet"] = False
            await until(lambda: values(intake.batches[-1]) == {"a": 1.0, "b": 5.0})
        return intake

    with Speaker(speak) as speaker, capture_logs() as lines:
        intake = asyncio.run(scenario(speaker.port))
    assert sum(len(batch.set_aside) for batch in intake.batches) == 1
    assert [line["log_level"] for line in lines] == ["warning", "info"]


def test_a_device_without_such_registers_is_told_which_may_be_meant() -> None:
    with (
        Speaker(lambda number, unit, asked: frame(number, unit, bytes([asked[0] | 0x80, 1]))) as speaker,
        pytest.raises(UnavailableError, match=r"illegal function .* is another kind meant\?"),
    ):
        read(connector(speaker.port, device(point("a", 0, "input"))), rows(99))


def test_a_device_that_refuses_everything_does_not_hold_up_the_others() -> None:
    def speak(number: int, unit: int, asked: bytes) -> bytes:
        return frame(number, unit, b"\x83\x02" if unit == 1 else registers_for(asked))

    bad = device(*(point(f"s{at}", at) for at in range(1000)), unit=1, asset="acme/bad")
    good = device(point("a", 4), unit=2)
    with Speaker(speak) as speaker:
        refused = 0

        def all_refused(intake: RecordingIntake) -> bool:
            nonlocal refused
            refused = sum(len(batch.set_aside) for batch in intake.batches if batch.asset == "bad")
            return refused == 1000

        intake, _ = read(connector(speaker.port, bad, good), all_refused)
    rounds = sum(batch.asset == "bad" for batch in intake.batches)
    assert rounds >= 40, "a few refusals at a time"
    assert sum(batch.asset == "pump" for batch in intake.batches) >= rounds - 1


def test_an_error_now_and_then_is_told_at_its_beginning_and_when_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modbus_poll, "CALM_SECONDS", 0.5)
    turns = iter(range(1000))
    busy = {"yet": True}

    def speak(number: int, unit: int, asked: bytes) -> bytes:
        refuse = busy["yet"] and asked[2] and next(turns) % 2 == 0
        return frame(number, unit, b"\x83\x06" if refuse else registers_for(asked))

    async def scenario(port: int) -> RecordingIntake:
        intake = RecordingIntake()
        async with in_background(connector(port, device(point("a", 0), point("b", 99))).run(intake, CLOCK)):
            await until(lambda: len(intake.batches) >= 6)
            assert [values(batch) for batch in intake.batches[:6]] == [{"a": 0.0}, {"a": 0.0, "b": 99.0}] * 3
            busy["yet"] = False
            await until(lambda: len(lines) == 2)
        return intake

    with Speaker(speak) as speaker, capture_logs() as lines:
        asyncio.run(scenario(speaker.port))
    assert [line["log_level"] for line in lines] == ["warning", "info"]
    assert lines[0]["why"] == "holding 99: busy (code 6)"


def test_what_is_no_number_is_set_aside_and_what_means_none_is_left_out(tmp_path: Path) -> None:
    content = struct.pack(">ffhh", math.nan, 2.5, -32768, -5)
    points = [point("nan", 0, read_as="float32"), point("fine", 2, read_as="float32")]
    points += [point(name, at, read_as="int16", no_value=(-32768.0,)) for name, at in (("none", 4), ("some", 5))]
    with Server(tmp_path, {1: {"holding": {0: content}}}).start() as server:
        intake, _ = read(connector(server.port, device(*points)), rows(2))
    for batch in intake.batches[:2]:
        assert values(batch) == {"fine": 2.5, "some": -5.0}
        (record,) = batch.set_aside
        assert (record.sensor, record.reason, record.raw) == ("nan", "value is no number (NaN)", b"7f c0 00 00")


def test_a_device_that_has_no_value_at_all_is_reached_all_the_same(tmp_path: Path) -> None:
    with Server(tmp_path, {1: {"holding": {0: words(65535)}}}).start() as server:
        made = connector(server.port, device(point("a", 0, no_value=(65535.0,))))
        intake, _ = read(made, lambda intake: intake.calls >= 3)
    assert intake.batches == []


def test_rounds_that_take_too_long_are_left_out_and_counted() -> None:
    def speak(number: int, unit: int, asked: bytes) -> bytes:
        time.sleep(0.12)  # the device itself is slower than it is asked
        return frame(number, unit, registers_for(asked))

    before = counted("modbus_rounds_passed_over")
    with Speaker(speak) as speaker:
        intake, lines = read(connector(speaker.port, device(point("a", 0), seconds=0.05)), rows(4))
    assert counted("modbus_rounds_passed_over") - before >= 2 * 3
    assert speaker.questions <= len(intake.batches) + 1, "nothing is made up for"
    assert lines == []


def test_a_row_that_is_too_large_is_set_aside_with_its_count(tmp_path: Path) -> None:
    async def scenario(port: int) -> RecordingIntake:
        intake = RecordingIntake(most=1)
        async with in_background(connector(port, device(point("a", 0), point("b", 1))).run(intake, CLOCK)):
            await until(lambda: bool(intake.batches))
        return intake

    with Server(tmp_path, {1: {"holding": {0: words(1, 2)}}}).start() as server:
        (batch, *_) = asyncio.run(scenario(server.port)).batches
    assert (batch.accepted, len(batch.values())) == (2, 0)
    assert batch.set_aside[0].reason == "too large at once"


def test_an_intake_that_refuses_ends_the_attempt(tmp_path: Path) -> None:
    with Server(tmp_path, {1: {"holding": {0: words(1)}}}).start() as server:
        intake = RecordingIntake(refuses=True)
        with pytest.raises(UnavailableError, match="the bus is down"):
            asyncio.run(connector(server.port, device(point("a", 0))).run(intake, CLOCK))
    assert intake.calls == 1


def test_a_host_of_a_long_name_makes_a_source_that_fits() -> None:
    from iot_edge_anomaly.connectors.modbus import _source

    assert _source("10.0.0.5:502", 7) == "modbus/10.0.0.5:502/7"
    assert len(_source("a" * 250 + ":502", 7)) < 40
    assert _source("a" * 250 + ":502", 7) != _source("b" * 250 + ":502", 7)
