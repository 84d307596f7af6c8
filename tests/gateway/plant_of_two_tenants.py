"""Commits about a pump of acme's, with an open alarm and one that is over, and a press of rival's with an open one."""

import numpy as np

from iot_edge_anomaly.bus.codec import encode_commit
from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.settings import BusAddress
from iot_edge_anomaly.bus.streams import OUTCOMES, outcomes_subject
from iot_edge_anomaly.core.messages import SetAside
from iot_edge_anomaly.core.names import AssetKey, partition_of
from iot_edge_anomaly.core.outcomes import (
    AlarmEvent,
    AlarmState,
    AssetOutcome,
    Commit,
    Contributor,
    Phase,
    Priority,
    Rows,
    SourceCount,
)

NS = 1_000_000_000
START_NS = 1_795_500_000 * NS
PUMP = AssetKey("acme", "hall/line 1/pump")
PRESS = AssetKey("rival", "hall/press")
SENSORS = ("a", "b", "c")
ROWS = 50


def scored_rows(model: str) -> Rows:
    """Rows a second apart: sensor number s reads 10 s + row number, b misses the first row; the last row is odd."""
    numbers = np.arange(ROWS)
    values = numbers[:, None] + np.array([0.0, 10.0, 20.0])
    values[0, 1] = np.nan
    score = np.full(ROWS, 0.25)
    score[-1] = 1.5
    return Rows(
        SENSORS,
        (START_NS + numbers * NS).astype("<i8").tobytes(),
        values.astype("<f8").tobytes(),
        score.astype("<f8").tobytes(),
        bytes(ROWS),
        values.astype("<f4").tobytes(),
        np.repeat(score[:, None] / 3, 3, axis=1).astype("<f4").tobytes(),
        Phase.CALIBRATED,
        model,
    )


def raised(name: str, second: int) -> AlarmEvent:
    return AlarmEvent(
        f"A{name}",
        f"I{name}",
        "score",
        "raise",
        AlarmState.NORMAL,
        AlarmState.UNACKNOWLEDGED,
        START_NS + second * NS,
        Priority.HIGH,
        f"{name} is odd",
        1.5,
        1.0,
        (Contributor("a", 0.75, 49.0, float("nan"), "bar"),),
    )


def over(name: str, second: int) -> AlarmEvent:
    before = AlarmState.UNACKNOWLEDGED
    return AlarmEvent(
        f"A{name}", f"I{name}", "score", "close", before, AlarmState.NORMAL, START_NS + second * NS, Priority.HIGH, ""
    )


def outcomes(model: str) -> tuple[AssetOutcome, ...]:
    strange = SetAside(3, "a", "not a number: 'warm'", b'"warm"')
    pump = AssetOutcome(
        PUMP.tenant,
        PUMP.asset,
        Phase.CALIBRATED,
        1.0,
        (SourceCount("plc", accepted=4, used=3, set_aside=1),),
        scored_rows(model),
        (raised("old", 1), over("old", 5), raised("new", 40)),
        (),
        (("plc", strange),),
    )
    press = AssetOutcome(
        PRESS.tenant,
        PRESS.asset,
        Phase.LEARNING,
        0.5,
        (SourceCount("http", accepted=1, used=1),),
        scored_rows(""),
        (raised("press", 20),),
        (),
        (("http", strange),),
    )
    return pump, press


async def commit_outcomes(address: BusAddress, model: str) -> None:
    """Publish a commit to each partition that an asset lives in."""
    async with connect(address) as bus:
        for number in range(address.partitions):
            here = tuple(found for found in outcomes(model) if partition_of(found.key, address.partitions) == number)
            if here:
                commit = Commit(number, 1, 1, START_NS + 60 * NS, here)
                await bus.publish(outcomes_subject(number), encode_commit(commit), expected_stream=OUTCOMES)


async def commit_end_of(address: BusAddress, key: AssetKey, name: str) -> None:
    """Publish a second commit, in which an alarm ends."""
    number = partition_of(key, address.partitions)
    outcome = AssetOutcome(key.tenant, key.asset, Phase.CALIBRATED, 1.0, alarms=(over(name, 70),))
    async with connect(address) as bus:
        commit = Commit(number, 2, 2, START_NS + 80 * NS, (outcome,))
        await bus.publish(outcomes_subject(number), encode_commit(commit), expected_stream=OUTCOMES)
