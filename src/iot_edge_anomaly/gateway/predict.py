"""`POST /v1/predict`: score a window of readings now, without storing it."""

from functools import lru_cache

import msgspec
import numpy as np

from iot_edge_anomaly.component.detector import Detector, Matrix
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.outcomes import Phase
from iot_edge_anomaly.detection.coldstart import ColdStart
from iot_edge_anomaly.gateway.find import find_asset
from iot_edge_anomaly.gateway.route import Call
from iot_edge_anomaly.gateway.services import Services
from iot_edge_anomaly.security.principal import Permission

LARGEST_VALUE = 1e100
MOST_ROWS = 10_000
MOST_VALUES = 1 << 16
"""A larger window would keep all others waiting; `iot-edge-anomaly score` takes files of any length."""

NO_MODEL = "no model knows these sensors: the last row is compared with the rows before it, and no budget is promised"
BY_MODEL = (
    "scored by the model alone, from the first row of the window on: the more rows, the better it knows the state"
)


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows in time order, null where a value is missing; the last one is the one in question. At most 10,000 rows.

    `rows` is another name of `window`: give one of them. `sensors` names the columns. `model` is the digest of a fitted
    model (`sha256:...`); its sensors are the columns, in the order that `sensors` gives, or in its own. `asset` asks
    for the model that is in use for it, where these sensors fit.
    """

    window: list[list[float | None]] = []
    rows: list[list[float | None]] = []
    sensors: list[str] = []
    model: str = ""
    asset: str = ""


class Share(msgspec.Struct, frozen=True):
    """One sensor's part: what it read, what was expected (null: not known), its share of the score."""

    sensor: str
    actual: float | None
    expected: float | None
    contribution: float


class Prediction(msgspec.Struct, frozen=True):
    """What the last row of the window is worth. A score above 1 is odd; `note` says what it rests on.

    `score` and `sensors` repeat `anomaly_score` and `explanations` under the names that came first.
    """

    anomaly_score: float
    anomaly: bool
    provisional: bool
    phase: Phase
    model: str
    explanations: tuple[Share, ...]
    note: str
    score: float
    sensors: tuple[Share, ...]


async def predict(services: Services, call: Call) -> Prediction:
    """Score the last row of a window."""
    window: Window = call.body
    rows = _matrix(window)
    if window.model:
        model = await services.models.get(window.model)
        if model.tenant:
            call.principal.require(Permission.READ, model.tenant)
        if not _fits(rows, window, model.detector):
            raise RejectedError(f"this model wants the sensors {', '.join(model.detector.sensors)[:500]}")
        return await _by_model(services, model.detector, window.model, rows, window)
    if window.asset and (digest := find_asset(services, call, window.asset).model):
        detector = (await services.models.get(digest)).detector
        if _fits(rows, window, detector):
            return await _by_model(services, detector, digest, rows, window)
    names = tuple(window.sensors) or tuple(f"sensor_{number}" for number in range(rows.shape[1]))
    return await _scored(services, _cold_start(names), rows, Phase.PROVISIONAL, "", NO_MODEL)


_cold_start = lru_cache(maxsize=256)(ColdStart)
"""One detector for all windows of the same sensors, so that they are scored together."""


async def _by_model(services: Services, detector: Detector, digest: str, rows: Matrix, window: Window) -> Prediction:
    return await _scored(services, detector, _ordered(rows, window, detector), Phase.CALIBRATED, digest, BY_MODEL)


async def _scored(
    services: Services, detector: Detector, rows: Matrix, phase: Phase, model: str, note: str
) -> Prediction:
    score, expected, contribution = await services.scoring.last_row(detector, rows)
    columns = (detector.sensors, rows[-1].tolist(), expected, contribution)
    shares = tuple([Share(*column) for column in zip(*columns, strict=True)])
    provisional = phase is Phase.PROVISIONAL
    return Prediction(score, score > 1, provisional, phase, model, shares, note, score, shares)


def _fits(rows: Matrix, window: Window, detector: Detector) -> bool:
    given = set(window.sensors) or set(detector.sensors)
    return rows.shape[1] == len(detector.sensors) and given == set(detector.sensors)


def _ordered(rows: Matrix, window: Window, detector: Detector) -> Matrix:
    """Return the columns in the order of the model."""
    given = window.sensors
    return rows if not given else np.ascontiguousarray(rows[:, [given.index(name) for name in detector.sensors]])


def _matrix(window: Window) -> Matrix:
    if window.window and window.rows:
        raise RejectedError("give `window` or `rows`, not both: they mean the same")
    try:
        rows = np.array(window.window or window.rows, np.float64)
    except ValueError as error:
        raise RejectedError("every row must have the same number of values") from error
    if rows.ndim != 2 or rows.size == 0:
        raise RejectedError("a window needs at least one row of one value")
    if len(rows) > MOST_ROWS or rows.size > MOST_VALUES:
        raise RejectedError(f"a window has at most {MOST_ROWS} rows and {MOST_VALUES} values; send its last rows")
    if window.sensors and len(window.sensors) != rows.shape[1]:
        raise RejectedError(f"{len(window.sensors)} names for {rows.shape[1]} columns")
    if (np.abs(rows) > LARGEST_VALUE).any():
        raise RejectedError(f"values beyond {LARGEST_VALUE:g} cannot be scored; send null for what is no reading")
    return rows
