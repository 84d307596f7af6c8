"""The Sparkplug connector against a real broker and edge nodes: deaths, restarts, gaps, garbage, history."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from intakes import RecordingIntake, health_of, in_background, until  # type: ignore[import-not-found]
from mqtt_brokers import Broker, Device, Mosquitto  # type: ignore[import-not-found]
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from sparkplug_nodes import NodeProcess, edge_node, now_ms  # type: ignore[import-not-found]
from sparkplug_proxy import Wire  # type: ignore[import-not-found]

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.component.connector import Connector
from iot_edge_anomaly.connectors import sparkplug_host, sparkplug_nodes, sparkplug_waiting
from iot_edge_anomaly.connectors.runner import run_all
from iot_edge_anomaly.connectors.sparkplug import SPEC, SparkplugSettings
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.messages import SourceIdle
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.observability.health import State
from iot_edge_anomaly.observability.metrics import REGISTRY
from iot_edge_anomaly.pipeline.closing import release
from iot_edge_anomaly.pipeline.draft import Draft
from iot_edge_anomaly.pipeline.profile import profile_of
from iot_edge_anomaly.pipeline.state import Asset
from iot_edge_anomaly.pipeline.taking import add_sensors, is_new, leave_out, take, unknown_sensors

CLOCK = SystemClock()
TANK = {"tank": ["level", "flow"]}
ASSET = "acme/plant/press-4/tank"


class Intake(RecordingIntake):  # type: ignore[misc]
    """Looks up what was read; keeps word of sources that went silent, too."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.idle: list[SourceIdle] = []
        self.items: list[Any] = []

    async def accept(self, items: Any) -> None:
        await super().accept(items)
        self.items += items
        self.idle += [item for item in items if isinstance(item, SourceIdle)]

    def rows(self, asset: str = ASSET) -> list[tuple[str, int, float, int]]:
        """Return sensor, time in ms, value and quality of all readings of an asset."""
        found = []
        for batch in self.batches:
            if str(batch.key) == asset:
                names = [batch.sensors[number] for number in batch.sensor_indices()]
                times = (batch.times() // 1_000_000).tolist()
                found += list(zip(names, times, batch.values().tolist(), batch.qualities().tolist(), strict=True))
        return found

    def count(self) -> int:
        return sum(len(batch.values()) for batch in self.batches)

    def values(self, sensor: str = "level", asset: str = ASSET) -> list[float]:
        return [value for name, _, value, _ in self.rows(asset) if name == sensor]

    def reasons(self) -> list[str]:
        return [record.reason for batch in self.batches for record in batch.set_aside]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparkplug_nodes, "FIRST_ASK_SECONDS", 0.1)
    monkeypatch.setattr(sparkplug_nodes, "LONGEST_ASK_SECONDS", 0.4)
    monkeypatch.setattr(sparkplug_waiting, "HOLD_SECONDS", 0.5)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if Mosquitto.binary() is None:
        pytest.skip("no mosquitto here; run: apt-get install mosquitto")
    with Mosquitto(tmp_path) as broker:
        broker.start()
        yield broker


def settings_of(broker: Broker, **more: Any) -> SparkplugSettings:
    return SparkplugSettings(**{"port": broker.port, "tenant": "acme", "client_id": "ours", **more})


def connector_of(broker: Broker, **more: Any) -> Connector:
    return SPEC.create(settings_of(broker, **more))


def counted(name: str) -> float:
    return REGISTRY.get_sample_value(f"iea_{name}_total") or 0.0


@contextmanager
def states(broker: Broker, host_id: str) -> Iterator[list[tuple[Any, bool]]]:
    """Listen to what a host says of itself: each saying, and whether it was retained."""
    said: list[tuple[Any, bool]] = []
    subscribed = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, client_id="listener", protocol=MQTTv311)
    client.on_connect = lambda client, *_: client.subscribe(f"spBv1.0/STATE/{host_id}", 1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda _, __, message: said.append((json.loads(message.payload), message.retain))
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    assert subscribed.wait(10)
    yield said
    client.disconnect()
    client.loop_stop()


def late(items: list[Any]) -> int:
    """Return how many readings of the asset the pipeline finds late."""
    key = AssetKey.parse(ASSET)
    asset, draft = Asset(key, profile_of(key, (), "")), Draft()
    for item in items:
        if (item.tenant, item.asset) != (key.tenant, key.asset):
            continue
        if isinstance(item, SourceIdle):
            leave_out(asset, item.source)
        elif is_new(asset, item, draft):
            add_sensors(asset, unknown_sensors(asset, item), item, draft)
            take(asset, item, draft)
            release(asset, draft)
    assert draft.count("sparkplug").used > 100
    return draft.count("sparkplug").late


async def in_thread(work: Any, *arguments: Any) -> Any:
    return await asyncio.to_thread(work, *arguments)


async def speak_until(holds: Any, node: Any, value: float = 1.0) -> None:
    """Let a node measure again and again until something has come of it."""
    while not holds():
        node.measure("tank", {"level": value})
        await asyncio.sleep(0.05)


async def until_published(node: Any) -> None:
    """Wait until the broker has the births of a node, so that whoever subscribes now has missed them."""
    await until(lambda: node.births == 1)
    await in_thread(node.publish_raw, "elsewhere", b"")


async def until_known(intake: Intake, node: Any) -> None:
    """Wait until the connector has understood a node that was there before it."""
    async with asyncio.timeout(20):
        await speak_until(lambda: 1.0 in intake.values(), node)


@pytest.mark.system
def test_births_and_data_come_in_and_a_late_host_asks_for_births(broker: Broker) -> None:
    async def scenario() -> None:
        intake = Intake()
        with edge_node(broker.port, TANK) as node:
            await until_published(node)
            async with in_background(connector_of(broker).run(intake, CLOCK)):
                await until_known(intake, node)
                assert node.asked >= 1
                assert any("no birth is known" in reason for reason in intake.reasons())
                node.measure("tank", {"level": 2.5, "flow": -1.0}, time_ms=now_ms() - 1000)
                await until(lambda: 2.5 in intake.values() and -1.0 in intake.values("flow"))
        said = {(one.metric, one.time_ms, one.value) for one in node.measured}
        assert ("level", *next(row[1:3] for row in intake.rows() if row[2] == 2.5)) in said

    asyncio.run(scenario())


@pytest.mark.system
@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_what_the_intake_refused_comes_again_and_is_still_understood(broker: Broker, version: str) -> None:
    """At QoS 1 the broker holds it; births stay in mind, for the broker kept the session."""

    async def scenario() -> None:
        intake, connector = Intake(), connector_of(broker, version=version)
        with edge_node(broker.port, TANK, qos=1) as node:
            async with in_background(connector.run(intake, CLOCK)):
                await until_known(intake, node)
            asked = node.asked
            for value in range(100, 130):
                node.measure("tank", {"level": value})
            intake.refuses = True
            with pytest.raises(UnavailableError, match="the bus is down"):
                await connector.run(intake, CLOCK)
            intake.refuses = False
            async with in_background(connector.run(intake, CLOCK)):
                for value in range(130, 140):
                    node.measure("tank", {"level": value})
                await until(lambda: set(intake.values()) >= set(range(100, 140)))
            assert node.asked == asked
        assert [value for value in intake.values() if value >= 100] == list(range(100, 140))
        assert all(quality == 192 for *_, quality in intake.rows())

    asyncio.run(scenario())


@pytest.mark.system
def test_a_new_process_asks_for_births_and_goes_on(broker: Broker) -> None:
    async def scenario() -> None:
        intake = Intake()
        with edge_node(broker.port, TANK, qos=1) as node:
            async with in_background(connector_of(broker).run(intake, CLOCK)):
                await until_known(intake, node)
            for value in range(10, 15):
                node.measure("tank", {"level": value})
            asked = node.asked
            async with in_background(connector_of(broker).run(intake, CLOCK)):
                await until(lambda: node.asked > asked)
                await until(lambda: 14.0 in intake.values())
                node.measure("tank", {"level": 99.0})
                await until(lambda: 99.0 in intake.values())
            aside = intake.reasons().count("no birth is known that says what its alias stands for")
            assert aside >= 4, "what waited and only had an alias is kept, and its reason"

    asyncio.run(scenario())


@pytest.mark.system
def test_a_broker_that_is_killed_is_found_again(broker: Broker) -> None:
    async def scenario() -> None:
        intake, health = Intake(), health_of("plant")
        async with in_background(run_all({"plant": connector_of(broker)}, intake, CLOCK, health)):
            await until(lambda: health["plant"].state is State.UP)
            with edge_node(broker.port, TANK) as node:
                await until_known(intake, node)
                broker.kill()
                await until(lambda: health["plant"].state is State.DOWN)
                await in_thread(broker.start)
                async with asyncio.timeout(40):
                    await speak_until(lambda: 7.0 in intake.values(), node, 7.0)

    asyncio.run(scenario())


@pytest.mark.system
def test_a_gap_is_counted_and_makes_the_host_ask(broker: Broker) -> None:
    async def scenario() -> None:
        intake = Intake()
        async with in_background(connector_of(broker).run(intake, CLOCK)):
            await until(lambda: intake.calls > 0)
            with edge_node(broker.port, TANK) as node:
                await until_known(intake, node)
                before, births = counted("sparkplug_lost_messages"), node.births
                node.lose(5)
                node.measure("tank", {"level": 50.0})
                await until(lambda: 50.0 in intake.values())
                await speak_until(lambda: node.births > births, node)
                assert counted("sparkplug_lost_messages") - before == 5
                assert next(quality for _, _, value, quality in intake.rows() if value == 50.0) == 64
                await speak_until(lambda: (60.0, 192) in [row[2:] for row in intake.rows()], node, 60.0)

    asyncio.run(scenario())


@pytest.mark.system
def test_without_the_right_to_ask_nobody_is_asked(broker: Broker) -> None:
    async def scenario() -> None:
        intake = Intake()
        with edge_node(broker.port, TANK) as node:
            await until_published(node)
            async with in_background(connector_of(broker, rebirth=False).run(intake, CLOCK)):
                await speak_until(lambda: len(intake.reasons()) > 3, node)
            assert node.asked == 0

    asyncio.run(scenario())


@pytest.mark.system
def test_an_edge_node_that_is_killed_is_marked_and_comes_back_with_other_aliases(broker: Broker) -> None:
    async def scenario() -> None:
        intake = Intake()
        async with in_background(connector_of(broker).run(intake, CLOCK)):
            await until(lambda: intake.calls > 0)
            process = await in_thread(NodeProcess, broker.port, TANK)
            try:
                await until(lambda: intake.values() != [])
                await in_thread(process.tell, "measure", "tank", {"level": 3.0})
                await until(lambda: 3.0 in intake.values())
            finally:
                process.kill()
            await until(lambda: bool(intake.idle))
            assert {(row[0], row[3]) for row in intake.rows() if row[2] != row[2]} == {("level", 0), ("flow", 0)}
            assert {(item.tenant, item.asset) for item in intake.idle} == {("acme", "plant/press-4/tank")}
            with edge_node(broker.port, {"tank": ["flow", "level"]}, bd_seq=1) as node:
                await until(lambda: node.births == 1)
                node.measure("tank", {"flow": 8.0})
                await until(lambda: 8.0 in intake.values("flow"))
            assert 8.0 not in intake.values("level")

    asyncio.run(scenario())


@pytest.mark.system
def test_a_death_of_a_session_before_is_left_alone(broker: Broker) -> None:
    async def scenario() -> None:
        intake = Intake()
        async with in_background(connector_of(broker).run(intake, CLOCK)):
            await until(lambda: intake.calls > 0)
            with edge_node(broker.port, TANK, bd_seq=4) as node:
                await until_known(intake, node)
                before, asked = counted("sparkplug_old_deaths"), node.asked
                await in_thread(node.die, 3)
                await until(lambda: counted("sparkplug_old_deaths") == before + 1)
                node.measure("tank", {"level": 20.0})
                await until(lambda: 20.0 in intake.values())
                assert (intake.idle, node.asked) == ([], asked)
                await in_thread(node.die, 4)
                await until(lambda: bool(intake.idle))

    asyncio.run(scenario())


@pytest.mark.system
def test_a_death_that_waited_at_the_broker_is_held_against_the_birth_that_waited_behind_it(broker: Broker) -> None:
    """While the host is away a node dies and is born again: in this order, and not the other."""

    async def scenario() -> None:
        intake, connector = Intake(), connector_of(broker)
        with edge_node(broker.port, TANK, qos=1, bd_seq=1) as node:
            async with in_background(connector.run(intake, CLOCK)):
                await until_known(intake, node)
            await in_thread(node.die, 1)
            node.bd_seq = 2
            node.bear()
            node.measure("tank", {"level": 30.0})
            await in_thread(node.die, 1)
            node.measure("tank", {"level": 31.0})
            async with in_background(connector.run(intake, CLOCK)):
                await until(lambda: 31.0 in intake.values())
            assert len(intake.idle) == 1
            assert [row[3] for row in intake.rows() if row[2] in (30.0, 31.0)] == [192, 192]

    asyncio.run(scenario())


@pytest.mark.system
def test_garbage_is_set_aside_and_the_others_go_on(broker: Broker) -> None:
    async def scenario() -> None:
        intake = Intake()
        async with in_background(connector_of(broker).run(intake, CLOCK)):
            await until(lambda: intake.calls > 0)
            with edge_node(broker.port, TANK) as node, Device(broker) as stranger:
                await until_known(intake, node)
                before, births = counted("sparkplug_strangers"), node.births
                for topic, content in (
                    ("spBv1.0/plant/DDATA/press-4/tank", b"rubbish"),
                    ("spBv1.0/plant/NDATA/other", b'{"value": 3}'),
                    ("spBv1.0/plant/NBIRTH/another", b"\x12\xff\xff"),
                    ("spBv1.0/plant/NDEATH/press-4", b"\0"),
                    ("spBv1.0/plant/DDATA/press-4/tank", b"\x08" * (5 << 20)),
                ):
                    await in_thread(stranger.publish, topic, content)
                node.measure("tank", {"level": 40.0})
                await until(lambda: 40.0 in intake.values())
                assert counted("sparkplug_strangers") - before == 5
                assert node.births == births

    asyncio.run(scenario())


@pytest.mark.system
def test_ten_thousand_metrics_in_one_birth(broker: Broker) -> None:
    tags = [f"Area {number % 50}/Tag {number}" for number in range(10_000)]

    async def scenario() -> None:
        intake = Intake()
        async with in_background(connector_of(broker).run(intake, CLOCK)):
            await until(lambda: intake.calls > 0)
            with edge_node(broker.port, {"tank": tags}) as node:
                await until(lambda: intake.count() == 10_000)
                node.measure("tank", {tag: float(number) for number, tag in enumerate(tags, start=1)})
                await until(lambda: intake.count() == 20_000)
        assert [row[::2] for row in intake.rows()[10_000:]] == [(tag, float(n)) for n, tag in enumerate(tags, start=1)]

    asyncio.run(scenario())


@pytest.mark.system
def test_a_connection_that_is_open_at_one_end_only_is_given_up(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparkplug_host, "KEEPALIVE_SECONDS", 1)

    async def scenario(wire: Wire) -> None:
        intake, health = Intake(), health_of("plant")
        connector = SPEC.create(settings_of(broker, port=wire.port))
        async with in_background(run_all({"plant": connector}, intake, CLOCK, health)):
            with edge_node(broker.port, TANK) as node:
                await until_known(intake, node)
                wire.freeze()
                await until(lambda: health["plant"].outages >= 1)
                await until(lambda: wire.connections >= 2)
                async with asyncio.timeout(40):
                    await speak_until(lambda: 70.0 in intake.values(), node, 70.0)

    with Wire(broker.port) as wire:
        asyncio.run(scenario(wire))


@pytest.mark.system
def test_a_primary_host_says_that_it_is_there_and_that_it_is_not(broker: Broker) -> None:
    async def scenario() -> None:
        intake = Intake()
        with states(broker, "anomaly") as said:
            async with in_background(connector_of(broker, host_id="anomaly").run(intake, CLOCK)):
                await until(lambda: len(said) >= 1)
            await until(lambda: len(said) >= 2)
        (online, _), (offline, _) = said
        assert (online["online"], offline["online"]) == (True, False)
        assert 0 < online["timestamp"] <= offline["timestamp"] <= now_ms()
        with states(broker, "anomaly") as later:
            await until(lambda: bool(later))
        assert later == [(offline, 1)] or later == [(offline, True)]

    asyncio.run(scenario())


@pytest.mark.system
def test_a_primary_host_that_is_killed_is_said_to_be_gone_by_the_broker(broker: Broker) -> None:
    """A process that is killed closes its connection without a word; its will has the time of its birth."""
    here = Path(__file__)
    program = (
        "import asyncio, sys; from intakes import RecordingIntake;"
        "from iot_edge_anomaly.connectors.sparkplug import SPEC, SparkplugSettings;"
        "from iot_edge_anomaly.core.clock import SystemClock;"
        "said = SparkplugSettings(tenant='acme', port=int(sys.argv[1]), host_id='anomaly');"
        "asyncio.run(SPEC.create(said).run(RecordingIntake(), SystemClock()))"
    )

    async def scenario() -> None:
        with states(broker, "anomaly") as said:
            host = subprocess.Popen([sys.executable, "-c", program, str(broker.port)], cwd=here.parent)
            try:
                await until(lambda: len(said) == 1, 40)
            finally:
                host.kill()
                host.wait(10)
            await until(lambda: len(said) == 2)
        (online, _), (offline, _) = said
        assert offline == {**online, "online": False}

    asyncio.run(scenario())


@pytest.mark.system
def test_a_primary_host_whose_presence_is_denied_says_it_again(broker: Broker) -> None:
    async def scenario() -> None:
        with states(broker, "anomaly") as said, Device(broker) as device:
            async with in_background(connector_of(broker, host_id="anomaly").run(Intake(), CLOCK)):
                await until(lambda: len(said) == 1)
                for content in (b'{"online": false, "timestamp": 1}', b"[]"):
                    known = len(said)
                    await in_thread(device.publish, "spBv1.0/STATE/anomaly", content)
                    await until(lambda: len(said) >= known + 2)  # noqa: B023 - awaited in the same turn
                    assert said[-1] == said[0]

    asyncio.run(scenario())


@pytest.mark.system
@pytest.mark.parametrize("qos", [0, 1])
def test_what_a_node_kept_while_the_host_was_away_comes_in_once(
    broker: Broker, qos: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger: what the node measured, against what came in, by sensor, time and value; the node is a process.

    The bus refuses in the middle. At QoS 0 nothing is under way then: nobody could send it again. A second passes
    between two values; a birth is as old as the newest one, and does not make those late that come behind it.
    """
    monkeypatch.setattr(sparkplug_waiting, "HOLD_SECONDS", 10.0)

    async def scenario(process: Any) -> None:
        intake, health, start, count = Intake(), health_of("plant"), now_ms() - 1_000_000, 0

        async def measure(values: int) -> None:
            nonlocal count
            for _ in range(values):
                count += 1
                await in_thread(process.tell, "measure", "tank", {"level": float(count)}, start + count * 1000)

        def came() -> list[tuple[str, int, float]]:
            return [row[:3] for row in intake.rows() if not (row[1] - start) % 1000]

        async def all_came() -> None:
            await until(lambda: ("level", start + count * 1000, float(count)) in came())

        async def until_unwanted() -> None:
            async with asyncio.timeout(20):
                while await in_thread(process.tell, "wanted"):
                    await asyncio.sleep(0.02)

        await measure(20)
        assert await in_thread(process.tell, "births") == 0
        for _ in range(3):
            async with in_background(
                run_all({"plant": connector_of(broker, host_id="anomaly")}, intake, CLOCK, health)
            ):
                await all_came()
                await measure(10)
                await all_came()
                intake.refuses = True
                if qos:
                    await measure(5)
                else:
                    with Device(broker) as device:
                        await in_thread(device.publish, "spBv1.0/plant/NDATA/somebody", b"else")
                await until(lambda: health["plant"].state is State.DOWN)
                await until_unwanted()
                await measure(10)
                intake.refuses = False
                await all_came()
            await until_unwanted()
            await measure(20)
        async with in_background(connector_of(broker, host_id="anomaly").run(intake, CLOCK)):
            await all_came()
        measured = await in_thread(process.tell, "measured")
        assert len(measured) == count
        assert set(came()) == {(name, time_ms, value) for _, name, time_ms, value in measured}
        assert len(came()) == count
        if not qos:
            assert late(intake.items) == 0

    process = NodeProcess(broker.port, TANK, host_id="anomaly", qos=qos)
    try:
        asyncio.run(scenario(process))
    finally:
        process.kill()


def test_no_broker_is_an_outage() -> None:
    with pytest.raises(UnavailableError, match="no MQTT broker"):
        asyncio.run(SPEC.create(SparkplugSettings(tenant="acme", port=free_port())).run(Intake(), CLOCK))


@pytest.mark.parametrize(
    "greeting",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x20\x02\x00\x00" + b"\x90\x01\x00" * 10,
        b"\x20\x02\x00\x00" + b"\x32\x05\x00\xff\xff\xff\xff" * 10,
        b"\x20\x02\x00\x00" + bytes(range(256)) * 20,
        b"\x20\x02\x00\x05",
    ],
)
def test_a_server_that_is_no_broker_is_an_outage(greeting: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparkplug_host, "ANSWER_SECONDS", 3.0)

    def serve(server: socket.socket) -> None:
        client, _ = server.accept()
        with client:
            client.recv(1024)
            client.sendall(greeting)
            with contextlib.suppress(ConnectionResetError):
                client.recv(1024)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        settings = SparkplugSettings(tenant="acme", port=server.getsockname()[1])
        with pytest.raises(UnavailableError):
            asyncio.run(SPEC.create(settings).run(Intake(), CLOCK))


def test_the_catalog_loads_no_protocol_buffers() -> None:
    listing = "import sys, iot_edge_anomaly.connectors.catalog; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True).stdout.split()
    assert "iot_edge_anomaly.connectors.sparkplug" in loaded
    assert not [name for name in loaded if name.startswith("google")]


@pytest.mark.system
def test_a_clean_session_begins_with_nothing_that_waited(broker: Broker) -> None:
    async def scenario() -> None:
        intake = Intake()
        connector = connector_of(broker, clean_session=True)
        with edge_node(broker.port, TANK, qos=1) as node:
            async with in_background(connector.run(intake, CLOCK)):
                await until_known(intake, node)
            node.measure("tank", {"level": 80.0})
            async with in_background(connector.run(intake, CLOCK)):
                await speak_until(lambda: 81.0 in intake.values(), node, 81.0)
        assert 80.0 not in intake.values()

    asyncio.run(scenario())
