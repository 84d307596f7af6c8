"""The sensors of one asset: what each reads, what was expected, its share of the score."""

from collections.abc import Callable, Collection

import numpy as np
from nicegui.elements.mixins.text_element import TextElement

from iot_edge_anomaly.console.elements import box, button, set_classes, set_prop, text
from iot_edge_anomaly.console.trend.chart import LIMITS
from iot_edge_anomaly.console.words import figure, sensor_title, sensor_unit
from iot_edge_anomaly.core.stretch import Stretch
from iot_edge_anomaly.pipeline.settings import AssetSettings, sensor_settings

ODD_SHARE = 1.5
"""A sensor with so many times its even share of an alarming score is marked."""


class SensorTable:
    """One row a sensor; its name is a button that puts it on the chart, or takes it off."""

    def __init__(
        self, settings: AssetSettings, choose: Callable[[str], None], set_limits: Callable[[str], None] | None
    ) -> None:
        self._settings = settings
        self._choose = choose
        self._set_limits = set_limits
        self._rows: dict[str, _Row] = {}
        with box("card sensors", "table"):
            with box("", "thead"), box("", "tr"):
                for heading in ("Sensor", "Now", "Expected", "Limits", "Share"):
                    text("th", heading, "" if heading == "Sensor" else "number").props("scope=col")
            self._body = box("", "tbody")

    def update(self, rows: Stretch, shown: Collection[str]) -> None:
        """Show the newest row."""
        total = float(np.nansum(rows.contributions[-1]))
        shares = np.nan_to_num(rows.contributions[-1]) / (total if total > 0 else 1.0)
        for column, sensor in enumerate(rows.sensors):
            if sensor not in self._rows:
                with self._body:
                    self._rows[sensor] = _Row(sensor, self._settings, self._choose, self._set_limits)
            self._rows[sensor].update(
                float(rows.values[-1, column]),
                float(rows.expected[-1, column]),
                float(shares[column]),
                is_odd=bool(rows.score[-1] > 1.0 and shares[column] >= ODD_SHARE / len(rows.sensors)),
                is_shown=sensor in shown,
            )


class _Row:
    def __init__(
        self,
        sensor: str,
        settings: AssetSettings,
        choose: Callable[[str], None],
        set_limits: Callable[[str], None] | None,
    ) -> None:
        self._unit = sensor_unit(settings, sensor)
        with box("", "tr") as self._row:
            with box("", "th").props("scope=row"):
                self._name = button(
                    sensor_title(settings, sensor), lambda: choose(sensor), "plain", "Show on the chart"
                )
            self._now: TextElement = text("td", "", "number actual")
            self._expected: TextElement = text("td", "", "number expected")
            limits = _limits(settings, sensor)
            if set_limits is None:
                text("td", limits or "–", "limits")
            else:
                with box("limits", "td"):
                    title = f"Set the limits of {sensor_title(settings, sensor)}"
                    button(limits or "Set…", lambda: set_limits(sensor), "plain", title)
            with box("share", "td"), box("track"):
                self._bar = box("bar")

    def update(self, value: float, expected: float, share: float, *, is_odd: bool, is_shown: bool) -> None:
        set_classes(self._row, f"{'odd' if is_odd else ''} {'shown' if is_shown else ''}")
        self._now.text = figure(value, self._unit)
        self._expected.text = figure(expected, self._unit)
        self._bar.style(f"width: {min(share, 1.0):.0%}")
        set_prop(self._name, "aria-pressed", str(is_shown).lower())


def _limits(settings: AssetSettings, sensor: str) -> str:
    known = sensor_settings(settings, sensor)
    there = [(kind, value) for kind, name in LIMITS if (value := getattr(known, name)) is not None]
    return " · ".join(f"{kind} {figure(value)}" for kind, value in reversed(there))
