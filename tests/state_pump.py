"""A pump that is off or runs at one of two set points, says which, and ramps between them; its life in the pipeline.

The trainer answers what the pipeline asks for, from the stored messages.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.bus.blobs import digest_of
from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.core.messages import Batch, Envelope, Item, ModelActivated, PlantConfigured, batch_of
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AssetOutcome, FitRequest, Notice, Rows
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, SensorSettings, pack_rules
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.registry.artefact import unpack
from iot_edge_anomaly.training.gather import fit

NS = 1_000_000_000
T0 = 1_767_225_600 * NS
KEY = AssetKey("acme", "site-1/pump-1")
SENSORS = ("flow", "mode", "pressure", "power")
MODE = 1
OFF, LOW, HIGH = 0.0, 1.0, 2.0
SPEEDS = {OFF: 0.0, LOW: 0.6, HIGH: 1.0}
RAMP_ROWS = 20
"""From rest to full speed."""

PLAIN = AssetSettings(
    learn_rows=600, lateness_seconds=0.0, silence_seconds=0.0, sensors={"power": SensorSettings(high_limit=40.0)}
)
DECLARED = msgspec.structs.replace(PLAIN, state_sensor="mode", judged_states=(LOW, HIGH), settle_seconds=30.0)
LESSON = np.repeat([LOW, HIGH, LOW, HIGH], [240, 240, 240, 240])
STARTS = np.tile(np.repeat([OFF, LOW, HIGH], [50, 70, 70]), 20)
"""Twenty starts and stops."""


def pump_rows(modes: Sequence[float] | NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    """Return healthy rows of all sensors; the pump has been in its first mode for long."""
    random, speeds = np.random.default_rng(seed), np.empty(len(modes))
    speed = SPEEDS.get(float(modes[0]), 0.8)
    for row, mode in enumerate(np.asarray(modes, np.float64).tolist()):
        step = SPEEDS.get(mode, 0.8) - speed
        speed += min(max(step, -1 / RAMP_ROWS), 1 / RAMP_ROWS)
        speeds[row] = speed
    sway = 0.01 * np.sin(np.arange(len(modes)) / 7) + 0.005 * random.normal(size=len(modes))
    speeds = np.where(speeds > 0, speeds + sway, 0.0)
    noise = random.normal(size=(3, len(modes)))
    flow = 100 * speeds + 0.3 * noise[0]
    return np.stack((flow, modes, 6 * speeds**2 + 0.02 * noise[1], 20 * speeds**3 + 0.1 * noise[2]), axis=1)


class LivePump:
    """The pump's readings through the pipeline, a row a second, so many rows a step; `reload`: through storage."""

    def __init__(
        self,
        settings: AssetSettings = DECLARED,
        *,
        rows_a_step: int = 25,
        reload: bool = False,
        on_change: bool = False,
    ) -> None:
        self._pipeline = AnomalyPipeline()
        self._state = self._pipeline.new_state()
        self._stored_assets: dict[AssetKey, bytes] = {}
        self._models: dict[str, Detector] = {}
        self._stored: list[Envelope] = []
        self._rows_a_step, self._reload, self._on_change = rows_a_step, reload, on_change
        self._mode = np.nan
        self.hold_answers = False
        self._held: list[FitRequest] = []
        self.key = KEY
        self.sent = 0
        self.outcomes: list[AssetOutcome] = []
        self.requests: list[FitRequest] = []
        self.artefacts: list[bytes] = []
        self.configure(settings)

    def configure(self, settings: AssetSettings) -> None:
        self.rules = (AssetRule("acme/*", settings),)
        self.step([PlantConfigured("v1", pack_rules(self.rules), T0 + self.sent * NS)])

    def send(self, rows: NDArray[np.float64]) -> None:
        for begin in range(0, len(rows), self._rows_a_step):
            self.step([self._batch(line) for line in rows[begin : begin + self._rows_a_step].tolist()])

    def step(self, items: Sequence[Item]) -> None:
        new = [Envelope((item,), len(self._stored) + number + 1) for number, item in enumerate(items)]
        self._stored += new
        self._state, said = self._pipeline.step(self._state, new, self._models)
        self.outcomes += said
        if self._reload:
            self.reload()
        for request in [outcome.fit_request for outcome in said if outcome.fit_request is not None]:
            if self.hold_answers:
                self._held.append(request)
            else:
                self._answer(request)

    def answer_held(self) -> None:
        """Let the trainer answer what it was asked meanwhile."""
        self.hold_answers = False
        for request in self._held:
            self._answer(request)

    def reload(self) -> None:
        """Go on from what is stored, as after a kill."""
        shared, changed = self._pipeline.dump(self._state)
        self._stored_assets |= changed
        self._state = self._pipeline.load(shared, self._stored_assets)

    def _batch(self, line: list[float]) -> Batch:
        at_ns = T0 + self.sent * NS
        readings = [(at_ns, sensor, value) for sensor, value in zip(SENSORS, line, strict=True)]
        if self._on_change and line[MODE] == self._mode:
            readings.pop(MODE)
        self._mode = line[MODE]
        self.sent += 1
        return batch_of(KEY, "plc", readings, received_ns=at_ns, epoch=0, sequence=self.sent)

    def _answer(self, request: FitRequest) -> None:
        self.requests.append(request)
        model = fit(self._stored[request.first_seq - 1 : request.last_seq], KEY, self.rules, request)
        self.artefacts.append(model)
        self._models[digest_of(model)] = unpack(model)
        self.step([ModelActivated(KEY.tenant, KEY.asset, digest_of(model), T0 + self.sent * NS, by="trainer")])

    @property
    def blocks(self) -> list[Rows]:
        return [outcome.rows for outcome in self.outcomes if outcome.rows is not None]

    @property
    def times(self) -> NDArray[np.int64]:
        return np.concatenate([rows.times() for rows in self.blocks])

    @property
    def values(self) -> NDArray[np.float64]:
        return np.concatenate([rows.values() for rows in self.blocks])

    @property
    def score(self) -> NDArray[np.float64]:
        return np.concatenate([rows.scores() for rows in self.blocks])

    @property
    def events(self) -> list[AlarmEvent]:
        return [alarm for outcome in self.outcomes for alarm in outcome.alarms]

    @property
    def raised(self) -> list[str]:
        """The conditions of the alarms that were raised, in order."""
        return [event.condition for event in self.events if event.event in ("raise", "re-raise")]

    @property
    def notices(self) -> list[Notice]:
        return [notice for outcome in self.outcomes for notice in outcome.notices]

    def told(self, kind: str) -> list[str]:
        return [notice.text for notice in self.notices if notice.kind == kind]

    def dumped(self) -> bytes:
        """The asset's part of the checkpoint."""
        return self._pipeline.dump_asset(self._state, KEY) or b""
