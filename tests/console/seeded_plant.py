"""A plant view that follows no stream: seeded rows, one alarm of each kind, operations that change what is shown."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
from seeded_records import SeededRecords  # type: ignore[import-not-found]

from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmLevel, AlarmState, Contributor, Phase, Priority
from iot_edge_anomaly.core.stretch import Stretch
from iot_edge_anomaly.operations.limits import LIMITS, check_order, with_limits
from iot_edge_anomaly.pipeline.settings import DEFAULTS, AssetSettings, SensorSettings
from iot_edge_anomaly.security.principal import Permission, Principal
from iot_edge_anomaly.views.plant import AlarmView, AssetView
from iot_edge_anomaly.views.trend import MOST_ROWS

NS = 1_000_000_000
LINE = "station-1/pumping/line-1"
PUMP_1, PUMP_2, PUMP_3, TANK, HOST, METER, CLOSED = (
    AssetKey("demo", f"{LINE}/{name}")
    for name in ("pump-1", "pump-2", "pump-3", "tank-1", "valve-house", "meter", "old")
)
OTHER = AssetKey("rival", "secret/pump")
SETTINGS = msgspec.structs.replace(
    DEFAULTS,
    grid_seconds=0.1,
    learn_rows=300,
    sensors={
        "flow": SensorSettings(unit="m³/h", title="flow"),
        "outlet_pressure": SensorSettings(unit="bar", title="outlet pressure"),
        "speed": SensorSettings(unit="1/min"),
        "power": SensorSettings(unit="kW", title="motor power"),
        "vibration": SensorSettings(unit="mm/s"),
        "bearing_temperature": SensorSettings(unit="°C"),
    },
)
CHANGED = msgspec.structs.replace(
    SETTINGS, sensors={**SETTINGS.sensors, "flow": SensorSettings(unit="l/s", title="delivery")}
)
SENSORS = tuple(SETTINGS.sensors)
USUAL = np.array([104.0, 4.6, 1290.0, 15.8, 1.9, 45.0])
SWING = np.array([9.0, 0.22, 60.0, 1.4, 0.15, 0.8])
EVENTS = {
    AlarmState.ACKNOWLEDGED: "acknowledge",
    AlarmState.NORMAL: "return",
    AlarmState.SHELVED: "shelve",
    AlarmState.UNACKNOWLEDGED: "release-active",
}
LEAKING = np.array([-0.55, -0.10, 0.0, 0.16, 0.04, 0.0])


def raised(key: AssetKey, number: int, at_ns: int, condition: str, priority: Priority, reason: str) -> AlarmEvent:
    contributors = (
        Contributor("flow", 0.52, 47.1, 104.2, "m³/h"),
        Contributor("power", 0.23, 18.4, 15.9, "kW"),
        Contributor("outlet_pressure", 0.18, 4.13, 4.58, "bar"),
        Contributor("vibration", 0.05, 1.98, 1.91, "mm/s"),
    )
    return AlarmEvent(
        f"{key.asset}-{number}",
        f"incident-{number}",
        condition,
        "raise",
        AlarmState.NORMAL,
        AlarmState.UNACKNOWLEDGED,
        at_ns,
        priority,
        reason,
        1.84,
        1.0,
        contributors if condition == "score" else (),
    )


class SeededPlant:
    """View and operations in one: what a person does shows at once. `is_down` refuses every act.

    Once the file `metric` is in the folder, the configuration calls flow "delivery" and reads it in l/s; once `crowd`
    is, there are 202 assets more; while `nothing` is, there are none. All that happens to alarms is told to the
    `records` too.
    """

    def __init__(self, clock: Clock, folder: Path = Path("/nowhere"), records: SeededRecords | None = None) -> None:
        self._clock = clock
        self._records = records
        self._metric, self._crowd, self._nothing = folder / "metric", folder / "crowd", folder / "nothing"
        self._start = clock.now_ns()
        self.learns_anew: set[AssetKey] = set()
        self._limits: dict[tuple[AssetKey, str], SensorSettings] = {}
        self.acts: list[tuple[str, ...]] = []
        self.is_down = False
        self.levels: dict[AssetKey, AlarmLevel] = {}
        self.maintenance_until = {CLOSED: self._start + 1500 * NS}
        self.alarms: dict[AssetKey, list[AlarmView]] = {}
        reason = "flow 57.1 m³/h below what outlet pressure, speed and motor power predict"
        self._add(PUMP_1, raised(PUMP_1, 3, self._start - 21 * NS, "score", Priority.HIGH, reason))
        limit = "vibration 4.62 mm/s above its high limit of 4.5 mm/s"
        self._add(PUMP_3, raised(PUMP_3, 2, self._start - 190 * NS, "limit:vibration:H", Priority.MEDIUM, limit))
        self._change(PUMP_3, f"{PUMP_3.asset}-2", AlarmState.ACKNOWLEDGED, 150)
        self._add(PUMP_1, raised(PUMP_1, 1, self._start - 900 * NS, "score", Priority.HIGH, reason))
        self._change(PUMP_1, f"{PUMP_1.asset}-1", AlarmState.NORMAL, 780)

    def _add(self, key: AssetKey, event: AlarmEvent) -> None:
        self.alarms.setdefault(key, []).append(AlarmView(key, event, event, (event,)))
        self._record(key, event)

    def _change(
        self, key: AssetKey, alarm_id: str, after: AlarmState, seconds_ago: int = 0, by: str = "", note: str = ""
    ) -> None:
        at_ns = self._start - seconds_ago * NS if seconds_ago else self._clock.now_ns()
        for place, alarm in enumerate(self.alarms[key]):
            if alarm.raised.alarm_id == alarm_id:
                before = alarm.latest
                event = msgspec.structs.replace(
                    before, event=EVENTS[after], before=before.after, after=after, time_ns=at_ns, by=by, note=note
                )
                self.alarms[key][place] = alarm._replace(latest=event, transitions=(*alarm.transitions, event))
                self._record(key, event)

    def _record(self, key: AssetKey, event: AlarmEvent) -> None:
        if self._records is not None:
            self._records.alarms(key, event)

    def assets(self) -> Sequence[AssetView]:
        if self._nothing.exists():
            return []
        return [*self._usual(), *self._many()] if self._crowd.exists() else self._usual()

    def _many(self) -> list[AssetView]:
        now_ns = self._clock.now_ns()
        names = [f"hall-{number % 4}/presses/line-{number % 10}/press-{number:03d}" for number in range(200)]
        names += [f"{LINE}/🔥 Ofen 3", f"{LINE}/{'x' * 120}"]
        return [AssetView(AssetKey("demo", name), Phase.CALIBRATED, 1.0, now_ns, 0.3) for name in names]

    def _usual(self) -> list[AssetView]:
        now_ns = self._clock.now_ns()
        learned = min(0.62 + (now_ns - self._start) / (30 * NS), 1.0)
        calm, level = 0.31, self.levels.get(PUMP_1)
        pump_1 = AssetView(PUMP_1, Phase.CALIBRATED, 1.0, now_ns, 1.84, self._open(PUMP_1), self._maintenance(PUMP_1))
        return [
            pump_1._replace(alarm_level=level),
            AssetView(PUMP_2, Phase.LEARNING, learned, now_ns, 0.0),
            AssetView(PUMP_3, Phase.CALIBRATED, 1.0, now_ns, 0.9, self._open(PUMP_3)),
            AssetView(TANK, self._phase(TANK), 0.0 if TANK in self.learns_anew else 1.0, now_ns, calm),
            AssetView(HOST, Phase.PROVISIONAL, 1.0, now_ns, calm),
            AssetView(METER, Phase.CALIBRATED, 1.0, self._start - 95 * NS, calm),
            AssetView(CLOSED, Phase.CALIBRATED, 1.0, now_ns, calm, (), self._maintenance(CLOSED)),
            AssetView(OTHER, Phase.CALIBRATED, 1.0, now_ns, calm),
        ]

    def _phase(self, key: AssetKey) -> Phase:
        return Phase.LEARNING if key in self.learns_anew else Phase.CALIBRATED

    def _open(self, key: AssetKey) -> tuple[AlarmView, ...]:
        return tuple(alarm for alarm in self.alarms.get(key, []) if alarm.is_open)

    def _maintenance(self, key: AssetKey) -> int:
        return self.maintenance_until.get(key, 0)

    def trend(self, key: AssetKey, span: timedelta) -> Stretch | None:
        if key == HOST:
            return None
        newest = (self._start - 95 * NS if key == METER else self._clock.now_ns()) // (NS // 10)
        ticks = np.arange(newest - min(10 * int(span.total_seconds()), MOST_ROWS), newest + 1)
        waves = np.sin(ticks[:, None] / np.array([57.0, 81.0, 66.0, 57.0, 71.0, 190.0])) * SWING
        jitter = np.sin(ticks[:, None] * np.array([7.1, 5.3, 9.7, 3.3, 8.9, 4.1])) * SWING * 0.12
        expected = USUAL + waves
        since = np.clip((ticks * (NS // 10) - (self._start - 23 * NS)) / (2 * NS), 0, 1) * (key == PUMP_1)
        values = expected + jitter + since[:, None] * LEAKING * USUAL
        score = 0.3 + 0.12 * np.abs(np.sin(ticks / 13.0)) + 1.4 * since
        share = (
            np.array([0.52, 0.18, 0.01, 0.23, 0.05, 0.01])
            if key == PUMP_1
            else np.full(len(SENSORS), (key != PUMP_2) / 6)
        )
        expected = np.full_like(expected, np.nan) if key == PUMP_2 else expected
        score = score * (key != PUMP_2)
        contributions = (score[:, None] * share).astype(np.float32)
        quality = np.where(ticks % 300 == 0, 1, 0).astype(np.uint8)
        return Stretch(SENSORS, ticks * (NS // 10), score, values, expected.astype(np.float32), contributions, quality)

    def recent_alarms(self, key: AssetKey) -> Sequence[AlarmView]:
        return self.alarms.get(key, [])

    def settings(self, key: AssetKey) -> AssetSettings:
        settings = CHANGED if self._metric.exists() else SETTINGS
        said = {
            sensor: msgspec.structs.replace(settings.sensors[sensor], **{name: getattr(known, name) for name in LIMITS})
            for (asset, sensor), known in self._limits.items()
            if asset == key
        }
        return msgspec.structs.replace(settings, sensors={**settings.sensors, **said}) if said else settings

    async def acknowledge(self, by: Principal, key: AssetKey, alarm_id: str, note: str = "") -> None:
        self._note(by, key, "acknowledge", alarm_id)
        self._change(key, alarm_id, AlarmState.ACKNOWLEDGED, by=by.name, note=note)

    async def shelve(self, by: Principal, key: AssetKey, condition: str, duration: timedelta, reason: str = "") -> None:
        self._note(by, key, "shelve", condition, str(duration), reason)
        after = AlarmState.SHELVED if duration else AlarmState.UNACKNOWLEDGED
        for alarm in self._open(key):
            if alarm.raised.condition == condition:
                self._change(key, alarm.raised.alarm_id, after, by=by.name, note=reason)

    async def maintenance(self, by: Principal, key: AssetKey, duration: timedelta, reason: str = "") -> None:
        self._note(by, key, "maintenance", str(duration), reason)
        self.maintenance_until[key] = self._clock.now_ns() + int(duration.total_seconds()) * NS

    async def feedback(self, by: Principal, key: AssetKey, alarm_id: str, was_right: bool, note: str = "") -> None:
        self._note(by, key, "feedback", alarm_id, str(was_right))
        self.levels.pop(key, None)
        if not was_right:
            self.levels[key] = AlarmLevel(1.18, 1)
        if self._records is not None:
            self._records.judge(key, alarm_id, was_right, by.name, note, self._clock.now_ns())

    async def new_normal(self, by: Principal, key: AssetKey, reason: str = "") -> None:
        self._note(by, key, "new normal", reason)
        self.learns_anew.add(key)

    async def set_limits(
        self, by: Principal, key: AssetKey, sensor: str, limits: Mapping[str, float | None], reason: str = ""
    ) -> SensorSettings:
        by.require(Permission.CONFIGURE, key.tenant)
        self._note(by, key, "limits", sensor, str(limits), reason)
        known = with_limits(self._limits.get((key, sensor), SensorSettings()), limits)
        check_order(known)
        self._limits[key, sensor] = known
        return known

    def _note(self, by: Principal, key: AssetKey, *act: str) -> None:
        by.require(Permission.OPERATE, key.tenant)
        if self.is_down:
            raise UnavailableError("the bus is down; nothing was changed")
        self.acts.append((by.name, *act))
