"""Taking in counts for more than learning: what an asset still learns from goes when the store is nearly full."""

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from trainer_plant import KEY, NS, OTHER, T0, readings  # type: ignore[import-not-found]
from trainer_system import System, eventually, running_system  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.checkpoint import read_manifest
from iot_edge_anomaly.bus.codec import decode_commit
from iot_edge_anomaly.bus.janitor import purge_when_full
from iot_edge_anomaly.bus.streams import OUTCOMES, READINGS, outcomes_subject, readings_subject
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.messages import Batch, FitFailed, ModelActivated

pytestmark = [pytest.mark.server, pytest.mark.anyio]

VALUES = 20_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def system(tmp_path: Path, anyio_backend: str) -> AsyncIterator[System]:
    async with running_system(tmp_path) as running:
        yield running


def flood(number: int) -> Batch:
    """480 kB of one second."""
    values = np.random.default_rng(number).normal(size=VALUES).astype("<f8").tobytes()
    time_ns = np.full(VALUES, T0 + number * NS, "<i8").tobytes()
    sensor = (np.arange(VALUES, dtype="<i8") % 2).tobytes()
    return Batch(OTHER.tenant, OTHER.asset, "plc", 0, number, T0, ("flow", "pressure"), time_ns, sensor, values)


async def fill(system: System) -> None:
    for number in range(100):
        await system.intake.accept([flood(number)])


async def test_a_store_that_fills_up_makes_room_and_the_asset_gathers_anew(system: System) -> None:
    async def is_worked_off() -> bool:
        last = await system.bus.last(OUTCOMES, outcomes_subject(0))
        newest = await system.bus.last(READINGS, readings_subject(0))
        return last is not None and newest is not None and decode_commit(last.data).last_seq == newest.seq

    async with system.worker():
        await system.intake.accept(readings(range(150)))
        with pytest.raises(UnavailableError, match="maximum bytes"):
            await fill(system)
        await eventually(is_worked_off)
    manifest = await read_manifest(system.bus, 0)
    assert manifest is not None
    assert manifest[0].needed_from == 1
    await purge_when_full(system.bus, 1)
    async with system.worker(), system.trainer():
        await system.intake.accept(readings(range(150, 640)))
        (failed,) = await system.until_answered()
        assert isinstance(failed, FitFailed)
        assert "purged" in failed.reason
        await system.intake.accept(readings(range(640, 1280)))
        activated = (await system.until_answered(2))[1]
        assert isinstance(activated, ModelActivated)
        assert activated.asset == KEY.asset
