"""Connectors run side by side; one never stops another."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec
import pytest
import structlog
from intakes import RecordingIntake, in_background, until  # type: ignore[import-not-found]
from structlog.testing import capture_logs

from iot_edge_anomaly.component.connector import Intake
from iot_edge_anomaly.connectors import runner
from iot_edge_anomaly.connectors.health import ConnectorHealth, keep_health, read_health
from iot_edge_anomaly.connectors.runner import LONGEST_PAUSE_SECONDS, longest_pause, run_all
from iot_edge_anomaly.core.clock import Clock, SystemClock
from iot_edge_anomaly.core.errors import ConfigError, UnavailableError
from iot_edge_anomaly.core.messages import SetAside, batch_of
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.observability.health import State
from iot_edge_anomaly.observability.metrics import REGISTRY
from iot_edge_anomaly.observability.told import STALE_SECONDS

BATCH = batch_of(AssetKey("acme", "pump"), "test", [(0, "x", 1.0)], received_ns=0)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    structlog.reset_defaults()
    monkeypatch.setattr(runner, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(runner, "LONGEST_PAUSE_SECONDS", 0.01)


class Scripted:
    """Does one thing an attempt, and stays in the last."""

    def __init__(self, *attempts: Callable[[Intake], Awaitable[None]]) -> None:
        self._attempts = attempts
        self.runs = 0

    async def run(self, intake: Intake, clock: Clock) -> None:
        attempt = self._attempts[min(self.runs, len(self._attempts) - 1)]
        self.runs += 1
        await attempt(intake)


async def takes_in(intake: Intake) -> None:
    await intake.accept([BATCH])
    await asyncio.Event().wait()


async def is_gone(_: Intake) -> None:
    raise UnavailableError("the plug is out")


async def refuses(_: Intake) -> None:
    raise UnavailableError("bad password")


async def is_reached(intake: Intake) -> None:
    await intake.accept([])
    await asyncio.Event().wait()


async def is_reached_and_gone(intake: Intake) -> None:
    await intake.accept([])
    raise UnavailableError("the plug is out")


async def is_misconfigured(_: Intake) -> None:
    raise ConfigError("no such file")


async def is_broken(_: Intake) -> None:
    raise ZeroDivisionError("a mistake")


async def ends(_: Intake) -> None:
    return


def run(
    connectors: dict[str, Scripted],
    holds: Callable[[RecordingIntake], bool],
    health: dict[str, ConnectorHealth] | None = None,
) -> Sequence[dict[str, object]]:
    health = health or {name: ConnectorHealth(name) for name in connectors}

    async def scenario() -> None:
        intake = RecordingIntake()
        async with in_background(run_all(connectors, intake, SystemClock(), health)):
            await until(lambda: holds(intake))

    with capture_logs() as lines:
        asyncio.run(scenario())
    return lines


@pytest.mark.parametrize("trouble", [is_gone, is_misconfigured, is_broken, ends])
def test_trouble_in_one_leaves_the_others_alone(trouble: Callable[[Intake], Awaitable[None]]) -> None:
    troubled, well = Scripted(trouble), Scripted(takes_in)
    run({"troubled": troubled, "well": well}, lambda intake: bool(intake.batches) and troubled.runs >= 1)
    assert well.runs == 1


def test_an_outage_is_told_once_at_its_beginning_and_once_at_its_end() -> None:
    connector = Scripted(is_gone, is_gone, is_gone, takes_in)
    lines = run({"plant": connector}, lambda intake: bool(intake.batches))
    assert [(line["log_level"], line["connector"]) for line in lines] == [("warning", "plant"), ("info", "plant")]
    assert lines[0]["why"] == "the plug is out"


def test_an_outage_is_told_again_when_its_reason_changes() -> None:
    connector = Scripted(is_gone, is_gone, refuses, refuses, is_gone, takes_in)
    lines = run({"plant": connector}, lambda intake: bool(intake.batches))
    assert [line["why"] for line in lines if line["log_level"] == "warning"] == [
        "the plug is out",
        "bad password",
        "the plug is out",
    ]


def test_a_source_that_is_reached_is_up_before_anything_comes() -> None:
    health = {"plant": ConnectorHealth("plant")}
    connector = Scripted(is_gone, is_reached)
    lines = run({"plant": connector}, lambda _: health["plant"].state is State.UP, health)
    assert [line["log_level"] for line in lines] == ["warning", "info"]
    told = health["plant"]
    assert (told.readings, told.last_readings, told.outages, told.last_error) == (0, 0.0, 1, "the plug is out")
    assert told.since >= told.last_error_at > 0
    assert REGISTRY.get_sample_value("iea_connector_up", {"connector": "plant"}) == 1


def test_a_source_that_is_reached_and_lost_at_once_is_not_asked_without_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(runner, "longest_pause", lambda failures: asked.append(failures) or 0.0)
    connector = Scripted(is_reached_and_gone)
    run({"plant": connector}, lambda _: len(asked) > 5)
    assert asked[:5] == [1, 2, 3, 4, 5]


def test_a_connector_that_is_down_or_stopped_says_so() -> None:
    health = {name: ConnectorHealth(name) for name in ("gone", "wrong", "broken")}
    connectors = {"gone": Scripted(is_gone), "wrong": Scripted(is_misconfigured), "broken": Scripted(is_broken)}
    lines = run(connectors, lambda _: connectors["gone"].runs > 20 and connectors["broken"].runs > 20, health)
    assert [one.state for one in health.values()] == [State.DOWN, State.STOPPED, State.DOWN]
    assert [one.last_error for one in health.values()] == [
        "the plug is out",
        "no such file",
        "ZeroDivisionError('a mistake')",
    ]
    assert health["gone"].outages == 1
    assert len(lines) == 3, "each once"
    assert REGISTRY.get_sample_value("iea_connector_up", {"connector": "gone"}) == 0


def test_how_connectors_are_is_left_for_other_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    health = ConnectorHealth("plant")
    assert read_health(tmp_path) == ()

    async def scenario() -> None:
        async with in_background(keep_health([health], tmp_path)):
            await until(lambda: read_health(tmp_path) == (health,))

    health.turn(State.UP)
    health.took(5, 2)
    asyncio.run(scenario())
    told_at = time.time()
    monkeypatch.setattr(time, "time", lambda: told_at + STALE_SECONDS + 1)
    assert read_health(tmp_path) == (), "of a process that is gone nothing is told"


def test_a_mistake_is_told_with_its_trace_and_tried_again() -> None:
    connector = Scripted(is_broken, takes_in)
    (line, *_) = run({"plant": connector}, lambda intake: bool(intake.batches))
    assert line["log_level"] == "error"
    assert "ZeroDivisionError" in str(line["trace"])


def test_a_configuration_that_cannot_work_is_not_tried_again() -> None:
    connector, other = Scripted(is_misconfigured), Scripted(is_gone)
    lines = run({"file": connector, "other": other}, lambda _: other.runs > 20)
    assert connector.runs == 1
    assert [line["why"] for line in lines if line["connector"] == "file"] == ["no such file"]


def test_pauses_grow_to_a_cap() -> None:
    pauses = [longest_pause(failures) for failures in range(1, 2000)]
    assert pauses == sorted(pauses)
    assert pauses[-1] <= LONGEST_PAUSE_SECONDS


def test_what_is_taken_in_is_counted_with_what_is_set_aside_among_it() -> None:
    bad = msgspec.structs.replace(BATCH, set_aside=(SetAside(0, "y", "text", b"", 2),))

    async def takes_both(intake: Intake) -> None:
        await intake.accept([BATCH, bad])
        await asyncio.Event().wait()

    run({"counted": Scripted(takes_both)}, lambda intake: len(intake.batches) == 2)
    labels = {"connector": "counted"}
    assert REGISTRY.get_sample_value("iea_connector_readings_total", labels) == 4
    assert REGISTRY.get_sample_value("iea_connector_readings_set_aside_total", labels) == 2
    assert REGISTRY.get_sample_value("iea_connector_last_readings_timestamp_seconds", labels) > 1e9
