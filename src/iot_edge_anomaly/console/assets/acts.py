"""What a person does about an asset: maintenance, a new normal, limits. Each asks in a dialog first."""

from collections.abc import Mapping
from datetime import timedelta

from iot_edge_anomaly.console.alarms.acts import SHELVED_FOR
from iot_edge_anomaly.console.elements import asking, box, choice, do, field, on_submit, open_dialog, text
from iot_edge_anomaly.console.shell import Visit
from iot_edge_anomaly.console.words import duration, sensor_title, sensor_unit
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.pipeline.settings import AssetSettings, sensor_settings

LIMITS: Mapping[str, str] = {
    "high_high_limit": "High-high: an alarm of high priority",
    "high_limit": "High: an alarm",
    "low_limit": "Low: an alarm",
    "low_low_limit": "Low-low: an alarm of high priority",
    "deadband": "Dead band: how far it must come back",
}
WARNING = (
    "The asset forgets what it took for normal and learns anew from what it does from now on. Until it has, "
    "{time}, it raises no learned alarms; limits go on working. A fault that goes on meanwhile is learned as normal."
)


class AssetActs:
    """Dialogs, and the acts in the name of who looks."""

    def __init__(self, visit: Visit, key: AssetKey, settings: AssetSettings) -> None:
        self._visit, self._key, self._settings = visit, key, settings
        self._sensor = ""
        with asking("Maintenance") as self._maintenance, box("", "form") as form:
            text("p", "Somebody works on the asset: no alarms meanwhile, and nothing is learned.", "hint")
            _why()
            choice("For", "span", {name: title for name, (title, _) in SHELVED_FOR.items()}, "1h")
            _buttons("Begin")
        on_submit(form, self._begin)
        with asking("This is the new normal") as self._new_normal, box("", "form") as form:
            text("p", WARNING.format(time=_learning_time(settings)), "warning")
            _why()
            with box("check", "label"):
                box("", "input").props("type=checkbox required")
                text("span", "Nothing is wrong with the asset as it is now")
            _buttons("Learn anew")
        on_submit(form, self._learn_anew)
        with asking("Limits") as self._limits, box("", "form") as form:
            self._fields = box("fields")
            _why()
            _buttons("Set the limits")
        on_submit(form, self._set_limits)

    def ask_maintenance(self) -> None:
        """Ask why and until when, then take the asset out of service."""
        open_dialog(self._maintenance)

    async def end_maintenance(self) -> None:
        """Put the asset back into service."""
        operations = self._visit.console.operations
        await do(operations.maintenance(self._visit.who, self._key, timedelta()), "Maintenance is over")

    def ask_new_normal(self) -> None:
        """Say what it means, then let the asset learn anew."""
        open_dialog(self._new_normal)

    def ask_limits(self, sensor: str) -> None:
        """Show the limits of a sensor, then set those that were changed."""
        self._sensor = sensor
        known, unit = sensor_settings(self._settings, sensor), sensor_unit(self._settings, sensor)
        self._fields.clear()
        with self._fields:
            text("p", f"{sensor_title(self._settings, sensor)}{f', in {unit}' if unit else ''}", "about")
            text("p", "They beat those of the configuration file. Empty: as the file says.", "hint")
            for name, title in LIMITS.items():
                field(title, name, _figure(getattr(known, name)), "number").props("step=any")
        open_dialog(self._limits)

    async def _begin(self, said: Mapping[str, str]) -> None:
        title, span = SHELVED_FOR.get(str(said.get("span")), SHELVED_FOR["1h"])
        operations = self._visit.console.operations
        act = operations.maintenance(self._visit.who, self._key, span, _reason(said))
        await do(act, f"In maintenance for {title}")

    async def _learn_anew(self, said: Mapping[str, str]) -> None:
        operations = self._visit.console.operations
        await do(operations.new_normal(self._visit.who, self._key, _reason(said)), "It learns anew")

    async def _set_limits(self, said: Mapping[str, str]) -> None:
        await do(self._set(said), f"Limits of {sensor_title(self._settings, self._sensor)} are set")

    async def _set(self, said: Mapping[str, str]) -> None:
        known = sensor_settings(self._settings, self._sensor)
        changed = {name: _number(said[name]) for name in LIMITS if said.get(name, "") != _figure(getattr(known, name))}
        if not changed:
            raise RejectedError("no limit was changed")
        operations = self._visit.console.operations
        await operations.set_limits(self._visit.who, self._key, self._sensor, changed, _reason(said))


def _why() -> None:
    field("Why", "reason").props.update({"required": True, "maxlength": 1000})


def _buttons(label: str) -> None:
    with box("buttons"):
        text("button", label, "primary").props("type=submit")
        cancel = text("button", "Cancel").props("type=button")
        cancel.on("click", js_handler="e => e.target.closest('dialog').close()")


def _reason(said: Mapping[str, str]) -> str:
    return str(said.get("reason", "")).strip()


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.12g}"


def _number(said: str) -> float | None:
    try:
        return float(said) if said.strip() else None
    except ValueError as error:
        raise RejectedError(f"{said!r} is no number") from error


def _learning_time(settings: AssetSettings) -> str:
    return f"about {duration((settings.learn_rows or 0) * (settings.grid_seconds or 1.0))} of calm operation"
