"""The MQTT connector against real brokers: the embedded one, and mosquitto."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from intakes import RecordingIntake, health_of, in_background, until  # type: ignore[import-not-found]
from mqtt_brokers import Broker, Device, EmbeddedBroker, Mosquitto, free_port  # type: ignore[import-not-found]

from iot_edge_anomaly.connectors.mqtt import MqttConnector, MqttSettings
from iot_edge_anomaly.connectors.runner import run_all
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.messages import Batch
from iot_edge_anomaly.core.names import to_token
from iot_edge_anomaly.observability.health import State
from iot_edge_anomaly.observability.metrics import REGISTRY

CLOCK = SystemClock()


@pytest.fixture(
    params=[
        pytest.param(EmbeddedBroker, marks=pytest.mark.server, id="embedded"),
        pytest.param(Mosquitto, marks=pytest.mark.system, id="mosquitto"),
    ]
)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    if request.param is Mosquitto and Mosquitto.binary() is None:
        pytest.skip("no mosquitto here; run: apt-get install mosquitto")
    with request.param(tmp_path) as broker:
        broker.start()
        yield broker


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Broker]:
    with EmbeddedBroker(tmp_path) as broker:
        broker.start()
        yield broker


def numbered(sequence: int) -> bytes:
    return msgspec.json.encode({"source": "plc", "epoch": 1, "sequence": sequence, "rows": [{"flow": sequence}]})


async def publish(device: Device, topic: str, content: bytes) -> None:
    await asyncio.to_thread(device.publish, topic, content)


async def publish_retained(device: Device, topic: str, content: bytes) -> None:
    await asyncio.to_thread(device.publish, topic, content, retain=True)


async def subscribe(connector: MqttConnector, intake: RecordingIntake, broker: Broker) -> None:
    """Let the broker know the connector's session, so that it keeps what is published while the connector is away."""
    async with in_background(connector.run(intake, CLOCK)):
        with Device(broker) as device:
            while not intake.calls:
                await publish(device, "ingress/acme/probe", b'{"x": 1}')
                await asyncio.sleep(0.05)
    intake.batches.clear()


def test_values_objects_and_numbered_rows_come_in(broker: Broker) -> None:
    async def scenario() -> RecordingIntake:
        intake, connector = RecordingIntake(), MqttConnector(broker.settings)
        await subscribe(connector, intake, broker)
        with Device(broker) as device:
            await publish(device, "ingress/acme/site/pump/flow", b"21.5")
            await publish(device, "ingress/acme/site/pump", b'{"flow": 1, "power": 2}')
            await publish(device, "ingress/acme/site/pump", numbered(7))
            await publish(device, "ingress/acme/site/pump/state", b"rubbish")
        async with in_background(connector.run(intake, CLOCK)):
            await until(lambda: len(intake.batches) >= 4)
        return intake

    value, row, rows, rubbish = asyncio.run(scenario()).batches
    assert {str(batch.key) for batch in (value, row, rows, rubbish)} == {"acme/site/pump"}
    assert (value.sensors, value.values().tolist()) == (("flow",), [21.5])
    assert (row.sensors, row.values().tolist()) == (("flow", "power"), [1.0, 2.0])
    assert (rows.source, rows.epoch, rows.sequence) == ("plc", 1, 7)
    assert [record.raw for record in rubbish.set_aside] == [b"rubbish"]


def test_what_the_intake_refused_comes_again(broker: Broker) -> None:
    async def scenario() -> set[int]:
        intake, connector = RecordingIntake(), MqttConnector(broker.settings)
        await subscribe(connector, intake, broker)
        with Device(broker) as device:
            for sequence in range(5):
                await publish(device, "ingress/acme/pump", numbered(sequence))
        intake.refuses = True
        with pytest.raises(UnavailableError, match="the bus is down"):
            await connector.run(intake, CLOCK)
        intake.refuses = False
        async with in_background(connector.run(intake, CLOCK)):
            await until(lambda: intake.sequences() >= set(range(5)))
        return set(intake.sequences())

    assert asyncio.run(scenario()) == set(range(5))


def test_a_stop_between_storing_and_acknowledging_loses_nothing(broker: Broker) -> None:
    """What comes again after it has the same numbers: a repeat by its identity."""

    async def scenario() -> list[int]:
        intake, connector = RecordingIntake(), MqttConnector(broker.settings)
        await subscribe(connector, intake, broker)
        with Device(broker) as device:
            for sequence in range(20):
                await publish(device, "ingress/acme/pump", numbered(sequence))
            async with in_background(connector.run(intake, CLOCK)):
                await until(lambda: len(intake.batches) >= 20)
            async with in_background(connector.run(intake, CLOCK)):
                await publish(device, "ingress/acme/pump", numbered(20))
                await until(lambda: 20 in intake.sequences())
        return [batch.sequence for batch in intake.batches]

    assert sorted(set(asyncio.run(scenario()))) == list(range(21))


def test_a_killed_broker_is_found_again(broker: Broker) -> None:
    async def scenario() -> None:
        intake, connector = RecordingIntake(), MqttConnector(broker.settings)
        await subscribe(connector, intake, broker)
        async with in_background(run_all({"plant": connector}, intake, CLOCK, health_of("plant"))):
            with Device(broker) as device:
                await publish(device, "ingress/acme/pump", numbered(0))
                await until(lambda: 0 in intake.sequences())
                broker.kill()
                await asyncio.to_thread(broker.start)
                for sequence in range(1, 1000):
                    await publish(device, "ingress/acme/pump", numbered(sequence))
                    if len(intake.sequences()) > 1:
                        break
                    await asyncio.sleep(0.05)
        assert len(intake.sequences()) > 1

    asyncio.run(scenario())


def test_a_broker_that_is_reached_counts_as_up_before_the_first_message(broker: Broker) -> None:
    async def scenario() -> None:
        health = health_of("plant")
        connectors = {"plant": MqttConnector(broker.settings)}
        async with in_background(run_all(connectors, RecordingIntake(), CLOCK, health)):
            await until(lambda: health["plant"].state is State.UP)
            broker.kill()
            await until(lambda: health["plant"].state is State.DOWN)
            assert "MQTT broker" in health["plant"].last_error
            await asyncio.to_thread(broker.start)
            await until(lambda: health["plant"].state is State.UP)

    asyncio.run(scenario())


@pytest.mark.server
def test_nothing_that_the_embedded_broker_acknowledged_is_lost_by_its_death(embedded: Broker) -> None:
    async def scenario() -> None:
        intake, connector = RecordingIntake(), MqttConnector(embedded.settings)
        await subscribe(connector, intake, embedded)
        async with in_background(run_all({"plant": connector}, intake, CLOCK, health_of("plant"))):
            with Device(embedded) as device:
                for sequence in range(60):
                    if sequence in (20, 40):
                        embedded.kill()
                        await asyncio.to_thread(embedded.start)
                    await publish(device, "ingress/acme/pump", numbered(sequence))
                await until(lambda: intake.sequences() >= set(range(60)), 30)

    asyncio.run(scenario())


@pytest.mark.server
def test_a_group_that_is_too_large_is_stored_one_by_one_and_what_is_too_large_alone_is_set_aside(
    embedded: Broker,
) -> None:
    async def scenario() -> RecordingIntake:
        intake, connector = RecordingIntake(most=2), MqttConnector(embedded.settings)
        await subscribe(connector, intake, embedded)
        with Device(embedded) as device:
            for content in (b'{"a": 1, "b": 2}', b'{"a": 1, "b": 2, "c": 3}', b'{"a": 5}'):
                await publish(device, "ingress/acme/pump", content)
        async with in_background(connector.run(intake, CLOCK)):
            await until(lambda: len(intake.batches) >= 3)
        return intake

    two, too_large, one = asyncio.run(scenario()).batches
    assert (len(two.values()), len(too_large.values()), len(one.values())) == (2, 0, 1)
    assert [record.reason for record in too_large.set_aside] == ["too large at once"]


@pytest.mark.server
def test_values_without_a_time_that_come_at_once_stay_apart(embedded: Broker) -> None:
    async def scenario() -> RecordingIntake:
        intake, connector = RecordingIntake(), MqttConnector(embedded.settings)
        await subscribe(connector, intake, embedded)
        with Device(embedded) as device:
            for value in range(30):
                await publish(device, "ingress/acme/pump/flow", b"%d" % value)
        async with in_background(connector.run(intake, CLOCK)):
            await until(lambda: len(intake.batches) >= 30)
        return intake

    times = [int(batch.times()[0]) for batch in asyncio.run(scenario()).batches]
    assert len(set(times)) == 30
    assert times == sorted(times)


@pytest.mark.server
def test_a_broker_that_refuses_says_why(embedded: Broker) -> None:
    stranger = msgspec.structs.replace(embedded.settings, user="nobody")
    with pytest.raises(UnavailableError, match=r"refuses|gone"):
        asyncio.run(MqttConnector(stranger).run(RecordingIntake(), CLOCK))


def test_no_broker_is_an_outage() -> None:
    settings = MqttSettings(port=free_port(), topics=("plant/#",))
    with pytest.raises(UnavailableError, match="no MQTT broker"):
        asyncio.run(MqttConnector(settings).run(RecordingIntake(), CLOCK))


@pytest.mark.server
def test_a_message_whose_topic_names_no_asset_is_kept_and_counted(embedded: Broker) -> None:
    def strangers() -> float:
        return REGISTRY.get_sample_value("iea_mqtt_strangers_total") or 0.0

    async def scenario() -> tuple[float, list[Batch]]:
        intake, connector = RecordingIntake(), MqttConnector(embedded.settings)
        await subscribe(connector, intake, embedded)
        before = strangers()
        with Device(embedded) as device:
            for _ in range(3):
                await publish(device, "ingress/acme/flow", b"1")
            await publish(device, "ingress/acme/pump/flow", b"1")
        async with in_background(connector.run(intake, CLOCK)):
            await until(lambda: len(intake.batches) >= 4)
        return strangers() - before, intake.batches

    counted, batches = asyncio.run(scenario())
    assert counted == 3
    assert [str(batch.key) for batch in batches] == ["acme/unassigned"] * 3 + ["acme/pump"]
    assert all("ingress/acme/flow" in record.reason for batch in batches for record in batch.set_aside)


def test_a_retained_message_is_no_new_reading_at_every_connect(broker: Broker) -> None:
    async def scenario() -> list[Batch]:
        intake, connector = RecordingIntake(), MqttConnector(broker.settings)
        with Device(broker) as device:
            await publish_retained(device, "ingress/acme/pump/flow", b"7")
            for _ in range(2):
                seen = len(intake.batches)
                async with in_background(connector.run(intake, CLOCK)):
                    await until(lambda: len(intake.batches) > seen)  # noqa: B023 - awaited in the same turn
        return intake.batches

    batches = asyncio.run(scenario())
    assert sum(len(batch.value) for batch in batches) == 0
    assert all("retained" in record.reason for batch in batches for record in batch.set_aside)


@pytest.mark.system
def test_a_session_of_mqtt_5_lasts_too(tmp_path: Path) -> None:
    if Mosquitto.binary() is None:
        pytest.skip("no mosquitto here; run: apt-get install mosquitto")

    async def scenario(broker: Broker) -> None:
        settings = msgspec.structs.replace(broker.settings, version="5")
        intake, connector = RecordingIntake(), MqttConnector(settings)
        await subscribe(connector, intake, broker)
        with Device(broker) as device:
            await publish(device, "ingress/acme/pump", numbered(3))
        intake.refuses = True
        with pytest.raises(UnavailableError, match="the bus is down"):
            await connector.run(intake, CLOCK)
        intake.refuses = False
        async with in_background(connector.run(intake, CLOCK)):
            await until(lambda: 3 in intake.sequences())

    with Mosquitto(tmp_path) as broker:
        broker.start()
        asyncio.run(scenario(broker))


@pytest.mark.server
def test_a_tenant_whose_name_no_topic_can_carry_is_known_by_its_token(tmp_path: Path) -> None:
    async def scenario(broker: Broker) -> Batch:
        intake, connector = RecordingIntake(), MqttConnector(broker.settings)
        async with in_background(connector.run(intake, CLOCK)):
            with Device(broker) as device:
                while not intake.batches:
                    await publish(device, f"ingress/{to_token('Ac.me & söhne')}/{to_token('pump 1')}", b'{"x": 1}')
                    await asyncio.sleep(0.05)
        return intake.batches[0]

    with EmbeddedBroker(tmp_path, tenant="Ac.me & söhne") as broker:
        broker.start()
        assert str(asyncio.run(scenario(broker)).key) == "Ac.me & söhne/pump 1"


def test_two_connectors_of_a_machine_have_two_sessions() -> None:
    ours, theirs = MqttSettings(topics=("a/#",)), MqttSettings(topics=("b/#",))
    assert ours.session() != theirs.session()
    assert ours.session() == MqttSettings(topics=("a/#",)).session()
    assert MqttSettings(topics=("a/#",), client_id="mine").session() == "mine"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "say what to subscribe to"),
        ({"pattern": "plant/{asset}/{sensor}"}, "needs a tenant"),
        ({"topics": ("#",), "port": 0}, "port"),
    ],
)
def test_settings_that_cannot_work_say_what_to_write(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MqttSettings(**wrong)  # type: ignore[arg-type]


def test_a_pattern_says_what_to_subscribe_to() -> None:
    settings = MqttSettings(pattern="plant/{line}/{asset}/{sensor}", tenant="acme")
    assert settings.subscriptions() == ("plant/+/+/+",)
