"""Looking at a broker before anything is saved: real brokers, wrong passwords, silence, garbage, TLS where none is."""

import asyncio
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from mqtt_brokers import Device, EmbeddedBroker, Mosquitto  # type: ignore[import-not-found]

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.connectors import probe as probing
from iot_edge_anomaly.connectors.mqtt import MqttSettings, Received
from iot_edge_anomaly.connectors.probe import Meaning, Probe, Stage, meaning, suggested_pattern

ALL = ("#",)
PATTERN = MqttSettings(pattern="plant/{line}/{asset}/{sensor}", tenant="acme")


class Guarded(Mosquitto):  # type: ignore[misc]
    """A mosquitto that wants a password and lets `plc` read below plant/ only."""

    user, password = "plc", "right"

    def command(self) -> list[object]:
        passwords, rights = self.folder / "passwords", self.folder / "acl"
        subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, self.user, self.password], check=True)
        rights.write_text("user plc\ntopic readwrite plant/#\n")
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\nuser root\n"
            f"password_file {passwords}\nacl_file {rights}\n"
        )
        return [self.binary(), "-c", configuration]


@contextmanager
def listening(greet: bytes | None) -> Iterator[int]:
    """A server that is no broker: silent, or closing at once after a greeting."""
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                kept.append(client)
                if greet is not None:
                    client.sendall(greet)
                    client.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    for client in kept:
        client.close()


def looked(settings: MqttSettings, password: str | None = None, seconds: float = 0.5) -> Probe:
    probe = Probe(settings, password)
    asyncio.run(probe.run(seconds))
    return probe


async def until_seen(probe: Probe, topics: int) -> None:
    async with asyncio.timeout(20):
        while len(probe.seen) < topics:
            await asyncio.sleep(0.02)


needs_mosquitto = pytest.mark.skipif(Mosquitto.binary() is None, reason="apt-get install mosquitto")


@pytest.mark.system
@needs_mosquitto
def test_what_is_published_is_seen_and_nothing_is_taken_from_anybody(tmp_path: Path) -> None:
    async def look(broker: Guarded, device: Device) -> Probe:
        probe = Probe(MqttSettings(port=broker.port, user="plc", topics=ALL), "right")
        task = asyncio.create_task(probe.run())
        async with asyncio.timeout(20):
            while probe.stage is not Stage.LISTENING:
                await asyncio.sleep(0.02)
        for topic, content in (("plant/l1/pump/flow", b"1.5"), ("plant/l1/pump/flow", b"2.5"), ("plant/odd", b"\xff")):
            await asyncio.to_thread(device.publish, topic, content)
        await until_seen(probe, 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return probe

    with Guarded(tmp_path) as broker:
        broker.start()
        with Device(broker) as device:
            probe = asyncio.run(look(broker, device))
    assert probe.count == 3
    assert [(one.topic, one.content) for one in probe.seen.values()] == [
        ("plant/l1/pump/flow", b"2.5"),
        ("plant/odd", b"\xff"),
    ]


@pytest.mark.system
@needs_mosquitto
def test_a_broker_that_refuses_says_why(tmp_path: Path) -> None:
    with Guarded(tmp_path) as broker:
        broker.start()
        settings = MqttSettings(port=broker.port, topics=ALL)
        for version in ("3.1.1", "5"):
            said = msgspec.structs.replace(settings, version=version)
            nobody = looked(said)
            assert nobody.stage is Stage.FAILED
            assert "lets nobody in without a user name" in nobody.trouble
            wrong = looked(msgspec.structs.replace(said, user="plc"), "wrong")
            assert "does not let 'plc' in: a wrong user name or a wrong password" in wrong.trouble
        tls = looked(msgspec.structs.replace(settings, tls=True))
        assert "speaks no TLS" in tls.trouble
        nothing = looked(msgspec.structs.replace(settings, user="plc", topics=("other/#",)), "right")
        assert nothing.stage is Stage.DONE
        assert "nothing came on other/# in 0 s" in nothing.trouble


@pytest.mark.server
def test_the_built_in_listener_refuses_a_stranger_in_plain_words(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as broker:
        broker.start()
        wrong = looked(MqttSettings(port=broker.port, user="plc", topics=ALL), "wrong")
    assert "does not let 'plc' in: a wrong user name or a wrong password" in wrong.trouble


def test_nothing_listens() -> None:
    assert "nothing listens at 127.0.0.1:" in looked(MqttSettings(port=free_port(), topics=ALL)).trouble


def test_no_such_machine() -> None:
    assert (
        "no machine is called 'no-such-broker.invalid'"
        in looked(MqttSettings(host="no-such-broker.invalid", topics=ALL)).trouble
    )


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "ANSWER_SECONDS", 0.5)
    with listening(None) as port:
        probe = looked(MqttSettings(port=port, topics=ALL))
    assert "takes the connection but says nothing: is that an MQTT broker" in probe.trouble


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_that_is_no_broker(greeting: bytes) -> None:
    with listening(greeting) as port:
        probe = looked(MqttSettings(port=port, topics=ALL))
    assert probe.stage is Stage.FAILED
    assert "closed the connection" in probe.trouble


def received(topic: str, content: bytes, *, retained: bool = False) -> Received:
    return Received(topic, content, retained, 1_800_000_000_000_000_000)


@pytest.mark.parametrize(
    ("settings", "message", "expected"),
    [
        (PATTERN, received("plant/l1/pump/flow", b"1.5"), Meaning("acme/l1/pump", {"flow": 1.5}, (), True)),
        (PATTERN, received("plant/l1/pump", b'{"flow": 1}'), Meaning("", {}, (), False)),
        (
            PATTERN,
            received("plant/l1/pump/flow", b'{"vaule": 3}'),
            Meaning("acme/l1/pump", {}, (("", "'vaule' is no key of a payload; did you mean 'value'?"),), True),
        ),
        (
            MqttSettings(prefix="plant", tenant="acme"),
            received("plant/l1/pump", b'{"flow": 1, "state": "on"}'),
            Meaning("acme/l1/pump", {"flow": 1.0}, (("state", "value is text"),), True),
        ),
        (
            MqttSettings(topics=ALL, tenant="acme"),
            received("pump", b"3"),
            Meaning("acme/unassigned", {}, (("", "topic 'pump' names no asset before its sensor"),), True),
        ),
    ],
)
def test_what_would_become_of_a_message(settings: MqttSettings, message: Received, expected: Meaning) -> None:
    assert meaning(settings, message) == expected


def test_a_retained_message_without_a_time_would_be_set_aside() -> None:
    became = meaning(PATTERN, received("plant/l1/pump/flow", b"1.5", retained=True))
    assert became.readings == {}
    assert "retained" in became.set_aside[0][1]


@pytest.mark.parametrize(
    ("topics", "pattern"),
    [
        ({}, ""),
        ({"flow": b"1"}, "{asset}"),
        ({"pump/flow": b"1"}, "{asset}/{sensor}"),
        ({"plant/l1/pump": b'{"flow": 1, "power": 2}'}, "plant/{level2}/{asset}"),
        ({"a/b/c/flow": b"1", "a/b/d/flow": b"1", "x": b"1"}, "a/{level2}/{asset}/{sensor}"),
    ],
)
def test_a_pattern_is_suggested_that_most_topics_follow(topics: dict[str, bytes], pattern: str) -> None:
    assert suggested_pattern({topic: received(topic, content) for topic, content in topics.items()}) == pattern
