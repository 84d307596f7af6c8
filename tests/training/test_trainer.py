"""Requests are answered from what is stored: with a model, or with the reason why there is none; killed or not."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from trainer_plant import KEY, OTHER, SENSORS, T0, asking, readings  # type: ignore[import-not-found]
from trainer_system import System, eventually, fitting, running_system  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.codec import decode_commit
from iot_edge_anomaly.bus.streams import OUTCOMES, READINGS, outcomes_subject, readings_subject
from iot_edge_anomaly.core.clock import ManualClock
from iot_edge_anomaly.core.messages import FitFailed, ModelActivated, NewNormal
from iot_edge_anomaly.core.outcomes import Commit, Phase
from iot_edge_anomaly.pipeline.settings import DEFAULTS
from iot_edge_anomaly.registry.artefact import unpack
from iot_edge_anomaly.training import trainer
from iot_edge_anomaly.training.apart import Bounds

ENOUGH = (DEFAULTS.learn_rows or 0) + 20
"""So many rows that a model is asked for."""

pytestmark = [pytest.mark.server, pytest.mark.anyio]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def system(tmp_path: Path, anyio_backend: str) -> AsyncIterator[System]:
    async with running_system(tmp_path) as running:
        yield running


async def is_fitting() -> bool:
    return bool(fitting())


async def phase_of(system: System) -> Phase | None:
    last = await system.bus.last(OUTCOMES, outcomes_subject(0))
    return decode_commit(last.data).assets[-1].phase if last is not None else None


async def commits_of(system: System) -> list[Commit]:
    return [decode_commit(message.data) for message in await system.bus.read(OUTCOMES, outcomes_subject(0), 1)]


async def test_a_request_is_answered_by_a_model_of_just_the_rows_it_names(system: System) -> None:
    for start in range(0, 120, 10):
        rows = range(start, start + 10)
        await system.intake.accept([*readings(rows), *readings(rows, OTHER)])
    asked_at = await system.say(asking(12, first_row=20))
    async with system.trainer():
        (activated,) = await system.until_answered()

        async def is_noted() -> bool:
            return bool(await system.noted() == asked_at)

        await eventually(is_noted)
    assert isinstance(activated, ModelActivated)
    detector = unpack(await system.blobs.get(activated.digest))
    assert (detector.name, detector.sensors) == ("linear", SENSORS)


async def test_what_cannot_be_learned_from_is_answered_with_the_reason(system: System) -> None:
    await system.intake.accept(readings(range(30)))
    await system.say(asking(1, last_row=10))
    await system.say(asking(1, first_row=900, last_row=999, key=OTHER))
    async with system.trainer():
        answers = await system.until_answered(2)
    reasons = {answer.asset: answer.reason for answer in answers if isinstance(answer, FitFailed)}
    assert "11 rows are too few" in reasons[KEY.asset]
    assert all(answer.wants_more for answer in answers if isinstance(answer, FitFailed))
    assert "none of the rows asked for is in the store" in reasons[OTHER.asset]


async def test_garbage_in_the_streams_stops_nobody(system: System) -> None:
    passed_over = trainer.PASSED_OVER._counter._value.get()
    await system.bus.publish(outcomes_subject(0), b"\x01garbage")
    await system.bus.publish(readings_subject(0), b"\x01garbage")
    await system.intake.accept(readings(range(120)))
    await system.say(asking(2))
    async with system.trainer():
        (activated,) = await system.until_answered()
    assert isinstance(activated, ModelActivated)
    assert trainer.PASSED_OVER._counter._value.get() == passed_over + 1


async def test_of_the_requests_of_an_asset_that_wait_the_last_is_answered(system: System) -> None:
    await system.intake.accept(readings(range(120)))
    await system.say(asking(1, last_row=10))
    await system.say(asking(1))
    await system.say(asking(1, last_row=10, key=OTHER))
    async with system.trainer():
        answers = await system.until_answered(2)
    assert [(type(answer), answer.asset) for answer in answers] == [
        (ModelActivated, KEY.asset),
        (FitFailed, OTHER.asset),
    ]


async def test_readings_that_were_purged_meanwhile_are_a_reason_of_their_own(system: System) -> None:
    for start in (0, 60):
        await system.intake.accept(readings(range(start, start + 60)))
    await system.bus.purge(READINGS, readings_subject(0), 2)
    await system.say(asking(2))
    async with system.trainer():
        (failed,) = await system.until_answered()
        assert isinstance(failed, FitFailed)
        assert "purged before the fit" in failed.reason
        assert not failed.wants_more
        await system.say(asking(2, first_row=60, last_row=119, first_seq=2))
        assert isinstance((await system.until_answered(2))[1], FitFailed | ModelActivated)


async def test_a_fit_that_takes_too_long_is_ended(system: System) -> None:
    await system.intake.accept(readings(range(120)))
    await system.say(asking(1))
    async with system.trainer(Bounds(seconds=0.05)):
        (failed,) = await system.until_answered()
    assert isinstance(failed, FitFailed)
    assert failed.reason == "the fit took longer than 0.05 seconds"
    assert not failed.wants_more
    assert not fitting()


async def test_a_fit_that_wants_too_much_memory_is_refused_it(system: System) -> None:
    for start in range(0, 300, 10):
        await system.intake.accept(readings(range(start, start + 10), sensors=600))
    await system.say(asking(30, last_row=299))
    async with system.trainer(Bounds(memory_bytes=200 << 20)):
        (failed,) = await system.until_answered()
    assert isinstance(failed, FitFailed)
    assert "needs more than 200 MB of memory" in failed.reason
    assert not failed.wants_more


async def test_an_asset_that_ran_out_of_its_bounds_rests_while_others_are_fitted(system: System) -> None:
    clock, seconds = ManualClock(1), 1_000_000_000
    for start in range(0, 300, 10):
        await system.intake.accept(readings(range(start, start + 10), sensors=600))
    await system.intake.accept(readings(range(120), OTHER))
    too_large, other = asking(30, last_row=299), asking(31, first_seq=31, key=OTHER)
    bounds, reasons = Bounds(seconds=600, memory_bytes=200 << 20), []
    async with system.trainer(bounds, clock):
        for after_seconds in (0, 1, 600, 600, 600):
            clock.advance(after_seconds * seconds)
            await system.say(too_large)
            failed = (await system.until_answered(len(reasons) + 1))[-1]
            assert isinstance(failed, FitFailed)
            reasons.append(failed.reason.partition(":")[0].partition(";")[0])
        await system.say(too_large, other)
        resting, activated = (await system.until_answered(len(reasons) + 2))[-2:]
    memory = "the fit needs more than 200 MB of memory"
    waits = [f"no fit is tried for {left} seconds more" for left in (599, 600)]
    assert reasons == [memory, waits[0], memory, waits[1], memory]
    assert isinstance(resting, FitFailed)
    assert resting.reason.startswith("no fit is tried for 2400 seconds more")
    assert not resting.wants_more
    assert isinstance(activated, ModelActivated)


async def test_a_fit_that_cannot_even_begin_is_a_reason_too(system: System) -> None:
    await system.intake.accept(readings(range(120)))
    await system.say(asking(1))
    async with system.trainer(Bounds(memory_bytes=40 << 20)):
        (failed,) = await system.until_answered()
    assert isinstance(failed, FitFailed)
    assert "the process that fitted" in failed.reason


async def test_a_fit_that_is_killed_is_answered_and_the_next_one_is_fitted(system: System) -> None:
    await system.intake.accept([*readings(range(120)), *readings(range(120), OTHER)])
    await system.say(asking(1))
    async with system.trainer():
        await eventually(is_fitting)
        (process,) = fitting()
        assert Path(f"/proc/{process.pid}/oom_score_adj").read_text() == "1000\n"
        process.kill()
        (failed,) = await system.until_answered()
        await system.say(asking(1, key=OTHER))
        activated = (await system.until_answered(2))[1]
    assert isinstance(failed, FitFailed)
    assert "ended by SIGKILL" in failed.reason
    assert isinstance(activated, ModelActivated)


async def test_a_trainer_that_is_stopped_while_it_fits_leaves_nothing_and_starts_over(system: System) -> None:
    await system.intake.accept(readings(range(120)))
    await system.say(asking(1))
    async with system.trainer():
        await eventually(is_fitting)
    assert not fitting()
    assert await system.answers() == []
    async with system.trainer():
        assert isinstance((await system.until_answered())[0], ModelActivated)


async def test_a_trainer_that_is_killed_while_it_fits_takes_the_fit_with_it(system: System) -> None:
    await system.intake.accept(readings(range(120)))
    await system.say(asking(1))
    process = system.trainer_process()
    await eventually(is_fitting)
    process.kill()
    await asyncio.to_thread(process.wait, 10)

    async def is_gone() -> bool:
        return not fitting()

    await eventually(is_gone)
    async with system.trainer():
        assert isinstance((await system.until_answered())[0], ModelActivated)


@pytest.mark.parametrize(("dies", "answers"), [("before", 1), ("after", 2)])
async def test_a_trainer_killed_around_its_answer_says_the_same_again(system: System, dies: str, answers: int) -> None:
    await system.intake.accept(readings(range(ENOUGH)))
    async with system.worker():

        async def is_asked() -> bool:
            return await phase_of(system) is Phase.PROVISIONAL

        await eventually(is_asked)
        killed = system.trainer_process(dies)
        assert await asyncio.to_thread(killed.wait, 40) == -signal.SIGKILL
        assert await system.noted() == 0
        assert len(await system.blobs.list()) >= 1
        async with system.trainer():
            found = await system.until_answered(answers)

            async def is_in_use() -> bool:
                await system.intake.accept(readings(range(ENOUGH, ENOUGH + 1)))
                return await phase_of(system) is Phase.CALIBRATED

            await eventually(is_in_use)
    assert len(found) == answers
    assert len({answer.digest for answer in found if isinstance(answer, ModelActivated)}) == 1
    notices = [notice.kind for commit in await commits_of(system) for notice in commit.assets[0].notices]
    assert notices.count("model-activated") == 1


async def test_a_request_outlasts_a_broker_that_is_killed_meanwhile(system: System) -> None:
    await system.intake.accept(readings(range(120)))
    await system.say(asking(1), asking(1, last_row=10, key=OTHER))
    async with system.trainer():
        await eventually(is_fitting)
        system.broker.kill()
        await system.broker.start()
        answers = await system.until_answered(2)
    assert [type(answer) for answer in answers] == [ModelActivated, FitFailed]


async def test_from_first_readings_to_a_calibrated_asset_and_on_to_a_new_normal(system: System) -> None:
    sent = ENOUGH

    async def is_calibrated() -> bool:
        nonlocal sent
        await system.intake.accept(readings(range(sent, sent + 1)))
        sent += 1
        return await phase_of(system) is Phase.CALIBRATED

    async with system.worker(), system.trainer():
        await system.intake.accept(readings(range(sent)))
        await eventually(is_calibrated)
        (first,) = await system.answers()
        await system.intake.accept([NewNormal(KEY.tenant, KEY.asset, T0, "ada")])
        await system.intake.accept(readings(range(sent, sent + ENOUGH)))
        sent += ENOUGH
        second = (await system.until_answered(2))[1]
        await eventually(is_calibrated)
    assert isinstance(first, ModelActivated)
    assert isinstance(second, ModelActivated)
    assert first.digest != second.digest
