"""One asset: its alarms, its live trend, its sensors, its history."""

from datetime import timedelta

import numpy as np
from nicegui import ui

from iot_edge_anomaly.console import trend as chart
from iot_edge_anomaly.console.alarm_cards import AlarmCards
from iot_edge_anomaly.console.alarm_history import AlarmHistory
from iot_edge_anomaly.console.elements import box, button, do, set_classes, show, text
from iot_edge_anomaly.console.sensor_table import SensorTable
from iot_edge_anomaly.console.view import Operations, PlantView
from iot_edge_anomaly.console.words import (
    CONDITION_WORDS,
    Condition,
    condition_of,
    learning,
    sensor_title,
    sensor_unit,
    worst_priority,
)
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import Phase
from iot_edge_anomaly.security.principal import Permission, Principal
from iot_edge_anomaly.views.plant import AssetView
from iot_edge_anomaly.views.trend import TrendView

MAINTENANCE_FOR = timedelta(hours=1)
SPAN = timedelta(seconds=chart.SPAN_SECONDS)


class AssetPane:
    """Everything about one asset. Follows the sensor that contributes most until a person chooses one."""

    def __init__(self, key: AssetKey, view: PlantView, operations: Operations, who: Principal) -> None:
        self._key = key
        self._view = view
        self._operations = operations
        self._who = who
        self._settings = view.settings(key)
        self._chosen: str | None = None
        self._shown: str | None = None
        with box("pane", "section").props(f'aria-label="{key.asset}"'):
            self._header()
            self._alarms = AlarmCards(who, operations, self._settings)
            with box("waiting") as self._waiting:
                self._waiting_text = text("p")
                with box("progress"):
                    self._bar = box("bar")
            self._chart_box = box("card trend")
            self._sensors = SensorTable(self._settings, self._on_choose)
            self._history = AlarmHistory()

    def _header(self) -> None:
        place, _, name = str(self._key).rpartition("/")
        with box("heading", "header"):
            text("a", "‹ All assets", "back").props["href"] = "/"
            with box("title"):
                text("div", place, "place")
                with box("line"):
                    text("h2", name)
                    self._state = text("span", "", "state")
            if self._who.may(Permission.OPERATE, self._key.tenant):
                with box("buttons"):
                    hint = "Somebody works on the asset: no alarms, nothing learned"
                    self._start = button("Maintenance 1 h", self._on_maintenance, hint=hint)
                    self._end = button("End maintenance", self._on_maintenance_over)

    def update(self, asset: AssetView | None, now_ns: int) -> None:
        """Show the asset as it is now; None: nothing is known of it."""
        if asset is None:
            self._waiting_text.text = (
                f"Nothing has come in from {self._key} yet. It appears here with its first reading."
            )
            return
        condition = condition_of(asset, self._settings, now_ns)
        set_classes(self._state, f"state badge {condition} {worst_priority(asset) or ''}")
        self._state.text = CONDITION_WORDS[condition]
        if self._who.may(Permission.OPERATE, self._key.tenant):
            show(self._start, condition is not Condition.MAINTENANCE)
            show(self._end, condition is Condition.MAINTENANCE)
        self._alarms.update(asset.alarms, now_ns)
        self._show_learning(asset)
        rows = self._view.trend(self._key, SPAN)
        if rows is not None and len(rows.times):
            self._show_rows(rows)
        self._history.update(self._view.recent_alarms(self._key))

    def _show_learning(self, asset: AssetView) -> None:
        is_learning = asset.phase is not Phase.CALIBRATED
        show(self._waiting, is_learning)
        if is_learning:
            self._waiting_text.text = (
                f"{learning(asset, self._settings)}. Limits work already; learned alarms come after that."
            )
            self._bar.style(f"width: {asset.progress:.0%}")

    def _show_rows(self, rows: TrendView) -> None:
        sensor = self._sensor_to_show(rows)
        if sensor != self._shown:
            self._draw(sensor)
        chart.fill(self._chart.options, rows, sensor)
        self._chart.update()
        self._sensors.update(rows, sensor)

    def _sensor_to_show(self, rows: TrendView) -> str:
        """Return the chosen sensor; else the one that contributes most to an alarm; else the one that is there."""
        if self._chosen in rows.sensors:
            return self._chosen
        if self._shown in rows.sensors and not rows.score[-1] > 1.0:
            return self._shown
        return rows.sensors[int(np.argmax(np.nan_to_num(rows.share)))]

    def _draw(self, sensor: str) -> None:
        self._shown = sensor
        options = chart.options(sensor_title(self._settings, sensor), sensor_unit(self._settings, sensor))
        self._chart_box.clear()
        with self._chart_box:
            self._chart = ui.echart(options).classes("chart")

    def _on_choose(self, sensor: str) -> None:
        self._chosen = sensor

    async def _on_maintenance(self) -> None:
        await do(self._operations.maintenance(self._who, self._key, MAINTENANCE_FOR), "In maintenance for 1 h")

    async def _on_maintenance_over(self) -> None:
        await do(self._operations.maintenance(self._who, self._key, timedelta()), "Maintenance is over")
