"""Windows that are scored together: each caller gets their own answer, whatever becomes of the others."""

import asyncio

import numpy as np
import pytest

from iot_edge_anomaly.component.detector import Matrix, Scores
from iot_edge_anomaly.detection import linear
from iot_edge_anomaly.detection.coldstart import ColdStart
from iot_edge_anomaly.detection.linear_model import LinearDetector
from iot_edge_anomaly.gateway import scoring
from iot_edge_anomaly.gateway.scoring import RowScore, Scoring

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def windows(count: int, rows: int = 10) -> list[Matrix]:
    return list(np.random.default_rng(11).normal(20, 1, size=(count, rows, 3)))


def fitted() -> LinearDetector:
    return linear.fit(np.vstack(windows(40)), ("a", "b", "c"), rows_per_week=604_800, false_alarms_per_week=1)


def alone(detector: LinearDetector | ColdStart, window: Matrix) -> RowScore:
    _, scores = detector.score(detector.start(), window)
    return RowScore(float(scores.score[-1]), scores.expected[-1].tolist(), scores.contribution[-1].tolist())


async def test_windows_of_several_models_and_lengths_get_their_own_answers() -> None:
    together, detectors = Scoring(), (fitted(), ColdStart(("a", "b", "c")))
    wanted = [(detector, window) for rows in (4, 10) for window in windows(9, rows) for detector in detectors]
    found = await asyncio.gather(*(together.last_row(*one) for one in wanted))
    assert found == [alone(*one) for one in wanted]


async def test_many_windows_are_scored_in_several_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "MOST_VALUES", 100)
    detector, together = fitted(), Scoring()
    found = await asyncio.gather(*(together.last_row(detector, window) for window in windows(20)))
    assert found == [alone(detector, window) for window in windows(20)]


async def test_a_caller_that_goes_takes_nobody_along() -> None:
    detector, together, (first, second) = fitted(), Scoring(), windows(2)
    goes = asyncio.ensure_future(together.last_row(detector, first))
    stays = asyncio.ensure_future(together.last_row(detector, second))
    await asyncio.sleep(0)
    goes.cancel()
    assert await stays == alone(detector, second)
    assert goes.cancelled()


class Broken(ColdStart):
    def score_windows(self, windows: Matrix) -> Scores:
        raise ZeroDivisionError(windows.shape)


async def test_a_fault_is_told_to_all_and_leaves_other_models_alone() -> None:
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    together, broken, well = Scoring(), Broken(("a", "b", "c")), fitted()
    calls = [together.last_row(detector, windows(1)[0]) for detector in (broken, broken, well)]
    *failed, found = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in failed] == [RuntimeError, RuntimeError]
    assert found == alone(well, windows(1)[0])
    assert isinstance(reported[0]["exception"], ZeroDivisionError)
