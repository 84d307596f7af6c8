"""The trainer: answers requests for a model. It reads the input that the request names, fits outside the stream's way,
stores the model and says so in the stream.

Killed at any point it starts over: a request is open until a later message of its asset answers it, fitting is
deterministic, a blob is written under its own digest, and activating the same model twice changes nothing.
"""

import asyncio
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import structlog

from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.codec import decode_commit, decode_envelope
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.intake import GroupCommit
from iot_edge_anomaly.bus.streams import (
    CONFIGURATION,
    LEDGER,
    OUTCOMES,
    READINGS,
    outcomes_subject,
    readings_subject,
)
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import ConfigError, UnavailableError
from iot_edge_anomaly.core.messages import Envelope, FitFailed, ModelActivated
from iot_edge_anomaly.core.names import AssetKey, partition_of
from iot_edge_anomaly.core.outcomes import FitRequest
from iot_edge_anomaly.detection.catalog import detector_spec
from iot_edge_anomaly.pipeline.settings import AssetRule, unpack_rules
from iot_edge_anomaly.registry.artefact import TrainingFacts, pack
from iot_edge_anomaly.resilience.tether import die_with_parent
from iot_edge_anomaly.training.gather import gather

log = structlog.get_logger(__name__)

NS = 1_000_000_000
WAIT_SECONDS = 0.5
PAUSE_SECONDS = 0.5
RULES_KEY = "assets"


async def train(bus: Bus, intake: GroupCommit, partitions: int, clock: Clock) -> None:
    """Answer requests of all partitions until cancelled, one fit at a time."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=die_with_parent, max_tasks_per_child=1) as fitter:
        async with asyncio.TaskGroup() as tasks:
            turn = asyncio.Lock()
            for partition in range(partitions):
                tasks.create_task(_follow(bus, intake, partition, clock, fitter, turn))


async def _follow(
    bus: Bus, intake: GroupCommit, partition: int, clock: Clock, fitter: ProcessPoolExecutor, turn: asyncio.Lock
) -> None:
    position = await _position(bus, partition)
    follower = bus.follow(OUTCOMES, outcomes_subject(partition), position + 1)
    while True:
        try:
            for message in await follower.fetch(WAIT_SECONDS):
                for outcome in decode_commit(message.data).assets:
                    if outcome.fit_request is not None:
                        async with turn:
                            await _answer(bus, intake, outcome.key, outcome.fit_request, clock, fitter)
                position = message.seq
            await _remember(bus, partition, position)
        except UnavailableError:
            await asyncio.sleep(PAUSE_SECONDS)


async def _answer(
    bus: Bus, intake: GroupCommit, key: AssetKey, request: FitRequest, clock: Clock, fitter: ProcessPoolExecutor
) -> None:
    envelopes = await _read(
        bus, key, request, int((await bus.stream_info(READINGS))["config"]["metadata"]["partitions"])
    )
    rules = await _rules(bus)
    try:
        artefact = await asyncio.get_running_loop().run_in_executor(fitter, _fit, envelopes, key, rules, request)
    except (ValueError, ConfigError) as error:
        log.warning("no model could be fitted", asset=str(key), reason=str(error))
        await intake.accept([FitFailed(key.tenant, key.asset, str(error), clock.now_ns())])
        return
    digest = await Blobs(bus).put(artefact)
    await intake.accept([ModelActivated(key.tenant, key.asset, digest, clock.now_ns())])
    log.info("model fitted and activated", asset=str(key), digest=digest, why=request.why)


def _fit(envelopes: list[tuple[int, bytes]], key: AssetKey, rules: tuple[AssetRule, ...], request: FitRequest) -> bytes:
    """Fit and pack; runs in a process of its own, so that nothing else waits for it."""
    stored: list[Envelope] = [decode_envelope(data, seq) for seq, data in envelopes]
    lesson = gather(stored, key, rules, request)
    detector = detector_spec(request.detector).fit(
        lesson.rows,
        lesson.sensors,
        rows_per_week=lesson.rows_per_week,
        false_alarms_per_week=request.false_alarms_per_week,
        starts=lesson.starts,
    )
    facts = TrainingFacts(
        rows=len(lesson.rows),
        interval_seconds=7 * 86_400 / lesson.rows_per_week,
        false_alarms_per_week=request.false_alarms_per_week,
        first_ns=int(lesson.time_ns[0]),
        last_ns=int(lesson.time_ns[-1]),
        asset=str(key),
    )
    return pack(detector, facts)


async def _read(bus: Bus, key: AssetKey, request: FitRequest, partitions: int) -> list[tuple[int, bytes]]:
    subject = readings_subject(partition_of(key, partitions))
    found: list[tuple[int, bytes]] = []
    position = request.first_seq
    while position <= request.last_seq:
        messages = await bus.read(READINGS, subject, position)
        if not messages:
            break
        found += [(message.seq, message.data) for message in messages if message.seq <= request.last_seq]
        position = messages[-1].seq + 1
    return found


async def _rules(bus: Bus) -> tuple[AssetRule, ...]:
    known = await bus.get_key(CONFIGURATION, RULES_KEY)
    return () if known is None else unpack_rules(known[0])


async def _position(bus: Bus, partition: int) -> int:
    """Return the last commit whose requests are all answered."""
    found = await bus.get_key(LEDGER, f"trainer.{partition}")
    return 0 if found is None else int(found[0])


async def _remember(bus: Bus, partition: int, position: int) -> None:
    found = await bus.get_key(LEDGER, f"trainer.{partition}")
    if found is None or int(found[0]) != position:
        await bus.put_key(LEDGER, f"trainer.{partition}", str(position).encode())
