"""MQTT: whoever connects later sees the state of every alarm, and whether anybody is there to tell it."""

import asyncio
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from broker_target import PASSWORD, USER, Listener, Mosquitto, mosquitto  # type: ignore[import-not-found]
from certificates import Certificate, make_certificate  # type: ignore[import-not-found]
from hypothesis import given
from hypothesis import strategies as st
from postings import posting  # type: ignore[import-not-found]
from sink_targets import secret  # type: ignore[import-not-found]
from waiting import wait  # type: ignore[import-not-found]

from iot_edge_anomaly.component.sink import DeferredError, Posting
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmState
from iot_edge_anomaly.resilience.tether import die_with_parent
from iot_edge_anomaly.sinks import mqtt
from iot_edge_anomaly.sinks.home_assistant import discovery
from iot_edge_anomaly.sinks.mqtt import MqttSinkSettings, mqtt_sink, state_topic

STATE = "alarms/acme/site-1/hall=202/pump-7/score"


@contextmanager
def running(folder: Path, **more: object) -> Iterator[Mosquitto]:
    if mosquitto() is None:
        pytest.skip("no mosquitto here; run: apt-get install mosquitto")
    broker = Mosquitto(folder, **more)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with running(tmp_path) as started:
        yield started


def settings(broker: Mosquitto, **more: object) -> MqttSinkSettings:
    password = secret(broker.folder, "mqtt", PASSWORD)
    known = {"name": "scada", "port": broker.port, "user": USER, "password": password}
    return MqttSinkSettings(**{**known, **more})  # type: ignore[arg-type]


def deliver(wanted: MqttSinkSettings, *batch: Posting) -> None:
    async def scenario() -> None:
        async with mqtt_sink(wanted) as sink:
            await sink.deliver(batch)

    asyncio.run(scenario())


def late(broker: Mosquitto, topics: str = "#") -> dict[str, bytes]:
    """Return what somebody sees who connects only now."""
    listener = Listener(broker.port, USER, PASSWORD, topics, "late")
    probe = Listener(broker.port, USER, PASSWORD, "probe", "probe")
    try:
        probe.publish("probe-of-late", b"")
        wait(lambda: any(message.topic == "probe-of-late" for message in listener.heard))
        return {message.topic: message.payload for message in listener.heard if message.retain}
    finally:
        listener.leave()
        probe.leave()


@pytest.mark.system
def test_who_connects_later_sees_the_last_state_and_no_old_events(broker: Mosquitto) -> None:
    deliver(settings(broker), posting(1), posting(2, event="acknowledge", after=AlarmState.ACKNOWLEDGED))
    assert json.loads(late(broker)[STATE])["active"] is True
    deliver(settings(broker), posting(3, event="return", after=AlarmState.NORMAL))
    seen = late(broker)
    assert set(seen) == {STATE, "alarms/status"}
    state = json.loads(seen[STATE])
    assert (state["active"], state["after"], state["event"]) == (False, "normal", "return")


@pytest.mark.system
def test_a_trial_leaves_nothing_behind(broker: Mosquitto) -> None:
    listener = Listener(broker.port, USER, PASSWORD, "#")
    deliver(settings(broker, home_assistant="homeassistant"), posting(0, 5))
    wait(lambda: [message.topic for message in listener.heard] == ["alarms/event"])
    listener.leave()
    assert late(broker) == {}


@pytest.mark.system
def test_the_broker_tells_that_nobody_is_there_after_a_kill_and_so_does_the_sink_that_leaves(broker: Mosquitto) -> None:
    listener = Listener(broker.port, USER, PASSWORD, "alarms/status")
    words = secret(broker.folder, "held", PASSWORD).file
    program = [sys.executable, str(Path(__file__).with_name("hold_mqtt_sink.py"))]
    held = subprocess.Popen([*program, str(broker.port), USER, str(words)], preexec_fn=die_with_parent)
    wait(lambda: [message.payload for message in listener.heard] == [b"online"])
    held.kill()
    held.wait(10)
    wait(lambda: [message.payload for message in listener.heard] == [b"online", b"offline"])
    deliver(settings(broker))
    wait(lambda: [message.payload for message in listener.heard][2:] == [b"online", b"offline"])
    listener.leave()
    assert late(broker) == {"alarms/status": b"offline"}


@pytest.mark.system
def test_a_broker_that_goes_while_there_is_nothing_to_tell_is_missed(broker: Mosquitto) -> None:
    async def scenario() -> None:
        async with mqtt_sink(settings(broker)) as sink:
            await sink.deliver(())
            await asyncio.to_thread(broker.stop)
            for _ in range(500):
                await sink.deliver(())
                await asyncio.sleep(0.01)

    with pytest.raises(UnavailableError, match="gone"):
        asyncio.run(scenario())


@pytest.mark.system
def test_home_assistant_is_told_of_an_alarm_once_and_before_its_state(broker: Mosquitto) -> None:
    listener = Listener(broker.port, USER, PASSWORD, "#")
    both = posting(1), posting(2, condition="limit:flow:HH"), posting(3, event="return")
    deliver(settings(broker, home_assistant="homeassistant"), *both)
    wait(lambda: listener.heard[-1:] != [] and listener.heard[-1].payload == b"offline")
    listener.leave()
    topics = [message.topic for message in listener.heard]
    configured = [topic for topic in topics if topic.startswith("homeassistant/binary_sensor/")]
    assert len(configured) == len(set(configured)) == 2
    assert topics.index(configured[0]) < topics.index(STATE)
    said = json.loads(late(broker)[configured[0]])
    assert (said["state_topic"], said["json_attributes_topic"]) == (STATE, STATE)
    assert said["availability_topic"] == "alarms/status"
    assert said["device"]["name"] == "acme/site-1/hall 2/pump-7"
    assert said["value_template"] == "{{ 'ON' if value_json.active else 'OFF' }}"


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
ASSETS = st.lists(NAMES.filter(lambda name: "/" not in name), min_size=2, max_size=4)


@given(ASSETS, NAMES, ASSETS, NAMES)
def test_any_alarm_has_a_topic_of_its_own_that_every_broker_takes(
    asset: list[str], condition: str, other: list[str], other_condition: str
) -> None:
    topics = [
        state_topic("alarms", posting(1, key=AssetKey(names[0], "/".join(names[1:])), condition=said))
        for names, said in ((asset, condition), (other, other_condition))
    ]
    for topic, names in zip(topics, (asset, other), strict=True):
        assert not re.search(r"[+#\0 *>$]", topic)
        assert topic.count("/") == len(names) + 1
        assert topic not in ("alarms/event", "alarms/status")
    assert (topics[0] == topics[1]) == ((asset, condition) == (other, other_condition))


@given(NAMES, NAMES)
def test_what_home_assistant_is_told_fits_its_topics(asset: str, condition: str) -> None:
    one = posting(1, key=AssetKey("acme", asset), condition=condition)
    topic, content = discovery("homeassistant", "state", "status", one)
    assert re.fullmatch(r"homeassistant/binary_sensor/[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]+/config", topic)
    assert msgspec.json.decode(content)["unique_id"] == topic.split("/")[3]


@pytest.mark.system
@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_a_certificate_is_verified(version: str, tmp_path: Path) -> None:
    made: Certificate = make_certificate(tmp_path)
    with running(tmp_path, tls=made) as broker:
        wanted = settings(broker, tls=True, version=version)
        with pytest.raises(UnavailableError, match="certificate"):
            deliver(wanted, posting(1))
        deliver(msgspec.structs.replace(wanted, ca_file=str(made.certificate)), posting(1))


@pytest.mark.system
def test_where_the_user_has_no_right_to_publish_nothing_is_lost(tmp_path: Path) -> None:
    """MQTT 5 alone lets a broker say so; mosquitto 2.0.11 ends the connection, which comes to the same."""
    rights = f"user {USER}\ntopic readwrite alarms/status\n"
    with running(tmp_path, more=rights_file(tmp_path, rights)) as broker, pytest.raises(UnavailableError):
        deliver(settings(broker, version="5"), posting(1))


def rights_file(folder: Path, rights: str) -> str:
    (folder / "rights").write_text(rights)
    return f"acl_file {folder / 'rights'}\n"


@pytest.mark.system
def test_what_the_broker_will_never_take_is_refused_and_the_connection_goes_on(tmp_path: Path) -> None:
    async def scenario(wanted: MqttSinkSettings) -> None:
        async with mqtt_sink(wanted) as sink:
            with pytest.raises(RejectedError, match="larger than the MQTT broker takes"):
                await sink.deliver([posting(1, note="x" * 2000)])
            await sink.deliver([posting(2)])

    with running(tmp_path, more="max_packet_size 1500\n") as broker:
        asyncio.run(scenario(settings(broker, version="5")))
        assert json.loads(late(broker)[STATE])["id"] == posting(2).id


def test_a_refusal_for_want_of_rights_is_told_of_and_no_loss() -> None:
    """Of the brokers at hand none answers so: this one speaks just enough of MQTT 5 to say it."""

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            assert connection.recv(4096)[0] >> 4 == 1, "CONNECT"
            connection.sendall(bytes([0x20, 3, 0, 0, 0]))
            assert connection.recv(4096)[0] >> 4 == 3, "PUBLISH"
            connection.sendall(bytes([0x40, 3, 0, 1, 0x87]))
            connection.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        wanted = MqttSinkSettings(name="scada", port=server.getsockname()[1], version="5")
        with pytest.raises(DeferredError, match="right to publish"):
            deliver(wanted)


def test_a_broker_that_says_nothing_is_an_outage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mqtt, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        wanted = MqttSinkSettings(name="scada", port=silent.getsockname()[1])
        with pytest.raises(UnavailableError, match="does not answer"):
            deliver(wanted, posting(1))


@pytest.mark.parametrize("prefix", ["", "plant/+", "a#", "/a", "a/", "$SYS", "a\0b"])
def test_what_can_be_no_topic_is_told_at_once(prefix: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"type": "mqtt", "name": "x", "prefix": prefix}, MqttSinkSettings)
