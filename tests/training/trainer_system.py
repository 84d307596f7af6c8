"""A broker of its own, with a worker and a trainer on it that a test may start, stop and kill."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import psutil

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.codec import decode_envelope, encode_commit
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.intake import GroupCommit, open_intake
from iot_edge_anomaly.bus.processor import Processor
from iot_edge_anomaly.bus.server import embedded_address, lean, server_binary, until_ready, write_configuration
from iot_edge_anomaly.bus.settings import BusSettings
from iot_edge_anomaly.bus.streams import LEDGER, READINGS, ensure_streams, outcomes_subject, readings_subject
from iot_edge_anomaly.core.clock import Clock, ManualClock
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.core.messages import FitFailed, ModelActivated
from iot_edge_anomaly.core.outcomes import AssetOutcome, Commit
from iot_edge_anomaly.pipeline.state import PartitionState
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.registry.artefact import unpack
from iot_edge_anomaly.resilience.tether import die_with_parent
from iot_edge_anomaly.training.apart import Bounds
from iot_edge_anomaly.training.trainer import train

Answer = ModelActivated | FitFailed


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 40) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.02)


def fitting(pid: int | None = None) -> list[psutil.Process]:
    """The processes that fit, below this one or below another."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):
            if "iot_edge_anomaly.training.apart" in process.cmdline():
                found.append(process)
    return found


class Broker:
    """The embedded server of a data folder; ports stay the same from start to start."""

    def __init__(self, data_dir: Path) -> None:
        self.settings = BusSettings(quota_mb=64, partitions=1)
        self._data_dir = data_dir
        self._ports = {"port": free_port(), "mqtt_port": free_port()}
        self.address = embedded_address(data_dir, self.settings, **self._ports)
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        configuration = write_configuration(self._data_dir, self.settings, **self._ports, devices=())
        with (self._data_dir / "server.log").open("ab") as sink:
            self._process = subprocess.Popen(
                [server_binary(self.settings), "-c", configuration],
                stderr=sink,
                env={**os.environ, **lean(self.settings)},
                preexec_fn=die_with_parent,
            )
        async with asyncio.timeout(20):
            await until_ready(self.address)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)


class System:
    """What a test does to the streams, and reads from them."""

    def __init__(self, broker: Broker, bus: Bus, intake: GroupCommit) -> None:
        self.broker = broker
        self.bus = bus
        self.intake = intake
        self.blobs = Blobs(bus)

    @asynccontextmanager
    async def trainer(self, bounds: Bounds | None = None, clock: Clock | None = None) -> AsyncIterator[None]:
        async with _beside(train(self.bus, self.intake, 1, clock or ManualClock(1), bounds)):
            yield

    def trainer_process(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a trainer as a process; see `trainer_program.py`."""
        program = Path(__file__).with_name("trainer_program.py")
        address = msgspec.json.encode(self.broker.address).decode()
        return subprocess.Popen([sys.executable, program, address, *arguments], preexec_fn=die_with_parent)

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """Run a worker; at the end it checkpoints."""
        processor: Processor[PartitionState] = Processor(self.bus, 0, AnomalyPipeline(), unpack)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(processor.run(stop))
            try:
                yield
            finally:
                stop.set()

    async def say(self, *outcomes: AssetOutcome) -> int:
        return await self.bus.publish(outcomes_subject(0), encode_commit(Commit(0, 1, 1, 1, outcomes)))

    async def noted(self) -> int:
        found = await self.bus.get_key(LEDGER, "trainer.0")
        return 0 if found is None else int(found[0])

    async def answers(self) -> list[Answer]:
        found: list[Answer] = []
        position = 1
        while messages := await self.bus.read(READINGS, readings_subject(0), position):
            for message in messages:
                with suppress(RejectedError):
                    items = decode_envelope(message.data, message.seq).items
                    found += [item for item in items if isinstance(item, ModelActivated | FitFailed)]
            position = messages[-1].seq + 1
        return found

    async def until_answered(self, count: int = 1) -> list[Answer]:
        async def holds() -> bool:
            with suppress(UnavailableError):
                return len(await self.answers()) >= count
            return False

        await eventually(holds)
        return await self.answers()


@asynccontextmanager
async def running_system(data_dir: Path) -> AsyncIterator[System]:
    broker = Broker(data_dir)
    try:
        await broker.start()
        async with connect(broker.address, "test") as bus:
            await ensure_streams(bus, 1, broker.address.quota_bytes)
            async with open_intake(bus, 1) as intake:
                yield System(broker, bus, intake)
    finally:
        broker.kill()


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        if task.done():
            task.result()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
