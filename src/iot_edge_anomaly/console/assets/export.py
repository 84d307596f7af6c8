"""The dialog that asks what of an asset to export, and as what; the browser downloads the file then."""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from iot_edge_anomaly.console.elements import asking, box, choice, open_dialog, text
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.historian.export import Format, What


class Span(NamedTuple):
    """How far back, and what that is called."""

    title: str
    span: timedelta


SPANS: Mapping[str, Span] = {
    "1h": Span("The last hour", timedelta(hours=1)),
    "1d": Span("The last 24 hours", timedelta(days=1)),
    "7d": Span("The last 7 days", timedelta(days=7)),
    "30d": Span("The last 30 days", timedelta(days=30)),
}
EVERYTHING = {"all": "Everything that is kept"}
TITLES: Mapping[What, str] = {
    What.READINGS: "Readings, as they came in",
    What.SCORES: "Rows with scores, expected values and contributions",
    What.ALARMS: "Alarms and what happened to them",
    What.CORRECTIONS: "Corrections of readings",
}
FORMATS: Mapping[Format, str] = {Format.CSV: "CSV, for spreadsheets", Format.PARQUET: "Parquet, with all columns"}


class AssetExport:
    """A plain form: it works as long as the page is shown, whatever else is going on."""

    def __init__(self, key: AssetKey) -> None:
        with asking("Export") as self._dialog, box("", "form") as form:
            form.props.update({"action": "/export", "method": "get"})
            asset = box("", "input")
            asset.props.update({"type": "hidden", "name": "asset", "defaultValue": str(key)})
            choice("What", "what", {what.value: title for what, title in TITLES.items()})
            choice("Time", "span", {**{name: span.title for name, span in SPANS.items()}, **EVERYTHING}, "1d")
            choice("As", "form", {form.value: title for form, title in FORMATS.items()})
            text("p", "Times to the second, and all assets at once: iot-edge-anomaly export --help", "hint")
            with box("buttons"):
                download = text("button", "Download", "primary").props("type=submit")
                download.on("click", js_handler="e => setTimeout(() => e.target.closest('dialog').close(), 0)")
                cancel = text("button", "Cancel").props("type=button")
                cancel.on("click", js_handler="e => e.target.closest('dialog').close()")

    def ask(self) -> None:
        """Open it."""
        open_dialog(self._dialog)
