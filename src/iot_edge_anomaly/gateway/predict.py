"""`POST /v1/predict`: score a window of readings now, without storing it."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.outcomes import Phase
from iot_edge_anomaly.detection.coldstart import ColdStart
from iot_edge_anomaly.gateway.route import Call
from iot_edge_anomaly.gateway.services import Services
from iot_edge_anomaly.security.principal import Permission

LARGEST_VALUE = 1e100
NO_MODEL = "no model knows these sensors: the last row is compared with the rows before it, and no budget is promised"
BY_MODEL = (
    "scored by the model alone, from the first row of the window on: the more rows, the better it knows the state"
)


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows in time order, null where a value is missing; the last one is the one in question.

    `sensors` names the columns. `model` is the digest of a fitted model (`sha256:...`); its sensors are the columns, in
    the order that `sensors` gives, or in its own.
    """

    rows: list[list[float | None]]
    sensors: list[str] = []
    model: str = ""


class Share(msgspec.Struct, frozen=True):
    """One sensor's part: what it read, what was expected (null: not known), its share of the score."""

    sensor: str
    actual: float | None
    expected: float | None
    contribution: float


class Prediction(msgspec.Struct, frozen=True):
    """What the last row of the window is worth. A `score` above 1 is odd; `note` says what it rests on."""

    score: float
    anomaly: bool
    phase: Phase
    model: str
    sensors: tuple[Share, ...]
    note: str


async def predict(services: Services, call: Call) -> Prediction:
    """Score the last row of a window."""
    window: Window = call.body
    rows = _matrix(window)
    if not window.model:
        names = tuple(window.sensors) or tuple(f"sensor_{number}" for number in range(rows.shape[1]))
        return _scored(ColdStart(names), rows, Phase.PROVISIONAL, "", NO_MODEL)
    model = await services.models.get(window.model)
    if model.tenant:
        call.principal.require(Permission.READ, model.tenant)
    return _scored(model.detector, _ordered(rows, window, model.detector), Phase.CALIBRATED, window.model, BY_MODEL)


def _scored(detector: Detector, rows: NDArray[np.float64], phase: Phase, model: str, note: str) -> Prediction:
    _, scores = detector.score(detector.start(), rows)
    columns = (detector.sensors, rows[-1].tolist(), scores.expected[-1].tolist(), scores.contribution[-1].tolist())
    score = float(scores.score[-1])
    shares = tuple(Share(*column) for column in zip(*columns, strict=True))
    return Prediction(score, score > 1, phase, model, shares, note)


def _ordered(rows: NDArray[np.float64], window: Window, detector: Detector) -> NDArray[np.float64]:
    """Return the columns in the order of the model."""
    given = tuple(window.sensors)
    if rows.shape[1] != len(detector.sensors) or (given and set(given) != set(detector.sensors)):
        raise RejectedError(f"this model wants the sensors {', '.join(detector.sensors)[:500]}")
    return rows if not given else np.ascontiguousarray(rows[:, [given.index(name) for name in detector.sensors]])


def _matrix(window: Window) -> NDArray[np.float64]:
    try:
        rows = np.array(window.rows, np.float64)
    except ValueError as error:
        raise RejectedError("every row must have the same number of values") from error
    if rows.ndim != 2 or rows.size == 0:
        raise RejectedError("a window needs at least one row of one value")
    if window.sensors and len(window.sensors) != rows.shape[1]:
        raise RejectedError(f"{len(window.sensors)} names for {rows.shape[1]} columns")
    if np.nanmax(np.abs(rows), initial=0) > LARGEST_VALUE:
        raise RejectedError(f"values beyond {LARGEST_VALUE:g} cannot be scored; send null for what is no reading")
    return rows
