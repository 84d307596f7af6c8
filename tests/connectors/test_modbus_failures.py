"""The Modbus connector when things fail: dead units, killed servers, dead lines, rubbish. It never hangs or invents."""

import asyncio
import contextlib
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from intakes import RecordingIntake, health_of, in_background, until  # type: ignore[import-not-found]
from modbus_readings import (  # type: ignore[import-not-found]
    CLOCK,
    connector,
    device,
    point,
    read,
    rows,
    values,
    words,
)
from structlog.testing import capture_logs

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.connectors import modbus_line, modbus_turns, runner
from iot_edge_anomaly.connectors.modbus import ModbusConnector
from iot_edge_anomaly.connectors.modbus_settings import ModbusDevice, ModbusSettings
from iot_edge_anomaly.connectors.runner import run_all
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.observability.health import State
from modbus_servers import Proxy, Server, Speaker, frame, registers_for  # type: ignore[import-not-found]

SHORT = 0.3
"""A deadline that a test can wait for."""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    structlog.reset_defaults()
    monkeypatch.setattr(runner, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(runner, "LONGEST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(modbus_turns, "FIRST_PAUSE_SECONDS", 0.1)


def three_units() -> list[ModbusDevice]:
    return [device(point("a", 0), unit=unit, asset=f"acme/pump-{unit}") for unit in (1, 2, 3)]


def held_by(*units: int) -> dict[int, dict[str, dict[int, bytes]]]:
    return {unit: {"holding": {0: words(unit)}} for unit in units}


def rows_of(intake: RecordingIntake) -> Counter[str]:
    return Counter(batch.asset for batch in intake.batches)


def has_grown(intake: RecordingIntake, seen: Counter[str]) -> Callable[[], bool]:
    return lambda: all(rows_of(intake)[f"pump-{unit}"] >= seen[f"pump-{unit}"] + 3 for unit in (1, 2, 3))


def attempt(made: ModbusConnector, intake: RecordingIntake | None = None) -> None:
    """Run one attempt to its end, which must come by itself."""

    async def scenario() -> None:
        async with asyncio.timeout(30):
            await made.run(intake or RecordingIntake(), CLOCK)

    asyncio.run(scenario())


def test_a_dead_unit_of_three_leaves_the_others_their_pace(tmp_path: Path) -> None:
    async def scenario(server: Server) -> RecordingIntake:
        intake = RecordingIntake()
        async with in_background(connector(server.port, *three_units(), timeout=SHORT).run(intake, CLOCK)):
            await until(lambda: set(rows_of(intake)) == {"pump-1", "pump-2", "pump-3"})
            server.mute(2)
            await until(lambda: any(line["log_level"] == "warning" for line in lines))
            asked, before, (silent,) = server.asked(), rows_of(intake), [rows_of(intake)["pump-2"]]
            await until(lambda: server.asked()[2] >= asked[2] + 2)
            after, asked_since = rows_of(intake), server.asked()[2] - asked[2]
            assert after["pump-2"] == silent, "no values are invented"
            for name in ("pump-1", "pump-3"):
                assert after[name] - before[name] >= 10 * asked_since
            server.mute()
            await until(lambda: rows_of(intake)["pump-2"] > silent + 5)
        return intake

    with Server(tmp_path, held_by(1, 2, 3)).start() as server, capture_logs() as lines:
        intake = asyncio.run(scenario(server))
    assert [(line["log_level"], line["unit"], line["asset"]) for line in lines] == [
        ("warning", 2, "acme/pump-2"),
        ("info", 2, "acme/pump-2"),
    ]
    assert lines[0]["why"] == f"no answer to holding 0 within {SHORT:g} s"
    assert len({batch.epoch for batch in intake.batches}) == 1, "all in one attempt"
    for unit in (1, 2, 3):
        of_unit = [batch for batch in intake.batches if batch.asset == f"pump-{unit}"]
        assert all(values(batch) == {"a": float(unit)} for batch in of_unit)
        assert [batch.sequence for batch in of_unit] == list(range(len(of_unit)))


def test_a_unit_that_was_never_there_does_not_keep_the_others_from_being_read(tmp_path: Path) -> None:
    devices = [device(point("a", 0), unit=unit, asset=f"acme/pump-{unit}") for unit in (1, 2, 3, 4, 5, 6)]
    with Server(tmp_path, held_by(6)).start() as server:
        intake, lines = read(connector(server.port, *devices, timeout=0.1), rows(20))
    assert set(rows_of(intake)) == {"pump-6"}
    assert sorted(line["unit"] for line in lines) == [1, 2, 3, 4, 5]


def test_a_gateway_that_says_that_a_unit_is_not_there(tmp_path: Path) -> None:
    with Server(tmp_path, held_by(1, 3), is_gateway=True).start() as server:
        intake, lines = read(connector(server.port, *three_units()), lambda intake: rows_of(intake)["pump-3"] >= 10)
    assert set(rows_of(intake)) == {"pump-1", "pump-3"}
    (line,) = lines
    assert (line["unit"], line["why"]) == (
        2,
        "the gateway says: gateway target device failed to respond (code 11)",
    )


def test_a_unit_that_is_known_to_be_lost_is_not_told_again_at_the_next_attempt(tmp_path: Path) -> None:
    known, lost = set[int](), list[tuple[object, object]]()
    for turn in range(2):
        folder = tmp_path / str(turn)
        folder.mkdir()
        with Server(folder, held_by(1, 3) if turn == 0 else held_by(1, 2, 3)).start() as server:
            again = connector(server.port, *three_units(), timeout=0.1)
            again._lost = known
            wanted = 5 if turn else 3
            _, lines = read(again, lambda intake, wanted=wanted: rows_of(intake)["pump-3"] >= wanted)
            lost += [(line["log_level"], line["unit"]) for line in lines]
    assert lost == [("warning", 2), ("info", 2)]


def test_when_no_unit_answers_the_source_is_gone(tmp_path: Path) -> None:
    with (
        Server(tmp_path, held_by(9)).start() as server,
        pytest.raises(UnavailableError, match=r"nothing answers any more; unit 1: no answer to holding 0"),
    ):
        attempt(connector(server.port, *three_units(), timeout=0.1))


def test_a_gateway_none_of_whose_units_is_there_is_gone(tmp_path: Path) -> None:
    with (
        Server(tmp_path, held_by(9), is_gateway=True).start() as server,
        pytest.raises(UnavailableError, match="no unit answers; unit 3: the gateway says"),
    ):
        attempt(connector(server.port, *three_units(), timeout=SHORT))


def test_readings_go_on_after_the_server_was_killed_and_started_again(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        intake, health = RecordingIntake(), health_of("plant")
        made = connector(server.port, *three_units(), timeout=SHORT)
        async with in_background(run_all({"plant": made}, intake, CLOCK, health)):
            for _ in range(3):
                await until(has_grown(intake, rows_of(intake)))
                assert health["plant"].state is State.UP
                server.kill()
                await until(lambda: health["plant"].state is State.DOWN)
                await asyncio.to_thread(server.start)
            await until(lambda: health["plant"].state is State.UP)
        assert health["plant"].outages == 3
        assert len({batch.epoch for batch in intake.batches}) >= 3

    with Server(tmp_path, held_by(1, 2, 3)).start() as server:
        asyncio.run(scenario(server))


def test_a_line_that_carries_nothing_more_is_found_out_and_made_anew(tmp_path: Path) -> None:
    async def scenario(proxy: Proxy) -> None:
        intake, health = RecordingIntake(), health_of("plant")
        made = connector(proxy.port, *three_units(), timeout=SHORT)
        async with in_background(run_all({"plant": made}, intake, CLOCK, health)):
            await until(lambda: len(intake.batches) >= 9)
            proxy.freeze()
            await until(lambda: health["plant"].outages == 1)
            assert "nothing answers any more" in health["plant"].last_error
            seen = len(intake.batches)
            await until(lambda: len(intake.batches) >= seen + 9)
        assert proxy.connections == 2

    with Server(tmp_path, held_by(1, 2, 3)).start() as server, Proxy(server.port) as proxy:
        asyncio.run(scenario(proxy))


def test_a_dead_line_to_a_single_device_is_found_out(tmp_path: Path) -> None:
    async def scenario(proxy: Proxy) -> None:
        intake = RecordingIntake()
        running = asyncio.ensure_future(connector(proxy.port, device(point("a", 0)), timeout=SHORT).run(intake, CLOCK))
        await until(lambda: len(intake.batches) >= 3)
        proxy.freeze()
        with pytest.raises(UnavailableError, match="nothing answers any more"):
            await asyncio.wait_for(running, 20)

    with Server(tmp_path, held_by(1)).start() as server, Proxy(server.port) as proxy:
        asyncio.run(scenario(proxy))


def test_a_single_device_that_misses_one_question_stays_connected() -> None:
    missed = iter([False, False, True])

    def speak(number: int, unit: int, asked: bytes) -> bytes:
        return b"" if next(missed, False) else frame(number, unit, registers_for(asked))

    with Speaker(speak) as speaker:
        intake, lines = read(connector(speaker.port, device(point("a", 0)), timeout=SHORT), rows(9))
    assert (speaker.connections, lines) == (1, [])
    assert [batch.sequence for batch in intake.batches[:9]] == list(range(9))


def test_an_answer_that_comes_too_late_is_not_taken_for_that_of_a_later_question() -> None:
    """The fourth answer is held back until the fifth question, and then comes before that one's."""
    held: list[bytes] = []
    asked_for = iter(range(1000))

    def speak(number: int, unit: int, asked: bytes) -> bytes:
        turn = next(asked_for)
        said = frame(number, unit, struct.pack(">BBH", 3, 2, turn))
        if turn == 3:
            held.append(said)
            return b""
        late, held[:] = b"".join(held), []
        return late + said

    with Speaker(speak) as speaker:
        intake, _ = read(connector(speaker.port, device(point("a", 0)), timeout=SHORT), rows(9))
    came = [values(batch)["a"] for batch in intake.batches[:9]]
    assert came == [0.0, 1.0, 2.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0], "the fifth only showed that the line works"
    assert speaker.connections == 1


def test_what_a_unit_answers_before_it_falls_silent_is_taken_in() -> None:
    def speak(number: int, unit: int, asked: bytes) -> bytes:
        is_silent = unit == 1 and asked[1:3] == (5000).to_bytes(2, "big")
        return b"" if is_silent else frame(number, unit, registers_for(asked))

    half_dead = device(point("a", 0), point("b", 5000), point("c", 9000), unit=1, asset="acme/half")
    with Speaker(speak) as speaker:
        intake, lines = read(
            connector(speaker.port, half_dead, device(point("a", 0), unit=2), timeout=0.1),
            lambda intake: rows_of(intake)["half"] >= 3 and rows_of(intake)["pump"] >= 30,
        )
    half = [values(batch) for batch in intake.batches if batch.asset == "half"]
    assert half == [{"a": 0.0}, *[{"a": 0.0, "c": 9000.0}] * (len(half) - 1)], "what is silent is asked last"
    (line,) = lines
    assert "holding 5000" in str(line["why"])


def test_what_a_device_answers_before_it_hangs_up_is_taken_in() -> None:
    class HangsUp(Speaker):  # type: ignore[misc]  # of a test module without types
        def serve(self, client: socket.socket) -> None:
            asked = client.recv(12, socket.MSG_WAITALL)
            client.sendall(frame(int.from_bytes(asked[:2], "big"), asked[6], registers_for(asked[7:])))
            client.recv(12, socket.MSG_WAITALL)

    intake = RecordingIntake()
    with HangsUp(lambda *_: b"") as speaker, pytest.raises(UnavailableError, match="closed the connection"):
        attempt(connector(speaker.port, device(point("a", 7), point("b", 5000))), intake)
    assert [values(batch) for batch in intake.batches] == [{"a": 7.0}]


RUBBISH: dict[str, Callable[[int, int, bytes], bytes]] = {
    "random bytes": lambda *_: b"\xff" + random.Random(1).randbytes(999),
    "a web server": lambda *_: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "another protocol": lambda number, unit, asked: struct.pack(">HHHB", number, 5, 3, unit) + b"\x83\x02",
    "a question that nobody asked": lambda number, unit, asked: frame(number + 7, unit, registers_for(asked)),
    "an empty frame": lambda number, unit, asked: frame(number, unit, b""),
    "too short": lambda number, unit, asked: frame(number, unit, registers_for(asked)[:-1]),
    "too few registers": lambda number, unit, asked: frame(number, unit, b"\x03\x02\0\0"),
    "a byte count that lies": lambda number, unit, asked: frame(number, unit, b"\x03\xff\0\0\0\0"),
    "too long": lambda number, unit, asked: frame(number, unit, registers_for(asked) + bytes(100)),
    "longer than a frame may be": lambda number, unit, asked: frame(number, unit, bytes(60_000)),
    "a frame that never ends": lambda number, unit, asked: frame(number, unit, registers_for(asked))[:-1],
    "another function": lambda number, unit, asked: frame(number, unit, b"\x04" + registers_for(asked)[1:]),
    "an exception of another function": lambda number, unit, asked: frame(number, unit, b"\x84\x02"),
    "another unit": lambda number, unit, asked: frame(number, unit + 1, registers_for(asked)),
    "what it was asked": lambda number, unit, asked: frame(number, unit, asked),
}


@pytest.mark.parametrize("kind", RUBBISH)
def test_rubbish_ends_the_attempt_and_brings_no_reading(kind: str) -> None:
    intake = RecordingIntake()
    with Speaker(RUBBISH[kind]) as speaker, capture_logs(), pytest.raises(UnavailableError):
        attempt(connector(speaker.port, device(point("a", 0), point("b", 1)), timeout=SHORT), intake)
    assert intake.batches == []


@pytest.mark.parametrize("kind", ["too short", "another function", "a byte count that lies", "another unit"])
def test_a_unit_that_answers_wrongly_does_not_take_the_others_with_it(kind: str) -> None:
    def speak(number: int, unit: int, asked: bytes) -> bytes:
        return RUBBISH[kind](number, unit, asked) if unit == 2 else frame(number, unit, registers_for(asked))

    with Speaker(speak) as speaker:
        intake, lines = read(connector(speaker.port, *three_units()), lambda intake: rows_of(intake)["pump-3"] >= 10)
    assert set(rows_of(intake)) == {"pump-1", "pump-3"}
    assert [line["unit"] for line in lines] == [2]
    assert speaker.connections == 1


def test_a_flood_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten megabytes of answers to nothing: no more than a chunk of them is ever held."""
    most = 0
    taken = modbus_line.take_frame

    def watched(received: bytearray) -> object:
        nonlocal most
        most = max(most, len(received))
        return taken(received)

    monkeypatch.setattr(modbus_line, "take_frame", watched)
    with (
        Speaker(lambda number, unit, asked: frame(number + 1, unit, b"\x83\x02") * 1_000_000) as speaker,
        pytest.raises(UnavailableError, match="which nobody asked"),
    ):
        attempt(connector(speaker.port, device(point("a", 0))))
    assert most <= 8192


@pytest.mark.parametrize("seed", range(40))
def test_a_server_that_says_anything_ends_the_attempt_or_is_read(seed: int) -> None:
    """Answers with some bytes changed, cut off or put in: a row has the two readings that were asked for, or none."""
    chance = random.Random(seed)

    def speak(number: int, unit: int, asked: bytes) -> bytes:
        said = bytearray(frame(number, unit, registers_for(asked)))
        for _ in range(chance.randint(0, 2)):
            at = chance.randrange(len(said))
            match chance.randint(0, 2):
                case 0:
                    said[at] = chance.randrange(256)
                case 1:
                    del said[at:]
                    said += b"\0"
                case _:
                    said[at:at] = chance.randbytes(chance.randint(1, 300))
        return bytes(said)

    intake = RecordingIntake()
    with Speaker(speak) as speaker, capture_logs(), pytest.raises(UnavailableError):
        attempt(connector(speaker.port, device(point("a", 0), point("b", 1)), timeout=0.05), intake)
    assert all(len(batch.values()) in (0, 2) for batch in intake.batches)


def test_a_server_that_closes_is_gone() -> None:
    class Closes(Speaker):  # type: ignore[misc]  # of a test module without types
        def serve(self, client: object) -> None:
            return

    with (
        Closes(lambda *_: b"") as speaker,
        pytest.raises(UnavailableError, match=r"closed the connection; some devices serve only one"),
    ):
        attempt(connector(speaker.port, device(point("a", 0))))


def test_what_is_wrong_with_the_connection_is_told() -> None:
    with pytest.raises(UnavailableError, match=r"nothing listens there: is Modbus TCP switched on, and on this port\?"):
        attempt(connector(free_port(), device(point("a", 0))))
    nowhere = ModbusSettings(host="no-such-host.invalid", devices=(device(point("a", 0)),))
    with pytest.raises(UnavailableError, match="there is no such host"):
        attempt(ModbusConnector(nowhere))


def test_an_address_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modbus_line, "CONNECT_SECONDS", SHORT)
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # nobody accepts them, and the kernel takes no more
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        with pytest.raises(UnavailableError, match=r"no answer from .* within 0\.3 s: is it switched on"):
            attempt(connector(full.getsockname()[1], device(point("a", 0))))


def test_a_connector_that_waits_for_an_answer_stops_when_it_is_cancelled() -> None:
    async def scenario(speaker: Speaker) -> None:
        intake = RecordingIntake()
        async with in_background(connector(speaker.port, device(point("a", 0)), timeout=60.0).run(intake, CLOCK)):
            await until(lambda: speaker.questions == 1)

    with Speaker(lambda *_: b"") as speaker:
        asyncio.run(scenario(speaker))
