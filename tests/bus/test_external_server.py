"""A NATS server that somebody else runs, with its own defaults, reached by URL: everything works the same."""

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from bus_server import eventually, free_port

from iot_edge_anomaly.bus.answers import FencedError
from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.codec import decode_envelope
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.intake import open_intake
from iot_edge_anomaly.bus.server import server_binary, until_ready
from iot_edge_anomaly.bus.settings import BusAddress, BusSettings
from iot_edge_anomaly.bus.streams import CONFIGURATION, READINGS, ensure_streams
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Batch
from iot_edge_anomaly.resilience.tether import die_with_parent

pytestmark = [pytest.mark.anyio, pytest.mark.server]

QUOTA = 64 << 20
DEFAULT_MAX_PAYLOAD = 1 << 20


@pytest.fixture
async def external(tmp_path: Path, anyio_backend: str) -> AsyncIterator[BusAddress]:
    port = free_port()
    command = [str(server_binary(BusSettings())), "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(tmp_path)]
    process = subprocess.Popen(
        [*command, "--user", "plant", "--pass", "secret"], stderr=subprocess.DEVNULL, preexec_fn=die_with_parent
    )
    address = BusAddress(f"nats://127.0.0.1:{port}", "plant", "secret", 2, QUOTA)
    try:
        await until_ready(address)
        yield address
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
async def bus(external: BusAddress) -> AsyncIterator[Bus]:
    async with connect(external) as connected:
        await ensure_streams(connected, external.partitions, external.quota_bytes)
        yield connected


def batch(sequence: int, readings: int) -> Batch:
    column = np.zeros(readings, "<i8").tobytes()
    return Batch("acme", "site/pump", "plc", 0, sequence, 1, ("flow",), column, column, column)


async def test_credentials_may_stand_in_the_url(external: BusAddress) -> None:
    url = external.url.replace("nats://", "nats://plant:secret@")
    async with connect(BusAddress(url, None, None, 2, QUOTA)) as bus:
        assert (await bus.account_info())["streams"] == 0


async def test_calls_and_blobs_larger_than_its_messages_are_cut(bus: Bus) -> None:
    assert bus.max_payload_bytes < DEFAULT_MAX_PAYLOAD
    data = os.urandom(3 * DEFAULT_MAX_PAYLOAD + 1)
    blobs = Blobs(bus)
    assert await blobs.get(await blobs.put(data)) == data
    async with open_intake(bus, 2) as intake:
        await intake.accept([batch(number, 20_000) for number in range(5)])
        with pytest.raises(RejectedError):
            await intake.accept([batch(5, 50_000)])
    messages = [m for partition in (0, 1) for m in await bus.read(READINGS, f"readings.{partition}", 0)]
    stored = [item for m in messages for item in decode_envelope(m.data, m.seq).items]
    assert [item.sequence for item in stored if isinstance(item, Batch)] == list(range(5))
    assert len(messages) == 3


async def test_fences_keys_and_followers_work(bus: Bus) -> None:
    seq = await bus.publish("readings.0", b"x", expected_last_subject_seq=0)
    with pytest.raises(FencedError):
        await bus.publish("readings.0", b"y", expected_last_subject_seq=0)
    revision = await bus.put_key(CONFIGURATION, "rules", b"1", revision=0)
    assert await bus.get_key(CONFIGURATION, "rules") == (b"1", revision)
    follower = bus.follow(READINGS, "readings.0")

    async def followed() -> bool:
        return [message.seq for message in await follower.fetch(1)] == [seq]

    await eventually(followed)
    await follower.close()
