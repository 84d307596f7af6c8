"""The OPC UA connector against real servers in processes of their own, behind a network that a test can cut."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from intakes import RecordingIntake, health_of, in_background, until  # type: ignore[import-not-found]
from structlog.testing import capture_logs
from tcp_proxy import proxy_before  # type: ignore[import-not-found]

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.connectors import runner
from iot_edge_anomaly.connectors.catalog import CATALOG
from iot_edge_anomaly.connectors.opcua import OpcUaBrowse, OpcUaPoint, OpcUaSettings
from iot_edge_anomaly.connectors.runner import run_all
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.observability.health import State
from iot_edge_anomaly.observability.metrics import REGISTRY

pytest.importorskip("asyncua", reason="no asyncua here; run: make setup")
from opcua_servers import OpcUaServer  # type: ignore[import-not-found]

CLOCK = SystemClock()
PUMP = "acme/site/pump"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LONGEST_PAUSE_SECONDS", 0.5)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OpcUaServer]:
    with OpcUaServer(tmp_path) as server:
        server.start()
        yield server


def settings(server: OpcUaServer, *names: str, **more: Any) -> OpcUaSettings:
    points = tuple(OpcUaPoint(node=f"ns=2;s={name}", asset=PUMP, sensor=name.lower()) for name in names)
    wanted = {
        "url": server.url,
        "security": "None",
        "points": points,
        "publish_seconds": 0.05,
        "sample_seconds": 0.0,
        "keep_seconds": 60.0,
        "queue": 10_000,
        **more,
    }
    return OpcUaSettings(**wanted)


def values(intake: RecordingIntake, sensor: str) -> list[float]:
    found = list[float]()
    for batch in intake.batches:
        for index, value in zip(batch.sensor_indices(), batch.values().tolist(), strict=True):
            if batch.sensors[index] == sensor:
                found.append(value)
    return found


def counted(name: str) -> float:
    return REGISTRY.get_sample_value(f"iea_{name}_total") or 0.0


@asynccontextmanager
async def running(said: OpcUaSettings, intake: RecordingIntake) -> AsyncIterator[Any]:
    health = health_of("plant")
    async with in_background(run_all({"plant": CATALOG["opcua"].create(said)}, intake, CLOCK, health)):
        yield health["plant"]


def test_values_come_with_their_time_and_quality(server: OpcUaServer) -> None:
    async def scenario() -> RecordingIntake:
        intake = RecordingIntake()
        async with running(settings(server, "Flow", "On", "Curve", "Grid", "Name"), intake):
            await until(lambda: len(values(intake, "flow")) == 1)
            server.write("Flow", 21.5, status=0x40930000, time="2026-01-02T03:04:05+00:00")
            await until(lambda: len(values(intake, "flow")) == 2)
        return intake

    intake = asyncio.run(scenario())
    assert values(intake, "flow") == [0.0, 21.5]
    assert values(intake, "on") == [1.0]
    assert values(intake, "curve[2]") == [3.0]
    last = intake.batches[-1]
    assert last.qualities().tolist() == [80], "uncertain, the sensor not accurate"
    assert last.times().tolist() == [1_767_323_045 * 10**9]
    assert {record.sensor: record.reason for record in intake.batches[0].set_aside} == {
        "grid": "value is an array of more than one dimension",
        "name": "value is text",
    }
    assert str(last.key) == PUMP


def test_a_branch_is_walked_and_its_names_are_assets_and_sensors(server: OpcUaServer) -> None:
    said = settings(server, browse=(OpcUaBrowse(start="ns=2;s=Plant", asset="acme/site", asset_levels=1),))

    async def scenario() -> RecordingIntake:
        intake = RecordingIntake()
        async with running(said, intake):
            await until(lambda: len(intake.batches) >= 2)
        return intake

    found = {(str(batch.key), sensor) for batch in asyncio.run(scenario()).batches for sensor in batch.sensors}
    assert found == {("acme/site/Pump7", "Flow"), ("acme/site/Pump7", "Motor.Temperature"), ("acme/site/Fan", "Speed")}


def test_a_variable_that_is_not_there_is_told_once_and_the_others_come(server: OpcUaServer) -> None:
    async def scenario() -> list[Any]:
        intake = RecordingIntake()
        with capture_logs() as lines:
            async with running(settings(server, "Flow", "Nowhere"), intake):
                await until(lambda: values(intake, "flow") == [0.0])
        return [line for line in lines if "cannot be subscribed" in line["event"]]

    (line,) = asyncio.run(scenario())
    assert "nowhere" in line["first"]
    assert "BadNodeIdUnknown" in line["first"]
    assert line["amount"] == 1


def test_when_no_variable_is_there_it_is_an_outage(server: OpcUaServer) -> None:
    connector = CATALOG["opcua"].create(settings(server, "Nowhere"))
    with pytest.raises(UnavailableError, match=r"none of the variables: .*nowhere.*BadNodeIdUnknown"):
        asyncio.run(connector.run(RecordingIntake(), CLOCK))


def test_no_change_is_missing_after_cuts_that_the_subscription_outlives(server: OpcUaServer) -> None:
    """The ledger of what the server was told to write is what comes, in order and once."""

    async def scenario() -> RecordingIntake:
        intake = RecordingIntake()
        async with proxy_before(server.port) as proxy:
            said = settings(server, "Flow", url=f"opc.tcp://127.0.0.1:{proxy.port}")
            async with running(said, intake) as health:
                await until(lambda: values(intake, "flow") == [0.0])
                for turn in range(3):
                    writing = asyncio.to_thread(server.count, "Flow", 1 + 200 * turn, 201 + 200 * turn)
                    task = asyncio.ensure_future(writing)
                    await until(lambda: len(values(intake, "flow")) > 1 + 200 * turn)  # noqa: B023 - awaited in the same turn
                    proxy.cut()
                    await until(lambda: health.state is State.DOWN)
                    await task
                    proxy.heal()
                    await until(lambda: len(values(intake, "flow")) >= 201 + 200 * turn)  # noqa: B023
        return intake

    before = counted("opcua_begun_anew")
    intake = asyncio.run(scenario())
    assert values(intake, "flow") == [float(value) for value in range(601)]
    assert [batch.sequence for batch in intake.batches] == list(range(len(intake.batches)))
    assert counted("opcua_begun_anew") == before
    assert counted("opcua_missed") == 0


def test_garbage_in_the_middle_of_a_session_costs_no_change(server: OpcUaServer) -> None:
    async def scenario() -> RecordingIntake:
        intake = RecordingIntake()
        async with proxy_before(server.port) as proxy:
            said = settings(server, "Flow", url=f"opc.tcp://127.0.0.1:{proxy.port}")
            async with running(said, intake) as health:
                await until(lambda: values(intake, "flow") == [0.0])
                writing = asyncio.ensure_future(asyncio.to_thread(server.count, "Flow", 1, 301))
                for garbage in (bytes(range(256)), b"MSGF\xff\xff\xff\xff", b"HTTP/1.1 200 OK\r\n\r\n"):
                    outages = health.outages
                    proxy.inject(garbage)
                    await until(lambda: health.outages > outages)  # noqa: B023 - awaited in the same turn
                    await until(lambda: health.state is State.UP)
                await writing
                await until(lambda: len(values(intake, "flow")) >= 301)
        return intake

    assert values(asyncio.run(scenario()), "flow") == [float(value) for value in range(301)]


def test_what_the_intake_refuses_is_kept_and_the_rest_waits_at_the_server(server: OpcUaServer) -> None:
    async def scenario() -> RecordingIntake:
        intake = RecordingIntake()
        async with running(settings(server, "Flow"), intake) as health:
            await until(lambda: values(intake, "flow") == [0.0])
            intake.refuses = True
            await asyncio.to_thread(server.count, "Flow", 1, 301)
            await until(lambda: health.state is State.DOWN)
            intake.refuses = False
            await until(lambda: len(values(intake, "flow")) >= 301)
        return intake

    intake = asyncio.run(scenario())
    assert values(intake, "flow") == [float(value) for value in range(301)]
    assert [batch.sequence for batch in intake.batches] == list(range(len(intake.batches)))


def test_while_the_intake_is_slow_the_server_queues(server: OpcUaServer) -> None:
    class SlowIntake(RecordingIntake):
        def __init__(self) -> None:
            super().__init__()
            self.goes_on = asyncio.Event()

        async def accept(self, items: Any) -> None:
            if items:
                await self.goes_on.wait()
            await super().accept(items)

    async def scenario() -> RecordingIntake:
        intake = SlowIntake()
        async with running(settings(server, "Flow", queue=50), intake):
            await until(lambda: intake.calls > 0)
            await asyncio.to_thread(server.count, "Flow", 1, 501)
            intake.goes_on.set()
            await until(lambda: values(intake, "flow")[-1:] == [500.0])
        return intake

    taken = values(asyncio.run(scenario()), "flow")
    assert taken == sorted(taken)
    assert taken[-50:] == [float(value) for value in range(451, 501)]
    assert len(taken) < 200, "of 500 the server's queue kept the newest 50"


def test_values_that_the_server_says_it_had_to_drop_are_counted_and_said_once(server: OpcUaServer) -> None:
    async def scenario() -> list[Any]:
        intake = RecordingIntake()
        with capture_logs() as lines:
            async with running(settings(server, "Flow"), intake):
                for value in (1.0, 2.0):
                    server.write("Flow", value, status=0x0480)
                    await until(lambda: values(intake, "flow")[-1:] == [value])  # noqa: B023 - awaited in the same turn
        return [line for line in lines if "were full" in line["event"]]

    before = counted("opcua_overflows")
    assert len(asyncio.run(scenario())) == 1
    assert counted("opcua_overflows") == before + 2


def test_a_notification_that_cannot_be_understood_is_set_aside_and_the_next_one_comes(server: OpcUaServer) -> None:
    async def scenario() -> RecordingIntake:
        intake = RecordingIntake()
        async with running(settings(server, "Flow", "Range"), intake):
            await until(lambda: values(intake, "flow") == [0.0])
            server.ask("poison", name="Range")
            await until(lambda: len(intake.batches) == 2)
            server.write("Flow", 7.0)
            await until(lambda: values(intake, "flow") == [0.0, 7.0])
        return intake

    sound, poisoned, _ = asyncio.run(scenario()).batches
    assert [record.reason for record in sound.set_aside] == ["value is no number but Range"]
    assert str(poisoned.key) == "acme/unassigned"
    (record,) = poisoned.set_aside
    assert record.reason == "the notification cannot be understood"
    assert record.raw


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({}, [0.0, 1.0, 1.4, 9.0]),
        ({"unchanged": True}, [0.0, 1.0, 1.0, 1.4, 9.0]),
        ({"dead_band": 0.5}, [0.0, 1.0, 9.0]),
    ],
)
def test_what_is_a_change_can_be_said(server: OpcUaServer, more: dict[str, Any], wanted: list[float]) -> None:
    async def scenario() -> RecordingIntake:
        intake = RecordingIntake()
        async with running(settings(server, "Flow", "On", **more), intake):
            await until(lambda: values(intake, "flow") == [0.0] and values(intake, "on") == [1.0])
            for value in (1.0, 1.0, 1.4, 9.0):
                server.write("Flow", value)
            await until(lambda: values(intake, "flow")[-1] == 9.0)
        return intake

    assert values(asyncio.run(scenario()), "flow") == wanted


def test_a_subscription_that_the_server_dropped_in_silence_is_begun_anew(server: OpcUaServer) -> None:
    async def scenario() -> None:
        intake, others = RecordingIntake(), RecordingIntake()
        async with proxy_before(server.port) as proxy:
            said = settings(server, "Flow", url=f"opc.tcp://127.0.0.1:{proxy.port}")
            async with running(said, intake) as health:
                await until(lambda: values(intake, "flow") == [0.0])
                async with running(settings(server, "Flow"), others):
                    await until(lambda: values(others, "flow") == [0.0])
                    proxy.cut()
                    await until(lambda: health.state is State.DOWN)
                    server.ask("expire")
                    server.write("Flow", 5.0)
                    proxy.heal()
                    await until(lambda: values(intake, "flow") == [0.0, 5.0])
                    await until(lambda: values(others, "flow") == [0.0, 5.0])

    before = counted("opcua_begun_anew")
    asyncio.run(scenario())
    assert counted("opcua_begun_anew") == before + 1


def test_a_server_that_let_the_session_go_has_the_subscription_taken_over(
    server: OpcUaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This server takes it over and then says nothing more, which is noticed, too."""
    monkeypatch.setattr("iot_edge_anomaly.connectors.opcua_items.KEEP_ALIVE_SECONDS", 0.5)
    monkeypatch.setattr("iot_edge_anomaly.connectors.opcua_subscription.CALL_SECONDS", 1.0)

    async def scenario() -> RecordingIntake:
        intake = RecordingIntake()
        async with proxy_before(server.port) as proxy:
            said = settings(server, "Flow", url=f"opc.tcp://127.0.0.1:{proxy.port}")
            async with running(said, intake) as health:
                await until(lambda: values(intake, "flow") == [0.0])
                proxy.cut()
                await until(lambda: health.state is State.DOWN)
                server.ask("forget")
                await asyncio.to_thread(server.count, "Flow", 1, 101)
                proxy.heal()
                await until(lambda: len(values(intake, "flow")) >= 101)
        return intake

    before = counted("opcua_begun_anew")
    assert values(asyncio.run(scenario()), "flow") == [float(value) for value in range(101)]
    assert counted("opcua_begun_anew") == before


def test_a_killed_server_is_found_again_and_it_is_said_that_changes_may_be_missing(server: OpcUaServer) -> None:
    async def scenario() -> None:
        intake = RecordingIntake()
        async with running(settings(server, "Flow"), intake) as health:
            await until(lambda: values(intake, "flow") == [0.0])
            server.kill()
            await until(lambda: health.state is State.DOWN)
            await asyncio.to_thread(server.start)
            await until(lambda: health.state is State.UP)
            server.write("Flow", 7.0)
            await until(lambda: values(intake, "flow")[-1] == 7.0)

    before = counted("opcua_begun_anew")
    asyncio.run(scenario())
    assert counted("opcua_begun_anew") == before + 1


def test_a_connection_that_swallows_everything_is_noticed(server: OpcUaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iot_edge_anomaly.connectors.opcua_calls.CALL_SECONDS", 1.0)
    monkeypatch.setattr("iot_edge_anomaly.connectors.opcua_link.PROBE_SECONDS", 0.5)

    async def scenario() -> RecordingIntake:
        intake = RecordingIntake()
        async with proxy_before(server.port) as proxy:
            said = settings(server, "Flow", url=f"opc.tcp://127.0.0.1:{proxy.port}")
            async with running(said, intake) as health:
                await until(lambda: values(intake, "flow") == [0.0])
                proxy.freeze()
                await until(lambda: health.state is State.DOWN)
                assert "did not answer in time" in health.last_error
                await asyncio.to_thread(server.count, "Flow", 1, 51)
                proxy.cut()
                proxy.heal()
                await until(lambda: len(values(intake, "flow")) >= 51)
        return intake

    before = counted("opcua_resent")
    assert values(asyncio.run(scenario()), "flow") == [float(value) for value in range(51)]
    assert counted("opcua_resent") > before, "what was sent into the void came once more"


def test_ten_thousand_variables_are_subscribed_to(tmp_path: Path) -> None:
    async def scenario(server: OpcUaServer) -> RecordingIntake:
        points = tuple(
            OpcUaPoint(node=f"ns=2;s=Many{number}", asset=f"acme/site/asset-{number // 100}", sensor=f"s{number % 100}")
            for number in range(10_000)
        )
        intake = RecordingIntake()
        async with running(settings(server, points=points, publish_seconds=0.5), intake):
            await until(lambda: sum(len(batch.values()) for batch in intake.batches) >= 10_000, 120)
            server.write("Many9999", 5.0)
            await until(lambda: intake.batches[-1].values().tolist() == [5.0])
        return intake

    with OpcUaServer(tmp_path, many=10_000) as server:
        server.start()
        intake = asyncio.run(scenario(server))
    assert {batch.asset for batch in intake.batches} == {f"site/asset-{number}" for number in range(100)}


GARBAGE: dict[str, Callable[[int], bytes]] = {
    "noise": lambda _: bytes(range(256)) * 64,
    "silence": lambda _: b"",
    "text": lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "huge": lambda _: b"ACKF\xff\xff\xff\x7f" + bytes(1 << 16),
    "error": lambda _: b"ERRF" + (16).to_bytes(4, "little") + (0x80010000).to_bytes(4, "little") + b"\xff\xff\xff\xff",
    "acknowledge": lambda _: b"ACKF" + (28).to_bytes(4, "little") + bytes(20) + b"MSGF\x08\x00\x00\x00" * 1000,
    "chunks": lambda _: (
        b"ACKF" + (28).to_bytes(4, "little") + bytes(20) + (b"MSGC" + (32).to_bytes(4, "little") + bytes(24)) * 20_000
    ),
}


@pytest.mark.parametrize("kind", sorted(GARBAGE))
def test_a_server_that_sends_garbage_is_an_outage(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iot_edge_anomaly.connectors.opcua_calls.CALL_SECONDS", 1.0)

    async def scenario() -> None:
        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    writer.write(GARBAGE[kind](0))
                    await writer.drain()
                    await asyncio.sleep(0.01)
            except OSError:
                pass
            finally:
                writer.transport.abort()

        port = free_port()
        async with await asyncio.start_server(serve, "127.0.0.1", port):
            said = OpcUaSettings(
                url=f"opc.tcp://127.0.0.1:{port}", security="None", browse=(OpcUaBrowse(asset="acme/site"),)
            )
            connector = CATALOG["opcua"].create(said)
            with pytest.raises(UnavailableError, match="OPC UA server"):
                await asyncio.wait_for(connector.run(RecordingIntake(), CLOCK), 20)

    asyncio.run(scenario())


def endless_message(number: int) -> bytes:
    """Return a part of an answer that is sound, and says that another part follows."""
    content = bytes(4) + number.to_bytes(4, "little") + (1).to_bytes(4, "little") + bytes(60_000)
    return b"MSGC" + (len(content) + 12).to_bytes(4, "little") + bytes(4) + content


def test_a_message_that_never_ends_is_not_waited_for() -> None:
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.read(100)
        writer.write(b"ACKF" + (28).to_bytes(4, "little") + bytes(4) + b"\xff\xff\x00\x00" * 2 + bytes(8))
        number = 0
        try:
            while number < 5_000:
                number += 1
                part = endless_message(number)
                writer.write(part)
                await writer.drain()
                sent += len(part)
        except OSError:
            pass
        finally:
            writer.transport.abort()

    async def scenario() -> None:
        port = free_port()
        async with await asyncio.start_server(serve, "127.0.0.1", port):
            said = OpcUaSettings(
                url=f"opc.tcp://127.0.0.1:{port}", security="None", browse=(OpcUaBrowse(asset="acme/site"),)
            )
            with pytest.raises(UnavailableError, match="is gone"):
                await CATALOG["opcua"].create(said).run(RecordingIntake(), CLOCK)

    asyncio.run(scenario())
    assert 30e6 < sent < 60e6, "of 300 MB"


def test_no_server_is_an_outage() -> None:
    said = OpcUaSettings(
        url=f"opc.tcp://127.0.0.1:{free_port()}", security="None", browse=(OpcUaBrowse(asset="acme/site"),)
    )
    with pytest.raises(UnavailableError, match="gone, or nobody listens there"):
        asyncio.run(CATALOG["opcua"].create(said).run(RecordingIntake(), CLOCK))


def test_it_is_up_before_anything_changes_and_leaves_nothing_behind(server: OpcUaServer) -> None:
    async def scenario() -> None:
        intake = RecordingIntake()
        async with running(settings(server, "Flow"), intake) as health:
            await until(lambda: health.state is State.UP)
            assert server.ask("subscriptions") == 1
        await until(lambda: server.ask("subscriptions") == 0)

    asyncio.run(scenario())


def test_a_group_that_is_too_large_is_stored_one_by_one(server: OpcUaServer) -> None:
    async def scenario() -> RecordingIntake:
        intake = RecordingIntake(most=2)
        points = (
            OpcUaPoint(node="ns=2;s=Flow", asset="acme/one", sensor="flow"),
            OpcUaPoint(node="ns=2;s=Curve", asset="acme/two", sensor="curve"),
        )
        async with running(settings(server, points=points), intake):
            await until(lambda: len(intake.batches) >= 2)
        return intake

    one, two = asyncio.run(scenario()).batches
    assert (one.asset, len(one.values())) == ("one", 1)
    assert (two.asset, len(two.values()), two.sequence) == ("two", 0, 0)
    assert [(record.reason, record.count) for record in two.set_aside] == [("too large at once", 3)]


def test_settings_are_written_as_they_are_read() -> None:
    said = OpcUaSettings(url="opc.tcp://x", security="None", browse=(OpcUaBrowse(asset="acme/site"),))
    assert msgspec.convert(msgspec.to_builtins(said), OpcUaSettings) == said
